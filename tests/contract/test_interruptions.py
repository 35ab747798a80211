"""Others at work during a run, surroundings that change or refuse: what `test_targets` does not try."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from scripts.crash.full_disk import small_disk
from tests.conftest import Judge
from tests.contract.target_kinds import (
    BARE,
    BARE_COPY,
    CERTIFICATE,
    FOLDER_KIND,
    WIM,
    WIM_COPY,
    Kind,
    Made,
    every_copy,
    every_kind,
    every_kind_in_place,
    immutable,
    opened,
    replace_hive,
    signalled_at_sync,
    verify,
)
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.errors import EnvironmentFailure, TargetError, VerificationFailure
from winpe_certs.workflows.selection import SOFTWARE_HIVE

READINGS = 4


@contextlib.contextmanager
def _stopped_before_sync(made: Made, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """An `inject` that stands still before its nth sync, for the length of the block."""
    command = signalled_at_sync(made, number, signal.SIGSTOP)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        try:
            stopped = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            assert stopped is not None
            assert stopped.si_status == signal.SIGSTOP
            yield child
        finally:
            child.send_signal(signal.SIGCONT)
            child.wait(60)


def _digest_of_hive(made: Made, judge: Judge) -> str:
    """SHA-256, which is all that readers in a loop keep of what they see."""
    return hashlib.sha256(made.hive(judge)).hexdigest()


# --- two runs, and readers --------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "is_new"), [(1, False), (2, True)], ids=["appended", "header-written"])
def test_while_a_run_works_readers_see_one_image_and_a_second_run_is_kept_out(
    number: int, is_new: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = WIM.make(tmp_path)
    before = _digest_of_hive(made, judge)
    with _stopped_before_sync(made, number) as child:
        content = made.file.read_bytes()
        assert made.run("inject") == 4
        assert "another program is working on this file" in capsys.readouterr().err
        assert made.file.read_bytes() == content, "the second run has not touched it"
        judge("wimlib-imagex", "verify", made.path)
        assert (_digest_of_hive(made, judge) != before) == is_new
        assert verify(made.path) == (0 if is_new else 1)
    assert child.returncode == 0
    assert verify(made.path) == 0
    judge("wimlib-imagex", "verify", made.path)
    content = made.file.read_bytes()
    assert made.run("inject") == 0
    assert made.file.read_bytes() == content, "the second run has nothing left to do"


def test_of_two_copies_to_one_name_the_first_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = BARE_COPY.make(tmp_path)
    assert made.output is not None
    with _stopped_before_sync(made, 1) as child:
        assert made.run("inject") == 0
        content = made.output.read_bytes()
    assert child.returncode == 4
    assert made.output.read_bytes() == content
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.bin", "target"], "no temporary file"
    capsys.readouterr()
    judge("hivexsh", made.output, stdin=b"ls\n")


@dataclass
class _Reader:
    """Reads again and again in a thread until it is told to stop; `seen` is what it got."""

    read: Callable[[], str]
    seen: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(self.read())
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - told by the test
                self.failures.append(error)
                return


@every_kind_in_place
def test_readers_during_runs_see_a_whole_image_each_time(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = kind.make(tmp_path)
    home = str(made.path)

    def by_wimlib() -> str:
        return _digest_of_hive(made, judge)

    def by_us() -> str:
        if kind.is_wim:
            with open_for_reading(made.path) as wim:
                return hashlib.sha256(wim.read(1, SOFTWARE_HIVE)).hexdigest()
        done = subprocess.run(
            [sys.executable, "-m", "winpe_certs", "verify", home, "--cert", str(CERTIFICATE), "-q"],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in {0, 1}, done.stderr
        return str(done.returncode)

    whole = {by_wimlib(), "0", "1"}
    with _Reader(by_wimlib) as wimlib, _Reader(by_us) as ours:
        deadline = time.monotonic() + 60
        while min(len(wimlib.seen), len(ours.seen)) < READINGS and time.monotonic() < deadline:
            for command in ("inject", "remove"):
                assert made.run(command) == 0
                whole.add(by_wimlib())
    capsys.readouterr()
    assert wimlib.failures == ours.failures == []
    assert set(wimlib.seen) | set(ours.seen) <= whole
    assert min(len(wimlib.seen), len(ours.seen)) >= READINGS


# --- files and folders that go, or may not be written -----------------------------------------------


@every_kind
def test_a_file_that_vanishes_during_the_run_is_an_error_and_nothing_comes_in_its_place(
    kind: Kind, tmp_path: Path
) -> None:
    made = kind.make(tmp_path)
    with opened(made) as target:
        replace_hive(target)
        made.file.unlink()
        with pytest.raises((EnvironmentFailure, VerificationFailure, TargetError)) as caught:
            target.commit(lambda _, __: None)
    assert "it is not there" in str(caught.value) or f"{made.file} is missing" in str(caught.value)
    assert not [entry for entry in tmp_path.rglob("*") if entry.is_file() and entry.name != "SYSTEM"]


@every_copy
def test_a_folder_that_vanishes_before_the_output_is_written_is_named(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    made = kind.make(tmp_path / "home")
    output = tmp_path / "elsewhere" / "out.bin"
    output.parent.mkdir()
    with opened(Made(kind, made.path, made.file, output)) as target:
        replace_hive(target)
        output.parent.rmdir()
        with pytest.raises(EnvironmentFailure, match=r"out\.bin: cannot write: it is not there"):
            target.commit(lambda _, __: None)
    assert made.file.exists()


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE, WIM_COPY, BARE_COPY], ids=str)
def test_a_folder_that_may_not_be_written_is_told_and_nothing_changes(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    place = made.output or made.file
    with immutable(place.parent, judge):
        assert made.run("inject") == 4
        told = capsys.readouterr().err
        assert f"{place}: cannot write: the operation is not permitted" in told
        assert made.state() == before
    assert made.run("inject") == 0
    assert verify(made.result) == 0


def test_an_image_in_place_needs_no_right_to_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = WIM.make(tmp_path)
    with immutable(made.file.parent, judge):
        assert made.run("inject") == 0
        assert verify(made.path) == 0
    capsys.readouterr()


@every_kind_in_place
def test_a_read_only_file_system_is_told_and_a_copy_elsewhere_works(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    with small_disk("tmpfs") as disk:
        if disk is None:
            pytest.skip("only root may mount, and not everywhere")
        made = kind.make(disk)
        before = made.state()
        judge("mount", "-o", "remount,ro", disk)
        assert made.run("inject") == 4
        told = capsys.readouterr().err
        assert f"{made.file}: cannot write: the file system is read-only" in told
        assert "elsewhere with -o" in told
        assert verify(made.path) == 1
        if kind is not FOLDER_KIND:
            copy = Made(kind, made.path, made.file, tmp_path / "out.bin")
            assert copy.run("inject") == 0
            assert verify(copy.result) == 0
        assert made.state() == before
    capsys.readouterr()
