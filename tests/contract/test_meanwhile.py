"""What others do to a file while a run works on it: nothing of theirs is cut off, overwritten or lost."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Judge
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.files.locked import LockedFile

ROOT = TESTDATA / "certs" / "corp-root.cer"
OTHER = TESTDATA / "certs" / "corp-root-2.cer"
BOOT = (TESTDATA / "boot.wim").read_bytes()
# Another image, as its GUID says, which begins in the same way and is longer.
NEWER = BOOT[:24] + bytes(16) + BOOT[40:] + b"what somebody else has put there" * 40_000
CALLS = ("fsync", "pread", "fstat", "ftruncate")


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "winpe_certs", *map(str, words)]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "boot.wim"
    path.write_bytes(BOOT)
    return path


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    path = tmp_path / "SOFTWARE"
    path.write_bytes((TESTDATA / "hives" / "software-1.5.hiv").read_bytes())
    return path


class Meddler:
    """Acts once, just before the nth call of a function of the system."""

    def __init__(self, patch: pytest.MonkeyPatch, act: Callable[[], object], number: int) -> None:
        self.calls = 0
        self.has_acted = False
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name), act, number))

    def _wrapped(
        self, real: Callable[..., Any], act: Callable[[], object], number: int
    ) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls >= number and not self.has_acted:
                # Who opens a leased file waits; here it comes back at the next call instead.
                with contextlib.suppress(BlockingIOError):
                    act()
                    self.has_acted = True
            return real(*arguments)

        return call


def rewrite(path: Path) -> None:
    """Copy a newer file over the old one, as cp does: the inode stays."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "r+b") as file:
        file.write(NEWER)
        file.truncate()


def replace(path: Path) -> None:
    """Rename a newer file over the old one."""
    beside = path.with_name("newer")
    beside.write_bytes(NEWER)
    beside.replace(path)


