"""Each way in which this program once failed on Windows, with the files and programs of the system itself."""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.process import ProcessRunner, ProgramTimeoutError

DIRECT = ("--engine", "direct", "--index", "1")
SHARE_READ, SHARE_ALL = 1, 7


def _kernel() -> Any:
    return getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - only Windows has it


@contextmanager
def held(path: Path, share: int) -> Iterator[None]:
    """Keep a file open for reading, as another program does, allowing others what `share` says."""
    kernel = _kernel()
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(str(path), 0x80000000, share, None, 3, 0, None)
    assert handle != ctypes.c_void_p(-1).value
    try:
        yield
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def windows_error(number: int) -> OSError:
    """An error of the system with a number of Windows."""
    return OSError(0, f"error {number}", "somewhere", number)


def verified(run: Program, image: object, root: Path) -> bool:
    return run("verify", image, "--cert", root, "--index", "1").code == 0


# --- where images lie -------------------------------------------------------------------------------------


def test_an_image_on_a_share_is_patched(run: Program, share: str, root: Path) -> None:
    shutil.copy(TESTDATA / "boot.wim", share)
    image = rf"{share}\boot.wim"
    done = run("inject", image, "--cert", root, *DIRECT)
    assert (done.code, done.err) == (0, "")
    assert verified(run, image, root)
    assert os.listdir(share) == ["boot.wim"]  # noqa: PTH208 - a share, not a path of this system
    assert run("inject", image, "--cert", root, *DIRECT).code == 0
    assert run("remove", image, "--cert", root, *DIRECT).code == 0


