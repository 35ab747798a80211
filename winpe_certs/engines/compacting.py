"""A WIM without its dead space: a compact copy is written beside, confirmed, and takes the file's place.

The original is only read, under its lock, until the rename: whatever ends the run before leaves it as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import EnvironmentFailure, VerificationFailure, WimError
from winpe_certs.files import LockedFile, system_errors, write_new
from winpe_certs.progress import Progress, silent
from winpe_certs.ranges import FileRange
from winpe_certs.wim.changes import prepare
from winpe_certs.wim.confirm_copy import confirm_copy
from winpe_certs.wim.copy import CompactCopy, compact
from winpe_certs.wim.layout import LOOKUP_ENTRY_SIZE
from winpe_certs.wim.reader import WimFile

_LOG: Final = logging.getLogger(__name__)
# Small enough for the progress to move and for an interruption to be heard.
_COPIED_AT_ONCE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a compact copy saves: bytes and lookup table entries, before and after."""

    bytes_before: int
    bytes_after: int
    entries_before: int
    entries_after: int

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
    progress: Progress = silent,
) -> Sizes:
    """Write a compact copy of a WIM to `output`, or in its own place when that saves anything.

    Raises as `LockedFile`, `WimFile` and `compact` do, and `VerificationFailure` when the copy is not right.
    """
    with LockedFile(path) as locked, system_errors(path, "read"):
        standing = _standing(path)
        wim = WimFile(locked.file, str(path), codecs=codecs())
        wim.header.refuse_unpatchable(str(path))
        copy = compact(wim, prepare(wim, {}, 0), progress)
        kept = copy.header.lookup_table.plain_size // LOOKUP_ENTRY_SIZE
        sizes = Sizes(wim.size, copy.size, len(wim.lookup_table), kept)
        _LOG.info("%s: %d of %d bytes are live", path, copy.size, wim.size)
        if dry_run or (output is None and sizes.saved <= 0):
            return sizes
        if output is None:
            locked.refuse_read_only()

        def check(written: Path) -> None:
            try:
                with written.open("rb") as file:
                    confirm_copy(wim, WimFile(file, str(path), codecs=codecs()), copy.names, progress)
            except WimError as error:
                raise VerificationFailure(
                    f"{path}: the compact copy could not be verified: {error.message}",
                    details=error.details,
                    resolution="The copy is thrown away, the image what it was. Check the disk, try again.",
                ) from error
            _LOG.info("%s: the copy was read back and confirmed", path)
            if _standing(path) != standing:
                raise EnvironmentFailure(
                    f"{path}: another program has changed the image during this run",
                    resolution="Make sure that nothing else works on the image, then run the command again.",
                )
            if output is None:
                locked.give_way()

        write_new(
            output or path,
            _pieces(copy, locked.file, progress),
            like=path,
            overwrite=overwrite or output is None,
            check=check,
        )
    return sizes


def _pieces(copy: CompactCopy, file: BinaryIO, progress: Progress) -> Iterator[bytes | FileRange]:
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
            yield FileRange(file, offset + at, length)
            done += length


def _standing(path: Path) -> tuple[int, ...]:
    """What would show that somebody who minds no locks has changed or replaced the file."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
