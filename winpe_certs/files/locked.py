"""A file that is changed in place, under a lock: append and commit.

Bytes after the end of the file, synced and checked; then one write of its first bytes. Until that one write
the file is what it was; an error before it leaves nothing. The lock keeps runs of this program apart, and
wimlib. On Windows nobody else can write to the file; elsewhere other programs may not ask for the lock. So
before each write and each cut the file is compared with what was opened and with what was written since, and
if it differs nothing of it is touched.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.holders import who_holds
from winpe_certs.files.lease import nobody_else_opens
from winpe_certs.files.name_lock import NameLock, lock_name
from winpe_certs.files.opened import OpenedFile, changed_meanwhile, leads_to, open_to_read
from winpe_certs.files.paths import identity, is_marked_read_only, status_of

_Taken = TypeVar("_Taken")
_LOG: Final = logging.getLogger(__name__)
_PAUSE: Final = 0.2
_HEAD: Final = 4096
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


class LockedFile(OpenedFile):
    """A file opened for append-and-commit, with an exclusive lock for as long as it is open.

    A file that may only be read opens as well, for runs that turn out to change nothing.
    """

    def __init__(self, path: Path, *, wait: float = 0.0) -> None:
        """Wait up to so many seconds for somebody else's lock.

        Raises `EnvironmentFailure` when the file cannot be opened, or somebody else still has it.
        """
        self.path = path
        self._committing = False
        self._refusal: OSError | None = None
        self.file: BinaryIO = waiting_for(path, wait, self._open)
        try:
            with system_errors(path, "read"):
                self._opened = identity(self.file.fileno())
                self._size = self._opened[2]
                self._head = self._head_on_disk(_HEAD)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the file and its name go."""
        super().close()
        self._name.close()

    def _open(self) -> BinaryIO:
        name = _lock_name(self.path)
        try:
            file = self._opened_file()
        except BaseException:
            name.close()
            raise
        self._name = name
        return file

    def _opened_file(self) -> BinaryIO:
        with system_errors(self.path, "open"):
            if is_marked_read_only(self.path):
                self._refusal = PermissionError(errno.EACCES, "the file is read-only")
                return _open_exclusively(self.path, writing=False)
            try:
                return _open_exclusively(self.path, writing=True)
            except OSError as error:
                if error.errno not in _READ_ONLY or getattr(error, "winerror", None):
                    raise
                self._refusal = error
                return _open_exclusively(self.path, writing=False)

    def refuse_read_only(self) -> None:
        """Raise `EnvironmentFailure` when the file could only be opened for reading."""
        with system_errors(self.path, "write"):
            if self._refusal is not None:
                raise self._refusal

    @contextlib.contextmanager
    def appended(self, start: int, payload: Iterable[bytes]) -> Iterator[None]:
        """Write the pieces of `payload` at `start` and sync them: the file's end while the block lasts.

        Leaving the block by an error cuts the file at `start`, unless a commit has begun, or somebody else
        has changed the file: then it is left as it is, and `EnvironmentFailure` says what is there.
        """
        self.refuse_read_only()
        try:
            with system_errors(self.path, "append the changes"):
                with nobody_else_opens(self.file.fileno()):
                    self.refuse_changed()
                    # First off with what a run that was killed has left: what is there then is ours.
                    if self._size > start:
                        os.ftruncate(self.file.fileno(), start)
                    self._head = self._head[:start]
                    end = start
                    with _at_the_end(self.file):
                        for piece in payload:
                            self._write(end, piece)
                            end += len(piece)
                os.fsync(self.file.fileno())
            self._size = end
            self.refuse_foreign()
            yield
        except BaseException as error:
            if not self._committing:
                self._withdraw(start, payload, error)
            raise

    def cut(self, size: int) -> None:
        """Make the file end at `size` and sync it, once a commit has left nothing in use after that.

        Raises `EnvironmentFailure` for a file that is not what was opened and what was written to it since.
        """
        with system_errors(self.path, "cut off its end"):
            with nobody_else_opens(self.file.fileno()):
                self.refuse_foreign()
                self._cut(size)
            os.fsync(self.file.fileno())

    def commit(self, expected: bytes, head: bytes) -> None:
        """Write the file's first bytes in one write and sync it; raises when they are not `expected` before.

        From here on nothing is ever cut off: whichever head is on the disk, what it names is there.
        """
        if self._head[: len(expected)] != expected:
            raise changed_meanwhile(self.path, "Its header was another one already.")
        is_begun = False
        try:
            with system_errors(self.path, "write the header"):
                with nobody_else_opens(self.file.fileno()):
                    self.refuse_foreign()
                    is_begun = self._committing = True
                    self._write(0, head)
                    self._head = head + self._head[len(head) :]
                os.fsync(self.file.fileno())
        except BaseException:
            if is_begun:
                # Whether the new head reached the disk is unknown: the old one is as good, so put that back.
                with contextlib.suppress(EnvironmentFailure):
                    self._write_head(expected)
            raise

    def refuse_foreign(self) -> None:
        """Raise `EnvironmentFailure` unless the file is what was opened and what was written to it since."""
        with system_errors(self.path, "read its header again"):
            what = self._difference()
        if what:
            raise changed_meanwhile(self.path, what)

    def _difference(self) -> str:
        """What is not as it was left here; empty when all is."""
        if sys.platform == "win32":
            return ""  # nobody else can write, rename or remove it
        else:  # noqa: RET505 - mypy knows platforms by their branches
            # The size comes last: who writes while the header is read changes that as a rule.
            if self._head_on_disk(len(self._head)) != self._head:
                return "Its first bytes are others."
            if not leads_to(self.path, self.file):
                return "Another file has its name."
            size = os.fstat(self.file.fileno()).st_size
            return "" if size == self._size else f"It had {self._size} bytes."

    def _withdraw(self, start: int, payload: Iterable[bytes], error: BaseException) -> None:
        """Take what was appended away again, if it is that and nothing else."""
        with contextlib.suppress(OSError), nobody_else_opens(self.file.fileno()):
            size = os.fstat(self.file.fileno()).st_size
            if size <= start:
                return
            self._size = size
            self._forget()
            if self._is_ours(start, size, payload) and not self._difference():
                self._cut(start)
                os.fsync(self.file.fileno())
                return
            if isinstance(error, Exception) and not isinstance(error, EnvironmentFailure):
                raise changed_meanwhile(self.path) from error

    def _is_ours(self, start: int, end: int, payload: Iterable[bytes]) -> bool:
        """Whether what lies between is the beginning of the payload, or all of it."""
        self.file.seek(start)
        for piece in payload:
            expected = piece[: end - start]
            if self.file.read(len(expected)) != expected:
                return False
            start += len(expected)
        return start == end

    def _write_head(self, head: bytes) -> None:
        with system_errors(self.path, "write the header"):
            self._write(0, head)
            self._head = head + self._head[len(head) :]
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
        self._size = size
        self._forget()

    def _forget(self) -> None:
        """Drop what the buffer holds of the file: only a seek from the end never stays within it."""
        self.file.seek(0, os.SEEK_END)

    def _head_on_disk(self, size: int) -> bytes:
        if sys.platform == "win32":
            at = self.file.tell()
            self.file.seek(0)
            head = self.file.read(size)
            self.file.seek(at)
            return head
        else:  # noqa: RET505 - mypy knows platforms by their branches
            return os.pread(self.file.fileno(), size, 0)

    def give_way(self) -> None:
        """Let another file take this one's name: Windows renames over no file that is open.

        The lock of the name stays. Elsewhere that of the file is held until the end: a run that waits for it
        sees that the file was replaced.
        """
        if sys.platform == "win32":
            self.file.close()

    @contextlib.contextmanager
    def reopened(self) -> Iterator[BinaryIO]:
        """The file as anybody else would open it now (on Windows this handle: nobody else writes to it)."""
        if sys.platform == "win32":
            yield self.file
            return
        with system_errors(self.path, "open again"):
            file = self.path.open("rb")
        with file:
            yield file


