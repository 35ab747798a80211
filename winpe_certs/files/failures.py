"""What the system says when it refuses, in words that name the file and what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.holders import who_holds
from winpe_certs.shown import plain_words, system_words

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
# Windows' own numbers, where the C runtime's would say less.
_HELD: Final = (
    "another program has this file open",
    "Close it there (Explorer, antivirus, a mounted image), then run the same command again.",
)
_WINDOWS_CAUSES: Final = {32: _HELD, 33: _HELD}
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
        known = _WINDOWS_CAUSES.get(getattr(error, "winerror", None) or 0) or _CAUSES.get(error.errno or 0)
        is_held = (getattr(error, "winerror", None) or 0) in _WINDOWS_CAUSES
        why, remedy = known or (error.strerror or plain_words(error), "")
        if not is_held and error.errno in _FORBIDDEN and doing.startswith(_READING):
            remedy = _READING_ADVICE
        raise EnvironmentFailure(
            f"{path}: cannot {doing}: {why}",
            details=f"{system_words(error)}\n{who_holds(path) if is_held else ''}".strip(),
            resolution=remedy or "Check the disk and the path, then run the same command again.",
        ) from error
