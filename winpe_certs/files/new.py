"""Beside and rename: a new file next to its final place, synced, checked, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from winpe_certs import interrupts
from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.keeping import Character, character_of, give, give_unique, old_file
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, is_marked_read_only, path_kind, reachable, resolved
from winpe_certs.ranges import FileRange, copy_range, write_all
from winpe_certs.sharing import retry_sharing

_OTHER: Final = (
    "the name of a device, or of a stream of a file"
    if sys.platform == "win32"
    else "a device, a pipe or a socket"
)


class WrittenError(EnvironmentFailure):
    """The file is in its place, complete and synced; what failed came after the rename."""


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` when an output exists and may not be overwritten, or is no file.

    A device, a pipe or a folder is never replaced, and neither is a link to one (/dev/stdout is one), nor a
    link by which the system names a descriptor, wherever that leads.
    """
    kind = path_kind(path)
    if kind in {PathKind.OTHER, PathKind.FOLDER}:
        what = kind.value if kind is PathKind.FOLDER else _OTHER
    elif path.is_symlink() and _is_of_the_system(resolved(path.parent)):
        what = "a link that belongs to the system"
    else:
        what = ""
    if what:
        raise UsageError(
            f"{path}: this is {what}; an output is a file", resolution="Give the name of a file."
        )
    if not overwrite and os.path.lexists(reachable(path)):
        raise UsageError(f"{path} exists already", resolution="Choose another name, or add --overwrite.")


def _is_of_the_system(folder: Path) -> bool:
    """Whether a folder is /dev or lies in /proc, whose links name descriptors of every program."""
    return folder == Path("/dev") or Path("/proc") in (folder, *folder.parents)


def write_new(
    path: Path,
    pieces: Iterable[bytes | FileRange],
    *,
    overwrite: bool = False,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a file beside its final place, sync it, let `check` judge it, then rename it to `path`.

    A file that is replaced hands on its mode, owner and extended attributes; another one gets the umask's
    mode. Raises `UsageError` for an existing `path` without `overwrite` and for what is no file, and
    `EnvironmentFailure` when the system refuses, or what the old file has could not be kept: `WrittenError`
    when the new file is in its place by then, otherwise `path` is what it was. Interrupts are held from the
    rename on; one that came is `Interrupted` afterwards, and the file is there.
    """
    refuse_existing(path, overwrite=overwrite)
    place = reachable(path)
    is_new = not os.path.lexists(place)
    with system_errors(path, "write"):
        kept = replaced(path)
        # The name is known before there is a file: an interrupt at any moment from then on removes it.
        temporary = temporary_for(path)
        try:
            # Without a buffer: what the system copies itself must follow what was written before it.
            with open(temporary, "xb", buffering=0, opener=partial(os.open, mode=0o600)) as file:
                for piece in pieces:
                    if isinstance(piece, FileRange):
                        copy_range(piece, file)
                    else:
                        write_all(file, piece)
                os.fsync(file.fileno())
            _dress(temporary, kept)
            if check is not None:
                check(temporary)
            with old_file(kept) as old, interrupts.held(f"{path}: written completely."):
                _rename(temporary, place, overwrite=overwrite)
                if kept is not None:
                    _give_unique(path, kept, old)
                _sync_name(path, is_new=is_new)
        except WrittenError:
            raise
        except BaseException:
            with contextlib.suppress(OSError):
                # Antivirus looks at a file when it is closed.
                retry_sharing(temporary.unlink, attempts=3)
            raise


def is_already(path: Path, pieces: Iterable[bytes], *, overwrite: bool) -> bool:
    """Whether there is a file with these very contents already; False for nothing, and with `overwrite`.

    Raises `UsageError` for a file with other contents, `EnvironmentFailure` when it cannot be read.
    """
    if overwrite or not os.path.lexists(reachable(path)):
        return False
    refuse_existing(path, overwrite=True)
    with system_errors(path, "compare with it"), open_to_read(path) as file:
        is_same = all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)
    if not is_same:
        refuse_existing(path, overwrite=False)
    return is_same


def replaced(path: Path) -> Character | None:
    """What a new file at `path` takes over: that of the file there, None for nothing and for a link.

    Raises as `character_of` does, and `OSError` for a file that Windows lets nobody replace.
    """
    if path_kind(path) is not PathKind.FILE or reachable(path).is_symlink():
        return None
    if is_marked_read_only(path):
        raise PermissionError(errno.EACCES, "the file is read-only")
    return character_of(path)


def temporary_for(path: Path) -> Path:
    """The path of a new file beside another, with a name that nothing has."""
    return reachable(path.with_name(f".{path.name}.{os.urandom(6).hex()}.new"))


def put_in_place(temporary: Path, path: Path, *, overwrite: bool, kept: Character | None) -> None:
    """Give a file that is written and synced beside `path` that name, and what it takes over.

    Raises `OSError` and `EnvironmentFailure` when it stays where it is, `WrittenError` when its folder cannot
    be synced.
    """
    _dress(temporary, kept)
    with old_file(kept) as old, interrupts.held(f"{path}: written completely."):
        _rename(temporary, reachable(path), overwrite=overwrite)
        if kept is not None:
            _give_unique(path, kept, old)
        _sync_name(path, is_new=False)


def _dress(temporary: Path, kept: Character | None) -> None:
    if kept is None:
        temporary.chmod(0o666 & ~_umask())
    else:
        give(temporary, kept)


def _give_unique(path: Path, kept: Character, old: int | None) -> None:
    try:
        with system_errors(path, "give it what only one file can have (the file itself is written)"):
            give_unique(path, kept, old)
    except EnvironmentFailure as error:
        raise WrittenError(error.message, details=error.details, resolution=error.resolution) from error


def _sync_name(path: Path, *, is_new: bool) -> None:
    """Sync the folder; when that fails, a new file is removed again, and a replaced one is reported."""
    try:
        with system_errors(path, "sync its folder (the file itself is written completely)"):
            _sync_folder(path.parent)
    except EnvironmentFailure as error:
        if is_new:
            try:
                reachable(path).unlink()
            except OSError:
                pass
            else:
                raise
        raise WrittenError(
            error.message,
            details=f"{error.details}\nThe new file is in its place; a power failure may undo that.".strip(),
            resolution=error.resolution,
        ) from error


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _rename(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if sys.platform == "win32" and overwrite and path.exists():
        from winpe_certs.files.windows import replace_file

        replace_file(path, temporary)
        return
    if overwrite:
        # What was no file when it was looked at may be one of these by now.
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISLNK(mode):
                raise FileExistsError(errno.EEXIST, "this is no file any more")
        retry_sharing(partial(temporary.replace, path))
        return
    try:
        # A hard link fails when the name has appeared meanwhile; a rename would overwrite it.
        retry_sharing(partial(os.link, temporary, path))
    except FileExistsError:
        raise
    except OSError:
        retry_sharing(partial(temporary.rename, path))
    else:
        retry_sharing(temporary.unlink)


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
