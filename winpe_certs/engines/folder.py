"""The folder engine: a mounted or applied image, or a bare hive file. Files are replaced by rename."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from winpe_certs import interrupts
from winpe_certs.engines.base import ImageInfo, Replacement, Survey, Verification
from winpe_certs.errors import (
    EnvironmentFailure,
    MissingFileError,
    TargetError,
    VerificationFailure,
    WinpeCertsError,
)
from winpe_certs.files.failures import system_errors
from winpe_certs.files.keeping import is_in_wim_mount
from winpe_certs.files.locked import Lock, hold
from winpe_certs.files.new import WrittenError, is_already, write_new
from winpe_certs.files.opened import changed_meanwhile, open_to_read
from winpe_certs.files.paths import Identity, entries_of, identity, link_status_of, status_of
from winpe_certs.files.places import overwrite
from winpe_certs.progress import Progress
from winpe_certs.shown import cause_words
from winpe_certs.uppercase import upper

if TYPE_CHECKING:
    from winpe_certs.engines.hive_writer import HiveWriter

# Far above any registry hive; keeps a mistaken path from filling the memory.
MAXIMUM_FILE: Final = 1 << 30
# Of a reparse tag: it names another file or folder (MS-FSCC 2.1.2.1). Files of mounted images lack it.
_NAME_SURROGATE: Final = 0x2000_0000
_LOG_EXTENSIONS: Final = frozenset({"LOG", "LOG1", "LOG2"})


class FolderImages:
    """A folder that holds a Windows tree. Names compare without case, links are not followed."""

    images: tuple[ImageInfo, ...] = (ImageInfo(None),)

    def __init__(self, root: Path) -> None:
        self.root = root

    def locate(self, path: str) -> Path:
        r"""The file of a path such as ``Windows\System32\config\SOFTWARE``; raises `TargetError`."""
        place = self.root
        for name in path.split("\\"):
            with system_errors(place, "list"):
                alike = [entry.name for entry in entries_of(place) if upper(entry.name) == upper(name)]
            if name in alike:
                alike = [name]
            if not alike:
                raise MissingFileError(
                    f"{self.root}: there is no {path} in this folder ({place / name} is missing)",
                    resolution="Give the folder that holds Windows, as a mounted or applied image has it.",
                )
            if len(alike) > 1:
                raise TargetError(
                    f"{place}: {len(alike)} entries are called {name} in different case",
                    details=", ".join(sorted(alike)),
                    resolution="Remove all but one of them; Windows would see only one.",
                )
            place /= alike[0]
            if _leads_elsewhere(place):
                raise TargetError(
                    f"{place}: this is a link or a junction, not the expected {name}; those are not followed",
                    resolution="Give the real folder.",
                )
        return place

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file of the folder."""
        if index is not None:
            raise TargetError(f"{self.root}: a folder has no images to choose from by --index")
        return read_file(self.locate(path))


class HiveImages(FolderImages):
    """A bare hive file: whatever hive is asked for, it is this one; its log files stand beside it."""

    def locate(self, path: str) -> Path:
        """The hive file, or its log file for a path with such an extension."""
        extension = path.rpartition("\\")[2].rpartition(".")[1:]
        if extension[1].upper() not in _LOG_EXTENSIONS:
            return self.root
        wanted = upper(self.root.name + "".join(extension))
        with system_errors(self.root.parent, "list"):
            beside = [entry for entry in entries_of(self.root.parent) if upper(entry.name) == wanted]
        if len(beside) != 1 or beside[0].is_symlink():
            raise TargetError(
                f"{self.root}: there is no {''.join(extension)} file beside this hive",
                resolution="Copy the log files along with the hive.",
            )
        return beside[0]


