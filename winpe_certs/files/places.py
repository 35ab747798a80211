"""Work folders and the plain files in them: made, emptied, removed; and a file below a mount, overwritten."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path

from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_change
from winpe_certs.files.paths import entries_of, reachable
from winpe_certs.sharing import retry_sharing


def overwrite(path: Path, data: bytes) -> None:
    """Give an existing file other contents and sync it, keeping the file itself and its access control list.

    Not atomic: for files below a mount that is thrown away when anything fails.
    """
    with system_errors(path, "write"), open_to_change(path) as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder and its parents, for its owner only."""
    with system_errors(path, "make the folder"):
        reachable(path).mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder that must be empty by now; one that is not there is fine."""
    with system_errors(path, "remove the folder"), contextlib.suppress(FileNotFoundError):
        retry_sharing(reachable(path).rmdir)


def empty_folder(path: Path) -> None:
    """Remove a folder with the plain files in it."""
    with system_errors(path, "empty the folder"):
        for entry in entries_of(path):
            retry_sharing(reachable(entry).unlink)
        retry_sharing(reachable(path).rmdir)


def remove_file(path: Path) -> None:
    """Remove a file; one that is not there is fine."""
    with system_errors(path, "remove"):
        retry_sharing(partial(reachable(path).unlink, missing_ok=True))
