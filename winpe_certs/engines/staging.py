"""An image on a network share: changed as a local copy, verified, then put back by rename.

A share may go away at any moment and knows no reliable locks: the original is only read, or replaced whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, Self

from winpe_certs import interrupts
from winpe_certs.engines.base import ImageInfo, Replacement, Survey, Target, Verification
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.engines.survey import survey_wim_file
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.new import WrittenError, write_new
from winpe_certs.files.places import remove_file, remove_folder
from winpe_certs.progress import Progress

_PIECE: Final = 1 << 20


class StagedTarget:
    """A target on a copy of an image; `commit` replaces the original when the copy has been changed."""

    def __init__(
        self,
        original: Path,
        copy: Path,
        open_copy: Callable[[Path], Target],
        prepare: Callable[[], None],
    ) -> None:
        """Copies the image into the run's folder, which `prepare` makes. Raises as `open_copy` does."""
        self._original = original
        self._copy = copy
        prepare()
        self._indexes: list[int | None] = []
        self._identity = _identity(original)
        write_new(copy, _pieces(original), overwrite=True)
        try:
            self._inner = open_copy(copy)
        except BaseException:
            self._remove_copy()
            raise
        self._is_changed = False
        self._is_open = True
        self.saved: frozenset[int | None] = frozenset()

    def __enter__(self) -> Self:
        """The target itself."""
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the copy and remove it."""
        self._close(*exception)
        self._remove_copy()

    def _close(self, *exception: object) -> None:
        if self._is_open:
            self._is_open = False
            self._inner.__exit__(*exception)

    @property
    def images(self) -> tuple[ImageInfo, ...]:
        """The images, in order."""
        return self._inner.images

    @property
    def is_current(self) -> bool:
        """Never: the original is what is written."""
        return False

    @property
    def remarks(self) -> tuple[str, ...]:
        """Those about the copy."""
        return self._inner.remarks

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Those for the copy."""
        return self._inner.commands

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file, from the copy."""
        self._indexes.append(index)
        return self._inner.read(index, path)

    def replace(self, index: int | None, path: str, replacement: Replacement) -> None:
        """Note new contents for a hive file."""
        self._is_changed = True
        self._inner.replace(index, path, replacement)

    def rehearse(self, verify: Verification) -> None:
        """Rehearse on the copy."""
        self._inner.rehearse(verify)

    def commit(self, verify: Verification) -> None:
        """Change the copy, then replace the original with it, verified once more before the rename."""
        # So far only the copy is changed: an interrupt need not wait for the original.
        with interrupts.held_no_longer():
            self._inner.commit(verify)
        if self._is_changed:
            # Windows lets nobody read a file that is open without sharing.
            self._close()
            self._put_back(verify)
        self.saved = self._inner.saved

    def survey(
        self, path: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
    ) -> Survey:
        """The original as it is now; see `Target.survey`."""
        return survey_wim_file(self._original, path, chosen, earlier, progress)

    def _put_back(self, verify: Verification) -> None:
        if _identity(self._original) != self._identity:
            raise EnvironmentFailure(
                f"{self._original}: another program has changed the image during this run",
                resolution="Make sure that nothing else works on the image, then run the command again.",
            )

        def check(written: Path) -> None:
            with open_for_reading(written) as images:
                for index in self._indexes:
                    verify(images, index)
            interrupts.hold()

        try:
            write_new(self._original, _pieces(self._copy), overwrite=True, check=check)
        except WrittenError:
            self.saved = self._inner.saved
            raise

    def _remove_copy(self) -> None:
        remove_file(self._copy)
        with contextlib.suppress(EnvironmentFailure):
            remove_folder(self._copy.parent)


def _identity(path: Path) -> tuple[int, int]:
    with system_errors(path, "look at"):
        status = path.stat()
    return status.st_size, status.st_mtime_ns


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