class FolderTarget:
    """A folder or bare hive whose files are replaced: one new file beside each, then a rename.

    With `output` (bare hives only) the result is written there and the original is only read.
    """

    def __init__(
        self,
        source: FolderImages,
        writer: HiveWriter,
        *,
        output: Path | None = None,
        overwrite: bool = False,
        dry_run: bool = False,
        wait: float = 0.0,
    ) -> None:
        """`wait` is how many seconds the lock of a hive is waited for; who only reads takes none."""
        self._source = source
        self._writer = writer
        self._output = output
        self._overwrite = overwrite
        self._is_read = dry_run or output is not None
        self._wait = wait
        self._locks: dict[Path, Lock | None] = {}
        self.remarks: tuple[str, ...] = ()
        self.is_current = False
        self._replacements: dict[str, Replacement] = {}
        self.saved: frozenset[int | None] = frozenset()
        self._seen: dict[str, Identity] = {}

    @property
    def images(self) -> tuple[ImageInfo, ...]:
        """The one image that a folder is."""
        return self._source.images

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file, which no other run may change until this target is closed."""
        place = self._source.locate(path)
        if not self._is_read and place not in self._locks:
            self._locks[place] = hold(place, self._wait)
        self._seen[path] = _identity(place)
        return self._source.read(index, path)

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Command lines of the programs that write the hives, if programs do."""
        return tuple(
            command
            for replacement in self._replacements.values()
            for command in self._writer.produce_commands(replacement)
        )

    def replace(self, index: int | None, path: str, replacement: Replacement) -> None:
        """Note new contents for a file."""
        if index is not None:
            raise TargetError(f"{self._source.root}: a folder has no images to choose from by --index")
        self._replacements[path] = replacement

    def commit(self, verify: Verification) -> None:
        """Replace the files, each by one rename; see `Target.commit`."""
        for path, replacement in self._replacements.items():
            self._refuse_changed(path)
            self._write(path, replacement, verify)
        if self._output is not None and not self._replacements:
            (path,) = self._seen
            data = self._source.read(None, path)
            self._note_current(data)
            if not self.is_current:

                def check(_: Path) -> None:
                    self._refuse_changed(path)
                    interrupts.hold()

                write_new(self._output, [data], overwrite=self._overwrite, check=check)
        if not self.is_current:
            self.saved = frozenset({None})

    def _note_current(self, data: bytes) -> None:
        """Whether the output is there already; raises `UsageError` for one with other contents."""
        if self._output is not None:
            self.is_current = is_already(self._output, [data], overwrite=self._overwrite)

    def _refuse_changed(self, path: str) -> None:
        """Raise `EnvironmentFailure` when a file is not what it was when it was read."""
        place = self._source.locate(path)
        if _identity(place) != self._seen.get(path):
            raise EnvironmentFailure(
                f"{place}: another program has changed the file during this run",
                resolution="Make sure that nothing else works on it, then run the command again.",
            )

    def _write(self, path: str, replacement: Replacement, verify: Verification) -> None:
        place = self._source.locate(path)
        with system_errors(place, "look at it"):
            is_written_in_place = self._output is None and is_in_wim_mount(place)
        if is_written_in_place:
            self._write_in_place(place, replacement, verify)
            return
        data = self._writer.produce(replacement)
        self._note_current(data)
        if self.is_current:
            verify(HiveImages(self._output or place), None)
            return

        def check(written: Path) -> None:
            verify(HiveImages(written), None)
            if self._output is None:
                # Who gets the new file to lock waits until it is verified: the old contents may go back.
                self._locks[written] = hold(written, 0)
            self._refuse_changed(path)
            interrupts.hold()

        try:
            write_new(
                self._output or place,
                [data],
                overwrite=self._overwrite or self._output is None,
                check=check,
            )
        except WrittenError:
            self.saved = frozenset({None})
            raise
        if self._output is None:
            ours = _identity(place)
            put_back = partial(
                write_new, place, [replacement.old], overwrite=True, check=partial(_refuse_other, place, ours)
            )
            self._verify_in_place(place, verify, put_back)

    def _write_in_place(self, place: Path, replacement: Replacement, verify: Verification) -> None:
        """Give the file of a mounted WIM other contents: a new file would have no security descriptor.

        A run that is killed meanwhile may leave half of it in the mount; the .wim is what it was until that
        is unmounted with --commit. Raises `EnvironmentFailure` that says so when the old contents cannot be
        put back.
        """

        def put_back() -> None:
            try:
                overwrite(place, replacement.old)
            except EnvironmentFailure as error:
                raise EnvironmentFailure(
                    f"{place}: the hive is damaged: the old contents could not be put back",
                    details=error.message,
                    resolution="Unmount without --commit: the .wim is what it was when it was mounted.",
                ) from error

        self.rehearse(verify)
        data = self._writer.produce(replacement)
        interrupts.hold()
        try:
            overwrite(place, data)
        except BaseException:
            put_back()
            raise
        self._verify_in_place(place, verify, put_back)

    @staticmethod
    def _verify_in_place(place: Path, verify: Verification, put_back: Callable[[], None]) -> None:
        try:
            verify(HiveImages(place), None)
        except BaseException as error:
            put_back()
            if not isinstance(error, Exception):
                raise
            why = error.message if isinstance(error, WinpeCertsError) else cause_words(error)
            raise VerificationFailure(
                f"{place}: the new file could not be verified: {why}",
                resolution="The old contents are back in place. Check the disk, then try again.",
            ) from error

    def rehearse(self, verify: Verification) -> None:
        """Let `verify` judge the new contents in memory; see `Target.rehearse`."""
        from winpe_certs.engines.rehearsal import Rehearsed

        replaced: dict[tuple[int | None, str], Replacement] = {
            (None, path): replacement for path, replacement in self._replacements.items()
        }
        verify(Rehearsed(self._source, replaced), None)
        for path in self._seen:
            replacement = self._replacements.get(path)
            self._note_current(replacement.new if replacement else self._source.read(None, path))
            self._refuse_changed(path)

    def survey(
        self,
        path: str,
        chosen: Collection[int | None],  # noqa: ARG002 - there is but one
        earlier: Survey | None,
        progress: Progress,
    ) -> Survey:
        """The hive's file as it is now, or the one that was written instead; see `Target.survey`."""
        from winpe_certs.engines.survey import survey_hive  # most runs keep no evidence

        is_written = earlier is not None and self._output is not None
        return survey_hive(
            self._output if is_written and self._output else self._source.locate(path), progress
        )

    def __enter__(self) -> Self:
        """The target itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the hives go."""
        for lock in self._locks.values():
            if lock is not None:
                lock.close()
        self._locks.clear()


