"""The runner, with the Python interpreter as the program that it runs."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from winpe_certs import interrupts, process
from winpe_certs.command_lines import command_line, shell_of
from winpe_certs.errors import EnvironmentFailure, ExitCode
from winpe_certs.process import (
    Completed,
    ProcessRunner,
    ProgramMissingError,
    ProgramStartError,
    ProgramTimeoutError,
)

# A child that ends before the test does only by being ended.
LONG = "import time; time.sleep(120)"


@pytest.fixture
def fresh_interrupts() -> Iterator[None]:
    interrupts.reset()
    yield
    interrupts.reset()


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def run(code: str, *, timeout: float = 30) -> tuple[Completed, list[str]]:
    lines: list[str] = []
    return ProcessRunner().run(python(code), timeout=timeout, on_line=lines.append), lines


if sys.platform == "win32":
    import ctypes

    _TIMED_OUT = 0x102

    def _opened(process_id: int, rights: int) -> Iterator[Any]:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(rights, False, process_id)
        if handle:
            yield kernel, ctypes.c_void_p(handle)
            kernel.CloseHandle(ctypes.c_void_p(handle))

    def is_running(process_id: int) -> bool:
        """Whether a process is there and has not ended."""
        return any(
            kernel.WaitForSingleObject(handle, 0) == _TIMED_OUT
            for kernel, handle in _opened(process_id, 0x100000)
        )

    def end(process_id: int) -> None:
        """End a process by force."""
        for kernel, handle in _opened(process_id, 1):
            kernel.TerminateProcess(handle, 1)

else:

    def is_running(process_id: int) -> bool:
        """Whether a process is there and is more than a dead one that nobody has waited for."""
        try:
            status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        return status.rpartition(")")[2].split()[0] != "Z"

    def end(process_id: int) -> None:
        """End a process by force."""
        os.kill(process_id, signal.SIGKILL)


def wait_until_ended(process_id: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(process_id):
        assert time.monotonic() < deadline, f"process {process_id} is still running"
        time.sleep(0.02)


def interrupt_once_there_is(path: Path) -> None:
    """Send ourselves what Ctrl-C sends, as soon as the program has written a file."""

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        if sys.platform == "win32":
            # There os.kill ends a process, or goes to all that share the console.
            _thread.interrupt_main()
        else:
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def test_a_program_runs_to_its_end() -> None:
    done, lines = run(
        "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(3)"
    )
    assert done.command[0] == sys.executable
    assert done.code == 3
    assert done.output == "out\nerr\n"
    assert lines == ["out", "err"]
    assert 0 < done.seconds < 30


def test_no_shell_sees_the_arguments() -> None:
    nasty = ["$(echo no)", "a b", "*", "'\"", "", "%PATH%", "&"]
    code = "import sys; print(ascii(sys.argv[1:]))"
    assert ProcessRunner().run(python(code, *nasty), timeout=30).output == f"{nasty!a}\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_megabyte_on_either_stream_does_not_stop_the_program(stream: str) -> None:
    done, lines = run(f"import sys; sys.{stream}.write(('x' * 99 + '\\n') * 10_000); print('end')")
    assert (done.code, len(lines)) == (0, 10_001)
    assert len(done.output) == 1_000_004


def test_a_program_cannot_ask_us_anything() -> None:
    """Even with something on our own standard input."""
    readable, writable = os.pipe()
    os.write(writable, b"an answer\n")
    os.close(writable)
    kept = os.dup(0)
    os.dup2(readable, 0)
    try:
        done, _ = run("import sys; print(repr(sys.stdin.read()))")
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(readable)
    assert done.output == "''\n"


@pytest.mark.posix("locale")
def test_the_locale_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("WINPE_CERTS_PROBE", "kept")
    done, _ = run("import os; print(os.environ['LC_ALL'], os.environ['WINPE_CERTS_PROBE'])")
    assert done.output == "C.UTF-8 kept\n"


def test_redrawn_progress_is_passed_on_line_by_line_while_it_is_drawn() -> None:
    code = """
import sys, time
for part in ("Mounting\\r\\n", "[= 3.0% ]\\r", "\\r[== 45.0% ]", "\\r[=== 100.0% ]\\r\\n", "\\r\\ndone"):
    sys.stdout.buffer.write(part.encode()); sys.stdout.flush(); time.sleep(0.1)
