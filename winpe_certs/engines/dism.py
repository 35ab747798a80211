"""The DISM engine: Microsoft's program mounts an image, a hive in it is changed, the image is unmounted.

Each image is serviced by itself: mount, compare the hive with the one that the plan was made for, write it in
place (so its access control list stays), verify it there, unmount with commit. Whatever goes wrong before the
commit ends in a discard; when that fails too, `CleanupError` names the mount and the command that frees it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final, Self

from winpe_certs.command_lines import PROGRAM
from winpe_certs.engines.aftermath import Noted, Save, ended_error, look_again, noted, uninterrupted
from winpe_certs.engines.base import ImageInfo, Images, Replacement, Survey, Verification
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.engines.dism_codes import NOT_A_MOUNT_FOLDER, NOTHING_MOUNTED, DismError
from winpe_certs.engines.dism_program import Dism
from winpe_certs.engines.folder import FolderImages, read_file
from winpe_certs.engines.hive_writer import HiveWriter
from winpe_certs.engines.records import Record, Records, is_same_folder
from winpe_certs.engines.rehearsal import Rehearsed
from winpe_certs.engines.survey import survey_wim_file
from winpe_certs.errors import (
    CleanupError,
    EnvironmentFailure,
    ImageState,
    TargetError,
    VerificationFailure,
    WinpeCertsError,
)
from winpe_certs.process import ProgramStartError
from winpe_certs.progress import Progress, silent
from winpe_certs.shown import cause_words

_LOG: Final = logging.getLogger(__name__)
_FREE_ALL_LEFT: Final[tuple[str, ...]] = (PROGRAM, "cleanup", "--apply")


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a run mounts: its name and mount folder, and how that is made before and tidied after a mount.

    `is_own` says that the folder's name is this run's alone, so nobody else can have mounted there.
    """

    run: str
    mount_folder: Path
    is_own: bool
    prepare: Callable[[], None]
    tidy: Callable[[], None]


