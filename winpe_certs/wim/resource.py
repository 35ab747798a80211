"""Resources: ranges of the file that hold plain bytes, stored as they are or as a table and coded chunks.

Follows Microsoft's WIM white paper, "Resources": a compressed resource starts with the offsets of its
chunks (the first has no entry; 4 bytes each, 8 when the plain size is above 4 GiB), counted from the end of
that table. A chunk whose stored size equals its plain size is stored plain.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO

from winpe_certs.errors import ChunkError, WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.codecs.interface import PYTHON, Codecs, Compression
from winpe_certs.wim.layout import ResourceFlag, ResourceHeader
from winpe_certs.wim.parallel import SharedDecoding, can_share
from winpe_certs.wim.work import Work

_RECENT_CHUNKS = 16
_MOST_REMEMBERED = 40 << 20
_RECENT_BYTES = 32 << 20  # less than so many chunks of LZMS may have

RETRY = "Copy the image again from its source, or check it with wimlib-imagex verify."


def contents_missing(origin: str, what: str, digest: bytes) -> WimError:
    """The error for contents of which the lookup table has no resource, as a delta WIM leaves them out."""
    return WimError(
        f"{origin}: the contents of {what} are not in the file",
        details=f"No resource with SHA-1 {digest.hex()} is in the lookup table. A delta WIM leaves out what "
        "its base has (wimlib-imagex capture --delta-from).",
        resolution="Make a whole image of the base and the delta: wimlib-imagex export DELTA.wim all "
        "WHOLE.wim --ref=BASE.wim. If it should be whole, copy it again from its source.",
    )


class ChunkDecoder:
    """Decodes the chunks of one file, except those that it was told before.

    Stored bytes decide the plain bytes, so reading the very same chunk back needs no second decoding.
    `codecs` does the work: Python's own unless the caller has chosen others.
    """

    def __init__(self, compression: Compression, chunk_size: int, codecs: Codecs = PYTHON) -> None:
        self.compression = compression
        self.chunk_size = chunk_size
        self.codecs = codecs
        self._remembered: dict[bytes, memoryview] = {}
        self._remembered_bytes = 0

    def decode(self, stored: bytes, plain_size: int) -> bytes | memoryview:
        """The plain bytes of a chunk; raises `ChunkError`."""
        if len(stored) == plain_size:
            return stored
        known = self._remembered.get(stored)
        if known is not None and len(known) == plain_size:
            return known
        return self.codecs.decoder(self.compression)(stored, plain_size, self.chunk_size)

    @property
    def has_memory(self) -> bool:
        """Whether it was told anything: then a read-back has little left to decode."""
        return bool(self._remembered)

    def remember(self, stored: bytes, plain: memoryview) -> None:
        """Keep what a chunk decodes to, as a part of the whole that the caller has anyway.

        Of several large files only the last are kept: decoding again is better than running out of memory.
        """
        if self._remembered_bytes + len(plain) > _MOST_REMEMBERED:
            self._remembered.clear()
            self._remembered_bytes = 0
        self._remembered[stored] = plain
        self._remembered_bytes += len(plain)


class Resource:
    """One resource of a seekable file. Chunks are read and decoded when they are asked for."""

    def __init__(
        self,
        file: BinaryIO,
        header: ResourceHeader,
        decoder: ChunkDecoder,
        *,
        file_size: int,
        origin: str,
        work: Work | None = None,
    ) -> None:
        """`origin` names file and resource in messages; `work` is what all resources of the file share.

        Raises `WimError` for impossible places and sizes.
        """
        self.header = header
        self.plain_size = header.plain_size
        self.origin = origin
        self._file = file
        self._decoder = decoder
        self._work = work or Work(file_size, origin)
        if header.flags & (ResourceFlag.SOLID | ResourceFlag.SPANNED):
            raise WimError(
                f"{origin}: the resource is solid or spanned (flags {header.flags:#x})",
                resolution="Export it to LZX first, with DISM /Export-Image and /Compress:max.",
            )
        if header.offset < 0 or header.end > file_size:
            raise WimError(
                f"{origin}: the resource lies at offset {header.offset} with {header.stored_size} bytes, "
                f"but the file has only {file_size}",
                resolution=RETRY,
            )
        if not header.is_compressed and header.stored_size != header.plain_size:
            raise WimError(
                f"{origin}: an uncompressed resource of {header.stored_size} stored bytes "
                f"claims {header.plain_size} plain bytes",
                resolution=RETRY,
            )
        self._recent: dict[int, bytes] = {}
        self._ahead: SharedDecoding | None = None
        self._bounds = self._read_chunk_table() if header.is_compressed else ()

    @property
    def chunk_size(self) -> int:
        """Plain bytes of every chunk but the last."""
        return self._decoder.chunk_size

    @property
    def chunk_count(self) -> int:
        """Number of chunks; 0 for a resource that is stored as it is."""
        return max(0, len(self._bounds) - 1)

    def _read_chunk_table(self) -> tuple[int, ...]:
        """Absolute offsets of all chunks, and of the end of the last one."""
        if self._decoder.compression is Compression.NONE:
            raise WimError(
                f"{self.origin}: the resource is compressed, but the header names no compression",
                resolution=RETRY,
            )
        header = self.header
        if header.plain_size == 0:
            raise WimError(f"{self.origin}: a compressed resource without plain bytes", resolution=RETRY)
        count = -(-header.plain_size // self.chunk_size)
        width = 8 if header.plain_size > 0xFFFF_FFFF else 4
        table_size = (count - 1) * width
        if table_size + count > header.stored_size:
            raise WimError(
                f"{self.origin}: {header.plain_size} plain bytes need {count} chunks, "
                f"but the resource at offset {header.offset} has only {header.stored_size} stored bytes",
                resolution=RETRY,
            )
        raw = self._read_at(header.offset, table_size)
        start = header.offset + table_size
        offsets = struct.unpack(f"<{count - 1}{'Q' if width == 8 else 'I'}", raw)
        bounds = (start, *(start + offset for offset in offsets), header.end)
        for number, (low, high) in enumerate(itertools.pairwise(bounds)):
            if not low < high <= header.end or high - low > self._plain_size_of(number):
                raise WimError(
                    f"{self.origin}: chunk {number} claims the bytes {low} to {high} of the file, "
                    f"outside its bounds",
                    details=f"The resource ends at {header.end}; "
                    f"the chunk has at most {self._plain_size_of(number)} bytes.",
                    resolution=RETRY,
                )
        return bounds

    def _plain_size_of(self, number: int) -> int:
        return min(self.chunk_size, self.plain_size - number * self.chunk_size)

    def _read_at(self, offset: int, size: int) -> bytes:
        self._work.read(size)
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise WimError(
                f"{self.origin}: the file ends at offset {offset + len(data)}, inside the resource",
                resolution=RETRY,
            )
        return data

    def stored_chunk(self, number: int) -> bytes:
        """The stored bytes of a chunk of a compressed resource."""
        low, high = self._bounds[number], self._bounds[number + 1]
        return self._read_at(low, high - low)

    def plain_chunk(self, number: int) -> bytes | memoryview:
        """The plain bytes of a chunk of a compressed resource; raises `ChunkError` naming it."""
        stored, size = self.stored_chunk(number), self._plain_size_of(number)
        self._work.decode(len(stored), size, is_slow=self._decoder.codecs.is_slow)
        try:
            return self._decoder.decode(stored, size)
        except ChunkError as error:
            raise ChunkError(
                f"{self.origin}: chunk {number} at offset {self._bounds[number]} is damaged: {error.message}",
                details=error.details,
                resolution=RETRY,
            ) from error

    def chunks(self) -> Iterator[bytes | memoryview]:
        """All plain bytes in order, a chunk at a time (a stored resource: pieces of a mebibyte)."""
        if self.header.is_compressed:
            for number in range(self.chunk_count):
                yield self.plain_chunk(number)
            return
        piece = 1 << 20
        for at in range(0, self.plain_size, piece):
            yield self._read_at(self.header.offset + at, min(piece, self.plain_size - at))

    def read(self, offset: int, size: int) -> bytes:
        """Plain bytes from `offset`, fewer than `size` at the end; decodes only the chunks they lie in."""
        size = max(0, min(size, self.plain_size - offset))
        if size == 0:
            return b""
        if not self.header.is_compressed:
            return self._read_at(self.header.offset + offset, size)
        first, last = offset // self.chunk_size, (offset + size - 1) // self.chunk_size
        start = offset - first * self.chunk_size
        if first == last:
            return self._recent_chunk(first)[start : start + size]
        plain = b"".join(self._recent_chunk(number) for number in range(first, last + 1))
        return plain[start : start + size]

    def _recent_chunk(self, number: int) -> bytes:
        """A chunk of those that were read last: look-ups in a directory come back to the same few."""
        plain = self._recent.pop(number, None)
        if plain is None:
            plain = bytes(self.plain_chunk(number))
            if len(self._recent) >= max(1, min(_RECENT_CHUNKS, _RECENT_BYTES // self.chunk_size)):
                self._recent.pop(next(iter(self._recent)))
        self._recent[number] = plain
        return plain

    def read_all(
        self, expected_hash: bytes | None = None, *, remember: bool = False, progress: Progress = silent
    ) -> bytes:
        """All plain bytes; raises `WimError` when their SHA-1 is not `expected_hash`."""
        plain = self._all_chunks(progress)
        if expected_hash is not None:
            found = hashlib.sha1(plain, usedforsecurity=False).digest()
            if found != expected_hash:
                raise WimError(
                    f"{self.origin}: the SHA-1 of the contents is {found.hex()}, "
                    f"but the lookup table says {expected_hash.hex()}",
                    resolution=RETRY,
                )
        if remember and self.header.is_compressed:
            self._remember(plain)
        return plain

    def _all_chunks(self, progress: Progress) -> bytes:
        if not self._decoder.has_memory:
            self.read_ahead()
        if self._ahead is None:
            return b"".join(self._told(progress))

        def tell(chunks: int) -> None:
            progress("reading", min(chunks * self.chunk_size, self.plain_size), self.plain_size)

        try:
            return self._ahead.finish(self.plain_chunk, tell)
        finally:
            self.leave()

    def _told(self, progress: Progress) -> Iterator[bytes | memoryview]:
        """All chunks, telling how far they are."""
        done = 0
        for chunk in self.chunks():
            done += len(chunk)
            progress("reading", done, self.plain_size)
            yield chunk

    def read_ahead(self) -> None:
        """Let a second process begin, if it is worth one, with what `read_all` will be asked for."""
        decoder, count = self._decoder, self.chunk_count
        if self._ahead or not can_share(count, is_slow=decoder.codecs.is_slow):
            return
        # All that it may need: the two of them would share a file position.
        start = self._bounds[0]
        stored = self._read_at(start, self._bounds[-1] - start)

        def decode(number: int) -> bytes | memoryview:
            low, high = self._bounds[number] - start, self._bounds[number + 1] - start
            return decoder.decode(stored[low:high], self._plain_size_of(number))

        self._ahead = SharedDecoding(decode, self.plain_size, self.chunk_size)

    def take_over(self, other: Resource) -> None:
        """Go on with what another reader of the file has begun, if it is the same resource."""
        if other.header == self.header:
            self._ahead, other._ahead = other._ahead, self._ahead

    def leave(self) -> None:
        """End what `read_ahead` has begun."""
        if self._ahead is not None:
            self._ahead.end()
            self._ahead = None

    def _remember(self, plain: bytes) -> None:
        view, size = memoryview(plain), self.chunk_size
        for number in range(self.chunk_count):
            self._decoder.remember(self.stored_chunk(number), view[number * size : (number + 1) * size])
