"""The program in this process, and a machine with stand-ins for DISM and reg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Judge
from tests.contract.dism_machine import Child, Station, ready_station
from tests.unit.cli.conftest import run

__all__ = ["run"]


@pytest.fixture
def station(tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Station:
    """Both fakes and an image."""
    return ready_station(tmp_path, judge, monkeypatch)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Processes that are ended after the test, whatever happens."""
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()