def grow(path: Path) -> None:
    """Add bytes at the end: whatever the file is then, somebody has put them there."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK), "ab") as file:
        file.write(b"a catalogue of somebody else")


@pytest.mark.parametrize("how", [rewrite, replace], ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("command", ["inject", "undo"])
def test_a_file_that_is_exchanged_at_any_moment_stays_as_it_is(
    run: Program, image: Path, how: Callable[[Path], None], command: str, tmp_path: Path
) -> None:
    proof = tmp_path / "evidence.json"
    words: tuple[object, ...] = ("inject", image, "--cert", ROOT, "--index", "1")
    if command == "undo":
        assert run(*words, "--evidence", proof).code == 0
        words = ("undo", image, "--evidence", proof)
    before = image.read_bytes()
    codes: list[int] = []
    for number in range(1, 200):
        image.write_bytes(before)
        with pytest.MonkeyPatch.context() as patch:
            meddler = Meddler(patch, lambda: how(image), number)
            done = run(*words)
        codes.append(done.code)
        if not meddler.has_acted:
            break
        if image.read_bytes() != NEWER:
            # The exchange came before the run had opened the file: it is the newer one that was patched.
            assert done.code == 0
            assert image.read_bytes()[24:40] == bytes(16)
            continue
        assert done.code in {0, 3, 4}, done.err
        assert "defect" not in done.err
        if done.code == 4:
            assert "another program" in done.err
    assert codes.count(4) >= 4


def test_what_somebody_appends_during_a_run_is_not_cut_off(run: Program, image: Path) -> None:
    for number in range(1, 200):
        image.write_bytes(BOOT)
        with pytest.MonkeyPatch.context() as patch:
            meddler = Meddler(patch, lambda: grow(image), number)
            done = run("inject", image, "--cert", ROOT, "--index", "1")
        if not meddler.has_acted:
            break
        data = image.read_bytes()
        if done.code:
            assert data.endswith(b"a catalogue of somebody else")
        else:
            assert run("verify", image, "--cert", ROOT, "--index", "1").code == 0


def test_the_message_says_what_is_there_now(
    run: Program, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LockedFile.commit

    def commit(self: LockedFile, expected: bytes, head: bytes) -> None:
        rewrite(image)
        real(self, expected, head)

    monkeypatch.setattr(LockedFile, "commit", commit)
    done = run("inject", image, "--cert", ROOT, "--index", "1")
    assert done.code == 4
    assert f"There is a file of {len(NEWER)} bytes now" in done.err
    assert image.read_bytes() == NEWER


def test_bytes_after_the_end_are_not_overwritten_without_a_word(run: Program, image: Path) -> None:
    image.write_bytes(BOOT + b"somebody else's bytes")
    done = run("inject", image, "--cert", ROOT, "--index", "1")
    assert done.code == 0
    assert f"21 bytes after the end of the image (from offset {len(BOOT)})" in done.out
    assert "after the end" not in run("remove", image, "--cert", ROOT, "--index", "1").out


# --- runs that only read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["boot.wim", "SOFTWARE"])
@pytest.mark.parametrize("options", [("-n",), ("-o", "out")])
@pytest.mark.usefixtures("image", "hive")
def test_who_only_reads_opens_read_only_and_locks_nobody_out(
    judge: Judge, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    index = ("--index", "1") if name == "boot.wim" else ()
    output = [tmp_path / "out" if each == "out" else each for each in options]
    trace = tmp_path / "trace"
    command = program("inject", tmp_path / name, "--cert", ROOT, *index, *output)
    judge("strace", "-f", "-qq", "-o", trace, "-e", "trace=openat,open,flock,fcntl", *command)
    calls = [line for line in trace.read_text(errors="replace").splitlines() if f'{name}"' in line]
    assert calls
    assert [line for line in calls if "O_RDWR" in line or "O_WRONLY" in line] == []
    assert "flock(" not in trace.read_text(errors="replace")


def test_copies_of_one_image_are_made_in_parallel(image: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"out{number}.wim" for number in range(4)]
    runs = [
        subprocess.Popen(program("inject", image, "--cert", ROOT, "--index", "1", "-o", output, "-q"))
        for output in outputs
    ]
    assert [each.wait() for each in runs] == [0, 0, 0, 0]
    assert len({output.read_bytes()[300:] for output in outputs}) >= 1
    assert image.read_bytes() == BOOT


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks(judge: Judge, image: Path, tmp_path: Path, error: str) -> None:
    def on_it(*words: object) -> subprocess.CompletedProcess[bytes]:
        command = program(*words)
        return judge(
            "strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=flock", "-e", f"inject=flock:error={error}",
            *command, check=False,
        )  # fmt: skip

    words = ("inject", image, "--cert", ROOT, "--index", "1")
    assert on_it(*words, "-n").returncode == 0
    assert on_it(*words, "-o", tmp_path / "out.wim").returncode == 0
    refused = on_it(*words)
    assert refused.returncode == 4
    assert b"this file system knows no locks" in refused.stderr
    assert image.read_bytes() == BOOT


def test_a_source_that_changes_while_it_is_copied_is_told(run: Program, image: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.wim"
    with pytest.MonkeyPatch.context() as patch:
        Meddler(patch, lambda: grow(image), 2)
        done = run("inject", image, "--cert", ROOT, "--index", "1", "-o", output)
    assert done.code == 4
    assert "another program has changed the file" in done.err
    assert not output.exists()


# --- waiting ----------------------------------------------------------------------------------------------


@pytest.fixture
def locked(image: Path, hive: Path) -> Iterator[list[Path]]:
    files = [path.open("rb") for path in (image, hive)]
    for file in files:
        fcntl.flock(file, fcntl.LOCK_EX)
    yield [image, hive]
    for file in files:
        file.close()


@pytest.mark.parametrize("place", [0, 1], ids=["wim", "hive"])
def test_a_lock_is_waited_for(run: Program, locked: list[Path], place: int) -> None:
    path = locked[place]
    words = ("inject", path, "--cert", ROOT, *(("--index", "1") if place == 0 else ()))
    refused = run(*words, "--wait", "0.3")
    assert refused.code == 4
    assert "another program is working on this file" in refused.err
    assert "--wait" in refused.err


def test_what_is_let_go_in_time_is_worked_on(run: Program, image: Path) -> None:
    file = image.open("rb")
    fcntl.flock(file, fcntl.LOCK_EX)
    threading.Timer(0.6, file.close).start()
    assert run("inject", image, "--cert", ROOT, "--index", "1", "--wait", "60").code == 0
    assert run("verify", image, "--cert", ROOT, "--index", "1").code == 0


@pytest.mark.parametrize("value", ["-1", "nan", "x", "86401"])
def test_a_time_to_wait_has_bounds(run: Program, image: Path, value: str) -> None:
    assert run("inject", image, "--cert", ROOT, f"--wait={value}").code == 2


# --- two runs on one hive ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["0", "60"])
def test_of_two_runs_on_one_hive_none_is_lost(hive: Path, run: Program, wait: str) -> None:
    for _ in range(4):
        hive.write_bytes((TESTDATA / "hives" / "software-1.5.hiv").read_bytes())
        runs = [
            subprocess.Popen(
                program("inject", hive, "--cert", each, "-q", "--wait", wait),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for each in (ROOT, OTHER)
        ]
        codes = [each.wait() for each in runs]
        assert set(codes) <= {0, 4}
        for code, each in zip(codes, (ROOT, OTHER), strict=True):
            assert (run("verify", hive, "--cert", each).code == 0) is (code == 0)
        if wait != "0":
            assert codes == [0, 0]
