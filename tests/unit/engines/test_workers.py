from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from winpe_certs.engines.workers import Died, processors, run_all
from winpe_certs.wim import parallel


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
    done = dict(run_all(_square, list(range(20)), processes=2))
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
    for _, result in run_all(_square, list(range(items)), processes=processes):
        assert not isinstance(result, Died)
        assert result[1] == os.getpid()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_worker_that_dies_costs_its_own_item() -> None:
    done = dict(run_all(_work_or_die, list(range(8)), processes=2))
    assert done.pop(3) == Died("it was ended by SIGKILL")
    assert done.pop(5) == Died("it ended with exit code 7")
    assert done == {number: number for number in (0, 1, 2, 4, 6, 7)}


def test_workers_decode_alone_and_in_the_folder_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dict(run_all(_shares, [0, 1], processes=2)) == {0: False, 1: False}
    assert dict(run_all(_where, [0, 1], processes=2)) == {0: str(tmp_path), 1: str(tmp_path)}


def test_leaving_ends_the_workers_and_the_caller_is_ticked() -> None:
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run_all(_slow, [1, 2, 3], processes=2, tick=tick))
    assert time.monotonic() - started < 20


def test_processors_are_those_that_may_be_used() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)
