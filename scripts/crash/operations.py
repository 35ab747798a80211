"""What a run does to files, as plain values, and a disk that does the same.

A file is a number, as an inode is, because names come and go. Times, modes and owners are not modelled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Create:
    """A new, empty file gets a name."""

    file: int
    name: str


@dataclass(frozen=True)
class Write:
    """Bytes at an offset."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    """Another size."""

    file: int
    size: int


@dataclass(frozen=True)
class Attribute:
    """Another mode, owner or time: nothing that the model holds, but a call that writes."""

    file: int


@dataclass(frozen=True)
class Sync:
    """What was written to a file is on the disk when this returns."""

    file: int


@dataclass(frozen=True)
class SyncFolder:
    """So are the names in a folder."""

    folder: str


@dataclass(frozen=True)
class Link:
    """A further name."""

    file: int
    name: str


@dataclass(frozen=True)
class Unlink:
    """A name goes."""

    name: str


@dataclass(frozen=True)
class Rename:
    """A name becomes another; a file that has that one already loses it."""

    file: int
    old: str
    new: str


Operation: TypeAlias = Create | Write | Truncate | Attribute | Sync | SyncFolder | Link | Unlink | Rename


@dataclass(frozen=True)
class Step:
    """An operation, and the system call that did it: its name and which one of this name in its process."""

    operation: Operation
    call: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.call} #{self.ordinal} ({type(self.operation).__name__.lower()})"


@dataclass
class Disk:
    """Names and contents, as every program sees them when nothing fails."""

    names: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Disk:
        """The plain files below a folder, by their names in it; hard links are one file."""
        disk = cls()
        numbers: dict[int, int] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                number = numbers.setdefault(path.stat().st_ino, len(numbers))
                disk.names[os.fspath(path.relative_to(folder))] = number
                disk.contents[number] = path.read_bytes()
        return disk

    @property
    def files(self) -> dict[str, bytes]:
        """Contents by name."""
        return {name: self.contents[number] for name, number in self.names.items()}

    def copy(self) -> Disk:
        """One that goes its own way."""
        return Disk(dict(self.names), dict(self.contents))

    def apply(self, operation: Operation) -> None:
        """Do what a run did."""
        match operation:
            case Create(number, name):
                self.names[name] = number
                self.contents[number] = b""
            case Write(number) | Truncate(number):
                self.contents[number] = changed(self.contents[number], operation)
            case Link(number, name):
                self.names[name] = number
            case Unlink(name):
                del self.names[name]
            case Rename(number, old, new):
                del self.names[old]
                self.names[new] = number
            case Attribute() | Sync() | SyncFolder():
                pass


@dataclass(frozen=True)
class Recording:
    """A run: the files before it, and everything it did to them."""

    start: Disk
    steps: tuple[Step, ...]

    def end(self) -> Disk:
        """The files after it."""
        disk = self.start.copy()
        for step in self.steps:
            disk.apply(step.operation)
        return disk

    def without(self, *places: int) -> Recording:
        """The run as it would be if it left out some steps."""
        return self.ordered(number for number in range(len(self.steps)) if number not in places)

    def ordered(self, places: Iterable[int]) -> Recording:
        """The run with these of its steps, in this order."""
        return replace(self, steps=tuple(self.steps[place] for place in places))


def changed(content: bytes, operation: Write | Truncate) -> bytes:
    """The contents of a file after a write or truncate."""
    match operation:
        case Write(_, offset, data):
            head = content[:offset].ljust(offset, b"\0")
            return head + data + content[offset + len(data) :]
        case Truncate(_, size):
            return content[:size].ljust(size, b"\0")
