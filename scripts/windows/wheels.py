"""Wheels as what they put into a folder of libraries: files by name, without programs and tests.

Format: Python Packaging User Guide, "Binary distribution format" and "Recording installed projects".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Files = dict[str, bytes]

# What a wheel for Windows asks of the machine, where it is installed on Linux.
WINDOWS: Final[dict[str, str | AbstractSet[str]]] = {
    "os_name": "nt",
    "sys_platform": "win32",
    "platform_system": "Windows",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "python_version": "3.11",
    "python_full_version": "3.11.6",
    "implementation_version": "3.11.6",
    "platform_release": "10",
    "platform_version": "10.0.19045",
    "extra": "",
}
_NOT_NEEDED: Final = frozenset({"tests", "test", "__pycache__"})
_LICENCE: Final = re.compile(r"licen[cs]e|copying|notice|authors", re.IGNORECASE)


class WheelError(Exception):
    """A wheel that cannot be put into the folder."""


@dataclass(frozen=True)
class Distribution:
    """An installed library: the files that it has below the folder of libraries."""

    name: str
    version: str
    metadata: Message
    files: Files = field(repr=False)

    @classmethod
    def of(cls, files: Files) -> Distribution:
        """Give the library that has these files; one of them must be its metadata."""
        found = [name for name in files if name.endswith(".dist-info/METADATA")]
        if len(found) != 1:
            raise WheelError(f"{len(found)} folders of metadata instead of one: {found}")
        metadata = BytesParser().parsebytes(files[found[0]])
        return cls(canonicalize_name(metadata["Name"]), metadata["Version"], metadata, files)

    @property
    def licences(self) -> Files:
        """The texts of its licence, by their names in its folder of metadata."""
        return {
            name.partition("/")[2].removeprefix("licenses/"): data
            for name, data in self.files.items()
            if name.partition("/")[0].endswith(".dist-info") and _LICENCE.search(name.partition("/")[2])
        }

    def requires(self) -> Iterator[str]:
        """Give the names of the libraries that it needs on Windows."""
        for line in self.metadata.get_all("Requires-Dist", []):
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate(WINDOWS):
                yield canonicalize_name(wanted.name)


def read_wheel(path: Path) -> Distribution:
    """Give what a wheel installs. Its scripts, headers and data are no part of a folder of libraries."""
    files: Files = {}
    with ZipFile(path) as archive:
        for entry in archive.infolist():
            place = _place(entry.filename)
            if place is not None and not entry.is_dir():
                files[place] = archive.read(entry)
    for name in files:
        if name.endswith(".dist-info/RECORD"):
            files[name] = _record(files[name], files)
    return Distribution.of(files)


def site(distributions: list[Distribution]) -> Files:
    """Give the folder of libraries that these make up; refuses one that is incomplete or ambiguous."""
    together: Files = {}
    spelling: dict[str, str] = {}
    for each in distributions:
        for name, data in each.files.items():
            other = spelling.setdefault(name.casefold(), name)
            if name in together or other != name:
                raise WheelError(f"{each.name}: {name} is there already, as {other}")
            together[name] = data
    there = {each.name for each in distributions}
    for each in distributions:
        missing = sorted(set(each.requires()) - there)
        if missing:
            raise WheelError(f"{each.name} needs {', '.join(missing)}")
    return together


def _place(name: str) -> str | None:
    """Where a file of a wheel belongs, None for those that are left out."""
    parts = name.split("/")
    if parts[0].endswith(".data"):
        if parts[1] not in {"purelib", "platlib"}:
            return None
        parts = parts[2:]
    if ".." in parts or "\\" in name or name.startswith("/"):
        raise WheelError(f"{name}: a path that leads out of the folder")
    if _NOT_NEEDED.intersection(parts[:-1]) or name.endswith(".pyc"):
        return None
    return "/".join(parts)


def _record(record: bytes, files: Files) -> bytes:
    """The list of installed files, of those that are there."""
    lines = csv.reader(io.StringIO(record.decode(), newline=""))
    kept = [[*line] for line in lines if line and (place := _place(line[0])) in files and place == line[0]]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(kept))
    return text.getvalue().encode()
