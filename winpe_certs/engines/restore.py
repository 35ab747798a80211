"""The way back from a patch in place: the old header is put back and the file cut to its old length.

Nothing that the old header names was touched by the patch, so this gives the very bytes of before; they are
hashed before the first write, and again before what was appended is given up.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from winpe_certs import interrupts
from winpe_certs.engines.base import Manifest
from winpe_certs.engines.codecs import codecs
from winpe_certs.engines.survey import Part, hash_parts
from winpe_certs.errors import GuardError, VerificationFailure, WimError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.locked import LockedFile
from winpe_certs.files.opened import OpenedFile
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.append import live_end
from winpe_certs.wim.header import Header
from winpe_certs.wim.manifest import manifest
from winpe_certs.wim.reader import WimFile

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it is known to be (or to have been): its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


Judge: TypeAlias = Callable[[BinaryIO], None]
"""Looks at the file before it is touched, and raises when the way back would not lead to an image."""


class _Standing(Enum):
    CHANGED = "the change is in it"
    HALF_WAY = "the old header is back, the file is not cut yet"
    RESTORED = "it is what it was before the change"


def restore(
    path: Path,
    header: bytes,
    before: Known,
    after: Known,
    *,
    judge: Judge,
    dry_run: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> int:
    """Make the file `before` again, with its old `header`; only a file that is exactly `after` is touched.

    A dry run only reads; otherwise a lock is waited for for `wait` seconds. A run that was interrupted is
    brought to its end: then the old header is there and all that it names, and what lies after it means
    nothing. Gives back how many bytes are cut off (in a dry run: would be), 0 for a file that is `before`
    already and is left alone.

    Raises `GuardError` for any other file, with what is different about it, what `judge` raises, and
    `VerificationFailure` when the disk does not give back what was written.
    """
    opened = OpenedFile(path) if dry_run else LockedFile(path, wait=wait)
    with opened, system_errors(path, "read"):
        standing = _standing(opened.file, path, header, before, after, progress)
        excess = opened.file.seek(0, os.SEEK_END) - before.size
        if standing is _Standing.RESTORED:
            return 0
        judge(opened.file)
        if not isinstance(opened, LockedFile):
            return excess
        opened.refuse_read_only()
        opened.refuse_changed()
        interrupts.hold()
        if standing is _Standing.CHANGED:
            _put_header_back(opened, header, before, progress)
        else:
            opened.refuse_foreign()
        opened.cut(before.size)
    _LOG.info("%s: back to %d bytes", path, before.size)
    return excess


def manifests_before(file: BinaryIO, header: bytes, size: int, origin: str) -> dict[int, Manifest]:
    """The manifest of every image by its index, as the old header gives it.

    Raises `WimError` when the header leads to no image, or to one that no change of ours has led away from.
    """
    now = WimFile(file, origin, codecs=codecs())
    old = Header.parse(header, f"{origin}, the old header", codecs())
    before = WimFile(file, origin, header=old, codecs=codecs())
    # A change moves resources, and leaves all else in the header as it is.
    if not now.header.differs_only_in_places(old) or live_end(before) != size:
        raise WimError(
            f"{origin}: the old header and length do not fit the image",
            resolution="Put the image back from its source.",
        )
    return {index: tuple(manifest(before, index)) for index in range(1, old.image_count + 1)}


def _put_header_back(locked: LockedFile, header: bytes, before: Known, progress: Progress) -> None:
    locked.file.seek(0)
    new_header = locked.file.read(len(header))
    locked.commit(new_header, header)
    try:
        with locked.reopened() as file:
            _confirm(file, locked.path, before, progress)
        locked.refuse_foreign()
    except BaseException:
        locked.commit(header, new_header)
        raise


def _confirm(file: BinaryIO, path: Path, before: Known, progress: Progress) -> None:
    (digest,) = hash_parts(file, [Part(before.size)], progress)
    if digest != before.sha256:
        raise VerificationFailure(
            f"{path}: read back from disk, the image is not what it was before the change",
            details=f"SHA-256 {digest} instead of {before.sha256}",
            resolution="The header of the changed image is back in place. Check the disk, try again.",
        )


def _standing(
    file: BinaryIO, path: Path, header: bytes, before: Known, after: Known, progress: Progress
) -> _Standing:
    size = file.seek(0, os.SEEK_END)
    parts = [Part(size), *([Part(before.size, header)] if size >= before.size else [])]
    digest, *restored = hash_parts(file, parts, progress)
    file.seek(0)
    has_old_header = file.read(len(header)) == header
    is_recoverable = restored == [before.sha256]
    if (size, digest) == (after.size, after.sha256) and is_recoverable:
        return _Standing.CHANGED
    # A power failure while the file is cut may leave any size on the way.
    if has_old_header and is_recoverable and before.size <= size <= after.size:
        return _Standing.RESTORED if size == before.size else _Standing.HALF_WAY
    raise GuardError(
        f"{path}: refused: the image is not the one that the evidence was written for",
        details=_differences(Known(size, digest), after, is_recoverable=is_recoverable),
        resolution="If it was changed again since, undo the newest change first; otherwise put the image "
        "back from its source.",
    )


def _differences(found: Known, after: Known, *, is_recoverable: bool) -> str:
    lines = []
    if found.size != after.size:
        lines.append(f"size: {found.size} bytes instead of {after.size}")
    lines.append(f"SHA-256: {found.sha256} instead of {after.sha256}")
    if is_recoverable:
        lines.append("The bytes of the image before the change are all in it; what differs lies elsewhere.")
    else:
        lines.append("The bytes of the image before the change are not all in it any more.")
    return "\n".join(lines)
