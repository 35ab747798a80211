"""What a disk may hold after a run was ended: by a kill (every prefix) or by a power failure.

Rules for power failures, the weakest that POSIX grants: what an fsync of a file covers is there; of all that
came later any pages (or sectors) may have arrived, in any order and in any version they had, with any size
that the file had or grew through. Bytes that never arrived read as zeros or as rubbish. Names are durable
with an fsync of their folder; before that any subset of the changes may have arrived, but a rename never
takes the old name away without giving the new one. One exception is claimed: 208 bytes at the beginning of a
file lie in one sector and arrive whole or not at all.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from scripts.crash.operations import (
    Create,
    Disk,
    Link,
    Operation,
    Recording,
    Rename,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Write,
    changed,
)

PAGE: Final = 4096
SECTOR: Final = 512
HEADER: Final = 208
_FILLS: Final = (b"\0", b"\xa5")
_MOST_CHANGES: Final = 8


@dataclass(frozen=True)
class Effort:
    """How many states to try: `random` subsets of pages for each situation, and every n-th page by itself."""

    random: int = 200
    every: int = 1


@dataclass(frozen=True)
class State:
    """Files by name, and how they came to be so."""

    files: Mapping[str, bytes]
    how: str

    def key(self, ignored: Callable[[str], bool]) -> bytes:
        """A digest of everything that matters; of ignored names only how many there are."""
        digest = sha256()
        for name, content in sorted(self.files.items()):
            if not ignored(name):
                digest.update(name.encode() + b"\0" + sha256(content).digest())
        return digest.digest() + bytes([sum(map(ignored, self.files))])


def kills(recording: Recording, effort: Effort) -> Iterator[State]:
    """Every prefix of the run, and every prefix whose last write arrived only in part."""
    disk = recording.start.copy()
    yield State(disk.files, "before the first step")
    for number, step in enumerate(recording.steps):
        operation = step.operation
        if isinstance(operation, Write):
            whole = disk.contents[operation.file]
            for size in torn(operation, effort.every):
                part = Write(operation.file, operation.offset, operation.data[:size])
                disk.contents[operation.file] = changed(whole, part)
                yield State(disk.files, f"step {number}, {step}: {size} of {len(operation.data)} bytes")
            disk.contents[operation.file] = whole
        disk.apply(operation)
        yield State(disk.files, f"behind step {number}, {step}")


def torn(write: Write, every: int = 1) -> list[int]:
    """How many bytes of a write may have arrived: odd numbers, and up to the end of every n-th page."""
    length = len(write.data)
    if write.offset == 0 and length == HEADER:
        return []
    sizes = {1, SECTOR - 1, SECTOR, SECTOR + 1, PAGE - 1, PAGE, PAGE + 1, length // 2, length - 1}
    sizes |= set(range(PAGE - write.offset % PAGE, length, PAGE * every))
    sizes |= set(range(SECTOR - write.offset % SECTOR, min(length, PAGE), SECTOR))
    return sorted(size for size in sizes if 0 < size < length)


def power_failures(recording: Recording, judged: Collection[str], effort: Effort) -> Iterator[State]:
    """Every state that a power failure may leave, as far as `effort` goes.

    It is enough to look just before each sync and at the end: what may be there earlier may be there then.
    Contents matter only below `judged` names.
    """
    cache = _Cache(recording.start)
    for number, step in enumerate(recording.steps):
        if isinstance(step.operation, Sync | SyncFolder):
            yield from cache.survivors(f"before step {number}, {step}", judged, effort)
        cache.follow(step.operation)
    yield from cache.survivors("at the end", judged, effort)


@dataclass(frozen=True)
class _Change:
    """A name that is to be given to a file (None: taken away), with the change that it must not precede."""

    name: str
    file: int | None
    after: _Change | None = None


class _Cache:
    """What is on the disk for certain, and what is on its way there."""

    def __init__(self, start: Disk) -> None:
        self._names = dict(start.names)
        self._changes: list[_Change] = []
        self._versions = {number: [content] for number, content in start.contents.items()}

    def follow(self, operation: Operation) -> None:
        match operation:
            case Create(number, name):
                self._versions[number] = [b""]
                self._changes.append(_Change(name, number))
            case Write(number) | Truncate(number):
                versions = self._versions[number]
                versions.append(changed(versions[-1], operation))
            case Sync(number):
                self._versions[number] = self._versions[number][-1:]
            case Link(number, name):
                self._changes.append(_Change(name, number))
            case Unlink(name):
                self._changes.append(_Change(name, None))
            case Rename(number, old, new):
                given = _Change(new, number)
                self._changes += [given, _Change(old, None, given)]
            case SyncFolder(folder):
                synced = [change for change in self._changes if _folder(change.name) == folder]
                self._changes = [change for change in self._changes if _folder(change.name) != folder]
                self._names = _renamed(self._names, synced)

    def survivors(self, when: str, judged: Collection[str], effort: Effort) -> Iterator[State]:
        """The states that the disk may come back with."""
        if len(self._changes) > _MOST_CHANGES:
            raise ValueError(f"{len(self._changes)} changes of names wait for a sync: too many to try")
        for chosen in _subsets(self._changes):
            names = _renamed(self._names, chosen)
            how = f"power failure {when}, {len(chosen)} of {len(self._changes)} changes of names there"
            first = {name: self._versions[number][0] for name, number in names.items()}
            last = {name: self._versions[number][-1] for name, number in names.items()}
            yield State(first, f"{how}, no data")
            yield State(last, f"{how}, all data")
            for name in sorted(names.keys() & set(judged)):
                for content, what in _contents(self._versions[names[name]], effort):
                    yield State({**last, name: content}, f"{how}, of {name} {what}")


def _folder(name: str) -> str:
    return os.path.dirname(name) or "."  # noqa: PTH120 - a name in a model, not a path


def _subsets(changes: list[_Change]) -> Iterator[list[_Change]]:
    for picks in itertools.product((False, True), repeat=len(changes)):
        chosen = [change for change, pick in zip(changes, picks, strict=True) if pick]
        if all(change.after is None or change.after in chosen for change in chosen):
            yield chosen


def _renamed(names: Mapping[str, int], changes: list[_Change]) -> dict[str, int]:
    result = dict(names)
    for change in changes:
        if change.file is None:
            result.pop(change.name, None)
        else:
            result[change.name] = change.file
    return result


def _contents(versions: list[bytes], effort: Effort) -> Iterator[tuple[bytes, str]]:
    """What a file may hold when only its first version is certain, and a description of each."""
    if len(versions) == 1:
        return
    last = len(versions) - 1
    ends = sorted({len(version) for version in versions})
    for unit in (PAGE, SECTOR):
        units = _differing(versions, unit)
        for fill, size in itertools.product(_FILLS, ends):
            for one in units[:: effort.every * PAGE // unit] or units[:1]:
                how = f"{unit}-byte unit {one}, size {size}"
                yield _composed(versions, {one: 0}, last, size, unit, fill), f"all but {how}"
                yield _composed(versions, {one: last}, 0, size, unit, fill), f"only {how}"
    # Seeded, so that every run of the campaign tries the same.
    dice = random.Random(f"{len(versions)} {ends}")
    growth = range(ends[0], ends[-1] + 1, PAGE)
    for number in range(effort.random):
        unit = PAGE if number % 2 else SECTOR
        units = _differing(versions, unit)
        share = dice.choice((0.02, 0.1, 0.5, 0.9, 0.98))
        picked = {each: dice.randint(1, last) for each in units if dice.random() < share}
        size = dice.choice([*ends, dice.choice(growth)])
        content = _composed(versions, picked, 0, size, unit, dice.choice(_FILLS))
        yield content, f"{len(picked)} of {len(units)} {unit}-byte units, size {size} (random {number})"


def _differing(versions: list[bytes], unit: int) -> list[int]:
    longest = max(map(len, versions))
    first = versions[0]
    return [
        number
        for number, at in enumerate(range(0, longest, unit))
        if any(version[at : at + unit] != first[at : at + unit] for version in versions[1:])
    ]


def _composed(
    versions: list[bytes], picked: Mapping[int, int], otherwise: int, size: int, unit: int, fill: bytes
) -> bytes:
    """A file of this size: each unit in the version that is picked for it, missing bytes filled up."""
    content = bytearray()
    for number, at in enumerate(range(0, size, unit)):
        version = versions[picked.get(number, otherwise)]
        content += version[at : at + unit].ljust(unit, fill)
    return bytes(content[:size])
