"""``doctor``, ``cleanup`` and ``export --thumbprint``: commands about this machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts.testdata.pki import registry_blob, thumbprint
from tests.conftest import Judge
from tests.fakes import FakeDism, FakeReg
from tests.unit.cli.conftest import Program, Run
from winpe_certs.engines.dism_program import Dism
from winpe_certs.engines.live_stores import LiveCertificate
from winpe_certs.engines.records import Record, Records, started_at
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

    def interrupted(
        self, name: str, *, index: int = 1, hive: str = "", mount: Path | None = None, **fields: object
    ) -> Path:
        """Leave what a killed run leaves: a record, of which `fields` may differ, and a mount."""
        mount = mount or self.folder / name
        mount.mkdir(parents=True)
        Dism(self.dism.path, ProcessRunner(), timeout=30).mount(image=self.image, index=index, folder=mount)
        self.record(name, **{"index": index, "mount_folder": str(mount), "hive": hive, **fields})
        return mount

    def record(self, name: str, **fields: object) -> Path:
        """Write the record of a run that has ended; `fields` may be anything."""
        record = asdict(Record(name, NO_PROCESS, str(self.image), 0, ""))
        path = self.records.folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**record, **fields}), encoding="utf-8")
        return path

    def load_hive(self, key: str, source: Path) -> None:
        Reg(self.reg.path, ProcessRunner(), timeout=30).load(key, source)

    def work_folder(self, run: str) -> Path:
        """What a run makes in its work folder: all that is there but an empty mount folder."""
        folder = self.folder / "state" / "work" / run
        for name in ("edits.reg", ".edits.reg.abc.new", "hive/SOFTWARE", "hive/SOFTWARE.LOG1", "share/a.wim"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"left")
        return folder


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


def test_doctor_does_not_take_a_folder_for_there_that_is_not(run: Program, tmp_path: Path) -> None:
    def room(*options: str) -> dict[str, tuple[str, str]]:
        checks = run("doctor", *options, "-f", "json").document["checks"]
        return {check["name"]: (check["state"], check["message"]) for check in checks}

    missing = room("--mount-dir", "a/b", "--scratch-dir", "c")
    state, message = missing["room to mount"]
    assert (state, message.partition(" at ")[2]) == (
        "ok", f"{Path('a/b')}, which is not there yet: it is made when an image is mounted"
    )  # fmt: skip
    assert missing["room for scratch files"] == (
        "warn", "c is not there, and DISM wants its scratch folder to exist"
    )  # fmt: skip
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").touch()
    (tmp_path / "c").mkdir()
    there = room("--mount-dir", "a/b", "--scratch-dir", "c")
    assert there["room to mount"] == ("warn", f"{Path('a/b')}: {Path('a/b')} is a file")
    assert there["room for scratch files"][1].endswith(" GB free at c")


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
    assert warned["interrupted runs"]["command"] == ["winpe-certs", "cleanup", "--apply"]
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
    machine.load_hive(hive, software)
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
    assert "/Unmount-Image" in done.document["error"]["command"]
    assert len(machine.records.all()) == 1


def test_a_run_that_is_still_going_is_left_alone(machine: Machine) -> None:
    mount = machine.interrupted("left", process=os.getpid(), started=started_at(os.getpid()) or "")
    assert machine.cleanup("--apply", "--all").document["leftovers"] == []
    assert list(machine.dism.mounts) == [mount]


@pytest.mark.skipif(started_at(os.getpid()) is None, reason="this system does not say when a process started")
def test_a_run_whose_process_number_is_used_again_has_ended(machine: Machine, run: Program) -> None:
    mount = machine.interrupted("left", process=os.getpid(), started="1")
    assert str(mount) in run("doctor").out
    (item,) = machine.cleanup("--apply").document["leftovers"]
    assert (item["run"], item["freed"]) == ("left", True)
    assert not machine.dism.mounts


def test_a_mount_of_a_going_run_is_safe_from_an_older_record_of_its_folder(machine: Machine) -> None:
    mount = machine.interrupted("going", process=os.getpid())
    machine.record("older", mount_folder=str(mount), index=1)
    assert machine.cleanup("--apply", "--all").document["leftovers"] == []
    assert list(machine.dism.mounts) == [mount]


def test_apply_without_dism_is_a_failure_and_keeps_the_record(machine: Machine) -> None:
    mount = machine.interrupted("left")
    machine.dism.path.unlink()
    assert machine.cleanup().code == 0
    done = machine.cleanup("--apply")
    assert done.code == 5
    (item,) = done.document["leftovers"]
    assert item["freed"] is False
    assert item["what"] == f"{mount} may be mounted"
    assert "no DISM.exe" in item["problem"]
    assert len(machine.records.all()) == 1


def test_a_record_of_a_hive_names_the_hive(machine: Machine, run: Program) -> None:
    hive = "HKLM\\winpe-offline-1-abcd"
    machine.record("winpe-offline-1-abcd-hive", hive=hive)
    listed = run("cleanup", "-f", "json")
    assert listed.code == 0
    (item,) = listed.document["leftovers"]
    assert item["what"] == f"the hive {hive} may be loaded"
    assert item["command"] == f"reg unload {hive}"
    assert (
        f"run winpe-offline-1-abcd-hive may have left the hive {hive} loaded"
        in run("doctor", "-f", "json").document["checks"][-1]["message"]
    )
    assert run("cleanup", "--apply").code == 5
    assert len(machine.records.all()) == 1


def test_the_hive_of_a_run_goes_before_the_mount_that_it_lies_in(machine: Machine) -> None:
    hive = "HKLM\\winpe-offline-1-abcd"
    mount = machine.interrupted("1-abcd")
    machine.record("winpe-offline-1-abcd-hive", hive=hive)
    machine.load_hive(hive, mount / "Windows" / "System32" / "config" / "SOFTWARE")
    done = machine.cleanup("--apply")
    assert done.code == 0
    assert [item["freed"] for item in done.document["leftovers"]] == [True, True]
    assert machine.records.all() == []


def test_a_hive_that_cannot_be_looked_for_is_a_leftover(machine: Machine) -> None:
    machine.record("winpe-offline-1-abcd-hive", hive="HKLM\\winpe-offline-1-abcd")
    machine.reg.fail("query", 1)
    done = machine.cleanup("--apply")
    assert done.code == 5
    assert "may be loaded" in done.document["leftovers"][0]["what"]
    assert len(machine.records.all()) == 1


def test_an_invalid_mount_waits_while_others_have_one(machine: Machine) -> None:
    mount = machine.interrupted("left")
    machine.dism.set_status(mount, "Invalid")
    theirs = machine.folder / "theirs"
    machine.dism.mount_elsewhere(machine.image, 2, theirs, status="Invalid")
    done = machine.cleanup("--apply")
    assert done.code == 5
    problem = done.document["leftovers"][0]["problem"]
    assert str(theirs) in problem
    assert "--all" in problem
    assert "Cleanup-Mountpoints" not in done.document["error"]["resolution"]
    assert set(machine.dism.mounts) == {mount, theirs}
    assert "cleanup_mountpoints" not in machine.dism.steps
    assert machine.cleanup("--apply", "--all").code == 0
    assert not machine.dism.mounts


def test_an_invalid_mount_waits_for_that_of_a_going_run_even_with_all(machine: Machine) -> None:
    going = machine.interrupted("going", process=os.getpid())
    mount = machine.interrupted("left", index=2)
    for folder in (going, mount):
        machine.dism.set_status(folder, "Invalid")
    done = machine.cleanup("--apply", "--all")
    assert done.code == 5
    assert "still going" in done.document["leftovers"][0]["problem"]
    assert set(machine.dism.mounts) == {going, mount}


def test_an_invalid_mount_is_only_freed_when_dism_lists_it_no_more(machine: Machine) -> None:
    mount = machine.interrupted("left")
    machine.dism.set_status(mount, "Invalid")
    machine.dism.fail("cleanup_mountpoints", 0)
    done = machine.cleanup("--apply")
    assert done.code == 5
    assert done.document["leftovers"][0]["freed"] is False
    assert len(machine.records.all()) == 1


def test_files_that_are_no_records_stop_nothing(machine: Machine, run: Program) -> None:
    machine.interrupted("left")
    machine.record("text", process="x")
    machine.record("flag", process=True)
    machine.record("number", mount_folder=5)
    machine.record("nul", mount_folder="a\0b")
    machine.record("more", surprise=1)
    machine.record("other", run="left")
    (machine.records.folder / "list.json").write_text("[1]", encoding="utf-8")
    assert [record.run for record in machine.records.all()] == ["left"]
    assert run("doctor").code == 0
    assert len(machine.cleanup("--apply").document["leftovers"]) == 1


def test_the_work_folder_of_a_killed_run_goes_with_its_mount(machine: Machine) -> None:
    folder = machine.work_folder("1-abcd")
    machine.interrupted("1-abcd", mount=folder / "mount")
    listed = machine.cleanup()
    assert str(folder) in listed.document["leftovers"][1]["what"]
    assert (folder / "edits.reg").exists()
    done = machine.cleanup("--apply")
    assert done.code == 0
    assert [item["freed"] for item in done.document["leftovers"]] == [True, True]
    assert not folder.exists()
    assert machine.records.all() == []


def test_the_work_folder_stays_while_something_is_mounted_there(machine: Machine) -> None:
    folder = machine.work_folder("1-abcd")
    machine.interrupted("1-abcd", mount=folder / "mount")
    machine.dism.fail("unmount_discard", 0xC1420117)
    assert machine.cleanup("--apply").code == 5
    machine.dism.heal()
    assert (folder / "hive" / "SOFTWARE").exists()
    machine.dism.mount_elsewhere(folder / "share" / "a.wim", 1, machine.folder / "theirs")
    done = machine.cleanup("--apply")
    assert done.code == 5
    assert "in use" in done.document["error"]["details"]
    assert (folder / "share" / "a.wim").exists()
    assert len(machine.records.all()) == 1


def test_only_what_a_run_makes_is_removed_and_no_link_is_followed(machine: Machine) -> None:
    kept = machine.folder / "kept"
    kept.mkdir()
    (kept / "precious").write_text("kept")
    for run in ("1-aa", "2-bb", "3-cc"):
        machine.work_folder(run)
        machine.record(run)
    work = machine.folder / "state" / "work"
    (work / "1-aa" / "notes.txt").write_text("somebody's")
    (work / "2-bb" / "share" / "a.wim").unlink()
    (work / "2-bb" / "share").rmdir()
    (work / "2-bb" / "share").symlink_to(kept)
    (work / "3-cc" / "hive" / "link").symlink_to(kept)
    (work / "4-dd").symlink_to(kept)
    machine.record("4-dd")
    done = machine.cleanup("--apply")
    assert done.code == 5
    assert [item["freed"] for item in done.document["leftovers"]] == [False] * 4
    assert (work / "1-aa" / "notes.txt").exists()
    assert (work / "3-cc" / "hive" / "SOFTWARE").exists()
    assert (kept / "precious").read_text() == "kept"


def test_a_run_that_is_going_keeps_its_work_folder(machine: Machine) -> None:
    folder = machine.work_folder("1-abcd")
    machine.record("1-abcd")
    machine.record("winpe-offline-1-abcd-hive", hive="HKLM\\winpe-offline-1-abcd", process=os.getpid())
    assert machine.cleanup("--apply").document["leftovers"] == []
    assert (folder / "edits.reg").exists()


@pytest.mark.parametrize("written", ["./x/../left", "link"])
def test_a_mount_folder_is_known_however_it_is_written(machine: Machine, written: str) -> None:
    (machine.folder / "x").mkdir()
    (machine.folder / "link").symlink_to("left")
    machine.interrupted("left", mount_folder=written)
    (item,) = machine.cleanup("--apply").document["leftovers"]
    assert (item["run"], item["freed"]) == ("left", True)


def test_a_mount_folder_of_windows_is_known_in_any_case_and_with_either_slash(machine: Machine) -> None:
    machine.dism.mount_elsewhere(machine.image, 1, Path("C:\\Work\\Mount"))
    machine.record("left", index=1, mount_folder="c:/work/mount/")
    (item,) = machine.cleanup("--apply").document["leftovers"]
    assert (item["run"], item["freed"]) == ("left", True)


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


@pytest.mark.posix("elsewhere")
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


@pytest.mark.parametrize("change", ["index", "image"])
def test_another_mount_in_the_folder_of_an_interrupted_run_is_not_its_own(
    machine: Machine, change: str
) -> None:
    """Whoever named the folder may have freed it by hand and used it again."""
    mount = machine.folder / "named"
    mount.mkdir()
    image = machine.folder / "other.wim" if change == "image" else machine.image
    machine.dism.mount_elsewhere(image, 2 if change == "index" else 1, mount)
    machine.record("left", index=1, mount_folder=str(mount))
    done = machine.cleanup("--apply")
    assert done.code == 0
    assert [item["run"] for item in done.document["leftovers"]] == [None]
    assert list(machine.dism.mounts) == [mount]