def waiting_for(path: Path, seconds: float, take: Callable[[], _Taken]) -> _Taken:
    """Take a lock by `take`, again and again for so long as somebody else has it.

    Raises `EnvironmentFailure` when the time is over, and what `take` raises for other reasons.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return take()
        except LockHeldError:
            if time.monotonic() >= deadline:
                raise
            _LOG.info("%s: waiting for another program to let it go", path)
            time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))


_HOW_HELD: Final = "An exclusive lock (flock) is held, or the file has just been replaced."
_HOW_HELD_ON_WINDOWS: Final = "Another run of this program has it, or a program that has the file open."


class LockHeldError(EnvironmentFailure):
    """Somebody else has the lock of a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: another program is working on this file",
            details=_HOW_HELD if sys.platform != "win32" else who_holds(path) or _HOW_HELD_ON_WINDOWS,
            resolution="Wait until it has finished, then run the same command again; --wait 60 does that.",
        )


class Lock(Protocol):
    """Something that is locked until it is closed."""

    def close(self) -> None:
        """Let it go."""


def hold(path: Path, wait: float) -> Lock | None:
    """Keep other runs of this program from a file that will be replaced; None where that is not possible.

    On Windows it is the name that is locked: a file that is open could not be replaced. The lock ends when
    what this gives is closed. Raises as `LockedFile` does.
    """
    with system_errors(path, "read"):
        if not stat.S_ISREG(status_of(path).st_mode):
            return None  # refused by whoever reads it; opening a pipe would wait for a writer
        if sys.platform == "win32":
            return waiting_for(path, wait, partial(_lock_name, path))
        else:  # noqa: RET505 - mypy knows platforms by their branches
            try:
                return waiting_for(path, wait, partial(_open_exclusively, path, writing=False))
            except LocksMissingError:
                return None


