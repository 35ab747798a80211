"""A small file for each run that mounts an image or loads a hive: what `cleanup` frees if it was cut off.

It is written before the mount and removed after the unmount, so it never says less than what may be there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from winpe_certs.errors import CleanupError, EnvironmentFailure
from winpe_certs.files import make_folder, remove_file, system_errors, write_new


@dataclass(frozen=True, slots=True)
class Record:
    """What a run has set up: a mount, or a hive that may be loaded as the key `hive`; the other is empty."""

    run: str
    process: int
    image: str
    index: int
    mount_folder: str
    hive: str = ""


class Records:
    """The records of this machine, one file each in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def kept(self, record: Record) -> Iterator[None]:
        """Keep a record for the length of the block; it stays when a `CleanupError` ends that."""
        make_folder(self.folder)
        path = self._path(record)
        write_new(path, [json.dumps(asdict(record), indent=2).encode()], overwrite=True)
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
            with contextlib.suppress(ValueError, TypeError, OSError):
                found.append(Record(**json.loads(path.read_text(encoding="utf-8"))))
        return found

    def forget(self, record: Record) -> None:
        """Remove a record: nothing of its run is left."""
        remove_file(self._path(record))

    def _path(self, record: Record) -> Path:
        name = f"{record.run}.json"
        if os.sep in name or name.startswith("."):
            raise EnvironmentFailure(f"{self.folder}: a record calls its run {record.run!r}")
        return self.folder / name


def is_running(process: int) -> bool:
    """Whether a process with this number runs; True when that cannot be found out."""
    if os.name == "nt":
        return _is_running_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_running_on_windows(process: int) -> bool:
    import ctypes  # noqa: PLC0415 - Windows only

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    synchronize, wait_timeout = 0x0010_0000, 0x102
    handle = kernel.OpenProcess(synchronize, 0, process)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == wait_timeout)
    finally:
        kernel.CloseHandle(handle)
