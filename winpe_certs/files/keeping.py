"""What a file is besides its contents, so that a new file in its place is the same to everybody.

Mode, owner, times and extended attributes are POSIX's own. File systems that hold files of Windows have more,
in extended attributes that no listing shows: NTFS-3G's are documented in its "Extended attributes", those of
the kernel's driver in Documentation/filesystems/ntfs3. What cannot be kept is a reason to change nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure

# Security descriptor, attributes; of the times the first eight bytes, which are when the file was created.
_UNLISTED: Final = ("system.ntfs_acl", "system.ntfs_security", "system.ntfs_attrib_be", "system.cifs_acl")
_CREATED: Final = "system.ntfs_times_be"
_TIME_SIZE: Final = 8
# One of a kind on a volume, so the old file has to go first.
_UNIQUE: Final = ("system.ntfs_object_id", "system.ntfs_dos_name")
_STREAMS: Final = "ntfs.streams.list"
# Sealed hashes of the contents, which are new.
_OF_CONTENTS: Final = frozenset({"security.ima", "security.evm"})
_WIM_MOUNT: Final = "fuse.wimfs"
_ROOT_ADVICE: Final = "Run as root, or change the .wim itself instead of a folder that it is mounted in."


@dataclass(frozen=True, slots=True)
class Character:
    """What a file is besides its contents: its status, and extended attributes with their values."""

    path: Path
    status: os.stat_result
    attributes: dict[str, bytes]
    unique: dict[str, bytes]


def character_of(path: Path) -> Character:
    """Look at a file that is going to be replaced; raises `OSError`, and `EnvironmentFailure` for streams.

    Streams that are not shown as extended attributes would be lost with the old file.
    """
    attributes = {name: value for name, value in _attributes(path) if name not in _OF_CONTENTS}
    streams = [each for each in (_value(path, _STREAMS) or b"").decode(errors="replace").split("\0") if each]
    hidden = [each for each in streams if f"user.{each}" not in attributes]
    if hidden:
        raise EnvironmentFailure(
            f"{path}: the file has alternate data streams, which a new file here would not have",
            details=", ".join(hidden),
            resolution="Mount the volume with streams_interface=xattr, or change the .wim itself.",
        )
    unique = {name: value for name in _UNIQUE if (value := _value(path, name)) is not None}
    return Character(path, path.stat(), attributes, unique)


def give(path: Path, kept: Character) -> None:
    """Give a new file what the one had that it is going to replace.

    Owner and group as far as this user may. Raises `OSError`, and `EnvironmentFailure` when something would
    be lost.
    """
    if hasattr(os, "chown"):
        _give_owner(path, kept.status)
    with contextlib.suppress(FileNotFoundError):
        shutil.copystat(kept.path, path)
    for name, value in kept.attributes.items():
        if _value(path, name) != value:
            with contextlib.suppress(OSError):
                _set(path, name, value)
    # NTFS-3G does not take "now" for an answer, only a time.
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    lost = sorted(name for name, value in kept.attributes.items() if not _has(path, name, value))
    if lost:
        raise EnvironmentFailure(
            f"{kept.path}: the new file cannot keep what the old one has: {', '.join(lost)}",
            details="Nothing was changed.",
            resolution=_ROOT_ADVICE,
        )


def give_unique(path: Path, kept: Character) -> None:
    """Give a file what only one file of a volume can have, once the old one is gone."""
    for name, value in kept.unique.items():
        if _value(path, name) != value:
            with contextlib.suppress(OSError):
                _set(path, name, value)


def is_in_wim_mount(path: Path) -> bool:
    """Whether a file lies in a WIM that wimlib has mounted: there a new file has no security descriptor.

    Raises `OSError`.
    """
    if sys.platform != "linux":
        return False
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == number and rest.split()[0] == _WIM_MOUNT:
            return True
    return False


def _give_owner(path: Path, status: os.stat_result) -> None:
    """Only root may give a file away; a member of its group may keep that."""
    for owner in (status.st_uid, -1):
        with contextlib.suppress(OSError):
            os.chown(path, owner, status.st_gid)
            return


def _attributes(path: Path) -> Iterator[tuple[str, bytes]]:
    if sys.platform != "linux":
        return
    listed: list[str] = []
    with contextlib.suppress(OSError):
        listed = os.listxattr(path)
    for name in dict.fromkeys([*listed, *_UNLISTED, _CREATED]):
        value = _value(path, name)
        if value is not None:
            yield name, value[:_TIME_SIZE] if name == _CREATED else value


def _value(path: Path, name: str) -> bytes | None:
    if sys.platform != "linux":
        return None
    try:
        return os.getxattr(path, name)
    except OSError:
        return None


def _set(path: Path, name: str, value: bytes) -> None:
    if sys.platform == "linux":
        os.setxattr(path, name, value)


def _has(path: Path, name: str, value: bytes) -> bool:
    found = _value(path, name)
    return found is not None and found[: len(value) if name == _CREATED else None] == value