class LocksMissingError(EnvironmentFailure):
    """The file system knows no locks."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: this file system knows no locks, so nothing would keep two runs apart",
            resolution="Write the result elsewhere with -o, or work on a copy on a local disk.",
        )


def _lock_name(path: Path) -> NameLock:
    with system_errors(path, "lock its name"):
        try:
            return lock_name(path)
        except BlockingIOError as error:
            raise LockHeldError(path) from error


if sys.platform == "win32":
    from winpe_certs.files.windows import SHARE_NOTHING, SHARE_READING, open_file

    _SHARING_VIOLATION: Final = 32

    def _open_exclusively(path: Path, *, writing: bool) -> BinaryIO:
        """Open a file that nobody else has open, so that others can only read it meanwhile.

        Who has it open already may save over the change, as a mount does; who comes later reads the file
        from before or after.
        """
        try:
            open_file(path, share=SHARE_NOTHING).close()
            return open_file(path, writing=writing, share=SHARE_READING)
        except OSError as error:
            if error.winerror != _SHARING_VIOLATION:
                raise
            raise LockHeldError(path) from error

    @contextlib.contextmanager
    def _at_the_end(_: BinaryIO) -> Iterator[None]:
        """Nobody else can write to the file, so its end stays where it is."""
        yield

else:
    import fcntl

    @contextlib.contextmanager
    def _at_the_end(file: BinaryIO) -> Iterator[None]:
        """Let writes go to the end of the file wherever that is: nothing that somebody puts there is lost."""
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_APPEND)
        try:
            yield
        finally:
            fcntl.fcntl(file, fcntl.F_SETFL, flags)

    def _open_exclusively(path: Path, *, writing: bool) -> BinaryIO:
        """Open with an exclusive lock, as wimlib takes it too."""
        file: BinaryIO = path.open("r+b") if writing else open_to_read(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise LockHeldError(path) from error
        except OSError as error:
            file.close()
            if error.errno in _NO_LOCKS:
                raise LocksMissingError(path) from error
            raise
        except BaseException:
            file.close()
            raise
        if not leads_to(path, file):
            # The lock would guard the wrong file.
            file.close()
            raise LockHeldError(path)
        return file