@pytest.mark.parametrize("name", ["Ünïcödé", "日本語", "Привет", "blank and & % ^ here", "e\u0301"])
def test_letters_of_every_language_are_part_of_paths(
    run: Program, tmp_path: Path, root: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    image = Path(shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim"))
    proof = folder / "evidence.json"
    assert run("inject", image, "--cert", root, *DIRECT, "--evidence", proof).code == 0
    assert verified(run, image, root)
    assert run("undo", image, "--evidence", proof).code == 0
    assert image.read_bytes() == (TESTDATA / "boot.wim").read_bytes()
    assert run("inject", image, "--cert", root, *DIRECT).code == 0
    assert run("compact", image).code == 0
    assert verified(run, image, root)


def test_another_file_is_never_taken_for_the_one_that_is_named(
    run: Program, tmp_path: Path, root: Path
) -> None:
    """Where UTF-8 is read as an ANSI code page, the two letters below are the bytes of the one."""
    wanted, other = tmp_path / "\xfc", tmp_path / "\xc3\xbc"
    for folder in (wanted, other):
        folder.mkdir()
        shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim")
    assert run("inject", wanted / "boot.wim", "--cert", root, *DIRECT).code == 0
    assert verified(run, wanted / "boot.wim", root)
    assert (other / "boot.wim").read_bytes() == (TESTDATA / "boot.wim").read_bytes()


def test_patterns_are_expanded_by_this_program(run: Program, tmp_path: Path, root: Path) -> None:
    for name in ("one.wim", "two.wim"):
        shutil.copy(TESTDATA / "boot.wim", tmp_path / name)
    assert run("inject", "*.wim", "--cert", root, *DIRECT).code == 0
    assert verified(run, "one.wim", root)
    assert verified(run, "two.wim", root)
    assert run("verify", str(tmp_path / "t?o.wim"), "--cert", root, "--index", "1").code == 0
    shutil.copy(root, tmp_path / "root.cer")
    assert run("verify", "one.wim", "--cert", "*.cer", "--index", "1").code == 0
    nothing = run("verify", "x*.wim", "--cert", root)
    assert nothing.code == 2
    assert "x*.wim" in nothing.err


@pytest.mark.parametrize("name", ["o<>.wim", "C:\\m|<x", 'a"b.wim'])
def test_what_cannot_be_a_name_is_wrong_usage(run: Program, root: Path, name: str) -> None:
    done = run("verify", name, "--cert", root)
    assert done.code == 2
    assert "Traceback" not in done.err


# --- files that are read-only, or held by somebody --------------------------------------------------------


def test_a_read_only_original_is_copied(run: Program, single: Path, root: Path) -> None:
    single.chmod(stat.S_IREAD)
    output = single.with_name("out.wim")
    try:
        assert run("inject", single, "--cert", root, *DIRECT, "-o", output).code == 0
        assert verified(run, output, root)
        assert sorted(each.name for each in single.parent.iterdir()) == ["boot.wim", "out.wim"]
        assert run("inject", single, "--cert", root, *DIRECT, "-n").code == 0
        done = run("inject", single, "--cert", root, *DIRECT)
        assert done.code == 4
        assert "read-only" in done.err
    finally:
        single.chmod(stat.S_IWRITE | stat.S_IREAD)
        if output.exists():
            output.chmod(stat.S_IWRITE | stat.S_IREAD)
    assert single.read_bytes() == (TESTDATA / "boot.wim").read_bytes()


@pytest.mark.parametrize("share", [SHARE_READ, SHARE_ALL])
def test_who_only_reads_does_not_mind_other_readers(
    run: Program, single: Path, root: Path, share: int
) -> None:
    with held(single, share):
        for options in (("-n",), ("-o", single.with_name("out.wim"))):
            assert run("inject", single, "--cert", root, *DIRECT, *options).code == 0


@pytest.mark.parametrize("command", ["inject", "verify"])
def test_a_file_that_is_held_is_waited_for_and_called_so(
    run: Program, single: Path, root: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with held(single, 0):
        done = run(command, single, "--cert", root, *(DIRECT if command == "inject" else ()), "-v")
    assert done.code == 4
    assert "another program has this file open" in done.err
    assert "attempt 6 of 7" in done.err


# --- replacing a file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1175, 1176, 1177, 5, 32])
def test_a_replacement_that_fails_half_way_never_loses_both_files(
    run: Program, single: Path, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """ReplaceFileW names what is left after each failure (Microsoft, "ReplaceFileW", remarks)."""
    from winpe_certs.files import windows

    assert run("inject", single, "--cert", root, *DIRECT).code == 0
    before = single.read_bytes()

    def failing(target: Path, _: Path, backup: Path) -> None:
        if number == 1177:
            target.rename(backup)
        raise windows_error(number)

    monkeypatch.setattr(windows, "_replace_file", failing)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    done = run("compact", single)
    assert done.code == 4
    assert single.read_bytes() == before
    assert [each.name for each in single.parent.iterdir()] == ["boot.wim"]


# --- programs ---------------------------------------------------------------------------------------------

_HANGING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def _is_running(number: int) -> bool:
    kernel = _kernel()
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x100000, False, number)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == 0x102)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    lines: list[str] = []
    with pytest.raises(ProgramTimeoutError):
        ProcessRunner().run([sys.executable, "-c", _HANGING], timeout=10, on_line=lines.append)
    (child,) = map(int, lines)
    assert not _is_running(child)


def test_a_worker_that_dies_before_it_has_begun_costs_its_file_only(
    run: Program, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multiprocessing.context import SpawnProcess

    for name in ("one.wim", "two.wim"):
        shutil.copy(TESTDATA / "boot.wim", tmp_path / name)
    started: list[int] = []
    real: Callable[[SpawnProcess], None] = SpawnProcess.start

    def start(self: SpawnProcess) -> None:
        real(self)
        started.append(1)
        if len(started) == 1:
            self.terminate()

    monkeypatch.setattr(SpawnProcess, "start", start)
    done = run("audit", tmp_path, "--require", root, "-f", "json")
    assert len(done.document["images"]) + len(done.document.get("failures", [])) >= 2


# --- the console ------------------------------------------------------------------------------------------


def test_a_console_that_knows_no_escapes_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from winpe_certs.cli import output
    from winpe_certs.errors import UsageError

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    output.show_error(UsageError("nothing to fear"), as_json=False, command=None, verbose=0)
    assert "nothing to fear" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_an_error_of_the_system_while_a_path_is_looked_up_is_no_defect(
    run: Program, single: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that goes away (59, 64, 1231, 1326) makes `resolve` fail."""

    def gone(*_: object, **__: object) -> Path:
        raise windows_error(64)

    monkeypatch.setattr(Path, "resolve", gone)
    done = run("inject", single, "--cert", root, *DIRECT)
    assert done.code in {0, 4}
    assert "defect" not in done.err


def test_program_and_module_start_alike(single: Path) -> None:
    """The real program in a process of its own, with pipes."""
    start = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from winpe_certs.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, "list", str(single), "-f", "json"],
        input=b"",
        capture_output=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUTF8"},
    )
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert done.stderr == b""
