"""Takes down what a run does to the files of a folder, from the system calls that it makes.

Every call that touches the folder is either modelled, known to change nothing, or an error: a recording that
misses something would prove nothing. As a last check, what was recorded must lead to what is on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.crash.operations import (
    Attribute,
    Create,
    Disk,
    Link,
    Operation,
    Recording,
    Rename,
    Step,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Write,
)
from scripts.crash.strace import Call, Traced, TraceError, traced

_COPIED: Final = re.compile(r"(?P<source>\d+)<[^>]*>, \[(?P<start>\d+)[^]]*\], (?P<target>\d+)<[^>]*>, NULL,")
_HARMLESS: Final = re.compile(
    "f?access(at2?)?|close|clone3?|dup[23]?|execve|exit_group|fadvise64|fcntl|flock|v?fork|fstatfs?|getcwd"
    "|getdents(64)?|[fl]?getxattr|f?l?listxattr|llistxattr|ioctl|lseek|l?stat|mmap|newfstatat|open|openat"
    "|p?readv?|pread64|readlink(at)?|statfs|statx|wait4|waitid"
)
"""Calls that change nothing the model holds; those of them that might have been looked at before."""
_ATTRIBUTES: Final = re.compile("f?l?chown(at)?|f?chmod(at2?)?|[fl]?(set|remove)xattr|utimes?|utimensat")
_OPAQUE: Final = re.compile("io_uring.*|f?chdir")


@dataclass
class _Opened:
    """An open file description: copies of a descriptor share it, and so do children."""

    file: int | None
    name: str
    offset: int = 0
    appends: bool = False


class Recorder:
    """Follows the calls of a run; `steps` are the operations so far."""

    def __init__(self, folder: Path, start: Disk) -> None:
        self._folder = os.fsencode(folder)
        self._disk = start.copy()
        self._tables: dict[int, dict[int, _Opened]] = {}
        self.steps: list[Step] = []

    def follow(self, call: Call) -> None:
        """Take a call into account; raises `TraceError` for one that is not understood."""
        table = self._table(call)
        if call.failed:
            return
        if _OPAQUE.fullmatch(call.name):
            raise TraceError(f"{call.name}: what follows cannot be read off the log")
        for operation in self._operations(call, table):
            self._disk.apply(operation)
            self.steps.append(Step(operation, call.name, call.ordinal))

    def _table(self, call: Call) -> dict[int, _Opened]:
        if call.process not in self._tables:
            # The first call of a child may come before the log says that it was made.
            parent = next(iter(self._tables.values()), {})
            self._tables[call.process] = dict(parent)
        return self._tables[call.process]

    def _operations(self, call: Call, table: dict[int, _Opened]) -> Sequence[Operation]:
        number = call.numbers[0]
        opened = None if number is None else table.get(number)
        match call.name:
            case "open" | "openat" | "creat":
                return self._open(call, table)
            case "close" if number is not None:
                table.pop(number, None)
                return ()
            case "dup" | "dup2" | "dup3" | "fcntl" if opened and (
                "F_DUP" in call.arguments or "dup" in call.name
            ):
                table[call.result or 0] = opened
                return ()
        if call.name == "copy_file_range":
            return self._copy(call, table)
        if opened is None:
            return self._by_path(call)
        return self._by_descriptor(call, opened)

    def _copy(self, call: Call, table: dict[int, _Opened]) -> Sequence[Operation]:
        """A range that the system copies from one file in the folder to another."""
        assert call.result is not None
        ends = _COPIED.match(call.arguments)
        source, target = (table.get(int(ends[name])) if ends else None for name in ("source", "target"))
        if target is None or target.file is None:
            return ()
        if ends is None or source is None or source.file is None:
            raise TraceError(f"{call.name}: not modelled: {call.arguments[:200]}")
        at, start = target.offset, int(ends["start"])
        target.offset += call.result
        data = self._disk.contents[source.file][start : start + call.result]
        return (Write(target.file, at, bytes(data)),)

    def _open(self, call: Call, table: dict[int, _Opened]) -> Sequence[Operation]:
        assert call.result is not None
        table.pop(call.result, None)
        name = self._inside(call.strings[0])
        if name is None:
            if call.names(self._folder):
                raise TraceError(f"{call.name}: opened by a name that is relative to a folder")
            return ()
        creates = "O_CREAT" in call.arguments or call.name == "creat"
        number = self._disk.names.get(name)
        done: list[Operation] = []
        if number is None and creates:
            number = max(self._disk.contents, default=-1) + 1
            done.append(Create(number, name))
        elif number is not None and ("O_TRUNC" in call.arguments or call.name == "creat"):
            done.append(Truncate(number, 0))
        table[call.result] = _Opened(number, name, appends="O_APPEND" in call.arguments)
        return done

    def _by_descriptor(self, call: Call, opened: _Opened) -> Sequence[Operation]:
        assert call.result is not None
        number = opened.file
        if number is None:
            if call.name in {"fsync", "fdatasync"}:
                return (SyncFolder(opened.name),)
            self._harmless(call)
            return ()
        match call.name:
            case "read" | "readv":
                opened.offset += call.result
            case "lseek":
                opened.offset = call.result
            case "write":
                at = len(self._disk.contents[number]) if opened.appends else opened.offset
                opened.offset = at + call.result
                return (Write(number, at, call.strings[0][: call.result]),)
            case "pwrite64":
                return (Write(number, self._number(call, -1), call.strings[0][: call.result]),)
            case "ftruncate":
                return (Truncate(number, self._number(call, 1)),)
            case "fsync" | "fdatasync":
                return (Sync(number),)
            case name if _ATTRIBUTES.fullmatch(name):
                return (Attribute(number),)
            case _:
                self._harmless(call)
        return ()

    def _by_path(self, call: Call) -> Sequence[Operation]:
        inside = [name for name in map(self._inside, self._paths(call)) if name is not None]
        files = [self._disk.names.get(name) for name in inside]
        match call.name, inside, files:
            case "truncate", [_], [int(number)]:
                return (Truncate(number, self._number(call, 1)),)
            case (("link" | "linkat"), [_, new], [int(number), _]):
                return (Link(number, new),)
            case (("rename" | "renameat" | "renameat2"), [old, new], [int(number), _]) if (
                "EXCH" not in call.arguments
            ):
                return (Rename(number, old, new),)
            case (("unlink" | "unlinkat"), [name], [int()]):
                return (Unlink(name),)
            case name, [_], [int(number)] if _ATTRIBUTES.fullmatch(name):
                return (Attribute(number),)
        if call.name not in {"write", "writev", "pwrite64"} and call.names(self._folder):
            self._harmless(call)
        return ()

    def _harmless(self, call: Call) -> None:
        if not _HARMLESS.fullmatch(call.name) or (call.name == "mmap" and call.maps_for_writing):
            raise TraceError(f"{call.name} touches the folder and is not modelled: {call.arguments[:200]}")

    @staticmethod
    def _paths(call: Call) -> Sequence[bytes]:
        # Data that is written elsewhere may look like a path.
        return () if call.name in {"write", "writev", "pwrite64"} else call.strings

    def _inside(self, path: bytes) -> str | None:
        if path != self._folder and not path.startswith(self._folder + b"/"):
            return None
        return os.fsdecode(os.path.relpath(path, self._folder))

    @staticmethod
    def _number(call: Call, place: int) -> int:
        number = call.numbers[place]
        if number is None:
            raise TraceError(f"{call.name}: no number in {call.arguments[-100:]}")
        return number


def record(
    folder: Path, command: Sequence[str], environment: Mapping[str, str], *, inject: Sequence[str] = ()
) -> tuple[Recording, Traced]:
    """Run a command that works in `folder` (an absolute, resolved path) and take down what it does there."""
    start = Disk.of(folder)
    done = traced(command, environment=environment, inject=inject)
    recorder = Recorder(folder, start)
    for call in done.calls:
        recorder.follow(call)
    recording = Recording(start, tuple(recorder.steps))
    if recording.end().files != Disk.of(folder).files:
        raise TraceError("what was recorded does not lead to what is on the disk")
    return recording, done