"""
    arrivals: list[tuple[str, float]] = []
    started = time.monotonic()
    done = ProcessRunner().run(
        python(code), timeout=30, on_line=lambda line: arrivals.append((line, time.monotonic() - started))
    )
    assert [line for line, _ in arrivals] == [
        "Mounting",
        "[= 3.0% ]",
        "[== 45.0% ]",
        "[=== 100.0% ]",
        "",
        "done",
    ]
    assert arrivals[-1][1] - arrivals[1][1] > 0.2
    assert done.output.splitlines()[-1] == "done"


def test_negative_windows_codes_become_unsigned() -> None:
    assert Completed(("dism",), -1052638937, "", 0.0).code == 0xC1420127
    assert Completed(("dism",), 0xC1420127, "", 0.0).code == 3242328359


def test_the_command_and_its_exit_code_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="winpe_certs.process")
    ProcessRunner().run(python("import sys; sys.exit(7)", "a b"), timeout=30)
    first, last = (record.message for record in caplog.records)
    assert first.startswith("run: ")
    assert first.endswith(command_line(["x", "a b"], shell_of(sys.platform))[2:])
    assert "exit code 7 (0x00000007)" in last


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError) as caught:
        ProcessRunner().run([str(tmp_path / "DISM.exe")], timeout=5)
    assert str(tmp_path / "DISM.exe") in caught.value.message
    assert caught.value.resolution
    assert caught.value.exit_code is ExitCode.FAILED
    assert isinstance(caught.value, EnvironmentFailure)


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    path = tmp_path / "DISM.exe"
    path.write_bytes(b"MZ")
    with pytest.raises(ProgramStartError, match="does not start") as caught:
        ProcessRunner().run([str(path)], timeout=5)
    assert not isinstance(caught.value, ProgramMissingError)


def test_a_program_that_takes_too_long_is_ended_and_named() -> None:
    with pytest.raises(ProgramTimeoutError, match="did not end within 4 seconds") as caught:
        run(f"print('working on it', flush=True); {LONG}", timeout=4)
    assert "working on it" in caught.value.details
    assert caught.value.ran[0] == sys.executable
    assert caught.value.resolution


def test_talking_all_the_time_does_not_extend_the_time_limit() -> None:
    with pytest.raises(ProgramTimeoutError):
        run("import time\nwhile True: print('x', flush=True); time.sleep(0.01)", timeout=0.5)


def test_closing_the_streams_does_not_extend_the_time_limit() -> None:
    with pytest.raises(ProgramTimeoutError):
        run(f"import os; os.close(1); os.close(2); {LONG}", timeout=0.5)


def test_children_are_ended_with_the_program(tmp_path: Path) -> None:
    note = tmp_path / "child"
    code = f"""
import subprocess, sys, pathlib
child = subprocess.Popen([sys.executable, "-S", "-c", {LONG!r}])
pathlib.Path({str(note)!r}).write_text(str(child.pid)); child.wait()
"""
    with pytest.raises(ProgramTimeoutError):
        run(code, timeout=2.0)
    wait_until_ended(int(note.read_text(encoding="utf-8")))


def test_a_program_that_ignores_the_request_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GRACE", 0.3)
    note = tmp_path / "pid"
    code = f"""
import os, signal, pathlib
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(note)!r}).write_text(str(os.getpid())); {LONG}
"""
    with pytest.raises(ProgramTimeoutError):
        run(code, timeout=2.0)
    wait_until_ended(int(note.read_text(encoding="utf-8")))


@pytest.mark.posix("signals")
def test_a_program_may_clean_up_before_it_ends(tmp_path: Path) -> None:
    note = tmp_path / "cleaned"
    code = f"""
import signal, sys, pathlib
def clean(*_): pathlib.Path({str(note)!r}).touch(); sys.exit(1)
signal.signal(signal.SIGTERM, clean); {LONG}
"""
    with pytest.raises(ProgramTimeoutError):
        run(code, timeout=2.0)
    assert note.exists()


def test_a_helper_that_outlives_the_program_does_not_hold_up_the_result() -> None:
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", {LONG!r}]); print(child.pid)
"""
    done, lines = run(code)
    assert done.code == 0
    child = int(lines[0])
    # So nobody has waited for its end.
    assert is_running(child)
    end(child)


def test_an_interrupt_ends_the_program_and_leaves_room_for_cleaning_up(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); {LONG}"
    interrupt_once_there_is(note)
    with pytest.raises(KeyboardInterrupt):
        run(code)
    wait_until_ended(int(note.read_text(encoding="utf-8")))
    assert run("print('cleaned up')")[0].output == "cleaned up\n"


@pytest.mark.usefixtures("fresh_interrupts")
def test_an_interrupt_that_python_loses_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised while an object is finalised, an exception is printed and forgotten."""

    class Finalised:
        def __del__(self) -> None:
            interrupts.arrive()

    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    with pytest.raises(KeyboardInterrupt):
        ProcessRunner().run(
            python(f"print(1, flush=True); {LONG}"), timeout=30, on_line=lambda _: print(Finalised())
        )
    assert len(lost) == 1


@pytest.mark.usefixtures("fresh_interrupts")
def test_an_interrupt_while_a_program_starts_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = process._start

    def interrupted(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        started.append(real(arguments))
        interrupts.arrive()
        return started[0]

    monkeypatch.setattr(process, "_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(LONG)
    assert started[0].poll() is not None


@pytest.mark.posix("signals")
def test_the_terminals_interrupt_reaches_only_us() -> None:
    """Ctrl-C goes to the terminal's process group; the program is in one of its own."""
    assert run("import os; print(os.getpgrp() == os.getpid())")[0].output == "True\n"


def test_an_error_of_the_listener_ends_the_program(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); print('x', flush=True); {LONG}
"""

    def refuse(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="x"):
        ProcessRunner().run(python(code), timeout=30, on_line=refuse)
    wait_until_ended(int(note.read_text(encoding="utf-8")))
