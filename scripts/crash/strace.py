"""Runs a program under strace and takes its log apart: the kernel's view, which knows nothing of our code.

Strings are logged as hexadecimal digits only (``-xx``) and whole, so that no string looks like punctuation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

READS: Final = ("read", "pread64", "readv", "preadv")
"""Their results count (they move file positions), their data does not: it is not logged."""
_WHOLE: Final = 1 << 26
_LINE: Final = re.compile(r"(\d+) +(.*)")
_CALL: Final = re.compile(r"(\w+)\((.*)\) += (\?|0x[0-9a-f]+|-?\d+)(.*)")
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_NUMBER: Final = re.compile(r"(-?\d+|0x[0-9a-f]+)(?=<|$| )")
_UNFINISHED: Final = " <unfinished ...>"
_RESUMED: Final = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_TIME_LIMIT: Final = 120


class TraceError(Exception):
    """The log cannot be understood, or strace cannot trace here."""


@dataclass(frozen=True)
class Call:
    """One system call. `ordinal` counts the calls of this name that its process has made, this one included.

    `result` is None when the process did not live to see it.
    """

    process: int
    name: str
    arguments: str
    result: int | None
    ordinal: int
    is_injected: bool

    @property
    def failed(self) -> bool:
        """Whether it changed nothing: it returned an error, or its process was killed before it."""
        return self.result is None or self.result < 0

    @property
    def strings(self) -> tuple[bytes, ...]:
        """Its string arguments, in order; raises `TraceError` when the log has not all of one."""
        found = []
        for match in _STRING.finditer(self.arguments):
            if match[2]:
                raise TraceError(f"{self.name}: the log has only the first bytes of a string")
            found.append(_decoded(match[1]))
        return tuple(found)

    @property
    def numbers(self) -> tuple[int | None, ...]:
        """Its arguments as numbers, None for those that are none; a descriptor may carry its path."""
        matches = [_NUMBER.match(word) for word in self.arguments.split(", ")]
        return tuple(int(match[1], 16 if "x" in match[1] else 10) if match else None for match in matches)

    @property
    def maps_for_writing(self) -> bool:
        """Whether it maps a file so that what is written to memory reaches it."""
        return "MAP_SHARED" in self.arguments and "PROT_WRITE" in self.arguments

    def is_on(self, path: bytes) -> bool:
        """Whether its first argument is a descriptor of the file of this very path."""
        match = re.match(r"\d+<((?:\\x[0-9a-f]{2})+)>", self.arguments)
        return match is not None and _decoded(match[1]) == path

    def names(self, folder: bytes) -> bool:
        """Whether a string or a descriptor's path lies in `folder`."""
        paths = [*self.strings, *map(_decoded, re.findall(r"<((?:\\x[0-9a-f]{2})+)>", self.arguments))]
        return any(path == folder or path.startswith(folder + b"/") for path in paths)


@dataclass(frozen=True)
class Traced:
    """A run that was traced: its exit code (negative for a signal), what it printed, its calls."""

    code: int
    out: str
    error: str
    calls: tuple[Call, ...]


@cache
def why_not() -> str:
    """Why nothing can be traced here; empty when it can."""
    program = shutil.which("strace")
    if program is None:
        return "strace is not installed"
    command = [program, "-f", "-o", os.devnull, "-e", "inject=fsync:error=EIO:when=1", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIME_LIMIT)
    return "" if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()}"


def traced(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    trace: Iterable[str] = ("%file", "%desc", "%process"),
    inject: Iterable[str] = (),
    paths: Iterable[Path] = (),
) -> Traced:
    """Run a command under strace, its children too; raises `TraceError`.

    `inject` are strace's expressions, such as ``fsync:error=EIO:when=2``; with `paths`, only calls on these
    very paths are logged, counted and tampered with.
    """
    if why_not():
        raise TraceError(why_not())
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        options = ["-f", "-y", "-qq", "-xx", "-s", str(_WHOLE), "-o", str(log)]
        options += ["-e", f"trace={','.join(trace)}", "-e", f"raw={','.join(READS)}", "-e", "signal=none"]
        for expression in inject:
            options += ["-e", f"inject={expression}"]
        for path in paths:
            options += ["-P", str(path)]
        done = subprocess.run(
            ["strace", *options, "--", *command],
            capture_output=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_TIME_LIMIT,
        )
        if not log.exists():
            raise TraceError(f"strace: {done.stderr.decode(errors='replace').strip()}")
        text = log.read_text(encoding="ascii")
    out, error = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    return Traced(done.returncode, out, error, tuple(_calls(text)))


def _calls(text: str) -> Iterator[Call]:
    counts: Counter[tuple[int, str]] = Counter()
    begun: dict[int, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise TraceError(f"not a line of a log: {line[:100]}")
        process, rest = int(match[1]), match[2]
        if rest.endswith(_UNFINISHED):
            begun[process] = rest.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.fullmatch(rest):
            rest = begun.pop(process) + resumed[1]
        if rest.startswith(("+++", "---")):
            continue
        call = _CALL.fullmatch(rest)
        if call is None:
            raise TraceError(f"not a system call: {rest[:100]}")
        name, arguments, result, more = call.groups()
        counts[process, name] += 1
        number = None if result == "?" else int(result, 0)
        yield Call(process, name, arguments, number, counts[process, name], "INJECTED" in more)
    for process, rest in begun.items():
        # Killed in the middle: another line of the log came in between.
        name, _, arguments = rest.partition("(")
        counts[process, name] += 1
        yield Call(process, name, arguments, None, counts[process, name], is_injected=False)


def _decoded(digits: str) -> bytes:
    return bytes.fromhex(digits.replace("\\x", ""))
