"""The runner: the only module that starts programs.

No shell, always a time limit, both streams read together, and no child outlives the call: a time-out, an
interrupt or any other error ends the program and whatever it has started, and is raised again after that,
so that the caller can still run the commands that clean up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final, Protocol

from winpe_certs import interrupts
from winpe_certs.command_lines import command_line, shell_of
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.program_output import Lines
from winpe_certs.shown import system_words

_LOG = logging.getLogger(__name__)

# Waiting goes in short slices: on Windows an interrupt is only noticed between two of them.
_SLICE: Final = 0.1
# A program that has ended may leave a helper behind that holds the pipe open; so long its silence is awaited.
_SILENCE: Final = 1.0
# How long a program may take to end by itself once it is told to.
_GRACE: Final = 5.0
# A program that has ended may also leave one behind that talks without end.
_TALK: Final = 5.0
_CHUNK: Final = 1 << 16
# What arrives faster than it is looked at waits in the pipe, not in memory.
_MOST_CHUNKS: Final = 16


class ProgramStartError(EnvironmentFailure):
    """A program is there, but the system does not start it."""

    kind = "program-start"


class ProgramMissingError(ProgramStartError):
    """A program that is needed is not there."""

    kind = "program-missing"


class ProgramTimeoutError(EnvironmentFailure):
    """A program did not end within its time limit, and was ended."""

    kind = "program-timeout"


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program that ran to its end left behind."""

    command: tuple[str, ...]
    code: int
    """The exit code as unsigned 32 bits, as Windows has it."""
    output: str
    """Standard output and standard error in the order of arrival, lines ended by a line feed."""
    seconds: float
    ended_by: str = ""
    """The signal that ended the program, such as SIGKILL, where the system has signals."""

    def __post_init__(self) -> None:
        """Take negative codes too, as some callers report those of Windows."""
        object.__setattr__(self, "code", self.code & 0xFFFF_FFFF)


