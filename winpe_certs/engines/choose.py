"""Telling targets apart by their content, and opening them for reading."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winpe_certs.engines.base import Images, Target
from winpe_certs.engines.direct import WimImages, WimTarget, open_for_reading
from winpe_certs.engines.folder import FolderImages, HiveImages
from winpe_certs.errors import GuardError, TargetError, UsageError
from winpe_certs.files import PathKind, path_kind, system_errors
from winpe_certs.progress import Progress, silent
from winpe_certs.shown import shown_bytes
from winpe_certs.wim.layout import MAGIC, PIPABLE_MAGIC
from winpe_certs.wim.pages import Pages

if TYPE_CHECKING:
    from winpe_certs.engines.ahead import HeadStart

MEDIA_IMAGE: Final = ("sources", "boot.wim")
# The first volume descriptor of an .iso: its standard identifier (ECMA-119 8.1.2, ECMA-167 2/9.1.2).
ISO_MAGIC_AT: Final = 0x8001
ISO_MAGICS: Final = frozenset({b"CD001", b"BEA01"})
# What people give in the place of an image: enough of a file to see past the text before its first PEM block.
_LOOKED_AT: Final = 1 << 16
_DER_STARTS: Final = tuple(bytes([0x30, length]) for length in range(0x80, 0x85))
_CERTIFICATE_TEXT: Final = re.compile(
    rb"(?:^|[\r\n])-----BEGIN (?![A-Z0-9 ]*PRIVATE KEY)|\A\s*(?:REGEDIT|Windows Registry Editor)",
    re.IGNORECASE,
)
_CERTIFICATE_NAMES: Final = frozenset(
    {".cer", ".crt", ".der", ".pem", ".p7b", ".p7c", ".pfx", ".p12", ".reg"}
)


class Kind(Enum):
    """Kinds of targets."""

    WIM = "a WIM image"
    FOLDER = "a folder with a Windows tree"
    HIVE = "a registry hive"


@dataclass(frozen=True, slots=True)
class Place:
    """A target that was found and recognised."""

    path: Path
    kind: Kind


def expand(patterns: Iterable[str]) -> list[Path]:
    """Paths as given; a pattern with wildcards that no shell has expanded gives what it matches."""
    paths: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if glob.has_magic(pattern) and path_kind(path) is PathKind.MISSING:
            found = sorted(glob.glob(pattern))  # noqa: PTH207 - the pattern may be absolute
            if not found:
                raise UsageError(f"nothing matches {pattern}", resolution="Check the pattern and the folder.")
            paths += map(Path, found)
        else:
            paths.append(path)
    return list(dict.fromkeys(paths))


def recognise(path: Path, *, reading: bool) -> Place:
    """Tell what a target is by its content; for reading a media folder stands for its boot.wim.

    Raises `UsageError` when it is missing, `TargetError` and `GuardError` when it is nothing to work on.
    """
    kind = path_kind(path)
    if kind is PathKind.MISSING:
        raise UsageError(f"{path}: no such file or folder", resolution="Check the path.")
    if kind is PathKind.FOLDER:
        return _recognise_folder(path, reading=reading)
    if kind is PathKind.OTHER:
        raise TargetError(f"{path}: not a plain file", resolution="Give a .wim, a folder or a SOFTWARE hive.")
    with system_errors(path, "read"), path.open("rb") as file:
        head = file.read(64)
        file.seek(ISO_MAGIC_AT)
        iso_magic = file.read(5)
    if head[:8] in {MAGIC, PIPABLE_MAGIC}:
        return Place(path, Kind.WIM)
    if head[:4] == b"regf":
        return Place(path, Kind.HIVE)
    if head.startswith(b"version https://git-lfs"):
        raise GuardError(
            f"{path}: this is a Git LFS pointer, not the image itself",
            resolution="Fetch the real file first:",
            command=("git", "lfs", "pull"),
        )
    what = "it is empty" if not head else f"it starts with {shown_bytes(head)}"
    if iso_magic in ISO_MAGICS:
        what = "it is an ISO image; its sources/boot.wim must be given"
    elif is_certificate(path):
        raise TargetError(
            f"{path}: this is a certificate, not an image",
            resolution="Give a .wim, a mounted or applied image folder, or a SOFTWARE hive. A certificate "
            "goes after the option that takes it; the help of the command names that.",
        )
    raise TargetError(
        f"{path}: neither a WIM image nor a registry hive: {what}",
        resolution="Give a .wim, a mounted or applied image folder, or a SOFTWARE hive.",
    )


def is_certificate(path: Path) -> bool:
    """Whether a file is a certificate, or a store or export of some, by its content or else by its name."""
    if path_kind(path) is not PathKind.FILE:
        return False
    with system_errors(path, "read"), path.open("rb") as file:
        head = file.read(_LOOKED_AT)
    if not head or head[:8] in {MAGIC, PIPABLE_MAGIC} or head[:4] == b"regf":
        return False
    # UTF-16, in which Windows writes .reg files, is ASCII with zeros and a mark before it.
    text = head.lstrip(b"\xff\xfe\xef\xbb\xbf").replace(b"\0", b"")
    return (
        head.startswith(_DER_STARTS)
        or _CERTIFICATE_TEXT.search(text) is not None
        or path.suffix.lower() in _CERTIFICATE_NAMES
    )


def _recognise_folder(path: Path, *, reading: bool) -> Place:
    folder = FolderImages(path)
    with contextlib.suppress(TargetError):
        folder.locate("Windows")
        return Place(path, Kind.FOLDER)
    with contextlib.suppress(TargetError):
        image = folder.locate("\\".join(MEDIA_IMAGE))
        if reading:
            return recognise(image, reading=True)
        raise UsageError(
            f"{path}: this is a media folder; changing it means changing its image",
            resolution=f"Give the image itself: {image}",
        )
    raise TargetError(
        f"{path}: the folder holds neither a Windows tree nor sources/boot.wim",
        resolution="Give the folder that an image is mounted in or was applied to.",
    )


@contextlib.contextmanager
def open_images(place: Place, progress: Progress = silent) -> Iterator[Images]:
    """Open a target for reading."""
    if place.kind is Kind.WIM:
        with open_for_reading(place.path, progress) as images:
            yield images
    elif place.kind is Kind.FOLDER:
        yield FolderImages(place.path)
    else:
        yield HiveImages(place.path)


def read_ahead(target: Target, index: int | None, path: str, begun: HeadStart | None) -> None:
    """Let a second process begin with a file that `read` will be asked for, where files lie in chunks.

    What has a head start goes on.
    """
    if isinstance(target, WimTarget) and index is not None:
        target.read_ahead(index, path, begun)


def prepare_ahead(target: Target, index: int | None) -> None:
    """Let a second process begin with what the commit of a change will ask for, where that is decoded."""
    if isinstance(target, WimTarget) and index is not None:
        target.wim.read_metadata_ahead(index)


def pages_of(images: Images, index: int | None, path: str) -> Pages | None:
    """A file whose chunks are decoded as they are needed; None where files do not lie in chunks."""
    if isinstance(images, WimImages) and index is not None:
        return images.pages(index, path)
    return None
