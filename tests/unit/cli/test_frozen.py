"""A frozen program is also the interpreter of its workers, and asks for that before anything else."""

from __future__ import annotations

import multiprocessing
import sys

import pytest

from winpe_certs.__main__ import main


class Worker(BaseException):
    """In place of a worker's work, which does not return."""


def _work() -> None:
    raise Worker


def test_a_frozen_program_is_a_worker_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "argv", ["winpe-certs", "--multiprocessing-fork"])
    monkeypatch.setattr(multiprocessing, "freeze_support", _work)
    with pytest.raises(Worker):
        main()
