"""Ended by force at any step, a run leaves the old or the new; and the same command again succeeds.

A few steps of each command stand for all of them; WINPE_CERTS_KILLS=all takes every step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.cli.conftest import TESTDATA, Program
from tests.windows.children import ended_at, finished, start

IS_LONG = os.environ.get("WINPE_CERTS_KILLS") == "all"
CERTIFICATE = TESTDATA / "certs" / "corp-root.cer"
HIVE = TESTDATA / "hives" / "software-1.5.hiv"
_AT_ONCE = 4
DIRECT = ("--engine", "direct", "--index", "1")


@dataclass(frozen=True)
class Case:
    """A target, and what is run on it."""

    make: Callable[[Path, Program], Path]
    command: Callable[[Path], tuple[object, ...]]
    steps: tuple[str, ...]
    """Some of the steps, for the short form."""


def _image(folder: Path, _: Program) -> Path:
    return Path(shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim"))


def _changed_image(folder: Path, run: Program) -> Path:
    image = _image(folder, run)
    proof = folder.parent / "evidence.json"
    assert run("inject", image, "--cert", CERTIFICATE, *DIRECT, "--evidence", proof).code == 0
    return image


def _hive(folder: Path, _: Program) -> Path:
    return Path(shutil.copy(HIVE, folder / "SOFTWARE"))


def _tree(folder: Path, _: Program) -> Path:
    config = folder / "mount" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    shutil.copy(HIVE, config / "SOFTWARE")
    return folder / "mount"


def _inject(target: Path) -> tuple[object, ...]:
    return ("inject", target, "--cert", CERTIFICATE, *(DIRECT if target.suffix else ()))


CASES = {
    "inject": Case(
        _image,
        _inject,
        ("write in place 1 half", "fsync 1 before", "header 1 before", "header 1 after"),
    ),
    "compact": Case(
        _changed_image,
        lambda target: ("compact", target),
        ("write 1 after", "ReplaceFile 1 before", "ReplaceFile 1 after"),
    ),
    "undo": Case(
        _changed_image,
        lambda target: ("undo", target, "--evidence", target.parent.parent / "evidence.json"),
        ("header 1 before", "header 1 after", "ftruncate 1 after"),
    ),
    "hive": Case(_hive, _inject, ("write 1 half", "ReplaceFile 1 before", "ReplaceFile 1 after")),
    "folder": Case(_tree, _inject, ("fsync 1 after", "ReplaceFile 1 after", "unlink 1 before")),
    "copy": Case(
        _image,
        lambda target: (*_inject(target), "-o", target.with_name("out.wim")),
        ("fsync 1 after", "link 1 after"),
    ),
}


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _fresh(case: Case, tmp_path: Path, name: str, run: Program) -> tuple[Path, Path]:
    folder = tmp_path / name / "place"
    folder.mkdir(parents=True)
    return folder, case.make(folder, run)


def _every_step(case: Case, tmp_path: Path, run: Program) -> list[str]:
    _, target = _fresh(case, tmp_path, "all", run)
    listed = tmp_path / "steps"
    code, out = finished(start(*case.command(target), list=str(listed)))
    assert code == 0, out
    return listed.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", CASES)
def test_ended_by_force(run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # With one clock for all, a change has the same bytes each time.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    case = CASES[name]
    folder, target = _fresh(case, tmp_path, "whole", run)
    old = _contents(folder)
    assert run(*case.command(target)).code == 0
    new = _contents(folder)
    assert new != old
    steps = _every_step(case, tmp_path, run) if IS_LONG else list(case.steps)
    places = [_fresh(case, tmp_path, str(number), run) for number in range(len(steps))]
    assert all(_contents(folder) == old for folder, _ in places)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda step, place: ended_at(step, *case.command(place[1])), steps, places))
    for step, (folder, target) in zip(steps, places, strict=True):
        left = _contents(folder)
        assert set(old) <= set(left), f"{step}: a file is gone"
        for file, data in left.items():
            # What lies after the end of an image is no part of it: the header says what is.
            assert data.startswith((old.get(file, new[file]), new[file])), f"{step}: {file} is neither"
        again = run(*case.command(target))
        assert again.code == 0, f"{step}: {again.err}"
        assert _contents(folder) == new, f"{step}: it is another file after the second run"
