"""A frozen program is the interpreter of its own workers: it is started again, with other words."""

from __future__ import annotations

import shutil
import sys
from multiprocessing import spawn
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.unit.cli.conftest import TESTDATA, Program

# What such a program does first, whatever it was started for. No double quotes: these stand around it.
_FROZEN = f"""
import sys
sys.frozen = True
sys.path.insert(0, {str(REPOSITORY)!r})
from winpe_certs.__main__ import main
sys.exit(main())
"""


def test_a_call_for_a_worker_is_one(
    run: Program, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.wim", "two.wim"):
        shutil.copy(TESTDATA / "boot.wim", tmp_path / name)
    calls: list[list[str]] = []

    def frozen_call(**words: object) -> list[str]:
        given = [f"{name}={value}" for name, value in words.items()]
        calls.append([sys.executable, "-c", _FROZEN, "--multiprocessing-fork", *given])
        return calls[-1]

    monkeypatch.setattr(spawn, "get_command_line", frozen_call)
    done = run("audit", tmp_path, "--require", root, "-f", "json")
    assert (done.code, done.err) == (1, "")
    assert len(calls) == 2
    assert done.document.get("failures", []) == []
    assert {Path(image["path"]).name for image in done.document["images"]} == {"one.wim", "two.wim"}
