"""``doctor``, ``cleanup`` and ``export --thumbprint``: commands about this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scripts.testdata.pki import registry_blob, thumbprint
from tests.conftest import Judge
from tests.fakes import FakeDism, FakeReg
from tests.unit.cli.conftest import Program, Run
from winpe_certs.engines.dism_program import Dism
from winpe_certs.engines.live_stores import LiveCertificate
from winpe_certs.engines.records import Record, Records
from winpe_certs.engines.reg_program import Reg
from winpe_certs.process import ProcessRunner
from winpe_certs.workflows import export

NO_PROCESS = 2**22 + 1


class Machine:
    """A machine with a fake DISM and reg.exe, and runs that were cut off."""

    def __init__(self, folder: Path, run: Program, image: Path) -> None:
        self.dism, self.reg = FakeDism(folder), FakeReg(folder)
        self.records = Records(folder / "state" / "runs")
        self._run = run
        self.image = image
        self.folder = folder

    def cleanup(self, *arguments: str) -> Run:
        return self._run(
            "cleanup", "--dism", self.dism.path, "--reg", self.reg.path, "-f", "json", *arguments
        )

    def interrupted(self, name: str, *, index: int = 1, hive: str = "") -> Path:
        """Leave what a killed run leaves: a record and a mount."""
        mount = self.folder / name
        mount.mkdir()
        Dism(self.dism.path, ProcessRunner(), timeout=30).mount(image=self.image, index=index, folder=mount)
        record = Record(name, NO_PROCESS, str(self.image), index, str(mount), hive)
        self.records.folder.mkdir(parents=True, exist_ok=True)
        text = {field: getattr(record, field) for field in Record.__slots__}
        (self.records.folder / f"{name}.json").write_text(json.dumps(text), encoding="utf-8")
        return mount


@pytest.fixture
def machine(
    run: Program, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> Machine:
    """A fresh machine; skips without the programs that the fakes build on."""
    for program in ("wimlib-imagex", "hivexregedit", "hivexsh"):
        judge(program, "--help", check=False)
    monkeypatch.setenv("WINPE_CERTS_STATE", str(tmp_path / "state"))
    return Machine(tmp_path, run, image)


def test_doctor_says_what_is_well(run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINPE_CERTS_STATE", str(tmp_path / "state"))
    done = run("doctor", "-f", "json")
    assert done.code == 0
    states = {check["name"]: check["state"] for check in done.document["checks"]}
    assert states["direct engine"] == "ok"
    assert states["interrupted runs"] == "ok"
    assert done.document["ok"] is True
    assert "ok   readers: regipy" in run("doctor").out


def test_doctor_fails_when_the_dism_that_was_named_is_not_there(run: Program, tmp_path: Path) -> None:
    done = run("doctor", "--dism", tmp_path / "nowhere.exe", "-f", "json")
    assert done.code == 1
    (check,) = [check for check in done.document["checks"] if check["state"] == "fail"]
    assert check["name"] == "DISM"
    assert check["remedy"]


def test_doctor_names_mounts_and_interrupted_runs(machine: Machine, run: Program) -> None:
    mount = machine.interrupted("left")
    done = run("doctor", "--dism", machine.dism.path, "-f", "json")
    assert done.code == 0
    warned = {check["name"]: check for check in done.document["checks"] if check["state"] == "warn"}
    assert str(mount) in warned["mounts"]["message"]
    assert "cleanup" in warned["interrupted runs"]["remedy"]
    version = next(check for check in done.document["checks"] if check["name"] == "DISM")
    assert "version 10." in version["message"]


def test_cleanup_lists_first_and_frees_when_it_is_told_to(machine: Machine) -> None:
    mount = machine.interrupted("left")
    listed = machine.cleanup()
    assert listed.code == 0
    (item,) = listed.document["leftovers"]
    assert (item["run"], item["freed"]) == ("left", False)
    assert "/Unmount-Image" in item["command"]
    assert "/Discard" in item["command"]
    assert list(machine.dism.mounts) == [mount]
    freed = machine.cleanup("--apply")
    assert freed.code == 0
    assert freed.document["leftovers"][0]["freed"] is True
    assert not machine.dism.mounts
    assert machine.records.all() == []
    assert machine.cleanup().document["leftovers"] == []


@pytest.mark.parametrize(
    ("status", "step"), [("Needs Remount", "remount"), ("Invalid", "cleanup_mountpoints")]
)
def test_cleanup_follows_the_status_of_a_mount(machine: Machine, status: str, step: str) -> None:
    mount = machine.interrupted("left")
    machine.dism.set_status(mount, status)
    assert machine.cleanup("--apply").code == 0
    assert step in machine.dism.steps
    assert not machine.dism.mounts


def test_what_others_have_mounted_is_only_touched_with_all(machine: Machine) -> None:
    theirs = machine.folder / "theirs"
    theirs.mkdir()
    machine.dism.mount_elsewhere(machine.image, 2, theirs)
    done = machine.cleanup("--apply")
    (item,) = done.document["leftovers"]
    assert (item["run"], item["freed"]) == (None, False)
    assert "--all" in item["command"]
    assert list(machine.dism.mounts) == [theirs]
    assert machine.cleanup("--apply", "--all").document["leftovers"][0]["freed"] is True
    assert not machine.dism.mounts


def test_a_hive_that_is_still_loaded_is_unloaded_before_its_mount(machine: Machine) -> None:
    hive = "HKLM\\winpe-offline-1-abcd"
    mount = machine.interrupted("left", hive=hive)
    software = mount / "Windows" / "System32" / "config" / "SOFTWARE"
    Reg(machine.reg.path, ProcessRunner(), timeout=30).load(hive, software)
    done = machine.cleanup("--apply")
    assert done.code == 0
    assert [item["freed"] for item in done.document["leftovers"]] == [True, True]
    assert not machine.reg.hives
    assert not machine.dism.mounts


def test_what_cannot_be_freed_ends_in_exit_five_and_stays_on_record(machine: Machine) -> None:
    machine.interrupted("left")
    machine.dism.fail("unmount_discard", 0xC1420117)
    done = machine.cleanup("--apply")
    assert done.code == 5
    assert done.document["error"]["code"] == 5
    assert "/Unmount-Image" in done.document["error"]["resolution"]
    assert len(machine.records.all()) == 1


def test_a_run_that_is_still_going_is_left_alone(machine: Machine) -> None:
    mount = machine.interrupted("left")
    path = machine.records.folder / "left.json"
    path.write_text(path.read_text().replace(str(NO_PROCESS), str(os.getpid())), encoding="utf-8")
    assert machine.cleanup("--apply", "--all").document["leftovers"] == []
    assert list(machine.dism.mounts) == [mount]


def test_export_takes_a_certificate_from_the_live_stores(
    run: Program, hive: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = registry_blob("corp-root", (0x0B, "Ours".encode("utf-16-le") + b"\0\0"))
    found = LiveCertificate("ROOT", "machine", "HKLM\\SOFTWARE\\Microsoft\\SystemCertificates\\ROOT", blob)
    monkeypatch.setattr(export, "find_live", lambda _: (found,))
    done = run("export", "--thumbprint", thumbprint("corp-root").lower(), "-o", "corp.reg", "-f", "json")
    assert done.code == 0
    (certificate,) = done.document["certificates"]
    assert certificate["store"] == "AuthRoot"
    assert certificate["findings"][0]["message"] == "Found in ROOT (machine), written for AuthRoot."
    assert run("inject", hive, "-c", "corp.reg").code == 0
    strict = run("verify", hive, "-c", "corp.reg", "--strict-blob")
    assert strict.code == 0, "the Blob is the machine's, byte for byte"
    assert run("verify", hive, "-c", root).code == 0


def test_export_by_thumbprint_says_when_no_store_has_it_or_when_this_is_not_windows(
    run: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = run("export", "-t", "A" * 40)
    assert elsewhere.code == 2
    assert "needs Windows" in elsewhere.err
    monkeypatch.setattr(export, "find_live", lambda _: ())
    nowhere = run("export", "-t", "A" * 40)
    assert nowhere.code == 3
    assert "no store of this machine" in nowhere.err
