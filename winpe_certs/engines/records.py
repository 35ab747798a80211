"""A small file for each run that mounts an image or loads a hive: what `cleanup` frees if it was cut off.

It is written before the mount and removed after the unmount, so it never says less than what may be there.
"""

from __future__ import annotations

import contextlib
import json
import ntpath
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath, PureWindowsPath

from winpe_certs.errors import CleanupError, EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.new import write_new
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import resolved
from winpe_certs.files.places import make_folder, remove_file
from winpe_certs.shown import shown_text


@dataclass(frozen=True, slots=True)
class Record:
    """What a run has set up: a mount, or a hive that may be loaded as the key `hive`; the other is empty.

    `started` says when its process has started, as `started_at` does; it is empty when that is not known.
    """

    run: str
    process: int
    image: str
    index: int
    mount_folder: str
    hive: str = ""
    started: str = ""


class Records:
    """The records of this machine, one file each in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def kept(self, record: Record) -> Iterator[None]:
        """Keep a record for the length of the block; it stays when a `CleanupError` ends that.

        What is written names the process by its start as well, and the mount folder from the root.
        """
        make_folder(self.folder)
        path = self._path(record)
        text = json.dumps(asdict(_completed(record)), indent=2)
        write_new(path, [text.encode()], overwrite=True)
        try:
            yield
        except CleanupError:
            raise
        except BaseException:
            remove_file(path)
            raise
        remove_file(path)

    def all(self) -> list[Record]:
        """Every record there is; files that are none are passed over."""
        if not self.folder.is_dir():
            return []
        found = []
        with system_errors(self.folder, "list"):
            paths = sorted(self.folder.glob("*.json"))
        for path in paths:
            unreadable = contextlib.suppress(ValueError, TypeError, OSError, RecursionError)
            with unreadable, open_to_read(path) as file:
                found.append(_parsed(path.stem, json.loads(file.read())))
        return found

    def forget(self, record: Record) -> None:
        """Remove a record: nothing of its run is left."""
        remove_file(self._path(record))

    def _path(self, record: Record) -> Path:
        name = f"{record.run}.json"
        if os.sep in name or name.startswith("."):
            raise EnvironmentFailure(f"{self.folder}: a record calls its run {shown_text(record.run)}")
        return self.folder / name


def _completed(record: Record) -> Record:
    folder = record.mount_folder
    if folder and not PureWindowsPath(folder).is_absolute():
        folder = os.path.abspath(folder)  # noqa: PTH100 - it may not be there yet, and links stay
    started = record.started or started_at(record.process) or ""
    return replace(record, mount_folder=folder, started=started)


def _parsed(name: str, document: object) -> Record:
    """The record in a file of this name. Raises `ValueError` or `TypeError` for what is none."""
    if not isinstance(document, dict):
        raise TypeError(name)
    record = Record(**document)
    for number in (record.process, record.index):
        if type(number) is not int or number < 0:
            raise ValueError(name)
    for text in (record.run, record.image, record.mount_folder, record.hive, record.started):
        # A lone surrogate that no path can have raises a ValueError here.
        if not isinstance(text, str) or b"\0" in os.fsencode(text):
            raise ValueError(name)
    # Forgetting the record must remove this file, and no other.
    if record.run != name or name.startswith(".") or record.process == 0:
        raise ValueError(name)
    return record


def is_same_folder(one: str | Path, other: str | Path) -> bool:
    """Whether two paths name the same folder, as they stand or as this system resolves them.

    Paths with a drive compare as Windows does it: in any case, with either slash.
    """
    return not _names(one).isdisjoint(_names(other))


def is_in_folder(path: str | Path, folder: str | Path) -> bool:
    """Whether a path is this folder or lies below it, compared as `is_same_folder` does it."""
    names = _names(folder)
    return any(not names.isdisjoint((name, *name.parents)) for name in _names(path))


def _names(folder: str | Path) -> set[PurePath]:
    text = str(folder)
    if not text:
        return set()
    names = {_name(text)}
    with contextlib.suppress(EnvironmentFailure, RuntimeError, ValueError):
        names.add(_name(str(resolved(Path(text)))))
    return names


def _name(text: str) -> PurePath:
    if PureWindowsPath(text).drive:
        return PureWindowsPath(ntpath.normpath(text))
    return Path(os.path.normpath(text))


def is_running(record: Record) -> bool:
    """Whether the process of a record still runs; True when that cannot be found out.

    A process with its number that has started at another time is another one.
    """
    if not _runs(record.process):
        return False
    started = started_at(record.process)
    return not record.started or started is None or started == record.started


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _SYNCHRONIZE, _QUERY_LIMITED_INFORMATION = 0x0010_0000, 0x1000
    _WAIT_TIMEOUT, _ACCESS_DENIED = 0x102, 5
    _KERNEL = ctypes.WinDLL("kernel32", use_last_error=True)
    _KERNEL.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _KERNEL.OpenProcess.restype = wintypes.HANDLE
    _KERNEL.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    _KERNEL.WaitForSingleObject.restype = wintypes.DWORD
    _KERNEL.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
    _KERNEL.CloseHandle.argtypes = (wintypes.HANDLE,)

    def started_at(process: int) -> str | None:
        """When a process has started, in the system's own terms; None when that cannot be found out."""
        handle = _KERNEL.OpenProcess(_QUERY_LIMITED_INFORMATION, False, process)
        if not handle:
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        try:
            if not _KERNEL.GetProcessTimes(handle, *map(ctypes.byref, times)):
                return None
        finally:
            _KERNEL.CloseHandle(handle)
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)

    def _runs(process: int) -> bool:
        """Whether a process has this number."""
        handle = _KERNEL.OpenProcess(_SYNCHRONIZE, False, process)
        if not handle:
            return ctypes.get_last_error() == _ACCESS_DENIED
        try:
            return bool(_KERNEL.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
        finally:
            _KERNEL.CloseHandle(handle)

else:

    def started_at(process: int) -> str | None:
        """When a process has started, in the system's own terms; None when that cannot be found out."""
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
            # The second field is the program's name in parentheses, and may hold anything; this is the 22nd.
            return fields.rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return None

    def _runs(process: int) -> bool:
        """Whether a process has this number."""
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True