class Runner(Protocol):
    """Runs programs; the seam at which tests put their own."""

    def run(
        self, command: Sequence[str], *, timeout: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Run a program to its end, whatever its exit code; see `ProcessRunner.run`."""


class ProcessRunner:
    """Runs real programs."""

    def run(
        self, command: Sequence[str], *, timeout: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Run a program to its end, with nothing on its standard input.

        `on_line` is told every line as it arrives, also those that a progress bar redraws. Any exit code is
        a result. Raises `ProgramMissingError`, `ProgramStartError` and `ProgramTimeoutError`; what `on_line`
        raises and `KeyboardInterrupt` pass through, after the program and its children have been ended.
        """
        arguments = tuple(command)
        _LOG.info("run: %s", command_line(arguments, shell_of(sys.platform)))
        started = time.monotonic()
        lines = Lines(on_line)
        patience = _Patience(started + timeout, interrupts.arrivals())
        with interrupts.obeyed(), _started(arguments) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            if not _followed(process, process.stdout, patience, lines):
                raise ProgramTimeoutError(
                    f"{arguments[0]} did not end within {timeout:g} seconds, and was ended",
                    details=lines.last,
                    ran=arguments,
                    resolution="See what it was waiting for (its log, an antivirus program, a slow disk), "
                    "then run the same command again, with more time if need be.",
                )
        lines.end()
        seconds = time.monotonic() - started
        done = Completed(arguments, process.returncode, lines.text, seconds, _signal_name(process.returncode))
        _LOG.info("exit code %d (0x%08X) after %.1f s: %s", done.code, done.code, done.seconds, arguments[0])
        return done


def _signal_name(code: int) -> str:
    """The name of the signal that ended a program; on Windows there is none, and no code is negative."""
    if code >= 0:
        return ""
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _started(arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A running program, ended with all its children when the block raises."""
    name = arguments[0]
    try:
        # Cut off in the middle it would leave a program behind that nobody knows of.
        with interrupts.noted():
            process = _start(arguments)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ProgramMissingError(
            f"{name}: there is no such program",
            details=system_words(error),
            resolution="Check the path, or install what brings this program.",
        ) from error
    except OSError as error:
        raise ProgramStartError(
            f"{name}: the system does not start this program",
            details=system_words(error),
            resolution="Run from an elevated prompt (Run as administrator), and check that the file is "
            "a program for this system.",
        ) from error
    try:
        yield process
    except BaseException:
        _LOG.info("ending: %s (process %d)", name, process.pid)
        _end_tree(process)
        raise
    finally:
        _let_go(process)


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long a program is waited for: until a time, and until there is one more interrupt."""

    deadline: float
    arrivals: int

    def lasts(self) -> bool:
        """Whether there is time left; raises `KeyboardInterrupt` for an interrupt that was not obeyed yet."""
        if interrupts.arrivals() > self.arrivals:
            raise KeyboardInterrupt
        return time.monotonic() < self.deadline


def _followed(process: subprocess.Popen[bytes], stream: IO[bytes], patience: _Patience, lines: Lines) -> bool:
    """Pass on what the program says until it has ended; False when the deadline came first."""
    chunks: queue.Queue[bytes | None] = queue.Queue(_MOST_CHUNKS)
    is_over = threading.Event()
    threading.Thread(target=_read, args=(stream, chunks, is_over), daemon=True).start()
    try:
        return _is_followed(process, chunks, patience, lines)
    finally:
        is_over.set()


def _is_followed(
    process: subprocess.Popen[bytes], chunks: queue.Queue[bytes | None], patience: _Patience, lines: Lines
) -> bool:
    silent_since: float | None = None
    ended_since: float | None = None
    while patience.lasts():
        now = time.monotonic()
        if ended_since is None and process.poll() is not None:
            ended_since = now
        if ended_since is not None and now - ended_since >= _TALK and chunks.empty():
            return True
        try:
            data = chunks.get(timeout=_SLICE)
        except queue.Empty:
            if ended_since is None:
                continue
            silent_since = silent_since or now
            if now - silent_since >= _SILENCE:
                return True
            continue
        if data is None:
            break
        silent_since = None
        lines.feed(data)
    # The streams may be closed before the program ends.
    while patience.lasts():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SLICE)
            return True
    return process.poll() is not None and chunks.empty()


def _read(stream: IO[bytes], chunks: queue.Queue[bytes | None], is_over: threading.Event) -> None:
    """Empty the pipe, in a thread of its own: a full one would stop the program."""

    def hand_on(data: bytes | None) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                chunks.put(data, timeout=_SLICE)
                return

    try:
        with stream:
            while not is_over.is_set() and (data := stream.read(_CHUNK)):
                hand_on(data)
    finally:
        hand_on(None)


if sys.platform == "win32":
    from winpe_certs.jobs import CREATE_SUSPENDED, Job, ask_to_end

    _JOBS: dict[int, Job] = {}

    def _start(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - an argument list, no shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # In a group of its own Ctrl-C does not reach it; it runs when it is in a job.
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED,
        )
        # Popen gives its handle under no public name.
        _JOBS[process.pid] = Job(int(process._handle), process.pid)  # type: ignore[attr-defined] # noqa: SLF001
        return process

    def _let_go(process: subprocess.Popen[bytes]) -> None:
        job = _JOBS.pop(process.pid, None)
        if job is not None:
            job.close()

    def _end_tree(process: subprocess.Popen[bytes]) -> None:
        """Ask with Ctrl-Break, then end the program and its children by force."""
        job = _JOBS.get(process.pid)
        try:
            # Without a console that all share nobody can be asked.
            if ask_to_end(process.pid):
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    process.wait(_GRACE)
        finally:
            if job is None or not job.end():
                with contextlib.suppress(OSError):
                    process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)

else:

    def _start(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - an argument list, no shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # In a session of its own Ctrl-C does not reach it: whether and how it ends is decided here.
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

    def _let_go(_: subprocess.Popen[bytes]) -> None:
        """There is nothing to let go of: a group of processes needs no handle."""

    def _end_tree(process: subprocess.Popen[bytes]) -> None:
        """Ask the whole group to end, then end by force what is left of it."""
        try:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(_GRACE)
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
