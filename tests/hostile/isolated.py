"""Run command lines of the program one by one, each in a process of its own, and measure them.

Started as a program this is the small parent: it imports the package once, forks for every command line and
waits for the child, so that the child's peak memory is its own and not that of a test run.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

TIME_LIMIT = 20
_LOADED_LATE = (
    "winpe_certs.cli.main",
    "winpe_certs.report.json",
    "winpe_certs.report.text",
    "winpe_certs.workflows.export",
    "winpe_certs.workflows.inject",
    "winpe_certs.workflows.listing",
    "winpe_certs.workflows.remove",
    "winpe_certs.workflows.verify",
    "regipy.registry",
    "Registry.Registry",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one command line did; `code` is negative when a signal ended it.

    `seconds` are those of the processor, `peak` is in bytes.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak: int


class Isolated:
    """The parent process, seen from a test."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=TIME_LIMIT)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def run(self, *arguments: object) -> Outcome:
        """Run ``winpe-certs`` with these arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def _measured(arguments: Sequence[str]) -> Outcome:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            # Of its own time, not of the clock: other work on the machine takes none of it.
            resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT, TIME_LIMIT))
            os.dup2(stdout.fileno(), 1)
            os.dup2(stderr.fileno(), 2)
            code = 255
            try:
                from winpe_certs.cli.main import main

                code = main(arguments)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status, usage = os.wait4(child, 0)
        seconds = usage.ru_utime + usage.ru_stime
        stdout.seek(0)
        stderr.seek(0)
        return Outcome(
            os.waitstatus_to_exitcode(status),
            stdout.read().decode(errors="replace"),
            stderr.read().decode(errors="replace"),
            seconds,
            usage.ru_maxrss * 1024,
        )


def _serve() -> None:
    for name in _LOADED_LATE:
        importlib.import_module(name)
    # Once for nothing: the rest of what a command line imports.
    with contextlib.redirect_stderr(io.StringIO()):
        main = importlib.import_module("winpe_certs.cli.main").main
        main(["list", os.devnull])
    for line in sys.stdin:
        outcome = _measured(json.loads(line))
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    # The package of this checkout, and not what stands in the folder of this file.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    _serve()
