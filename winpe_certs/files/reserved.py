"""A file whose room is taken before its contents are known, so that writing it later needs none."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Final, Self

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.keeping import give
from winpe_certs.files.new import put_in_place, refuse_existing, replaced, temporary_for
from winpe_certs.ranges import write_all

_ZEROS: Final = bytes(1 << 16)


class ReservedFile:
    """A new file beside its final place, open and synced, with room for what it will hold.

    Leaving it unfinished removes it.
    """

    def __init__(self, path: Path, size: int, *, overwrite: bool) -> None:
        """Raises `UsageError` for an existing `path` without `overwrite`, `EnvironmentFailure` otherwise."""
        refuse_existing(path, overwrite=overwrite)
        self._path = path
        self._overwrite = overwrite
        self._size = 0
        self._temporary = temporary_for(path)
        self._is_finished = False
        with system_errors(path, "write"):
            self._kept = replaced(path)
            opener = partial(os.open, mode=0o600)
            self._file = open(self._temporary, "xb", buffering=0, opener=opener)  # noqa: SIM115 - kept open
        try:
            if self._kept is not None:
                # What it cannot take over is found out now; until it is whole it is its owner's only.
                with system_errors(path, "write"):
                    give(self._temporary, self._kept)
                    self._temporary.chmod(0o600)
            self.reserve(size)
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            self._discard()

    def reserve(self, size: int) -> None:
        """Take room for `size` bytes in all, and sync it; raises `EnvironmentFailure` when there is none."""
        with system_errors(self._path, f"reserve {size} bytes for it"):
            if size > self._size:
                self._allocate(size)
                self._size = size
            os.fsync(self._file.fileno())

    def finish(self, data: bytes) -> None:
        """Write the contents, sync them, and put the file in its place.

        Raises as `write_new` does. Contents that are complete but cannot be put there stay beside it, and the
        error names that file.
        """
        with system_errors(self._path, "write"):
            self._file.seek(0)
            write_all(self._file, data)
            self._file.truncate()
            os.fsync(self._file.fileno())
            self._file.close()
        self._is_finished = True
        try:
            with system_errors(self._path, "write"):
                put_in_place(self._temporary, self._path, overwrite=self._overwrite, kept=self._kept)
        except EnvironmentFailure as error:
            if self._temporary.exists():
                error.details = f"{error.details}\nIts contents are complete in {self._temporary}.".strip()
            raise

    def _allocate(self, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            with contextlib.suppress(OSError):
                # Also where what is overwritten gets a new place, it gets none for room that was never used.
                os.posix_fallocate(self._file.fileno(), self._size, size - self._size)
                return
        # Where the system cannot do that; a disk that is full says so here too.
        self._file.seek(self._size)
        for at in range(self._size, size, len(_ZEROS)):
            write_all(self._file, _ZEROS[: size - at])

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()
