"""A file that is changed in place, under a lock: append and commit.

Bytes after the end of the file, synced and checked; then one write of its first bytes. Until that one write
the file is what it was; an error before it leaves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.sharing import retry_sharing

_SHARING_VIOLATION: Final = 32


class LockedFile:
    """A file opened for append-and-commit, with an exclusive lock for as long as it is open.

    A file that may only be read opens all the same, for runs that turn out to change nothing.
    """

    def __init__(self, path: Path) -> None:
        """Raises `EnvironmentFailure` when the file cannot be opened or somebody else has locked it."""
        self.path = path
        self._committing = False
        with system_errors(path, "open"):
            self._refusal: OSError | None = None
            try:
                self.file: BinaryIO = retry_sharing(partial(_open_exclusively, path, _mode_for(path)))
                if self.file.mode == "rb":
                    self._refusal = PermissionError(errno.EACCES, "the file is read-only")
            except OSError as error:
                if getattr(error, "winerror", None) == _SHARING_VIOLATION:
                    raise EnvironmentFailure(
                        f"{path}: another program has this file open",
                        resolution="Close it (Explorer, antivirus, a mounted image), then run this again.",
                    ) from error
                if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                    raise
                self._refusal = error
                self.file = _open_exclusively(path, "rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def refuse_read_only(self) -> None:
        """Raise `EnvironmentFailure` when the file could only be opened for reading."""
        with system_errors(self.path, "write"):
            if self._refusal is not None:
                raise self._refusal

    @contextlib.contextmanager
    def appended(self, start: int, payload: bytes) -> Iterator[None]:
        """Write `payload` at `start`, make it the file's end and sync it, for the length of the block.

        Leaving the block by an error truncates the file to `start`, unless a commit has begun.
        """
        self.refuse_read_only()
        try:
            with system_errors(self.path, "append the changes"):
                self._write(start, payload)
                self._cut(start + len(payload))
            yield
        except BaseException:
            if not self._committing:
                with contextlib.suppress(OSError):
                    self._cut(start)
            raise

    def cut(self, size: int) -> None:
        """Make the file end at `size` and sync it, once a commit has left nothing in use behind that."""
        with system_errors(self.path, "cut off its end"):
            self._cut(size)

    def commit(self, expected: bytes, head: bytes) -> None:
        """Write the file's first bytes in one write and sync it; raises when they are not `expected` before.

        From here on nothing is ever truncated: whichever head is on the disk, what it names is there.
        """
        with system_errors(self.path, "read its header again"):
            found = self._head_on_disk(len(expected))
        if found != expected:
            raise EnvironmentFailure(
                f"{self.path}: another program has changed the header of the file during this run",
                resolution="Make sure that nothing else works on the image, then run the command again.",
            )
        self._committing = True
        try:
            self._write_head(head)
        except BaseException:
            # Whether the new head reached the disk is unknown: the old one is as good, so put that back.
            with contextlib.suppress(EnvironmentFailure):
                self._write_head(expected)
            raise

    def _write_head(self, head: bytes) -> None:
        with system_errors(self.path, "write the header"):
            self._write(0, head)
            os.fsync(self.file.fileno())

    def _write(self, at: int, data: bytes) -> None:
        """Write past the buffer: what failed once must not be written again by a later seek or close.

        The buffer must be empty: with bytes read ahead, closing would move a file that has been moved since.
        """
        self._forget()
        raw = self.file.raw  # type: ignore[attr-defined] # a buffered file
        raw.seek(at)
        rest = memoryview(data)
        while rest:
            rest = rest[raw.write(rest) :]
        self._forget()

    def _cut(self, size: int) -> None:
        os.ftruncate(self.file.fileno(), size)
        self._forget()
        os.fsync(self.file.fileno())

    def _forget(self) -> None:
        """Drop what the buffer holds of the file: only a seek from the end never stays within it."""
        self.file.seek(0, os.SEEK_END)

    def _head_on_disk(self, size: int) -> bytes:
        if sys.platform == "win32":
            self.file.seek(0)
            return self.file.read(size)
        else:  # noqa: RET505 - mypy knows platforms by their branches
            return os.pread(self.file.fileno(), size, 0)

    def give_way(self) -> None:
        """Let another file take this one's name: Windows renames over no file that is open.

        Elsewhere the lock is held until the end: who waits for it finds out that the file was replaced.
        """
        if sys.platform == "win32":
            self.file.close()

    @contextlib.contextmanager
    def reopened(self) -> Iterator[BinaryIO]:
        """The file as anybody else would open it now (on Windows, where it is not shared, this handle)."""
        if sys.platform == "win32":
            yield self.file
            return
        with system_errors(self.path, "open again"):
            file = self.path.open("rb")
        with file:
            yield file


def _mode_for(path: Path) -> str:
    """How to open a file: for reading alone when its read-only mark is set, which no waiting changes."""
    is_marked = sys.platform == "win32" and not path.stat().st_mode & stat.S_IWRITE
    return "rb" if is_marked else "r+b"


if sys.platform == "win32":
    import _winapi
    import msvcrt

    def _open_exclusively(path: Path, mode: str) -> BinaryIO:
        """Open without sharing, so that nobody else can open the file meanwhile."""
        access = _winapi.GENERIC_READ | (_winapi.GENERIC_WRITE if "+" in mode else 0)
        handle = _winapi.CreateFile(str(path), access, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        flags = os.O_BINARY | (os.O_RDWR if "+" in mode else os.O_RDONLY)
        return os.fdopen(msvcrt.open_osfhandle(handle, flags), mode)

else:
    import fcntl

    def _open_exclusively(path: Path, mode: str) -> BinaryIO:
        """Open with an exclusive lock, as wimlib takes it too."""
        file: BinaryIO = path.open(mode)  # type: ignore[assignment] # the mode is binary
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _refuse_replaced(path, file)
        except BlockingIOError as error:
            file.close()
            raise EnvironmentFailure(
                f"{path}: another program is working on this file",
                details="An exclusive lock (flock) is held, or the file has just been replaced.",
                resolution="Wait until it has finished, then run the same command again.",
            ) from error
        except BaseException:
            file.close()
            raise
        return file


def _refuse_replaced(path: Path, file: BinaryIO) -> None:
    """Raise `BlockingIOError` when the path names another file by now: the lock would guard the wrong one."""
    opened, named = os.fstat(file.fileno()), path.stat()
    if (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino):
        raise BlockingIOError(errno.EAGAIN, "replaced while it was opened")