def _leads_elsewhere(place: Path) -> bool:
    """Whether a place is a symbolic link, or a reparse point that names another place, as junctions do.

    NTFS-3G shows reparse points that it does not know as symbolic links; Windows gives their tag.
    """
    with system_errors(place, "look at"):
        status = link_status_of(place)
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0) & _NAME_SURROGATE)


def _identity(place: Path) -> Identity:
    with system_errors(place, "look at"):
        return identity(place)


def _refuse_other(place: Path, ours: Identity, _: Path) -> None:
    """Raise `EnvironmentFailure` when a file is not the one that this run has put there."""
    if _identity(place)[:3] != ours[:3]:
        raise changed_meanwhile(place, "It is not what this run has written.")


def read_file(place: Path) -> bytes:
    """The bytes of a plain file; raises `TargetError` for anything else, `EnvironmentFailure` otherwise."""
    with system_errors(place, "read"):
        status = status_of(place)
        if not stat.S_ISREG(status.st_mode):
            raise TargetError(f"{place}: not a plain file", resolution="Give a registry hive.")
        if status.st_size > MAXIMUM_FILE:
            raise TargetError(
                f"{place}: {status.st_size} bytes are too many for a registry hive",
                resolution="Check that this is a SOFTWARE hive.",
            )
        return _contents(place)


def _contents(place: Path) -> bytes:
    with open_to_read(place) as file:
        return file.read()
