"""A file that is open for reading, and recognised later: reading takes no lock."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Self

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import identity, status_of

NOTHING_ELSE: Final = "Make sure that nothing else works on it, then run the same command again."


if sys.platform == "win32":
    from functools import partial

    from winpe_certs.files.windows import open_file as open_to_read

    open_to_change = partial(open_to_read, writing=True)
    """Open an existing file for reading and writing, as others may at the same time; raises `OSError`."""
else:

    def open_to_read(path: Path) -> BinaryIO:
        """Open an existing file for reading, whatever others do with it; raises `OSError`."""
        return path.open("rb")

    def open_to_change(path: Path) -> BinaryIO:
        """Open an existing file for reading and writing, as others may at the same time; raises `OSError`."""
        return path.open("r+b")


class OpenedFile:
    """A file that is read, and must not change meanwhile."""

    def __init__(self, path: Path) -> None:
        """Raises `EnvironmentFailure` when the file cannot be opened."""
        self.path = path
        with system_errors(path, "read"):
            self.file = open_to_read(path)
            self._opened = identity(self.file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self.file.close()

    def refuse_changed(self) -> None:
        """Raise `EnvironmentFailure` when another file has the name by now, or this one was written to."""
        with system_errors(self.path, "look at it again"):
            changed = identity(self.path) != self._opened
        if changed:
            raise changed_meanwhile(self.path)


def changed_meanwhile(path: Path, what: str = "") -> EnvironmentFailure:
    """The error for a file that another program has changed or replaced; it says what is there now."""
    try:
        status = status_of(path)
    except OSError:
        found = "Nothing is there any more."
    else:
        written = datetime.fromtimestamp(status.st_mtime, UTC)
        found = (
            f"There is a file of {status.st_size} bytes now, last written at {written:%Y-%m-%d %H:%M:%S} UTC."
        )
    return EnvironmentFailure(
        f"{path}: another program has changed the file during this run; it was left as it is now",
        details=f"{what}\n{found}".strip(),
        resolution=NOTHING_ELSE,
    )


def leads_to(path: Path, file: BinaryIO) -> bool:
    """Whether a path still names a file that is open."""
    try:
        named = status_of(path)
    except OSError:
        return False
    opened = os.fstat(file.fileno())
    return (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
