"""Who writes a hive file that lies in a folder: this program's editor, or Microsoft's reg.exe."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePath
from typing import Protocol

from winpe_certs.edits import DeleteKey
from winpe_certs.engines.base import Replacement
from winpe_certs.engines.records import Record, Records
from winpe_certs.engines.reg_program import Reg
from winpe_certs.errors import EnvironmentFailure, VerificationFailure
from winpe_certs.files import make_folder, overwrite, remove_file, remove_folder, write_new


class HiveWriter(Protocol):
    """Carries out a replacement."""

    name: str

    def commands(self, place: PurePath, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Command lines that `edit` starts, in order."""

    def draft(self, replacement: Replacement) -> bytes:
        """What a new file starts with, before `finish` makes it the new contents."""

    def finish(self, place: Path, replacement: Replacement) -> None:
        """Make a file that holds the draft the new contents."""

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Give a file with the old contents the new ones, in place: its access control list stays."""


class NativeWriter:
    """Writes the bytes that this program's own editor has made."""

    name = "native"

    def commands(
        self,
        place: PurePath,  # noqa: ARG002 - no program is started
        replacement: Replacement,  # noqa: ARG002
    ) -> tuple[tuple[str, ...], ...]:
        """No program is started."""
        return ()

    def draft(self, replacement: Replacement) -> bytes:
        """The new contents."""
        return replacement.new

    def finish(self, place: Path, replacement: Replacement) -> None:
        """Nothing is left to do."""

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Overwrite the file."""
        overwrite(place, replacement.new)


class RegWriter:
    r"""Lets reg.exe load a hive as ``HKLM\<name>``, import the edits, look, and always unload it."""

    name = "reg"

    def __init__(self, reg: Reg, *, hive_name: str, text_file: Path, records: Records) -> None:
        """`text_file` is where the .reg text goes for as long as reg.exe reads it."""
        self._reg = reg
        self._records = records
        self._key = f"HKLM\\{hive_name}"
        self._hive_name = hive_name
        self._text_file = text_file

    def commands(self, place: PurePath, replacement: Replacement) -> tuple[tuple[str, ...], ...]:
        """Load, import, a query for each changed key, unload."""
        return (
            self._reg.load_command(self._key, place),
            self._reg.import_file_command(self._text_file),
            *(self._reg.query_command(key) for key, _ in self._looks(replacement)),
            self._reg.unload_command(self._key),
        )

    def draft(self, replacement: Replacement) -> bytes:
        """The old contents."""
        return replacement.old

    def finish(self, place: Path, replacement: Replacement) -> None:
        """Edit them."""
        self.edit(place, replacement)

    def edit(self, place: Path, replacement: Replacement) -> None:
        """Load, import, query, unload; raises `CleanupError` when the hive stays loaded."""
        make_folder(self._text_file.parent)
        write_new(self._text_file, [replacement.reg_text(self._hive_name)], overwrite=True)
        try:
            record = Record(f"{self._hive_name}-hive", os.getpid(), str(place), 0, "", self._key)
            with self._records.kept(record), self._reg.loaded(self._key, place):
                self._reg.import_file(self._text_file)
                for key, is_expected in self._looks(replacement):
                    self._look(key, is_expected=is_expected)
        finally:
            remove_file(self._text_file)
            with contextlib.suppress(EnvironmentFailure):
                # The folder is the run's; it stays when an image is mounted in it.
                remove_folder(self._text_file.parent)

    def _looks(self, replacement: Replacement) -> list[tuple[str, bool]]:
        """The keys to look for after the import, and whether they must be there."""
        return [
            ("\\".join((self._key, *edit.path)), not isinstance(edit, DeleteKey))
            for edit in replacement.edits
        ]

    def _look(self, key: str, *, is_expected: bool) -> None:
        if self._reg.has(key) is not is_expected:
            found = "not there" if is_expected else "still there"
            raise VerificationFailure(
                f"reg.exe has imported the edits, but {key} is {found}",
                resolution="Look at the image with `winpe-certs list`, and try the editor 'native'.",
            )
