"""What a path leads to, and whether it is still the same.

Names of Windows: Microsoft, "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.files.failures import system_errors

if sys.platform == "win32":
    from winpe_certs.files.windows import reachable
else:

    def reachable(path: Path) -> Path:
        """A path as every call takes it."""
        return path


# ERROR_INVALID_NAME and ERROR_BAD_PATHNAME: no file has such a name, with a star in it for example.
_IMPOSSIBLE_NAMES: Final = frozenset({123, 161})
# With an extension too, after blanks too; superscript digits count.
_DEVICE: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *([.:].*)?", re.IGNORECASE
)
_UNCHANGED_NAMES: Final = "\\\\?\\"


class PathKind(Enum):
    """What a path leads to."""

    MISSING = "nothing"
    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "neither a file nor a folder"


def path_kind(path: Path) -> PathKind:
    """What a path leads to, links followed; raises `EnvironmentFailure` when it may not be looked at."""
    if sys.platform == "win32" and is_special_name(str(path)):
        return PathKind.OTHER
    with system_errors(path, "look at it"):
        try:
            mode = status_of(path).st_mode
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
        return reachable(path).resolve()


def status_of(path: Path) -> os.stat_result:
    """What the system knows of a file, links followed; raises `OSError`."""
    return reachable(path).stat()


def link_status_of(path: Path) -> os.stat_result:
    """What the system knows of what has a name, be it a link; raises `OSError`."""
    return reachable(path).lstat()


def entries_of(folder: Path) -> Iterator[Path]:
    """What is in a folder, in no order; raises `OSError`."""
    for entry in os.listdir(reachable(folder)):  # noqa: PTH208 - the names, below the folder as it was given
        yield folder / entry


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths that exist lead to the same file; raises `OSError`."""
    return reachable(one).samefile(reachable(other))


def is_special_name(path: str) -> bool:
    r"""Whether Windows takes a path for a device, as ``nul`` and ``com1.txt``, or a stream of a file.

    After ``\\?\`` every name is that of a file.
    """
    drive, rest = os.path.splitdrive(path)
    name = re.split(r"[\\/]", rest)[-1]
    if drive.startswith(_UNCHANGED_NAMES):
        return ":" in name
    return ":" in name or _DEVICE.fullmatch(name) is not None


def is_marked_read_only(path: Path) -> bool:
    """Whether a file has Windows' read-only mark, which no waiting changes."""
    return sys.platform == "win32" and not status_of(path).st_mode & stat.S_IWRITE


def matching(pattern: str) -> list[str]:
    """The names that a pattern matches, in order.

    A folder whose name looks like a pattern, as ``[new]``, is that folder.
    """
    drive, rest = os.path.splitdrive(pattern)
    pieces = re.split(r"([\\/]+)" if sys.platform == "win32" else "(/+)", rest)
    place, escaped, is_literal = drive, drive, True
    for piece in pieces:
        place += piece
        is_literal = is_literal and (not glob.has_magic(piece) or os.path.lexists(place))
        escaped += glob.escape(piece) if is_literal else piece
    return sorted(glob.glob(escaped))  # noqa: PTH207 - the pattern may be absolute


def is_pattern(text: str) -> bool:
    r"""Whether a path has wildcards; the question mark of ``\\?\`` is none."""
    return glob.has_magic(os.path.splitdrive(text)[1] if text.startswith(_UNCHANGED_NAMES) else text)


Identity: TypeAlias = tuple[int, int, int, int]


def identity(file: Path | int) -> Identity:
    """What tells that a file, or an open one by its descriptor, is still the one that it was.

    Its volume and number there, its size, when it was last written. Raises `OSError`.
    """
    status = os.fstat(file) if isinstance(file, int) else status_of(file)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
