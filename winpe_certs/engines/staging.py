"""An image on a network share: changed as a local copy, verified, then put back by rename.

A share may go away at any moment and knows no reliable locks: the original is only read, or replaced whole.
What lock there is keeps runs of this program on this machine apart.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, Self

from winpe_certs import interrupts
from winpe_certs.engines.aftermath import Aftermath, as_ours, say_state, uninterrupted
from winpe_certs.engines.base import ImageInfo, Replacement, Survey, Target, Verification
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.engines.survey import survey_wim_file
from winpe_certs.errors import CleanupError, EnvironmentFailure, ImageState, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.locked import hold
from winpe_certs.files.new import WrittenError, write_new
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import status_of
from winpe_certs.files.places import remove_file, remove_folder
from winpe_certs.progress import Progress
from winpe_certs.shown import cause_words

_PIECE: Final = 1 << 20


class StagedTarget:
    """A target on a copy of an image; `commit` replaces the original when the copy has been changed."""

    def __init__(
        self,
        original: Path,
        copy: Path,
        open_copy: Callable[[Path], Target],
        prepare: Callable[[], None],
        *,
        wait: float = 0.0,
    ) -> None:
        """Copies the image into the run's folder, which `prepare` makes; a lock is waited for `wait` seconds.

        Raises as `open_copy` and `hold` do.
        """
        self._original = original
        self._copy = copy
        prepare()
        self._indexes: list[int | None] = []
        with contextlib.ExitStack() as stack:
            lock = hold(original, wait)
            if lock is not None:
                stack.callback(lock.close)
            self._identity = _identity(original)
            write_new(copy, _pieces(original), overwrite=True)
            try:
                self._inner = open_copy(copy)
            except BaseException:
                self._remove_copy()
                raise
            self._locks = stack.pop_all()
        self._is_changed = False
        self._is_open = True
        self.saved: frozenset[int | None] = frozenset()

    def __enter__(self) -> Self:
        """The target itself."""
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the copy and remove it; while it may still be mounted it stays."""
        with self._locks:
            self._leave(*exception)

    def _leave(self, *exception: object) -> None:
        self._close(*exception)
        error = exception[1]
        if isinstance(error, CleanupError):
            return
        if error is None:
            self._remove_copy()
            return
        # What could not be removed must not hide why the work has ended.
        with contextlib.suppress(EnvironmentFailure):
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
        """Change the copy, then replace the original with it, verified once more before the rename.

        After a failure `saved` and the error say what the original is, not what became of the copy.
        """
        try:
            # So far only the copy is changed: an interrupt need not wait for the original.
            with interrupts.held_no_longer():
                self._inner.commit(verify)
        except WinpeCertsError as error:
            if error.image_state is not None:
                error.details = f"This was a copy; {self._original} is unchanged.\n{error.details}".strip()
                error.image_state = ImageState.OLD
            raise
        if self._is_changed:
            # Windows lets nobody read a file that is open without sharing.
            self._close()
            self._refuse_changed()
            try:
                self._put_back(verify)
            except (WinpeCertsError, KeyboardInterrupt, MemoryError) as error:
                raise self._ended(error) from error
        self.saved = self._inner.saved

    def _ended(self, error: BaseException) -> WinpeCertsError:
        """The error for a replacement of the original that has ended in one, with what the original is."""
        try:
            found = uninterrupted(self._look_again)
        except (WinpeCertsError, KeyboardInterrupt) as why:
            found = Aftermath(ImageState.NEITHER, f"it cannot be read: {cause_words(why)}")
        if found.state is ImageState.NEW:
            self.saved = self._inner.saved
        told = as_ours(error)
        told.image_state = found.state
        say_state(told, found, str(self._original))
        return told

    def _look_again(self) -> Aftermath:
        if _identity(self._original) == self._identity:
            return Aftermath(ImageState.OLD, "it has the size and time of before")
        with system_errors(self._original, "read"):
            is_new = _are_equal(self._original, self._copy)
        if is_new:
            return Aftermath(ImageState.NEW, "it has the contents of the changed copy")
        return Aftermath(ImageState.NEITHER, "another program has written it")

    def survey(
        self, path: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
    ) -> Survey:
        """The original as it is now; see `Target.survey`."""
        return survey_wim_file(self._original, path, chosen, earlier, progress)

    def _refuse_changed(self) -> None:
        if _identity(self._original) != self._identity:
            raise EnvironmentFailure(
                f"{self._original}: another program has changed the image during this run",
                resolution="Make sure that nothing else works on the image, then run the command again.",
            )

    def _put_back(self, verify: Verification) -> None:
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
        status = status_of(path)
    return status.st_size, status.st_mtime_ns


def _are_equal(one: Path, other: Path) -> bool:
    return all(a == b for a, b in itertools.zip_longest(_pieces(one), _pieces(other)))


def _pieces(path: Path) -> Iterator[bytes]:
    with open_to_read(path) as file:
        while piece := file.read(_PIECE):
            yield piece
