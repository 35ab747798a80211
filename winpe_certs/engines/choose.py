"""Telling targets apart by their content."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winpe_certs.engines.base import Images, Target
from winpe_certs.engines.direct import WimImages, WimTarget
from winpe_certs.engines.folder import FolderImages
from winpe_certs.errors import GuardError, MissingFileError, TargetError, UsageError, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, is_pattern, matching, path_kind
from winpe_certs.wim.layout import MAGIC, PIPABLE_MAGIC
from winpe_certs.wim.pages import Pages

if TYPE_CHECKING:
    from winpe_certs.engines.ahead import HeadStart

MEDIA_IMAGE: Final = ("sources", "boot.wim")
# The first volume descriptor of an .iso: its standard identifier (ECMA-119 8.1.2, ECMA-167 2/9.1.2).
_ISO_MAGIC_AT: Final = 0x8001
_ISO_MAGICS: Final = frozenset({b"CD001", b"BEA01"})
_WIM_MAGICS: Final = frozenset({MAGIC, PIPABLE_MAGIC})
_HIVE_MAGIC: Final = b"regf"
# What people give by mistake, by its first bytes.
_OTHER_KINDS: Final = {
    b"PK\x03\x04": "a ZIP archive",
    b"MSCF": "a cabinet file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"\x1f\x8b": "a gzip archive",
    b"vhdxfile": "a virtual disk (VHDX)",
    b"conectix": "a virtual disk (VHD)",
    b"$SDI": "a boot.sdi",
    b"%PDF": "a PDF document",
    b"MZ": "a program",
}
_SHOWN_BYTES: Final = 8
# What people give in the place of an image: enough of a file to see past the text before its first PEM block.
_LOOKED_AT: Final = 1 << 16
_DER_STARTS: Final = tuple(bytes([0x30, length]) for length in range(0x80, 0x85))
# Serialized stores (.sst, MS-OSHARED 2.3.9.1) and policy files (Registry.pol, MS-GPREG 2.2.1).
_STORE_STARTS: Final = (b"\0\0\0\0CERT", b"PReg")
_CERTIFICATE_TEXT: Final = re.compile(
    rb"(?:^|[\r\n])-----BEGIN (?![A-Z0-9 ]*PRIVATE KEY)|\A\s*(?:REGEDIT|Windows Registry Editor)",
    re.IGNORECASE,
)
_EMPTY: Final = "it is empty"
_CERTIFICATE_NAMES: Final = frozenset(
    {".cer", ".crt", ".der", ".pem", ".p7b", ".p7c", ".pfx", ".p12", ".reg", ".sst", ".pol"}
)


class Kind(Enum):
    """Kinds of targets. An .iso is only read."""

    WIM = "a WIM image"
    FOLDER = "a folder with a Windows tree"
    HIVE = "a registry hive"
    ISO = "an ISO image"


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
        if is_pattern(pattern) and path_kind(path) is PathKind.MISSING:
            found = matching(pattern)
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
    found = kind_of(path)
    if found is None:
        raise _unknown(path, reading=reading)
    if found is Kind.ISO and not reading:
        raise TargetError(
            f"{path}: this is an ISO image, and the files in an .iso cannot be changed in place",
            resolution=how_to_change("sources/boot.wim"),
        )
    return Place(path, found)


def how_to_change(inside: str) -> str:
    """What to do about a file of an .iso that shall be changed."""
    return (
        f"Copy {inside} out of it, change the copy, and build the .iso again with it. For Configuration "
        "Manager, change the boot image there and create the media again."
    )


def kind_of(path: Path) -> Kind | None:
    """What a plain file is by its content; None for one that is no target."""
    with system_errors(path, "read"), open_to_read(path) as file:
        head = file.read(len(MAGIC))
        if head in _WIM_MAGICS:
            return Kind.WIM
        if head.startswith(_HIVE_MAGIC):
            return Kind.HIVE
        file.seek(_ISO_MAGIC_AT)
        return Kind.ISO if file.read(5) in _ISO_MAGICS else None


def what_it_is(path: Path) -> str:
    """What is known of a file that is no target, for a message; raises `GuardError` for a Git LFS pointer."""
    with system_errors(path, "read"), open_to_read(path) as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise GuardError(
            f"{path}: this is a Git LFS pointer, not the image itself",
            resolution="Fetch the real file first:",
            command=("git", "lfs", "pull"),
        )
    if not head:
        return _EMPTY
    if not head.strip(b"\0"):
        return "it begins with zeros"
    known = (words for magic, words in _OTHER_KINDS.items() if head.startswith(magic))
    return next((f"it is {words}" for words in known), f"its first bytes are {head[:_SHOWN_BYTES].hex(' ')}")


def _unknown(path: Path, *, reading: bool) -> WinpeCertsError:
    what = what_it_is(path)
    if is_certificate(path):
        return TargetError(
            f"{path}: this is a certificate, not an image",
            resolution="Give a .wim, a mounted or applied image folder, or a SOFTWARE hive. A certificate "
            "goes after the option that takes it; the help of the command names that.",
        )
    if what == _EMPTY:
        return TargetError(
            f"{path}: the file is empty, it has no bytes",
            resolution="A copy or a download has ended early: get the file again.",
        )
    return TargetError(
        f"{path}: neither a WIM image nor a registry hive{' nor an ISO image' if reading else ''}: {what}",
        resolution="Give a .wim, a mounted or applied image folder, or a SOFTWARE hive.",
    )


def is_certificate(path: Path) -> bool:
    """Whether a file is a certificate, or a store or export of some, by its content or else by its name."""
    if path_kind(path) is not PathKind.FILE:
        return False
    with system_errors(path, "read"), open_to_read(path) as file:
        head = file.read(_LOOKED_AT)
    if not head or head[: len(MAGIC)] in _WIM_MAGICS or head.startswith(_HIVE_MAGIC):
        return False
    # UTF-16, in which Windows writes .reg files, is ASCII with zeros and a mark before it.
    text = head.lstrip(b"\xff\xfe\xef\xbb\xbf").replace(b"\0", b"")
    return (
        head.startswith((*_DER_STARTS, *_STORE_STARTS))
        or _CERTIFICATE_TEXT.search(text) is not None
        or path.suffix.lower() in _CERTIFICATE_NAMES
    )


def _recognise_folder(path: Path, *, reading: bool) -> Place:
    folder = FolderImages(path)
    with contextlib.suppress(MissingFileError):
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
