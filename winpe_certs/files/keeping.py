"""What a file is besides its contents, so that a new file in its place is the same to everybody.

Mode, owner, times and extended attributes are POSIX's own. File systems that hold files of Windows have more,
in extended attributes that no listing shows: NTFS-3G's are documented in its "Extended attributes", those of
the kernel's drivers in fs/ntfs3/xattr.c and fs/smb/client/xattr.c of Linux. What cannot be kept is a reason
to change nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.paths import reachable, status_of

# Security descriptor and attributes, under the names of each driver.
_UNLISTED: Final = (
    "system.ntfs_acl",
    "system.ntfs_security",
    "system.ntfs_attrib",
    "system.ntfs_ea",
    "system.cifs_acl",
    "user.cifs.dosattrib",
    "user.cifs.creationtime",
)
# When the file was created, written, read and changed; the first is kept.
_CREATED: Final = "system.ntfs_times_be"
_TIME_SIZE: Final = 8
# Windows counts 100 nanoseconds from 1601 on (FILETIME), Unix nanoseconds from 1970 on.
_FILETIME_UNIT: Final = 100
_FILETIME_EPOCH: Final = 116_444_736_000_000_000
# One of a kind on a volume, so the old file has to give it up first.
_UNIQUE: Final = ("system.ntfs_object_id", "system.ntfs_dos_name")
_OF_NTFS_3G: Final = "system.ntfs_times_be"
_STREAMS: Final = "ntfs.streams.list"
# Asked for, never set: whether this mount shows streams as extended attributes.
_ANY_STREAM: Final = "user.winpe-certs"
# Sealed hashes of the contents, which are new.
_OF_CONTENTS: Final = frozenset({"security.ima", "security.evm"})
# There is no such attribute; the file system, or the driver for such a name, has none.
_NO_ATTRIBUTE: Final = frozenset(
    getattr(errno, name) for name in ("ENODATA", "ENOTSUP", "EOPNOTSUPP", "ENOSYS") if hasattr(errno, name)
)
_READ_WRITE: Final = stat.S_IROTH | stat.S_IWOTH
_WIM_MOUNT: Final = "fuse.wimfs"
_ROOT_ADVICE: Final = (
    "Run as root. Or work on something else: instead of a folder on the .wim itself, instead of a file on a "
    "copy (-o)."
)
_OWNER_ADVICE: Final = "Run as root, or as its owner and a member of its group; or write a copy with -o."


@dataclass(frozen=True, slots=True)
class Character:
    """What a file is besides its contents: its status, and extended attributes with their values.

    `unique` are those that only one file of a volume can have.
    """

    path: Path
    status: os.stat_result
    attributes: dict[str, bytes]
    unique: dict[str, bytes]


def character_of(path: Path) -> Character:
    """Look at a file that is going to be replaced; raises `OSError`, and `EnvironmentFailure` for streams.

    Streams that are not shown as extended attributes would be lost with the old file.
    """
    attributes = {name: value for name, value in _attributes(path) if name not in _OF_CONTENTS}
    _refuse_hidden_streams(path, attributes)
    unique = {name: value for name in _UNIQUE if (value := _value(path, name)) is not None}
    return Character(path, status_of(path), attributes, unique)


def give(path: Path, kept: Character) -> None:
    """Give a new file what the one had that it is going to replace.

    Owner and group as far as this user may. Raises `OSError`, and `EnvironmentFailure` when something would
    be lost.
    """
    if hasattr(os, "chown"):
        _give_owner(path, kept.status)
    with contextlib.suppress(FileNotFoundError):
        shutil.copystat(reachable(kept.path), path)
    path.chmod(stat.S_IMODE(kept.status.st_mode))
    for name in _OF_CONTENTS:
        if _value(path, name) is not None:
            _remove(path, name)
    now = time.time_ns()
    # All times go by this attribute: once it is set, NTFS-3G stores no others until it forgets the file.
    written = (now // _FILETIME_UNIT + _FILETIME_EPOCH).to_bytes(_TIME_SIZE, "big")
    for name, value in kept.attributes.items():
        if _value(path, name) != value:
            with contextlib.suppress(OSError):
                _set(path, name, value + 2 * written if name == _CREATED else value)
    # NTFS-3G does not take "now" for an answer, only a time.
    os.utime(path, ns=(now, now))
    _refuse_lost_access(path, kept)
    lost = sorted(name for name, value in kept.attributes.items() if not _has(path, name, value))
    if lost:
        raise EnvironmentFailure(
            f"{kept.path}: the new file cannot keep what the old one has: {', '.join(lost)}",
            details="Nothing was changed.",
            resolution=_ROOT_ADVICE,
        )


@contextlib.contextmanager
def old_file(kept: Character | None) -> Iterator[int | None]:
    """Hold a file that is going to be replaced and has something that only one file of a volume can have.

    Raises `OSError`.
    """
    if kept is None or not kept.unique:
        yield None
        return
    descriptor = os.open(kept.path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def give_unique(path: Path, kept: Character, old: int | None) -> None:
    """Give a file what only one file of a volume can have, once it has replaced the `old` one.

    That lives on, without a name, for as long as anybody has it open, and gives up here what it has. Raises
    `EnvironmentFailure` for what the new file does not take.
    """
    for name, value in kept.unique.items():
        if _value(path, name) != value:
            with contextlib.suppress(OSError):
                if old is not None:
                    _remove(old, name)
            with contextlib.suppress(OSError):
                _set(path, name, value)
    lost = sorted(name for name, value in kept.unique.items() if _value(path, name) != value)
    if lost:
        raise EnvironmentFailure(
            f"{path}: the file is written, but does not have any more what the old one had: {', '.join(lost)}"
        )


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


def _refuse_hidden_streams(path: Path, attributes: dict[str, bytes]) -> None:
    """Raise `EnvironmentFailure` for streams of a file on NTFS-3G that this mount does not let us read."""
    hidden = [
        each
        for each in (_value(path, _STREAMS) or b"").decode(errors="replace").split("\0")
        if each and f"user.{each}" not in attributes
    ]
    if hidden:
        raise EnvironmentFailure(
            f"{path}: the file has alternate data streams, which a new file here would not have",
            details=", ".join(hidden),
            resolution="Mount the volume with streams_interface=xattr, or change the .wim itself.",
        )
    if _value(path, _OF_NTFS_3G) is None or _is_known(path, _STREAMS) or _is_known(path, _ANY_STREAM):
        return
    raise EnvironmentFailure(
        f"{path}: this mount does not show alternate data streams; a new file would not have them",
        resolution="Mount the volume with streams_interface=xattr, or change the .wim itself.",
    )


def _refuse_lost_access(path: Path, kept: Character) -> None:
    """Raise `EnvironmentFailure` when somebody could do less, or more, with the new file than with the old.

    Without its owner the new file is good for those who the group or everybody lets read and write it. A
    group has members that nobody can name in general, so without it group and others must have equal rights.
    """
    old, new = kept.status, path.stat()
    mode = stat.S_IMODE(old.st_mode)
    has_group, has_owner = new.st_gid == old.st_gid, new.st_uid == old.st_uid
    owner, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    rest = group if has_group and _may_be_member(old) else others
    lost = []
    if stat.S_IMODE(new.st_mode) != mode:
        lost.append(f"mode {mode:o}")
    if not has_owner and (mode & stat.S_ISUID or owner & ~rest & _READ_WRITE):
        lost.append(f"owner {old.st_uid}")
    if not has_group and (mode & stat.S_ISGID or group != others):
        lost.append(f"group {old.st_gid}")
    if lost:
        raise EnvironmentFailure(
            f"{kept.path}: the new file cannot keep {', '.join(lost)}, which would change who may use it",
            details="Nothing was changed.",
            resolution=_OWNER_ADVICE,
        )


def _may_be_member(status: os.stat_result) -> bool:
    """Whether the owner of a file may be in its group; of an owner without a name nobody knows."""
    if sys.platform == "win32":
        return True
    import pwd

    try:
        owner = pwd.getpwuid(status.st_uid)
    except KeyError:
        return True
    return status.st_gid in os.getgrouplist(owner.pw_name, owner.pw_gid)


def _attributes(path: Path) -> Iterator[tuple[str, bytes]]:
    if sys.platform != "linux":
        return
    listed: list[str] = []
    try:
        listed = os.listxattr(path)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
    for name in listed:
        # What is there and may not be read cannot be kept: that is an OSError.
        yield name, os.getxattr(path, name)
    for name in (*_UNLISTED, _CREATED):
        value = None if name in listed else _value(path, name)
        if value is not None:
            yield name, value[:_TIME_SIZE] if name == _CREATED else value


def _is_known(path: Path, name: str) -> bool:
    """Whether a file system has such attributes, be there one or not."""
    if sys.platform != "linux":
        return False
    try:
        os.getxattr(path, name)
    except OSError as error:
        return error.errno == errno.ENODATA
    return True


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


def _remove(file: Path | int, name: str) -> None:
    if sys.platform == "linux":
        os.removexattr(file, name)


def _has(path: Path, name: str, value: bytes) -> bool:
    found = _value(path, name)
    return found is not None and found[: len(value) if name == _CREATED else None] == value
