"""What there is to audit below some paths, and each of its images opened for reading.

Files are told by what they hold. Links are not followed, a file with several names is taken once, and the
order is that of the names. A folder that may not be listed is told, and the rest goes on.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.engines.choose import Kind, Place, kind_of, what_it_is
from winpe_certs.engines.containers import Container, open_containers
from winpe_certs.engines.direct import WimImages
from winpe_certs.engines.folder import FolderImages
from winpe_certs.errors import EnvironmentFailure, TargetError, UsageError, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import PathKind, path_kind, reachable, status_of
from winpe_certs.uppercase import upper

_EXTENSIONS: Final = frozenset({".wim", ".iso", ".esd", ".swm"})
# A longer file is looked at whatever its name is; most files of a share are never opened.
_LOOKED_AT: Final = 1 << 20
_WINDOWS: Final = "WINDOWS"
_WHERE_HIVES_ARE: Final = "Windows\\System32\\config"


@dataclass(frozen=True, slots=True)
class Source:
    """Something that holds images; without a kind `error` says why it cannot be read."""

    path: Path
    kind: Kind | None
    error: WinpeCertsError | None = None


@dataclass(slots=True)
class _Walk:
    """Files that were met already, by their numbers on the disk."""

    seen: set[tuple[int, int]] = field(default_factory=set)

    def is_new(self, path: Path) -> bool:
        """Whether a file was not met before under another name."""
        with system_errors(path, "look at it"):
            status = status_of(path)
        identity = (status.st_dev, status.st_ino)
        if status.st_ino and identity in self.seen:
            return False
        self.seen.add(identity)
        return True


def sources(paths: Iterable[Path]) -> list[Source]:
    """Everything below the paths that holds images, and what stood in the way of finding it.

    Raises `UsageError` for a path that does not exist.
    """
    walk, found = _Walk(), list[Source]()
    for path in paths:
        kind = path_kind(path)
        if kind is PathKind.MISSING:
            raise UsageError(f"{path}: no such file or folder", resolution="Check the path.")
        if kind is PathKind.FOLDER:
            found += _below(path, walk)
        else:
            found += _given(path, walk)
    return found


def _given(path: Path, walk: _Walk) -> Iterator[Source]:
    """A file that somebody named: a hive counts as well, and it is told what is none of all."""
    try:
        if not walk.is_new(path):
            return
        kind = _kind_of(path, also_hives=True)
        if kind is None:
            raise _unknown(path)
    except WinpeCertsError as error:
        yield Source(path, None, error)
    else:
        yield Source(path, kind)


def _below(root: Path, walk: _Walk) -> Iterator[Source]:
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with system_errors(folder, "list"), os.scandir(reachable(folder)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except EnvironmentFailure as error:
            yield Source(folder, None, error)
            continue
        folders = [Path(entry.path) for entry in entries if _is_real_folder(entry)]
        if any(upper(each.name) == _WINDOWS for each in folders) and _is_windows_tree(folder):
            yield Source(folder, Kind.FOLDER)
            # An installed Windows has a hundred thousand files; its images lie beside it.
            folders = [each for each in folders if upper(each.name) != _WINDOWS]
        for entry in entries:
            if _is_real_file(entry):
                yield from _met(Path(entry.path), walk)
        pending += reversed(folders)


def _met(path: Path, walk: _Walk) -> Iterator[Source]:
    """A file that a walk came by."""
    try:
        has_name = path.suffix.lower() in _EXTENSIONS
        if not has_name and status_of(path).st_size < _LOOKED_AT:
            return
        kind = _kind_of(path, also_hives=False)
        if (kind is None and not has_name) or not walk.is_new(path):
            return
        if kind is None:
            raise _unknown(path)
    except WinpeCertsError as error:
        yield Source(path, None, error)
    except OSError:
        # Gone since the folder was listed, or not for this user: with such a name nobody misses it.
        return
    else:
        yield Source(path, kind)


def _kind_of(path: Path, *, also_hives: bool) -> Kind | None:
    with system_errors(path, "read"):
        if not stat.S_ISREG(status_of(path).st_mode):
            raise TargetError(f"{path}: not a plain file", resolution="Give a .wim, an .iso or a folder.")
    kind = kind_of(path)
    return None if kind is Kind.HIVE and not also_hives else kind


def _unknown(path: Path) -> TargetError:
    return TargetError(
        f"{path}: neither a WIM, an ISO nor a registry hive: {what_it_is(path)}",
        resolution="Copy the file again, or take it out of the folder.",
    )


def _is_windows_tree(folder: Path) -> bool:
    with contextlib.suppress(WinpeCertsError):
        return FolderImages(folder).locate(_WHERE_HIVES_ARE).is_dir()
    return False


def _is_real_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder and no way to somewhere else: no link, no junction or mount point of Windows."""
    try:
        if not entry.is_dir(follow_symlinks=False):
            return False
    except OSError:
        return False
    try:
        attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    except OSError:
        # Listing it fails as well, and that is told.
        return True
    return not attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT


def _is_real_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


@contextlib.contextmanager
def opened(source: Source) -> Iterator[tuple[Container, ...]]:
    """The containers of a source, for as long as the block lasts; raises what stood in the way of it."""
    if source.kind is None:
        raise source.error or _unknown(source.path)
    with open_containers(Place(source.path, source.kind)) as containers:
        yield containers


def contents_hash(images: Images, image: ImageInfo, path: str) -> bytes | None:
    """The SHA-1 by which a WIM names a file's contents, None elsewhere: images often share a hive."""
    if isinstance(images, WimImages) and image.index is not None:
        return images.wim.directory(image.index).find_file(path).contents.hash
    return None


def read(images: Images, image: ImageInfo, path: str) -> bytes:
    """The contents of a file, of which nothing is kept: each is looked at once."""
    if isinstance(images, WimImages) and image.index is not None:
        return images.wim.read_file(image.index, path)
    return images.read(image.index, path)
