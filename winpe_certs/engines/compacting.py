"""A WIM without its dead space: a compact copy is written beside, confirmed, and takes the file's place.

The original is only read, under its lock, until the rename: whatever ends the run before leaves it as it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from winpe_certs import interrupts
from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import VerificationFailure, WimError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.locked import LockedFile
from winpe_certs.files.new import WrittenError, is_already, write_new
from winpe_certs.files.opened import OpenedFile, open_to_read
from winpe_certs.files.paths import resolved
from winpe_certs.progress import Progress, silent
from winpe_certs.ranges import FileRange, reader
from winpe_certs.wim.changes import prepare
from winpe_certs.wim.confirm_copy import confirm_copy
from winpe_certs.wim.copy import CompactCopy, lay_out
from winpe_certs.wim.layout import LOOKUP_ENTRY_SIZE
from winpe_certs.wim.reader import WimFile

_LOG: Final = logging.getLogger(__name__)
# Small enough for the progress to move and for an interruption to be heard.
_COPIED_AT_ONCE: Final = 16 << 20


class _SharedWim(WimFile):
    """A WIM that several threads read at once, where the system can do that."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        self._read = reader(file, super().read_at)
        super().__init__(file, str(path), codecs=codecs())

    def read_at(self, offset: int, size: int) -> bytes:
        """Raw bytes of the file; raises `WimError` when it ends before, `EnvironmentFailure` otherwise."""
        # Here, because it is also read while another file is written, whose error this would pass for.
        with system_errors(self._path, "read"):
            return self._read(offset, size)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a compact copy saves: bytes and lookup table entries, before and after.

    `error` came after the copy was in its place. With `is_current` the output was this copy already.
    """

    bytes_before: int
    bytes_after: int
    entries_before: int
    entries_after: int
    error: WrittenError | None = None
    is_current: bool = False

    @property
    def saved(self) -> int:
        """Bytes that are dead."""
        return self.bytes_before - self.bytes_after


def compact_file(
    path: Path,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Sizes:
    """Write a compact copy of a WIM to `output`, or in its own place when that saves anything.

    In its own place it is locked, for which `wait` seconds are waited; otherwise it is only read. Raises as
    `LockedFile`, `WimFile` and `lay_out` do, and `VerificationFailure` when the copy is not right.
    """
    # The file, not a link to it: the rename would put the copy in the place of the link.
    place = output or resolved(path)
    is_read = dry_run or output is not None
    opened = OpenedFile(path) if is_read else LockedFile(path, wait=wait)
    with opened, system_errors(path, "read"), contextlib.ExitStack() as stack:
        wim = _SharedWim(opened.file, path)
        wim.header.refuse_unpatchable(str(path))
        copy = _lay_out(wim, progress)
        kept = copy.header.lookup_table.plain_size // LOOKUP_ENTRY_SIZE
        sizes = Sizes(wim.size, copy.size, len(wim.lookup_table), kept)
        _LOG.info("%s: %d of %d bytes are live", path, copy.size, wim.size)
        if output is not None and not overwrite and os.path.lexists(output):
            _verify_integrity(wim, progress)
            with copy.digesting() as finish:
                finish(progress)
            is_current = is_already(output, copy.pieces(progress), overwrite=False)
            opened.refuse_changed()
            return replace(sizes, is_current=is_current)
        if dry_run or (output is None and sizes.saved <= 0):
            _verify_integrity(wim, progress)
            return sizes
        if isinstance(opened, LockedFile):
            opened.refuse_read_only()
        hashing = _Hashing(copy, stack, progress)

        def check(written: Path) -> None:
            hashing.verify_original()
            try:
                with open_to_read(written) as file:
                    after = _SharedWim(file, path)
                    confirm_copy(wim, after, copy.names, copy.integrity, progress)
            except WimError as error:
                raise VerificationFailure(
                    f"{path}: the compact copy could not be verified: {error.message}",
                    details=error.details,
                    resolution="The copy is thrown away, the image what it was. Check the disk, try again.",
                ) from error
            _LOG.info("%s: the copy was read back and confirmed", path)
            opened.refuse_changed()
            if isinstance(opened, LockedFile):
                opened.give_way()
            interrupts.hold()

        pieces = _pieces(copy, opened.file, hashing, progress)
        try:
            write_new(place, pieces, overwrite=overwrite or output is None, check=check)
        except WrittenError as error:
            return replace(sizes, error=error)
    return sizes


def _lay_out(wim: WimFile, progress: Progress) -> CompactCopy:
    try:
        return lay_out(wim, prepare(wim, {}, 0))
    except WimError:
        # Damage that the integrity table knows of is told as such, whatever has stumbled over it.
        _verify_integrity(wim, progress)
        raise


class _Hashing:
    """What threads hash while the system copies and syncs, which leaves them the processors.

    First comes the copy's integrity table, because its end waits for that. Then the original is verified.
    """

    def __init__(self, copy: CompactCopy, stack: contextlib.ExitStack, progress: Progress) -> None:
        self._wim, self._stack, self._progress = copy.wim, stack, progress
        self._finish_table = stack.enter_context(copy.digesting())
        self._finish_original: Callable[[Progress], None] = partial(_verify_integrity, copy.wim)

    def last_bytes(self) -> bytes:
        """The integrity table of the copy, nothing if it has none; from here on the original is verified."""
        table = self._finish_table(self._progress)
        self._finish_original = self._stack.enter_context(_verifying_integrity(self._wim))
        return table

    def verify_original(self) -> None:
        """Raise `WimError` unless the original fits its integrity table."""
        self._finish_original(self._progress)


def _verify_integrity(wim: WimFile, progress: Progress) -> None:
    with _verifying_integrity(wim) as finish:
        finish(progress)


@contextlib.contextmanager
def _verifying_integrity(wim: WimFile) -> Iterator[Callable[[Progress], None]]:
    """Begin to verify the integrity table, if there is one; what this yields ends that, and raises."""
    table = wim.integrity_table()
    if table is None:
        yield lambda _: None
        return
    with table.verifying(wim.read_at, wim.origin) as finish:
        yield finish


def _pieces(
    copy: CompactCopy, file: BinaryIO, hashing: _Hashing, progress: Progress
) -> Iterator[bytes | FileRange]:
    done = 0
    for segment in copy.segments():
        if isinstance(segment, bytes):
            yield segment
            done += len(segment)
            continue
        offset, size = segment
        for at in range(0, size, _COPIED_AT_ONCE):
            progress("copying", done, copy.size)
            length = min(_COPIED_AT_ONCE, size - at)
            yield FileRange(file, offset + at, length, copy.wim.read_at)
            done += length
    yield hashing.last_bytes()
