"""Programs that are started without standard streams, with ignored signals, or with too little memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Judge
from winpe_certs.cli.memory import is_no_memory
from winpe_certs.cli.signals import ended_by_signals

PROGRAM = (sys.executable, "-m", "winpe_certs")


def shell(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which ``$@`` are the program's arguments."""
    words = ["bash", "-c", command, "bash", *PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.posix("shell")
@pytest.mark.parametrize("line", ['"$@" 2>&-', '"$@" <&- 2>&-', '"$@" 2>/dev/full'])
@pytest.mark.parametrize("command", ["inject", "list", "compact", "audit", "manifest", "doctor", "--help"])
def test_every_command_works_without_standard_error(image: Path, root: Path, command: str, line: str) -> None:
    more: dict[str, list[object]] = {
        "inject": [image, "-c", root, "-i", "2"],
        "compact": [image, "-n"],
        "manifest": [image, "-i", "2"],
        "list": [image],
        "audit": [image],
    }
    done = shell(line, command, *more.get(command, []))
    assert done.returncode in ({0, 1, 4} if command == "doctor" else {0})
    assert done.stdout


def test_nothing_but_the_null_device_becomes_a_standard_stream(
    image: Path, root: Path, tmp_path: Path, judge: Judge
) -> None:
    judge("strace", "-V")
    trace = tmp_path / "trace"
    line = f'exec strace -f -o {trace} -e trace=openat,open,dup,dup2,dup3 -- "$@" <&- >&- 2>&-'
    shell(line, "inject", image, "-c", root, "-i", "2", "-q")
    calls = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    opened = [call for call in calls if call.endswith(("= 0", "= 1", "= 2"))]
    writable = [call for call in opened if "O_RDONLY" not in call]
    assert writable
    assert all("/dev/null" in call for call in writable), writable


@pytest.mark.posix("shell")
def test_an_error_that_nobody_can_read_leaves_the_image_right(image: Path) -> None:
    before = image.read_bytes()
    assert shell('"$@" 2>&-', "inject", image, "-c", "missing.cer", "-i", "2").returncode == 2
    assert image.read_bytes() == before


@pytest.mark.posix("shell")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["inject", "--help"], ["evidence", "-h"]])
def test_a_help_text_that_cannot_be_written_is_a_failure_of_the_system(arguments: list[str]) -> None:
    done = shell('"$@" >/dev/full', *arguments)
    assert done.returncode == 4
    assert done.stderr.startswith("error: the report could not be written")
    assert done.stderr.count("error") == 2, "once more in the number of the system's error"
    piped = shell('"$@" | true; exit ${PIPESTATUS[0]}', *arguments)
    assert (piped.returncode, piped.stderr) == (0, "")


@pytest.mark.posix("signals")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_an_ignored_signal_stays_ignored(name: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from winpe_certs.cli.signals import ended_by_signals\n"
        "with ended_by_signals():\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "    print('goes on')\n"
    )

    def started(handler: signal.Handlers) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: signal.signal(getattr(signal, name), handler),
        )

    assert started(signal.SIG_IGN).stdout == "goes on\n"
    assert "KeyboardInterrupt" in started(signal.SIG_DFL).stderr


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.posix("fork")
@pytest.mark.parametrize("kilobytes", [24_000, 36_000, 48_000, 60_000, 90_000])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_memory_is_a_failure_of_the_system(image: Path, root: Path, kilobytes: int, form: str) -> None:
    import resource

    before = image.read_bytes()
    limit = kilobytes << 10
    done = subprocess.run(
        [*PROGRAM, "inject", image, "-c", root, "-i", "2", "-f", form],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    if done.returncode == 0:
        pytest.skip("that much is enough here")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    told = done.stdout + done.stderr
    assert "there is not enough memory" in told
    if form == "json" and done.stdout:
        assert json.loads(done.stdout)["error"]["code"] == 4
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (MemoryError, True),
        (lambda: OSError(12, "Cannot allocate memory"), True),
        (lambda: ImportError("libx.so: failed to map segment from shared object"), True),
        (lambda: RuntimeError("can't start new thread"), True),
        (lambda: OSError(5, "Input/output error"), False),
        (lambda: ImportError("no module of this name"), False),
        (lambda: RuntimeError("another"), False),
    ],
)
def test_memory_runs_out_in_many_words(make: Callable[[], Exception], expected: bool) -> None:
    assert is_no_memory(make()) is expected
