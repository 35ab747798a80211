"""Who writes a hive file that lies in a folder: this program's editor, or Microsoft's reg.exe."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Protocol

from winpe_certs.edits import DeleteKey
from winpe_certs.engines.base import Replacement
from winpe_certs.engines.records import Record, Records
from winpe_certs.engines.reg_program import Reg
from winpe_certs.errors import EnvironmentFailure, VerificationFailure
from winpe_certs.files.failures import system_errors
from winpe_certs.files.new import write_new
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.places import empty_folder, make_folder, overwrite, remove_file, remove_folder


class HiveWriter(Protocol):
    """Carries out a replacement."""

    name: str

    def produce_commands(self, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Command lines that `produce` starts, in order."""

    def edit_commands(self, place: PurePath, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Command lines that `edit` starts, in order."""

    def produce(self, replacement: Replacement) -> bytes:
        """The new contents, for a file that is replaced whole."""

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Give a file with the old contents the new ones, in place: its access control list stays."""


class NativeWriter:
    """Writes the bytes that this program's own editor has made: what only programs need is not looked at."""

    name = "native"

    def produce_commands(self, replacement: Replacement) -> tuple[tuple[str, ...], ...]:  # noqa: ARG002 - see the class
        """No program is started."""
        return ()

    def edit_commands(
        self,
        place: PurePath,  # noqa: ARG002 - see the class
        replacement: Replacement,  # noqa: ARG002 - see the class
    ) -> tuple[tuple[str, ...], ...]:
        """No program is started."""
        return ()

    def produce(self, replacement: Replacement) -> bytes:
        """The bytes as they are."""
        return replacement.new

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Overwrite the file."""
        overwrite(place, replacement.new)


class RegWriter:
    r"""Lets reg.exe load a hive as ``HKLM\<name>``, import the edits, look, and always unload it."""

    name = "reg"

    def __init__(
        self, reg: Reg, *, hive_name: str, folder: PurePath, prepare: Callable[[], None], records: Records
    ) -> None:
        """`folder` is the run's own, for the .reg text and copies of hives; `prepare` makes it."""
        self._reg = reg
        self._records = records
        self._key = f"HKLM\\{hive_name}"
        self._hive_name = hive_name
        self._folder = folder
        self._prepare = prepare

    @property
    def _text_file(self) -> PurePath:
        return self._folder / "edits.reg"

    @property
    def _scratch_hive(self) -> PurePath:
        return self._folder / "hive" / "SOFTWARE"

    def produce_commands(self, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Those of `edit`, for a copy in the run's folder."""
        return self.edit_commands(self._scratch_hive, replacement)

    def edit_commands(self, place: PurePath, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Load, import, a query for each changed key, unload."""
        return (
            self._reg.load_command(self._key, place),
            self._reg.import_file_command(self._text_file),
            *(self._reg.query_command(key) for key, _ in self._looks(replacement)),
            self._reg.unload_command(self._key),
        )

    def produce(self, replacement: Replacement) -> bytes:
        """Edit a copy of the old contents in the run's folder: a loaded hive gets log files beside it."""
        self._prepare()
        place = Path(self._scratch_hive)
        make_folder(place.parent)
        write_new(place, [replacement.old], overwrite=True)
        try:
            self.edit(place, replacement)
            with system_errors(place, "read"):
                return _contents(place)
        finally:
            self._tidy(place.parent)

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Load, import, query, unload; raises `CleanupError` when the hive stays loaded."""
        self._prepare()
        text_file = Path(self._text_file)
        write_new(text_file, [replacement.reg_text(self._hive_name)], overwrite=True)
        record = Record(f"{self._hive_name}-hive", os.getpid(), str(place), 0, "", self._key)
        try:
            with self._records.kept(record), self._reg.loaded(self._key, place):
                self._reg.import_file(text_file)
                for key, is_expected in self._looks(replacement):
                    self._look(key, is_expected=is_expected)
        finally:
            with contextlib.suppress(EnvironmentFailure):
                remove_file(text_file)
            self._tidy()

    def _tidy(self, *folders: Path) -> None:
        """Remove what is the run's own; what is in use stays, and must not hide the error that says so."""
        for folder in folders:
            with contextlib.suppress(EnvironmentFailure):
                empty_folder(folder)
        with contextlib.suppress(EnvironmentFailure):
            remove_folder(Path(self._folder))

    def _looks(self, replacement: Replacement) -> list[tuple[str, bool]]:
        """The keys to look for after the import, and whether they must be there.

        The last edit of a key decides: one that is deleted may be created again under the same name.
        """
        looks: dict[str, tuple[str, bool]] = {}
        for edit in replacement.edits:
            key = "\\".join((self._key, *edit.path))
            looks[key.upper()] = (key, not isinstance(edit, DeleteKey))
        return list(looks.values())

    def _look(self, key: str, *, is_expected: bool) -> None:
        if self._reg.has(key) is not is_expected:
            found = "not there" if is_expected else "still there"
            raise VerificationFailure(
                f"reg.exe has imported the edits, but {key} is {found}",
                resolution="List the certificates of the image, and try --hive-editor native.",
            )


def _contents(place: Path) -> bytes:
    with open_to_read(place) as file:
        return file.read()
