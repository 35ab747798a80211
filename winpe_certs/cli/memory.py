"""When memory runs out: an ordinary failure of the system, said with what memory there is."""

from __future__ import annotations

import errno
import os
from typing import Final

from winpe_certs.errors import EnvironmentFailure

_STDOUT: Final = 1
_STDERR: Final = 2
_MESSAGE: Final = "there is not enough memory"
_RESOLUTION: Final = "End other programs or raise the limit, then run the same command again."
_TEXT: Final = f"error: {_MESSAGE}\nnext: {_RESOLUTION}\n".encode()
# Written out, for nothing may be left to build it with.
_DOCUMENT: Final = (
    '{"schema": 1, "command": null, "ok": false, "dry_run": false, "changed": false, "images": [], '
    f'"error": {{"code": 4, "kind": "no-memory", "message": "{_MESSAGE}", "details": "", '
    f'"resolution": "{_RESOLUTION}", "command": null, "ran": null, "image_state": null}}}}\n'
).encode()
# How the loaders of shared libraries say it.
_LOADER_WORDS: Final = ("cannot allocate memory", "failed to map segment", "cannot map zero-fill")


class NoMemoryError(EnvironmentFailure):
    """The system gives no more memory."""

    kind = "no-memory"


def is_no_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out, in any of the ways in which Python says it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError):
        return any(words in str(error).lower() for words in _LOADER_WORDS)
    if isinstance(error, SystemError):
        # What the interpreter says when it had no memory for the error itself.
        return "without exception set" in str(error) or "without setting an exception" in str(error)
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, MemoryError)


def no_memory() -> NoMemoryError:
    """The error for it."""
    return NoMemoryError(
        _MESSAGE,
        details="Images not listed above are unchanged.",
        resolution=_RESOLUTION,
    )


def show_no_memory(*, as_json: bool) -> None:
    """Say it past everything that takes memory itself."""
    os.write(_STDOUT if as_json else _STDERR, _DOCUMENT if as_json else _TEXT)
