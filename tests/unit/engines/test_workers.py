from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from winpe_certs.engines import workers
from winpe_certs.engines.workers import Died, processors, run_all
from winpe_certs.wim import parallel


def _minute(_: int) -> float:
    return 60


def _square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def _work_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(7)
    return number


def _shares(_: int) -> bool:
    return parallel.can_share(1000)


def _where(_: int) -> str:
    return str(Path.cwd())


def _slow(number: int) -> int:
    time.sleep(60)
    return number


def test_every_item_is_done_in_other_processes() -> None:
    done = dict(run_all(_square, list(range(20)), processes=2, seconds=_minute))
    assert sorted(done) == list(range(20))
    pids = set()
    for number, result in done.items():
        assert not isinstance(result, Died)
        assert result[0] == number * number
        pids.add(result[1])
    assert os.getpid() not in pids
    assert len(pids) <= 2


@pytest.mark.parametrize(("items", "processes"), [(1, 4), (4, 1), (0, 4)])
def test_one_process_or_one_item_needs_no_other(items: int, processes: int) -> None:
    for _, result in run_all(_square, list(range(items)), processes=processes, seconds=_minute):
        assert not isinstance(result, Died)
        assert result[1] == os.getpid()


@pytest.mark.posix("signals")
def test_a_worker_that_dies_costs_its_own_item() -> None:
    done = dict(run_all(_work_or_die, list(range(8)), processes=2, seconds=_minute))
    assert done.pop(3) == Died("it was ended by SIGKILL")
    assert done.pop(5) == Died("it ended with exit code 7")
    assert done == {number: number for number in (0, 1, 2, 4, 6, 7)}


def test_workers_decode_alone_and_in_the_folder_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dict(run_all(_shares, [0, 1], processes=2, seconds=_minute)) == {0: False, 1: False}
    assert dict(run_all(_where, [0, 1], processes=2, seconds=_minute)) == {0: str(tmp_path), 1: str(tmp_path)}


def test_leaving_ends_the_workers_and_the_caller_is_ticked() -> None:
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)
        if len(ticks) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_all(_slow, [1, 2, 3], processes=2, seconds=_minute, tick=tick))
    assert not multiprocessing.active_children()


def test_processors_are_those_that_may_be_used() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)


def _moment(_: int) -> float:
    return 0.3


def _runs_away(number: int) -> int:
    while number == 1:
        pass
    return number


def _waits_for_ever(number: int) -> int:
    if number == 1:
        threading.Event().wait()
    return number


@pytest.mark.parametrize("work", [_runs_away, _waits_for_ever])
def test_an_item_that_takes_too_long_costs_itself(work: Callable[[int], int]) -> None:
    done = dict(run_all(work, [0, 1, 2, 3], processes=2, seconds=_moment))
    assert done == {0: 0, 1: Died("it took too long"), 2: 2, 3: 3}


def _nowhere(_: object) -> None:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_without_other_processes_this_one_does_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseProcess, "start", _nowhere)
    done = dict(run_all(_square, list(range(4)), processes=2, seconds=_minute))
    assert done == {number: (number * number, os.getpid()) for number in range(4)}


def test_fewer_processes_than_were_asked_for_do(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = BaseProcess.start, list[BaseProcess]()

    def once(process: BaseProcess) -> None:
        if started:
            _nowhere(process)
        started.append(process)
        start(process)

    monkeypatch.setattr(BaseProcess, "start", once)
    done = dict(run_all(_square, list(range(8)), processes=4, seconds=_minute))
    assert done == {number: (number * number, started[0].pid) for number in range(8)}


def test_workers_that_die_at_their_start_cost_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_serve", os._exit)
    done = dict(run_all(_square, list(range(4)), processes=2, seconds=_minute))
    assert done == {number: (number * number, os.getpid()) for number in range(4)}


@pytest.mark.posix("fork")
def test_a_temporary_folder_may_have_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    code = (
        "import os, operator; from tests.unit.engines.test_workers import _square, _minute\n"
        "from winpe_certs.engines.workers import run_all\n"
        "if __name__ == '__main__':\n"
        "    done = dict(run_all(_square, [0, 1, 2, 3], processes=2, seconds=_minute))\n"
        "    assert sorted(square for square, _ in done.values()) == [0, 1, 4, 9]\n"
        "    assert os.getpid() not in {process for _, process in done.values()}\n"
    )
    script = tmp_path / "main.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
