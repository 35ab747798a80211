"""The records of runs: what is written, what is read, and whether a run still goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from winpe_certs.engines.records import (
    Record,
    Records,
    is_in_folder,
    is_running,
    is_same_folder,
    started_at,
)
from winpe_certs.errors import CleanupError, EnvironmentFailure

needs_start = pytest.mark.skipif(
    started_at(os.getpid()) is None, reason="this system does not say when a process started"
)


def _record(run: str = "1-ab", process: int | None = None, **fields: str) -> Record:
    return Record(run, os.getpid() if process is None else process, "boot.wim", 1, "mount", **fields)


@needs_start
def test_what_is_kept_says_when_its_process_started_and_where_it_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = Records(tmp_path / "runs")
    with records.kept(_record()):
        (kept,) = records.all()
        assert kept.started == started_at(os.getpid())
        assert kept.mount_folder == str(tmp_path / "mount")
        assert is_running(kept)
    assert records.all() == []


def test_a_hive_that_is_kept_has_no_mount_folder(tmp_path: Path) -> None:
    records = Records(tmp_path)
    with records.kept(Record("1-ab-hive", os.getpid(), "SOFTWARE", 0, "", "HKLM\\x")):
        assert records.all()[0].mount_folder == ""


def test_a_record_stays_when_something_could_not_be_freed(tmp_path: Path) -> None:
    records = Records(tmp_path)
    with pytest.raises(CleanupError), records.kept(_record("stays")):
        raise CleanupError("still mounted")
    with pytest.raises(EnvironmentFailure), records.kept(_record("goes")):
        raise EnvironmentFailure("not mounted")
    assert [record.run for record in records.all()] == ["stays"]
    records.forget(records.all()[0])
    assert records.all() == []


@needs_start
def test_a_process_that_started_at_another_time_is_another_one() -> None:
    started = started_at(os.getpid()) or ""
    assert is_running(_record(started=started))
    assert not is_running(_record(started=f"{started}0"))


@pytest.mark.posix("signals")
def test_without_a_start_the_number_decides() -> None:
    assert is_running(_record())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert not is_running(_record(process=ended.pid))
    assert started_at(ended.pid) is None
    assert not is_running(_record(process=2**80))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "null",
        "{}",
        json.dumps({"run": "file"}),
    ],
)
def test_a_file_that_is_no_record_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.json").write_text(text, encoding="utf-8")
    assert Records(tmp_path).all() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", "another"),
        ("run", 1),
        ("run", None),
        ("process", "x"),
        ("process", 0),
        ("process", -1),
        ("process", True),
        ("process", 1.5),
        ("image", None),
        ("index", "1"),
        ("mount_folder", ["mount"]),
        ("mount_folder", "a\0b"),
        pytest.param("mount_folder", "\ud800", marks=pytest.mark.posix("paths")),
        ("hive", 0),
        ("started", 1),
        ("surprise", 1),
    ],
)
def test_a_record_with_a_field_that_is_none_is_passed_over(tmp_path: Path, field: str, value: object) -> None:
    good = {"run": "file", "process": 1, "image": "", "index": 1, "mount_folder": ""}
    path = tmp_path / "file.json"
    path.write_text(json.dumps(good), encoding="utf-8")
    assert len(Records(tmp_path).all()) == 1
    path.write_text(json.dumps({**good, field: value}), encoding="utf-8")
    assert Records(tmp_path).all() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("C:\\Work\\Mount", "c:/work/MOUNT/", True),
        ("C:\\Work\\x\\..\\Mount", "C:\\Work\\Mount", True),
        ("C:\\Work\\Mount", "D:\\Work\\Mount", False),
        ("/work/mount", "/work/x/../mount/", True),
        ("", "", False),
    ],
)
def test_folders_compare_as_their_system_does(one: str, other: str, *, same: bool) -> None:
    assert is_same_folder(one, other) is same


@pytest.mark.posix("paths")
def test_folders_compare_as_this_system_resolves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("mount")
    assert is_same_folder("mount", tmp_path / "mount")
    assert is_same_folder("link", tmp_path / "mount")
    assert not is_same_folder(tmp_path / "Mount", tmp_path / "mount")
    (tmp_path / "loop").symlink_to("loop")
    assert is_same_folder("loop", "loop")


def test_what_lies_in_a_folder() -> None:
    assert is_in_folder("C:\\Work\\1\\mount", "c:/work/1")
    assert is_in_folder("/work/1", "/work/1")
    assert not is_in_folder("/work/11", "/work/1")
    assert not is_in_folder("/work", "/work/1")
