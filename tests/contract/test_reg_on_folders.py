"""Folders and bare hives whose hive is written by reg.exe, as a fake of it, from the command line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from scripts.testdata import hives
from scripts.testdata.images import SOFTWARE
from tests.conftest import Judge
from tests.contract.dism_machine import (
    CERTIFICATE,
    STORES,
    Child,
    Ran,
    Station,
    called,
    ready_station,
    snapshot,
    unless_named,
)
from winpe_certs.edits import DeleteKey, Edit, SetValue
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive


@pytest.fixture
def station(tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Station:
    """Both fakes; nobody waits long for a hive to be let go."""
    monkeypatch.setattr("winpe_certs.engines.reg_program.PAUSES", (0.01,) * 4)
    return ready_station(tmp_path, judge, monkeypatch)


def _folder(station: Station) -> Path:
    hive = station.folder / "applied" / SOFTWARE
    hive.parent.mkdir(parents=True)
    hive.write_bytes(hives.hive_variant("no-free-cells.hiv"))
    return station.folder / "applied"


def _through_reg(station: Station, target: Path, *more: object, command: str = "inject") -> Ran:
    editor = unless_named({"--hive-editor": "reg", "--reg": station.reg.path}, more)
    return called(command, target, "--cert", CERTIFICATE, "--format", "json", *editor, *more)


@pytest.mark.parametrize("kind", ["folder", "hive"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_dism_mounts_nothing_but_images(kind: str, dry_run: bool, station: Station) -> None:
    target = _folder(station) if kind == "folder" else _folder(station) / SOFTWARE
    before = snapshot(station.folder)
    dism = ("--engine", "dism", "--dism", station.dism.path, "--format", "json")
    ran = called("inject", target, "--cert", CERTIFICATE, *dism, *["--dry-run"] * dry_run)
    assert ran.code == 2
    assert f"{target}: --engine dism mounts WIM files" in ran.told
    assert station.dism.log == []
    assert snapshot(station.folder) == before


@pytest.mark.parametrize("kind", ["folder", "hive"])
@pytest.mark.parametrize("with_logs", [False, True])
def test_a_folder_is_changed_by_reg(kind: str, with_logs: bool, station: Station, judge: Judge) -> None:
    folder = _folder(station)
    hive = folder / SOFTWARE
    target = folder if kind == "folder" else hive
    if with_logs:
        station.reg.leave_logs()
    names = set(snapshot(folder))
    assert _through_reg(station, target).code == 0
    assert called("verify", target, "--cert", CERTIFICATE, "--format", "json").code == 0
    mine = judge("hivexregedit", "--export", hive, STORES).stdout
    other = station.folder / "SOFTWARE"
    other.write_bytes(hives.hive_variant("no-free-cells.hiv"))
    assert called("inject", other, "--cert", CERTIFICATE, "--format", "json").code == 0
    assert mine == judge("hivexregedit", "--export", other, STORES).stdout
    assert station.reg.steps == ["load", "import", "query", "unload"]
    assert set(snapshot(folder)) == names, "no other file is left beside it"
    again = _through_reg(station, target)
    assert (again.code, {status[3] for status in again.statuses}) == (0, {"unchanged"})
    assert len(station.reg.calls) == 4
    assert _through_reg(station, target, command="remove").code == 0
    assert called("verify", target, "--cert", CERTIFICATE, "--format", "json").code == 1
    assert set(snapshot(folder)) == names
    station.assert_nothing_left()


def test_reg_gives_a_key_in_lower_case_its_right_name(station: Station, judge: Judge) -> None:
    folder = _folder(station)
    hive = folder / SOFTWARE
    assert called("inject", hive, "--cert", CERTIFICATE, "--format", "json").code == 0
    thumbprint = hashlib.sha1(Path(CERTIFICATE).read_bytes()).hexdigest().upper()
    path = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates")
    blob = Hive(hive.read_bytes()).value((*path, thumbprint), "Blob")
    assert blob is not None
    odd: list[Edit] = [DeleteKey((*path, thumbprint)), SetValue((*path, thumbprint.lower()), "Blob", *blob)]
    hive.write_bytes(apply(hive.read_bytes(), odd, now=133_000_000_000_000_000))
    ran = _through_reg(station, folder)
    assert ran.code == 0, ran.told
    assert {status[3] for status in ran.statuses} == {"replaced"}
    exported = judge("hivexregedit", "--export", hive, STORES).stdout.decode()
    assert thumbprint in exported
    assert thumbprint.lower() not in exported
    station.assert_nothing_left()


def test_a_dry_run_shows_the_commands_and_starts_none(station: Station) -> None:
    folder = _folder(station)
    before = snapshot(station.folder)
    ran = _through_reg(station, folder, "--dry-run")
    assert ran.code == 0
    commands = ran.report["plan"]["commands"]
    assert [command[:2] for command in commands] == [
        [str(station.reg.path), step] for step in ("load", "import", "query", "unload")
    ]
    assert station.reg.log == []
    assert snapshot(station.folder) == before


def test_a_real_run_executes_the_commands_of_the_dry_run(station: Station) -> None:
    folder = _folder(station)
    planned = _through_reg(station, folder, "--dry-run").report["plan"]["commands"]
    assert _through_reg(station, folder).code == 0
    assert _normalised([command[1:] for command in planned]) == _normalised(station.reg.log)


def _normalised(commands: list[list[str]]) -> list[list[str]]:
    """Commands with the number of their run left out, and the folder that it works in."""
    run = r"\d+-[0-9a-f]{8}"
    work = re.compile(rf"^.*[\\/]{run}[\\/](hive[\\/]SOFTWARE|edits\.reg)$")
    return [
        [
            re.sub(rf"winpe-offline-{run}", "winpe-offline-RUN", work.sub(r"\1", word)).replace("/", "\\")
            for word in command
        ]
        for command in commands
    ]


def test_what_cannot_be_removed_does_not_hide_a_loaded_hive(station: Station) -> None:
    """On Windows a loaded hive is a file in use; here a folder stands beside it that is not empty."""
    script = (
        'case "$1" in load) dirname "$3" > "$0.where";; unload) mkdir -p "$(cat "$0.where")/busy/busy";; esac'
    )
    reg = station.wrapped(station.reg, f'{script}\nexec "$FAKE" "$@"')
    station.reg.refuse_unload()
    ran = _through_reg(station, _folder(station), "--reg", reg)
    (key,) = station.reg.hives
    assert ran.code == 5
    assert f"reg unload {key}" in ran.told


@pytest.mark.parametrize("step", ["load", "import"])
def test_a_folder_is_what_it_was_when_reg_fails(step: str, station: Station) -> None:
    folder = _folder(station)
    before = snapshot(folder)
    station.reg.fail(step, 1, message="The registry is having a bad day.")
    ran = _through_reg(station, folder)
    assert ran.code == 4
    assert "The registry is having a bad day." in ran.told
    assert snapshot(folder) == before
    station.assert_nothing_left()


def test_a_hive_that_is_let_go_after_a_while_is_unloaded(station: Station) -> None:
    folder = _folder(station)
    station.reg.refuse_unload(times=3)
    assert _through_reg(station, folder).code == 0
    assert station.reg.steps.count("unload") == 4
    assert called("verify", folder, "--cert", CERTIFICATE, "--format", "json").code == 0


def test_an_import_that_does_nothing_is_noticed(station: Station) -> None:
    folder = _folder(station)
    before = snapshot(folder)
    station.reg.fail("import", 0)
    ran = _through_reg(station, folder)
    assert ran.code == 4
    assert "is not there" in ran.told
    assert station.reg.hives == {}
    assert snapshot(folder) == before


def test_a_hive_that_stays_loaded_is_named(station: Station) -> None:
    folder = _folder(station)
    content = (folder / SOFTWARE).read_bytes()
    station.reg.refuse_unload()
    ran = _through_reg(station, folder)
    assert ran.code == 5
    (key,) = station.reg.hives
    assert f"reg unload {key}" in ran.told
    assert (folder / SOFTWARE).read_bytes() == content
    assert station.recorded_hives == [key], "so that it can be freed later"


def test_a_folder_without_reg_is_left_alone(station: Station) -> None:
    folder = _folder(station)
    before = snapshot(folder)
    ran = _through_reg(station, folder, "--reg", station.folder / "nowhere" / "reg.exe")
    assert ran.code == 4
    assert "nowhere" in ran.told
    assert snapshot(folder) == before
    station.assert_nothing_left()


@pytest.mark.posix("signals")
@pytest.mark.parametrize("step", ["load", "import", "unload"])
def test_ctrl_c_leaves_the_folder_as_it_was(step: str, station: Station) -> None:
    folder = _folder(station)
    before = snapshot(folder)
    station.reg.hang(step, times=1, after=step == "load")
    editor = ("--hive-editor", "reg", "--reg", str(station.reg.path))
    usual = ("-m", "winpe_certs", "inject", str(folder), "--cert", str(CERTIFICATE), "--format", "json")
    child = Child([*usual, *editor])
    try:
        child.wait_for(lambda: station.hangs(station.reg))
        child.interrupt()
        assert child.end().code == 130
    finally:
        child.kill()
    assert snapshot(folder) == before
    station.assert_nothing_left()
