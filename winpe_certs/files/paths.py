"""What a path leads to, and whether it is still the same."""

from __future__ import annotations

import os
import stat
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.files.failures import system_errors

# ERROR_INVALID_NAME and ERROR_BAD_PATHNAME: no file has such a name, with a star in it for example.
_IMPOSSIBLE_NAMES: Final = frozenset({123, 161})


class PathKind(Enum):
    """What a path leads to."""

    MISSING = "nothing"
    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "neither a file nor a folder"


def path_kind(path: Path) -> PathKind:
    """What a path leads to, links followed; raises `EnvironmentFailure` when it may not be looked at."""
    with system_errors(path, "look at it"):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return PathKind.MISSING
        except OSError as error:
            if getattr(error, "winerror", None) in _IMPOSSIBLE_NAMES:
                return PathKind.MISSING
            raise
    if stat.S_ISREG(mode):
        return PathKind.FILE
    return PathKind.FOLDER if stat.S_ISDIR(mode) else PathKind.OTHER


def resolved(path: Path) -> Path:
    """A path as it is without links; raises `EnvironmentFailure` when the system does not say."""
    with system_errors(path, "look at it"):
        return path.resolve()


Identity: TypeAlias = tuple[int, int, int, int]


def identity(file: Path | int) -> Identity:
    """What tells that a file, or an open one by its descriptor, is still the one that it was.

    Its volume and number there, its size, when it was last written. Raises `OSError`.
    """
    status = os.fstat(file) if isinstance(file, int) else file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
