"""``--evidence`` from the outside: what the document says of every kind of change, and when there is none."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import winpe_certs
from scripts.testdata.images import variant
from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_recover import CLEAN, LOG, NUMBER
from tests.unit.regf.log_builder import dirty
from winpe_certs.engines import survey
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.files import write_new
from winpe_certs.workflows import recording

ROOT = thumbprint("corp-root")
KEY = f"Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{ROOT}"
SOFTWARE = "Windows\\System32\\config\\SOFTWARE"


def state(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "evidence.json"


# --- what it says -----------------------------------------------------------------------------------


def test_every_field_after_an_inject_in_place(run: Program, image: Path, root: Path, proof: Path) -> None:
    before, started = image.read_bytes(), datetime.now(UTC)
    done = run("inject", image, "-c", root, "-i", "2", "--evidence", proof, "--change-id", "CHG0042")
    assert (done.code, done.err) == (0, "")
    after, document = image.read_bytes(), read(proof)
    assert list(document) == [
        *("format", "version", "tool", "run", "certificates", "plan", "targets", "sha256"),
    ]
    assert (document["format"], document["version"]) == ("winpe-certs evidence", 1)
    tool = document["tool"]
    assert (tool["version"], tool["python"]) == (winpe_certs.__version__, platform.python_version())
    assert {"cryptography", "regipy", "python-registry"} <= tool["libraries"].keys()
    assert "pytest" not in tool["libraries"]
    times = [datetime.fromisoformat(document["run"].pop(name)) for name in ("started", "finished")]
    assert started <= times[0] <= times[1] <= datetime.now(UTC)
    assert document["run"] == {
        "command": "inject",
        "user": getpass.getuser(),
        "host": platform.node(),
        "change_id": "CHG0042",
        "error": None,
    }
    (certificate,) = document["certificates"]
    assert certificate == {
        "file": str(image),
        "index": 2,
        "store": "AuthRoot",
        "status": "added",
        "sha1": ROOT.lower(),
        "sha256": hashlib.sha256(root.read_bytes()).hexdigest(),
        "subject": "CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US",
        "not_before": "2020-01-01T00:00:00Z",
        "not_after": "2045-01-01T00:00:00Z",
    }
    (planned,) = document["plan"]["images"]
    assert (planned["file"], planned["index"], document["plan"]["commands"]) == (str(image), 2, [])
    blob = bytes.fromhex(planned["edits"][-1]["data"])
    assert {(edit["action"], edit["key"]) for edit in planned["edits"]} >= {("set-value", KEY)}
    assert root.read_bytes() in blob
    plan = {"images": document["plan"]["images"], "commands": []}
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()
    assert document["plan"]["sha256"] == hashlib.sha256(canonical).hexdigest()
    (target,) = document["targets"]
    first, second = target.pop("images")
    assert target == {
        "file": str(image),
        "kind": "wim",
        "output": None,
        "engine": "direct",
        "engine_reason": "auto: this is not Windows",
        "engine_program": None,
        "engine_version": None,
        "before": state(before),
        "after": state(after),
        "way_back": {
            "header": before[:208].hex(),
            "size": len(before),
            "sha256": hashlib.sha256(before).hexdigest(),
            "is_original": True,
        },
        "no_way_back": "",
    }
    assert (first["index"], first["name"]) == (1, "Microsoft Windows PE (x64)")
    assert (first["hive"], first["changed_entries"]) == (None, [])
    assert first["manifest_before"] == first["manifest_after"]
    assert (second["index"], second["architecture"], second["build"]) == (2, "x64", "10.0.26100")
    assert second["manifest_before"] != second["manifest_after"]
    (entry,) = second["changed_entries"]
    assert entry["path"] == f"\\{SOFTWARE}"
    hive = second["hive"]
    assert (hive["path"], hive["keys_added"], hive["keys_removed"]) == (SOFTWARE, [KEY], [])
    with open_for_reading(image) as images:
        untouched, changed = (images.read(index, SOFTWARE) for index in (1, 2))
    assert (hive["before"], hive["after"]) == (state(untouched), state(changed))
    for line, data in ((entry["before"], untouched), (entry["after"], changed)):
        assert f"\tsha1={hashlib.sha1(data).hexdigest()}" in line
    assert hive["values"] == [
        {"key": KEY, "name": "Blob", "before": None, "after": {"type": 3, **state(blob)}}
    ]
    shown = run("manifest", image, "-i", "2").out
    digest = {"entries": shown.count("\n"), "sha256": hashlib.sha256(shown.encode()).hexdigest()}
    assert second["manifest_after"] == digest


def test_a_removal_says_what_is_gone(run: Program, image: Path, root: Path, proof: Path) -> None:
    run("inject", image, "-c", root, "-i", "all")
    assert run("remove", image, "-t", ROOT, "-i", "all", "--evidence", proof).code == 0
    document = read(proof)
    assert document["run"]["command"] == "remove"
    assert [(each["status"], each["sha1"]) for each in document["certificates"]] == 2 * [
        ("removed", ROOT.lower())
    ]
    for each in document["targets"][0]["images"]:
        (entry,) = each["changed_entries"]
        assert entry["path"] == f"\\{SOFTWARE}"
        assert (each["hive"]["keys_added"], each["hive"]["keys_removed"]) == ([], [KEY])
        (value,) = each["hive"]["values"]
        assert (value["name"], value["after"]) == ("Blob", None)
    assert run("verify", image, "--evidence", proof).code == 0


def test_a_replaced_blob_is_a_value_that_differs(
    run: Program, root: Path, proof: Path, tmp_path: Path
) -> None:
    hive = Path(shutil.copy(root.parent.parent / "hives" / "narrowed.hiv", tmp_path / "SOFTWARE"))
    done = run("inject", hive, "-c", root, "--evidence", proof, "-f", "json")
    assert done.document["images"][0]["certificates"][0]["status"] == "replaced"
    (target,) = read(proof)["targets"]
    (value,) = target["images"][0]["hive"]["values"]
    assert value["before"] != value["after"]
    assert None not in value.values()


def test_with_an_output_the_states_are_those_of_original_and_copy(
    run: Program, image: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    before = image.read_bytes()
    out = tmp_path / "out.wim"
    assert run("inject", image, "-c", root, "-i", "1", "-o", out, "--evidence", proof).code == 0
    (target,) = read(proof)["targets"]
    assert (target["file"], target["output"]) == (str(image), str(out))
    assert (target["before"], target["after"]) == (state(before), state(out.read_bytes()))
    assert target["way_back"] is None
    assert "the original is the way back" in target["no_way_back"]
    assert [len(each["changed_entries"]) for each in target["images"]] == [1, 0]
    assert run("verify", out, "--evidence", proof).code == 0
    assert run("verify", image, "--evidence", proof).code == 1


def test_a_folder_has_the_state_of_its_hive(run: Program, root: Path, proof: Path, tmp_path: Path) -> None:
    place = tmp_path / "mount" / "Windows" / "System32" / "config" / "SOFTWARE"
    place.parent.mkdir(parents=True)
    shutil.copy(root.parent.parent / "hives" / "software-1.5.hiv", place)
    before = place.read_bytes()
    assert run("inject", tmp_path / "mount", "-c", root, "--evidence", proof).code == 0
    (target,) = read(proof)["targets"]
    assert (target["kind"], target["engine"]) == ("folder", "folder")
    assert (target["before"], target["after"]) == (state(before), state(place.read_bytes()))
    (only,) = target["images"]
    assert (only["index"], only["manifest_before"], only["changed_entries"]) == (None, None, [])
    assert only["hive"]["keys_added"][-1] == KEY
    assert target["way_back"] is None
    assert run("verify", tmp_path / "mount", "--evidence", proof).code == 0
    assert run("undo", tmp_path / "mount", "--evidence", proof).code == 3


@pytest.mark.parametrize("to_copy", [False, True])
def test_a_hive_is_all_of_its_target(
    run: Program, hive: Path, root: Path, proof: Path, tmp_path: Path, to_copy: bool
) -> None:
    before = hive.read_bytes()
    out = tmp_path / "new.hiv"
    assert run("inject", hive, "-c", root, "--evidence", proof, *(["-o", out] if to_copy else [])).code == 0
    (target,) = read(proof)["targets"]
    written = (out if to_copy else hive).read_bytes()
    assert (target["kind"], target["before"], target["after"]) == ("hive", state(before), state(written))
    assert (target["images"][0]["hive"]["before"], target["images"][0]["hive"]["after"]) == (
        state(before),
        state(written),
    )
    assert run("verify", out if to_copy else hive, "--evidence", proof).code == 0
    assert "there is no way back by this evidence" in run("undo", hive, "--evidence", proof).err


def test_a_run_that_changes_nothing_says_so(run: Program, image: Path, root: Path, proof: Path) -> None:
    run("inject", image, "-c", root, "-i", "1")
    before = image.read_bytes()
    assert run("inject", image, "-c", root, "-i", "1", "--evidence", proof).code == 0
    document = read(proof)
    (target,) = document["targets"]
    assert document["certificates"][0]["status"] == "unchanged"
    assert document["plan"]["images"][0]["edits"] == []
    assert target["before"] == target["after"] == state(before)
    assert (target["way_back"], target["no_way_back"]) == (None, "Nothing was changed.")
    assert target["images"][0]["changed_entries"] == target["images"][0]["hive"]["values"] == []
    assert run("verify", image, "--evidence", proof).code == 0
    refused = run("undo", image, "--evidence", proof)
    assert (refused.code, image.read_bytes()) == (3, before)
    assert "Nothing was changed." in refused.err


def test_several_targets_stand_in_one_document(
    run: Program, image: Path, hive: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copy(image, tmp_path / "boot.wim"))
    files = [str(image), str(hive), str(other)]
    assert run("inject", *files, "-c", root, "-i", "1", "--evidence", proof).code == 0
    document = read(proof)
    assert [target["file"] for target in document["targets"]] == files
    assert [each["file"] for each in document["plan"]["images"]] == files
    assert [each["file"] for each in document["certificates"]] == files
    assert run("verify", *files, "--evidence", proof).code == 0


def test_a_second_target_that_fails_leaves_evidence_of_the_first(
    run: Program, image: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-100])
    done = run("inject", image, damaged, "-c", root, "-i", "1", "--evidence", proof)
    assert done.code == 3
    document = read(proof)
    assert [target["file"] for target in document["targets"]] == [str(image)]
    assert document["run"]["error"] is not None
    assert str(damaged) in document["run"]["error"]
    assert run("verify", image, "--evidence", proof).code == 0


def test_targets_that_fail_in_a_rotation_are_told(
    run: Program, image: Path, root: Path, certs: Path, proof: Path, tmp_path: Path
) -> None:
    run("inject", image, "-c", root, "-i", "1")
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-100])
    new = certs / "corp-root-2.cer"
    rotation = ("inject", damaged, image, "-c", new, "--replace", ROOT, "-i", "1", "--evidence", proof)
    assert run(*rotation).code != 0
    document = read(proof)
    assert str(damaged) in document["run"]["error"]
    assert {each["status"] for each in document["certificates"]} == {"added", "removed"}
    (target,) = document["targets"]
    assert target["images"][0]["hive"]["keys_removed"] == [KEY]
    assert run("verify", image, "--evidence", proof).code == 0


def test_redacted_evidence_names_neither_user_nor_host_nor_folders(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recording, "_user", lambda: "somebody-by-name")
    monkeypatch.setattr(platform, "node", lambda: "a-host-by-name")
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-100])
    options = ("-c", root, "-i", "1", "-o", tmp_path / "outputs", "--evidence", proof)
    (tmp_path / "outputs").mkdir()
    assert run("inject", image, damaged, *options).code == 3
    told = proof.read_text()
    for word in ("somebody-by-name", "a-host-by-name", str(image.parent), "outputs"):
        assert word in told
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "outputs").mkdir()
    assert run("inject", image, damaged, *options, "--redact", "--overwrite").code == 3
    data = proof.read_bytes()
    words = ("somebody-by-name", "a-host-by-name", tmp_path.name, "outputs", "adk", os.sep + "tmp")
    assert [word for word in words if word.encode() in data] == []
    document = read(proof)
    assert (document["run"]["user"], document["run"]["host"], document["run"]["error"]) == (None, None, "wim")
    assert (document["targets"][0]["file"], document["targets"][0]["output"]) == ("boot.wim", "boot.wim")
    assert document["certificates"][0]["file"] == "boot.wim"
    assert run("verify", tmp_path / "outputs" / "boot.wim", "--evidence", proof).code == 0


def test_a_recovered_hive_is_compared_with_what_its_logs_make_of_it(
    run: Program, root: Path, proof: Path, tmp_path: Path
) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    (tmp_path / "SOFTWARE.LOG1").write_bytes(LOG)
    before = path.read_bytes()
    assert run("inject", path, "-c", root, "--recover", "--evidence", proof).code == 0
    hive = read(proof)["targets"][0]["images"][0]["hive"]
    assert (hive["before"], hive["after"]) == (state(before), state(path.read_bytes()))
    assert [value["key"] for value in hive["values"]] == [KEY]
    assert run("verify", path, "--evidence", proof).code == 0


# --- when there is none -----------------------------------------------------------------------------


def test_without_evidence_nothing_is_hashed_or_listed(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spy(*_: object, **__: object) -> None:
        raise EnvironmentFailure("hashed")

    monkeypatch.setattr(survey, "hash_parts", spy)
    monkeypatch.setattr(survey, "manifest", spy)
    assert run("inject", image, "-c", root, "-i", "all").code == 0
    assert run("remove", image, "-t", ROOT, "-i", "all").code == 0
    before = image.read_bytes()
    assert run("inject", image, "-c", root, "-i", "all", "--evidence", proof).code == 4
    assert (image.read_bytes(), proof.exists()) == (before, True)
    assert read(proof)["targets"] == []


@pytest.mark.parametrize("options", [["--change-id", "X"], ["--redact"], ["--change-id", ""]])
def test_what_goes_into_evidence_needs_some(
    run: Program, image: Path, root: Path, options: list[str]
) -> None:
    before = image.read_bytes()
    done = run("inject", image, "-c", root, "-i", "1", *options)
    assert (done.code, image.read_bytes()) == (2, before)
    assert "there is no evidence to put it in" in done.err


def _refused(run: Program, image: Path, proof: Path, arguments: Iterable[object]) -> str:
    before = image.read_bytes()
    old = proof.read_bytes() if proof.is_file() else None
    done = run("inject", image, *arguments, "-i", "1", "--evidence", proof)
    assert done.code == 2
    assert image.read_bytes() == before
    assert (proof.read_bytes() if proof.is_file() else None) == old
    return done.err


def test_a_dry_run_has_no_evidence(run: Program, image: Path, root: Path, proof: Path) -> None:
    assert "a dry run changes nothing" in _refused(run, image, proof, ["-c", root, "--dry-run"])
    assert not proof.exists()


def test_an_existing_file_needs_overwrite(run: Program, image: Path, root: Path, proof: Path) -> None:
    proof.write_text("kept")
    assert "exists already" in _refused(run, image, proof, ["-c", root])
    assert run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "--overwrite").code == 0
    assert read(proof)["version"] == 1


def test_neither_evidence_nor_output_goes_over_a_certificate_of_the_call(
    run: Program, image: Path, certs: Path, tmp_path: Path
) -> None:
    names = ("corp-root.cer", "cmg-chain.pem")
    mine, chain = (Path(shutil.copy(certs / name, tmp_path)) for name in names)
    before = mine.read_bytes(), chain.read_bytes(), image.read_bytes()
    expecting = ["--expect-chain", chain, "--hostname", "cmg.contoso.example", "--overwrite", "-i", "1"]
    for file in (mine, chain):
        for option in ("--evidence", "-o"):
            done = run("inject", image, "-c", mine, *expecting, option, file)
            assert (done.code, f"{option} {file}: this is a file that the command" in done.err) == (2, True)
    done = run("remove", image, "-c", mine, "--overwrite", "-i", "1", "--evidence", mine)
    assert done.code == 2
    assert (mine.read_bytes(), chain.read_bytes(), image.read_bytes()) == before


def test_libwim_is_named_where_it_took_part(
    run: Program, image: Path, hive: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def libraries(target: Path) -> dict[str, str]:
        assert run("inject", target, "-c", root, *index, "--evidence", proof, "--overwrite").code == 0
        found: dict[str, str] = read(proof)["tool"]["libraries"]
        return found

    index = ["-i", "1", "--codec", "python"]
    assert "libwim" not in libraries(image)
    monkeypatch.setattr(recording, "codecs", lambda: SimpleNamespace(name="libwim 1.99.0"))
    assert libraries(image)["libwim"] == "1.99.0"
    index = ["--codec", "python"]
    assert "libwim" not in libraries(hive)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_evidence_never_goes_over_what_is_worked_on(
    run: Program, image: Path, hive: Path, root: Path, tmp_path: Path, overwrite: list[str]
) -> None:
    more = ["-c", root, *overwrite]
    assert "a file that the command works with" in _refused(run, image, image, more)
    (tmp_path / "link.json").symlink_to(image)
    assert "a file that the command works with" in _refused(run, image, tmp_path / "link.json", more)
    # Not there yet, and named in another way.
    for name in ("out.wim", tmp_path / "out.wim", tmp_path / "adk" / ".." / "out.wim"):
        told = _refused(run, image, Path(name), [*more, "-o", "out.wim"])
        assert "a file that the command works with" in told
        assert not (tmp_path / "out.wim").exists()
    tree = tmp_path / "mount" / "Windows" / "System32" / "config"
    tree.mkdir(parents=True)
    inside = Path(shutil.copy(hive, tree / "SOFTWARE"))
    before = inside.read_bytes()
    for place in (inside, tree / "evidence.json"):
        done = run("inject", tmp_path / "mount", "-c", root, *overwrite, "--evidence", place)
        assert done.code == 2
    assert (inside.read_bytes(), sorted(tree.iterdir())) == (before, [inside])


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_place_that_cannot_be_is_refused_first(
    run: Program, image: Path, root: Path, tmp_path: Path, overwrite: list[str]
) -> None:
    more = ["-c", root, *overwrite]
    assert "there is no folder" in _refused(run, image, tmp_path / "missing" / "e.json", more)
    assert "this is a folder" in _refused(run, image, tmp_path, more)
    assert "more than 200 characters" in _refused(
        run, image, tmp_path / "e.json", [*more, "--change-id", "x" * 201]
    )


def test_a_hive_with_damage_elsewhere_is_refused_before_anything_is_written(
    run: Program, hive: Path, root: Path, proof: Path
) -> None:
    sound = hive.read_bytes()
    # A value that neither the edit nor the readers come by: of the first such signature one byte.
    for place in re.finditer(b"vk", sound):
        data = sound[: place.start()] + b"x" + sound[place.start() + 1 :]
        hive.write_bytes(data)
        if run("inject", hive, "-c", root, "-n").code == 0:
            break
    done = run("inject", hive, "-c", root, "--evidence", proof)
    assert done.code == 3
    assert hive.read_bytes() == data
    assert "key value" in done.err
    assert read(proof)["targets"] == []


@pytest.mark.parametrize("kind", ["full disk", "appeared"])
def test_evidence_that_is_lost_is_told_with_what_was_changed(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fail(path: Path, *_: object, overwrite: bool) -> None:
        if kind == "appeared":
            path.write_text("somebody's")
            write_new(path, [], overwrite=overwrite)
        raise EnvironmentFailure(f"{path}: cannot write: the disk is full", details="errno 28")

    monkeypatch.setattr(recording, "write_new", fail)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == 4
    assert done.document["images"][0]["changed"] is True
    assert done.document["error"]["code"] == 4
    assert (
        "The images are changed as reported; only their evidence is lost."
        in (done.document["error"]["details"])
    )
    assert run("verify", image, "-c", root, "-i", "1").code == 0


def test_the_same_with_a_disk_that_is_really_full(run: Program, image: Path, root: Path) -> None:
    try:
        os.close(os.open("/proc/version", os.O_RDONLY))
    except OSError:
        pytest.skip("there is no /proc")
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", "/proc/evidence.json", "-f", "json")
    assert done.code == 4
    assert done.document["images"][0]["changed"] is True
    assert "only their evidence is lost" in done.document["error"]["details"]


def test_ctrl_c_while_it_is_written_still_reports_the_change(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "write_new", interrupt)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == 130
    assert done.document["images"][0]["changed"] is True
    assert "only their evidence is lost" in done.document["error"]["details"]


@pytest.mark.parametrize("fault", ["refusal", "interrupt"])
def test_a_survey_that_fails_behind_the_change_is_no_refusal(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    real = recording.Recorder._again

    def fail(*_: object) -> None:
        if fault == "interrupt":
            raise KeyboardInterrupt
        raise UsageError("cannot be listed")

    monkeypatch.setattr(recording.Recorder, "_again", fail)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == (130 if fault == "interrupt" else 4)
    assert done.document["images"][0]["changed"] is True
    monkeypatch.setattr(recording.Recorder, "_again", real)
    assert run("verify", image, "-c", root, "-i", "1").code == 0
    assert (read(proof)["targets"], read(proof)["certificates"][0]["status"]) == ([], "added")


# --- what is left to do -----------------------------------------------------------------------------


def test_bytes_of_the_old_certificate_are_told(
    run: Program, image: Path, root: Path, certs: Path, tmp_path: Path
) -> None:
    def is_told(*arguments: object) -> bool:
        done = run(*arguments, "-f", "json")
        assert done.code == 0
        return any(
            "can still be read in unused bytes" in each and "winpe-certs compact" in each
            for each in done.document["advice"]
        )

    assert not is_told("inject", image, "-c", root, "-i", "1")
    new = certs / "corp-root-2.cer"
    assert is_told("inject", image, "-c", new, "--replace", ROOT, "-i", "1")
    assert is_told("remove", image, "-c", new, "-i", "1")
    narrowed = tmp_path / "narrowed.wim"
    narrowed.write_bytes(variant("narrowed"))
    done = run("inject", narrowed, "-c", root, "-f", "json")
    replaced = done.document["images"][0]["certificates"][0]["status"] == "replaced"
    assert replaced == any("can still be read" in each for each in done.document["advice"])
    assert replaced