class DismTarget:
    """A WIM whose images are mounted one after another by DISM, when something is to be written."""

    def __init__(
        self,
        path: Path,
        *,
        dism: Dism,
        writer: HiveWriter,
        records: Records,
        workplace: Workplace,
        progress: Progress = silent,
    ) -> None:
        """Opens the file for reading. Raises as `open_for_reading` does."""
        self._path = path
        self._dism = dism
        self._writer = writer
        self._records = records
        self._workplace = workplace
        self.saved: frozenset[int | None] = frozenset()
        self.remarks: tuple[str, ...] = ()
        self.is_current = False
        self._replacements: dict[tuple[int | None, str], Replacement] = {}
        self._last_save: Save | None = None
        self._stack = contextlib.ExitStack()
        self._source = self._stack.enter_context(open_for_reading(path, progress))
        self.images: tuple[ImageInfo, ...] = self._source.images

    def __enter__(self) -> Self:
        """The target itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; nothing is mounted between commits."""
        self._stack.close()

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file, read from the image without a mount."""
        return self._source.read(index, path)

    def replace(self, index: int | None, path: str, replacement: Replacement) -> None:
        """Note new contents for a hive file."""
        if index is None:
            raise TargetError(f"{self._path}: no image was chosen", resolution="Choose one with --index.")
        self._replacements[index, path] = replacement

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """What `commit` starts for each image: mount, the writer's programs, unmount with commit.

        Before a mount in a folder that somebody has named, it looks whether something is mounted there.
        """
        folder = self._workplace.mount_folder
        return tuple(
            command
            for index, path in self._planned()
            for command in (
                *(() if self._workplace.is_own else (self._dism.mounted_images_command(),)),
                self._dism.mount_command(image=self._path, index=index, folder=folder),
                *self._writer.edit_commands(_below(folder, path), self._replacements[index, path]),
                self._dism.unmount_commit_command(folder=folder),
            )
        )

    def rehearse(self, verify: Verification) -> None:
        """Let `verify` judge the new contents in memory; nothing is mounted."""
        replaced = Rehearsed(self._source, self._replacements)
        for index, _ in self._planned():
            verify(replaced, index)

    def commit(self, verify: Verification) -> None:
        """Service each image, and verify it in the file that DISM has written before the next one.

        After a failure the file is read again: `saved` and the error say what became of the image.
        """
        # DISM must be able to write the file, and Windows shares no file that is open.
        self._stack.close()
        for index, path in self._planned():
            before = noted(self._path, index, path)
            self._last_save = None
            try:
                self._service(index, path, self._replacements[index, path], verify)
                with open_for_reading(self._path) as images:
                    self._verify_written(images, index, verify)
            except (WinpeCertsError, KeyboardInterrupt, MemoryError) as error:
                raise self._ended(error, index, path, before, verify) from error
            self.saved |= {index}

    def _ended(
        self, error: BaseException, index: int, path: str, before: Noted, verify: Verification
    ) -> WinpeCertsError:
        """The error for a service that has ended in one, with what the image is now."""
        old = self._replacements[index, path].old
        found = look_again(self._path, index, path, old=old, before=before, verify=verify)
        _LOG.info("%s: image %d is %s: %s", self._path, index, found.state, found.why)
        if found.state is ImageState.NEW:
            self.saved |= {index}
        elif found.state is ImageState.NEITHER:
            self.saved = frozenset(each for each in self.saved if self._is_still_new(each, verify))
        return ended_error(
            error,
            found,
            f"{self._path}: image {index}",
            save=self._last_save,
            cleanup=self._dism.cleanup_mountpoints_command(),
        )

    def _is_still_new(self, index: int | None, verify: Verification) -> bool:
        """Whether an image that was saved before another one is still what it was then."""
        try:
            with open_for_reading(self._path) as images:
                uninterrupted(lambda: verify(images, index))
        except (WinpeCertsError, KeyboardInterrupt):
            return False
        return True

    def survey(
        self, path: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
    ) -> Survey:
        """The file as it is now; see `Target.survey`."""
        return survey_wim_file(self._path, path, chosen, earlier, progress)

    def _planned(self) -> list[tuple[int, str]]:
        return sorted((index, path) for index, path in self._replacements if index is not None)

    def _verify_written(self, images: Images, index: int, verify: Verification) -> None:
        try:
            verify(images, index)
        except WinpeCertsError as error:
            raise VerificationFailure(
                f"{self._path}: DISM has committed image {index}, "
                f"but it could not be verified: {error.message}",
                details=error.details,
                resolution="Put the image back from its source, and try --engine direct.",
            ) from error

    def _service(self, index: int, path: str, replacement: Replacement, verify: Verification) -> None:
        work = self._workplace
        record = Record(work.run, os.getpid(), str(self._path), index, str(work.mount_folder))
        with self._records.kept(record):
            work.prepare()
            with self._mounted(index) as mount:
                place = self._planned_hive(mount, path, replacement)
                self._writer.edit(place, replacement)
                verify(mount, index)
                _LOG.info("%s: image %d verified in its mount", self._path, index)
                # Whatever ends the run from here on, the image may have been saved.
                self._last_save = Save(self._dism.unmount_commit_command(folder=work.mount_folder))
                self._last_save.done = self._dism.unmount_commit(folder=work.mount_folder)
                mount.is_mounted = False
            work.tidy()

    @staticmethod
    def _planned_hive(mount: _Mount, path: str, replacement: Replacement) -> Path:
        """The hive in the mount; raises `EnvironmentFailure` for another than the change is planned for."""
        try:
            place = mount.locate(path)
            is_planned = read_file(place) == replacement.old
            details = ""
        except TargetError as error:
            # In the image file it is a plain file: what DISM shows of it is no fault of the input.
            place, is_planned, details = mount.root, False, error.message
        if not is_planned:
            raise EnvironmentFailure(
                f"{place}: the mounted hive is not the one that the change was planned for",
                details=details,
                resolution="Make sure that nothing else works on the image, then run this again.",
            )
        return place

    @contextlib.contextmanager
    def _mounted(self, index: int) -> Iterator[_Mount]:
        mount = _Mount(self._workplace.mount_folder)
        if not self._workplace.is_own:
            self._refuse_taken(mount.root)
        try:
            try:
                self._mount(mount, index)
                yield mount
            except BaseException as error:
                if mount.is_mounted:
                    self._discard(mount, error)
                raise
        except CleanupError:
            raise
        except BaseException as error:
            if mount.is_mounted:
                # A second interrupt came before the discard had begun.
                raise self._still_mounted(mount, error, error) from error
            raise

    def _mount(self, mount: _Mount, index: int) -> None:
        """Mount; when that fails the mount says whether something may be there nevertheless."""
        mount.is_mounted = True
        try:
            self._dism.mount(image=self._path, index=index, folder=mount.root)
        except (DismError, ProgramStartError) as error:
            # Mostly DISM said no and there is nothing to free; but what it has half made must go.
            if isinstance(error, ProgramStartError) or not self._may_be_mounted(mount.root, error):
                mount.is_mounted = False
                self._workplace.tidy()
            raise

    def _refuse_taken(self, folder: Path) -> None:
        taken = [mounted for mounted in self._dism.mounted_images() if is_same_folder(mounted.folder, folder)]
        if taken:
            raise EnvironmentFailure(
                f"{folder}: image {taken[0].index} of {taken[0].image} is mounted there already",
                details=f"Its status is {taken[0].status}; it is left alone.",
                resolution="Name another folder with --mount-dir, or let the other mount finish.",
            )

    def _may_be_mounted(self, folder: Path, refusal: DismError) -> bool:
        """Whether DISM may have mounted something though it failed; True when it does not answer."""
        if refusal.code in NOTHING_MOUNTED:
            return False
        try:
            return self._is_listed(folder)
        except DismError as error:
            # It refuses everything that it is asked for.
            return error.code != refusal.code
        except WinpeCertsError:
            return True

    def _is_listed(self, folder: Path) -> bool:
        """Whether DISM lists the folder among its mounts, of whomever. Raises as `Dism` does."""
        return any(is_same_folder(mounted.folder, folder) for mounted in self._dism.mounted_images())

    def _discard(self, mount: _Mount, first: BaseException) -> None:
        """Throw a mount away; raises `CleanupError` from `first` when that fails."""
        _LOG.info("%s: discarding the mount: %s", self._path, _told(first))
        try:
            self._dism.unmount_discard(folder=mount.root)
        except BaseException as error:  # noqa: BLE001 - a second Ctrl-C must not hide a mount
            if not self._is_gone(mount.root, error):
                raise self._still_mounted(mount, first, error) from first
        mount.is_mounted = False
        self._workplace.tidy()

    def _is_gone(self, folder: Path, error: BaseException) -> bool:
        """Whether nothing is mounted (any more) though a discard has failed; False when that is not known."""
        if isinstance(error, DismError) and error.code == NOT_A_MOUNT_FOLDER:
            return True
        if not isinstance(error, WinpeCertsError):
            return False
        try:
            return not self._is_listed(folder)
        except (WinpeCertsError, KeyboardInterrupt):
            return False

    def _still_mounted(self, mount: _Mount, first: BaseException, then: BaseException) -> CleanupError:
        if isinstance(first, CleanupError):
            # A hive that is still loaded goes first, and one command frees both.
            what, command = "unloads the hive and unmounts the image", _FREE_ALL_LEFT
        else:
            what = "unmounts the image (as winpe-certs cleanup --apply does)"
            command = tuple(self._dism.unmount_discard_command(folder=mount.root))
        return CleanupError(
            f"{self._path}: the image is still mounted in {mount.root}",
            details=f"First: {_told(first)}\nThen, unmounting: {_told(then)}",
            resolution="Close what has files open there (Explorer, antivirus). From an elevated prompt "
            f"this {what}:",
            command=command,
        )


def _told(error: BaseException) -> str:
    """All that an error says, for one that comes on top of it."""
    if not isinstance(error, WinpeCertsError):
        return cause_words(error)
    return "\n".join(part for part in (error.message, error.details) if part)


def _below(folder: Path, path: str) -> PurePath:
    """A path below a mount folder; the plan for a Windows machine may be shown on another one."""
    is_windows = bool(PureWindowsPath(folder).drive)
    return (PureWindowsPath(folder) if is_windows else folder).joinpath(*path.split("\\"))


class _Mount(FolderImages):
    """A mounted image: whatever index is asked for, it is this one."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.is_mounted = False

    def read(self, index: int | None, path: str) -> bytes:  # noqa: ARG002 - the one that is mounted
        return super().read(None, path)
