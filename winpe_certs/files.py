"""The only module that writes files. It knows two safe shapes for what people keep.

*Beside and rename*: a new file next to the target, synced, checked, then renamed over it.
*Append and commit*: bytes behind the end of a file, synced, checked; then one write of its first bytes.
Until the rename or that one write the target is what it was; an error before it leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeAlias

from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.ranges import FileRange, copy_range, write_all
from winpe_certs.sharing import retry_sharing
from winpe_certs.shown import plain_words, system_words

_SHARING_VIOLATION: Final = 32
_CAUSES: Final = {
    errno.ENOSPC: ("the disk is full", "Free some space and run the same command again."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again."),
    errno.EFBIG: (
        "the file would become larger than is allowed",
        "Use another file system or raise the limit.",
    ),
    errno.EROFS: (
        "the file system is read-only",
        "Copy the file to a writable disk, or write elsewhere with -o.",
    ),
    errno.EACCES: (
        "permission denied",
        "Clear the read-only attribute or run as a user that may write there; -o writes elsewhere.",
    ),
    errno.EPERM: (
        "the operation is not permitted",
        "Check the file's attributes and owner; -o writes elsewhere.",
    ),
    errno.EIO: ("the disk reports an input/output error", "Check the disk; work on a copy elsewhere."),
    errno.ENAMETOOLONG: ("the name is too long", "Use a shorter name."),
    errno.ENOENT: ("it is not there (any more)", "Check the path and run the command again."),
    errno.EISDIR: ("it is a folder", "Give the path of a file."),
}
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
# How those who write nothing begin to say what they do to a file.
_READING: Final = ("read", "list", "look")
_READING_ADVICE: Final = "Run as a user that may read it, or have its permissions changed."


@contextlib.contextmanager
def system_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` into an `EnvironmentFailure` that names the file and what was being done."""
    try:
        yield
    except OSError as error:
        why, remedy = _CAUSES.get(error.errno or 0, (error.strerror or plain_words(error), ""))
        if error.errno in _FORBIDDEN and doing.startswith(_READING):
            remedy = _READING_ADVICE
        raise EnvironmentFailure(
            f"{path}: cannot {doing}: {why}",
            details=system_words(error),
            resolution=remedy or "Check the disk and the path, then run the same command again.",
        ) from error


class PathKind(Enum):
    """What stands at a path."""

    MISSING = "nothing"
    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "neither a file nor a folder"


def path_kind(path: Path) -> PathKind:
    """What stands at a path, links followed; raises `EnvironmentFailure` when it may not be looked at."""
    with system_errors(path, "look at it"):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return PathKind.MISSING
    if stat.S_ISREG(mode):
        return PathKind.FILE
    return PathKind.FOLDER if stat.S_ISDIR(mode) else PathKind.OTHER


Identity: TypeAlias = tuple[int, int, int, int]


def identity(file: Path | int) -> Identity:
    """What tells that a file, or an open one by its descriptor, is still the one that it was.

    Its volume and number there, its size, when it was last written. Raises `OSError`.
    """
    status = os.fstat(file) if isinstance(file, int) else file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` when an output exists and may not be overwritten."""
    if not overwrite and os.path.lexists(path):
        raise UsageError(f"{path} exists already", resolution="Choose another name, or add --overwrite.")


def write_new(
    path: Path,
    pieces: Iterable[bytes | FileRange],
    *,
    like: Path | None = None,
    overwrite: bool = False,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a file beside its final place, sync it, let `check` judge it, then rename it to `path`.

    `like` is a file whose mode, owner and extended attributes the new one takes (the target itself when it is
    replaced). Raises `UsageError` for an existing `path` without `overwrite`, `EnvironmentFailure` otherwise.
    """
    refuse_existing(path, overwrite=overwrite)
    is_new = not os.path.lexists(path)
    with system_errors(path, "write"):
        # The name is known before there is a file: an interrupt at any moment from then on removes it.
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.new")
        try:
            # Without a buffer: what the system copies itself must follow what was written before it.
            with open(temporary, "xb", buffering=0, opener=partial(os.open, mode=0o600)) as file:
                for piece in pieces:
                    if isinstance(piece, FileRange):
                        copy_range(piece, file)
                    else:
                        write_all(file, piece)
                os.fsync(file.fileno())
            _take_after(temporary, like)
            if check is not None:
                check(temporary)
            retry_sharing(partial(_rename, temporary, path, overwrite=overwrite))
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    with system_errors(path, "sync its folder (the file itself is written completely)"):
        try:
            _sync_folder(path.parent)
        except OSError:
            if is_new:
                path.unlink()
            raise


def _take_after(temporary: Path, like: Path | None) -> None:
    if like is None:
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        return
    status = like.stat()
    if hasattr(os, "chown"):
        # Only root may give a file away; for anybody else it already has the right owner.
        with contextlib.suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
    shutil.copystat(like, temporary)
    os.utime(temporary)


def _rename(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if sys.platform == "win32" and overwrite and path.exists():
        # ReplaceFile keeps the target's access control list, attributes and short name; a rename would not.
        import ctypes  # Windows only

        if not ctypes.windll.kernel32.ReplaceFileW(str(path), str(temporary), None, 0, None, None):
            raise ctypes.WinError()
        return
    if overwrite:
        temporary.replace(path)
        return
    try:
        # A hard link fails when the name has appeared meanwhile; a rename would overwrite it.
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        temporary.rename(path)
    else:
        temporary.unlink()


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; the file itself is synced.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def overwrite(path: Path, data: bytes) -> None:
    """Give an existing file other contents and sync it, keeping the file itself and its access control list.

    Not atomic: for files below a mount that is thrown away when anything fails.
    """
    with system_errors(path, "write"), path.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder and its parents, for its owner only."""
    with system_errors(path, "make the folder"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder that must be empty by now; one that is not there is fine."""
    with system_errors(path, "remove the folder"), contextlib.suppress(FileNotFoundError):
        path.rmdir()


def empty_folder(path: Path) -> None:
    """Remove a folder with the plain files in it."""
    with system_errors(path, "empty the folder"):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


def remove_file(path: Path) -> None:
    """Remove a file; one that is not there is fine."""
    with system_errors(path, "remove"):
        path.unlink(missing_ok=True)


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
