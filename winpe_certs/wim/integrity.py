"""The integrity table: SHA-1 digests of pieces of the file, from behind the header to the lookup table's end.

Layout as wimlib documents it: size of the table, count and piece size (u32 each), then the digests.
Digests of untouched pieces are kept, never computed again: that would launder damage.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from winpe_certs.errors import WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.layout import HEADER_SIZE, INTEGRITY_HEADER, SHA1_SIZE

ReadAt = Callable[[int, int], bytes]
_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")
# The least that wimlib keeps when it writes a table anew (integrity.c); each piece costs a look at it.
_SMALL_PIECE: Final = 4096
_MOST_SMALL_PIECES: Final = 4096


@dataclass(frozen=True, slots=True)
class IntegrityTable:
    """Digests of the pieces of `piece_size` bytes that lie between the header and `covered_end`."""

    piece_size: int
    digests: tuple[bytes, ...]
    covered_end: int

    @classmethod
    def parse(cls, raw: bytes, covered_end: int, origin: str) -> IntegrityTable:
        """Read a table that covers the file up to `covered_end`; raises `WimError`."""
        if len(raw) < INTEGRITY_HEADER.size:
            raise WimError(f"{origin}: the integrity table is only {len(raw)} bytes", resolution=_REMEDY)
        size, count, piece_size = INTEGRITY_HEADER.unpack_from(raw)
        if piece_size == 0 or count * SHA1_SIZE + INTEGRITY_HEADER.size != size or size > len(raw):
            raise WimError(
                f"{origin}: the integrity table claims {count} pieces of {piece_size} bytes "
                f"in a table of {size}",
                resolution=_REMEDY,
            )
        expected = -(-(covered_end - HEADER_SIZE) // piece_size)
        if count != expected:
            raise WimError(
                f"{origin}: the integrity table has {count} digests, "
                f"but the file has {expected} pieces of {piece_size} bytes",
                resolution=_REMEDY,
            )
        if count > _MOST_SMALL_PIECES and piece_size < _SMALL_PIECE:
            raise WimError(
                f"{origin}: the integrity table has {count} pieces of only {piece_size} bytes",
                details=f"Pieces usually have 10 MiB; {_SMALL_PIECE} bytes are the least that is taken.",
                resolution=_REMEDY,
            )
        digests = tuple(raw[at : at + SHA1_SIZE] for at in range(INTEGRITY_HEADER.size, size, SHA1_SIZE))
        return cls(piece_size, digests, covered_end)

    def to_bytes(self) -> bytes:
        """The table as it is stored."""
        size = INTEGRITY_HEADER.size + SHA1_SIZE * len(self.digests)
        return INTEGRITY_HEADER.pack(size, len(self.digests), self.piece_size) + b"".join(self.digests)

    def verify(self, read: ReadAt, origin: str, progress: Progress = silent) -> None:
        """Compare every piece with its digest; raises `WimError` for the first that does not fit."""
        with self.verifying(read, origin) as finish:
            finish(progress)

    @contextlib.contextmanager
    def verifying(self, read: ReadAt, origin: str) -> Iterator[Callable[[Progress], None]]:
        """Begin `verify` and do something else meanwhile; what this yields ends it and raises as it does.

        Leaving the block without having called that says nothing about the file. `read` serves two threads.
        """
        bounds = _pieces(HEADER_SIZE, self.covered_end, self.piece_size)
        with two_at_a_time(partial(_digest, read), bounds) as found:

            def finish(progress: Progress) -> None:
                for (start, end), digest, expected in zip(bounds, found, self.digests, strict=True):
                    self._compare(digest, start, end, expected, origin)
                    progress("checking integrity", start, self.covered_end)

            yield finish

    @staticmethod
    def _compare(found: bytes, start: int, end: int, expected: bytes, origin: str) -> None:
        if found != expected:
            raise WimError(
                f"{origin}: the bytes {start} to {end} do not fit their integrity digest",
                details=f"SHA-1 is {found.hex()}, the integrity table says {expected.hex()}.",
                resolution=_REMEDY,
            )

    def extended(self, new_end: int, old: ReadAt, new: ReadAt, origin: str) -> IntegrityTable:
        """The table for the file grown to `new_end`.

        `old` and `new` read the file before and after. The piece that straddles the old end is compared with
        its digest before that is replaced; raises `WimError` when it does not fit.
        """
        whole = (self.covered_end - HEADER_SIZE) // self.piece_size
        start = HEADER_SIZE + whole * self.piece_size
        if whole < len(self.digests):
            found = _digest(old, (start, self.covered_end))
            self._compare(found, start, self.covered_end, self.digests[whole], origin)
        fresh = IntegrityTable.compute(new, self.piece_size, new_end, start=start)
        return IntegrityTable(self.piece_size, self.digests[:whole] + fresh.digests, new_end)

    @classmethod
    def compute(
        cls, read: ReadAt, piece_size: int, end: int, *, start: int = HEADER_SIZE, progress: Progress = silent
    ) -> IntegrityTable:
        """Digests of all pieces from `start` (a piece's first byte) to `end`."""
        with cls.computing(read, piece_size, end, start=start) as finish:
            return finish(progress)

    @classmethod
    @contextlib.contextmanager
    def computing(
        cls, read: ReadAt, piece_size: int, end: int, *, start: int = HEADER_SIZE
    ) -> Iterator[Callable[[Progress], IntegrityTable]]:
        """Begin `compute` and do something else meanwhile; what this yields ends it.

        `read` serves two threads.
        """
        bounds = _pieces(start, end, piece_size)
        with two_at_a_time(partial(_digest, read), bounds) as made:

            def finish(progress: Progress) -> IntegrityTable:
                digests = []
                for (at, _), digest in zip(bounds, made, strict=True):
                    digests.append(digest)
                    progress("digesting", at - start, end - start)
                return cls(piece_size, tuple(digests), end)

            yield finish

    def stored_size(self, covered_end: int) -> int:
        """Bytes of a table like this one that covers the file up to `covered_end`."""
        return INTEGRITY_HEADER.size + SHA1_SIZE * len(_pieces(HEADER_SIZE, covered_end, self.piece_size))


_REMEDY = "The image is damaged, or was changed by a program that ignores integrity: copy it again."


def _pieces(start: int, end: int, size: int) -> list[tuple[int, int]]:
    return [(at, min(at + size, end)) for at in range(start, end, size)]


@contextlib.contextmanager
def two_at_a_time(work: Callable[[_Piece], _Done], pieces: Sequence[_Piece]) -> Iterator[Iterator[_Done]]:
    """What `work` makes of each piece, begun at once in two threads: for work that hardly needs Python."""
    if len(pieces) == 1:
        yield map(work, pieces)
        return
    # Not at the top: most runs look at no more than one piece.
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(2)
    try:
        yield pool.map(work, pieces)
    finally:
        # Whoever stops at the first wrong piece does not wait for the rest of a large file.
        pool.shutdown(cancel_futures=True)


def _digest(read: ReadAt, bounds: tuple[int, int]) -> bytes:
    start, end = bounds
    digest = hashlib.sha1(usedforsecurity=False)
    step = 1 << 18  # small enough to stay in the processor's cache
    for at in range(start, end, step):
        digest.update(read(at, min(step, end - at)))
    return digest.digest()
