"""``--evidence`` from the outside: what the document says of every kind of change."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import winpe_certs
from scripts.testdata.pki import thumbprint
from tests import needs
from tests.unit.cli.conftest import Program, read_document, results_in
from tests.unit.cli.test_recover import CLEAN, LOG, NUMBER
from tests.unit.regf.log_builder import dirty
from winpe_certs.engines import survey
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.verification.readers import reader_versions
from winpe_certs.workflows.evidence import recorder

ROOT = thumbprint("corp-root")
KEY = f"Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{ROOT}"
SOFTWARE = "Windows\\System32\\config\\SOFTWARE"


def state(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_every_field_after_an_inject_in_place(run: Program, image: Path, root: Path, proof: Path) -> None:
    before, started = image.read_bytes(), datetime.now(UTC)
    done = run("inject", image, "-c", root, "-i", "2", "--evidence", proof, "--change-id", "CHG0042")
    assert (done.code, done.err) == (0, "")
    after, document = image.read_bytes(), read_document(proof)
    assert list(document) == [
        *("format", "version", "tool", "run", "certificates", "plan", "targets", "differences", "sha256"),
    ]
    assert (document["format"], document["version"]) == ("winpe-certs evidence", 2)
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
        "overrides": [],
        "options": [{"name": "--index", "value": "2"}],
        "error": None,
    }
    (group,) = document["certificates"]
    assert group["images"] == [{"file": str(image), "indexes": [2]}]
    (certificate,) = group["results"]
    assert certificate == {
        "store": "AuthRoot",
        "status": "added",
        "sha1": ROOT.lower(),
        "sha256": hashlib.sha256(root.read_bytes()).hexdigest(),
        "subject": "CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US",
        "not_before": "2020-01-01T00:00:00Z",
        "not_after": "2045-01-01T00:00:00Z",
        "source": {"file": str(root), "sha256": hashlib.sha256(root.read_bytes()).hexdigest(), "entry": None},
        "findings": [],
    }
    (planned,) = document["plan"]["images"]
    assert (planned["images"], document["plan"]["commands"]) == (group["images"], [])
    blob = bytes.fromhex(planned["edits"][-1]["data"])
    assert {(edit["action"], edit["key"]) for edit in planned["edits"]} >= {("set-value", KEY)}
    assert root.read_bytes() in blob
    plan = {"images": document["plan"]["images"], "commands": []}
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()
    assert document["plan"]["sha256"] == hashlib.sha256(canonical).hexdigest()
    (target,) = document["targets"]
    first, second = target.pop("images")
    confirmed = target.pop("confirmed")
    assert confirmed["readers"] == list(reader_versions())
    assert times[0] <= datetime.fromisoformat(confirmed["at"]) <= times[1]
    assert target == {
        "file": str(image),
        "kind": "wim",
        "output": None,
        "engine": "direct",
        "engine_reason": "asked for by --engine" if needs.IS_WINDOWS else "auto: this is not Windows",
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
    (found,) = document["differences"]
    assert (hive["path"], found["images"]) == (SOFTWARE, group["images"])
    assert (found["keys_added"], found["keys_removed"]) == ([KEY], [])
    with open_for_reading(image) as images:
        untouched, changed = (images.read(index, SOFTWARE) for index in (1, 2))
    assert (hive["before"], hive["after"]) == (state(untouched), state(changed))
    for line, data in ((entry["before"], untouched), (entry["after"], changed)):
        assert f"\tsha1={hashlib.sha1(data).hexdigest()}" in line
    assert found["values"] == [
        {"key": KEY, "name": "Blob", "before": None, "after": {"type": 3, **state(blob)}}
    ]
    shown = run("manifest", image, "-i", "2").out
    digest = {"entries": shown.count("\n"), "sha256": hashlib.sha256(shown.encode()).hexdigest()}
    assert second["manifest_after"] == digest


def test_a_removal_says_what_is_gone(run: Program, image: Path, root: Path, proof: Path) -> None:
    run("inject", image, "-c", root, "-i", "all")
    assert run("remove", image, "-t", ROOT, "-i", "all", "--evidence", proof).code == 0
    document = read_document(proof)
    assert document["run"]["command"] == "remove"
    assert [(each["status"], each["sha1"]) for each in results_in(document)] == 2 * [
        ("removed", ROOT.lower())
    ]
    for each in document["targets"][0]["images"]:
        (entry,) = each["changed_entries"]
        assert entry["path"] == f"\\{SOFTWARE}"
    # Both images lost the same.
    (found,) = document["differences"]
    assert found["images"] == [{"file": str(image), "indexes": [1, 2]}]
    assert (found["keys_added"], found["keys_removed"]) == ([], [KEY])
    (value,) = found["values"]
    assert (value["name"], value["after"]) == ("Blob", None)
    assert run("verify", image, "--evidence", proof).code == 0


def test_a_replaced_blob_is_a_value_that_differs(
    run: Program, root: Path, proof: Path, tmp_path: Path
) -> None:
    hive = Path(shutil.copy(root.parent.parent / "hives" / "narrowed.hiv", tmp_path / "SOFTWARE"))
    done = run("inject", hive, "-c", root, "--evidence", proof, "-f", "json")
    assert done.document["images"][0]["certificates"][0]["status"] == "replaced"
    (found,) = read_document(proof)["differences"]
    (value,) = found["values"]
    assert value["before"] != value["after"]
    assert None not in value.values()


def test_with_an_output_the_states_are_those_of_original_and_copy(
    run: Program, image: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    before = image.read_bytes()
    out = tmp_path / "out.wim"
    assert run("inject", image, "-c", root, "-i", "1", "-o", out, "--evidence", proof).code == 0
    (target,) = read_document(proof)["targets"]
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
    (target,) = read_document(proof)["targets"]
    assert (target["kind"], target["engine"]) == ("folder", "folder")
    assert (target["before"], target["after"]) == (state(before), state(place.read_bytes()))
    (only,) = target["images"]
    assert (only["index"], only["manifest_before"], only["changed_entries"]) == (None, None, [])
    (found,) = read_document(proof)["differences"]
    assert (found["images"][0]["indexes"], found["keys_added"][-1]) == ([], KEY)
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
    (target,) = read_document(proof)["targets"]
    written = (out if to_copy else hive).read_bytes()
    assert (target["kind"], target["before"], target["after"]) == ("hive", state(before), state(written))
    assert (target["images"][0]["hive"]["before"], target["images"][0]["hive"]["after"]) == (
        state(before),
        state(written),
    )
    assert run("verify", out if to_copy else hive, "--evidence", proof).code == 0
    changed = out if to_copy else hive
    assert "there is no way back by this evidence" in run("undo", changed, "--evidence", proof).err


def test_a_run_that_changes_nothing_says_so(run: Program, image: Path, root: Path, proof: Path) -> None:
    run("inject", image, "-c", root, "-i", "1")
    before = image.read_bytes()
    assert run("inject", image, "-c", root, "-i", "1", "--evidence", proof).code == 0
    document = read_document(proof)
    (target,) = document["targets"]
    assert results_in(document)[0]["status"] == "unchanged"
    assert document["plan"]["images"][0]["edits"] == []
    assert target["before"] == target["after"] == state(before)
    assert (target["way_back"], target["no_way_back"]) == (None, "Nothing was changed.")
    assert target["images"][0]["changed_entries"] == document["differences"] == []
    assert run("verify", image, "--evidence", proof).code == 0
    undone = run("undo", image, "--evidence", proof)
    assert (undone.code, image.read_bytes()) == (0, before)
    assert "nothing to undo" in undone.out


def test_several_targets_stand_in_one_document(
    run: Program, image: Path, hive: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copy(image, tmp_path / "boot.wim"))
    files = [str(image), str(hive), str(other)]
    assert run("inject", *files, "-c", root, "-i", "1", "--evidence", proof).code == 0
    document = read_document(proof)
    assert [target["file"] for target in document["targets"]] == files
    (planned,) = document["plan"]["images"]
    assert [each["file"] for each in planned["images"]] == files
    assert [each["file"] for each in results_in(document)] == files
    assert run("verify", *files, "--evidence", proof).code == 0


def test_a_second_target_that_fails_leaves_evidence_of_the_first(
    run: Program, image: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-100])
    done = run("inject", image, damaged, "-c", root, "-i", "1", "--evidence", proof)
    assert done.code == 3
    document = read_document(proof)
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
    document = read_document(proof)
    assert str(damaged) in document["run"]["error"]
    assert {each["status"] for each in results_in(document)} == {"added", "removed"}
    (found,) = document["differences"]
    assert found["keys_removed"] == [KEY]
    assert run("verify", image, "--evidence", proof).code == 0


def test_redacted_evidence_names_neither_user_nor_host_nor_folders(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recorder, "user", lambda: "somebody-by-name")
    monkeypatch.setattr(platform, "node", lambda: "a-host-by-name")
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-100])
    options = ("-c", root, "-i", "1", "-o", tmp_path / "outputs", "--evidence", proof)
    (tmp_path / "outputs").mkdir()
    assert run("inject", image, damaged, *options).code == 3
    told = proof.read_text()
    for word in ("somebody-by-name", "a-host-by-name", str(image.parent), "outputs"):
        assert json.dumps(word)[1:-1] in told
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "outputs").mkdir()
    assert run("inject", image, damaged, *options, "--redact", "--overwrite").code == 3
    data = proof.read_bytes()
    words = ("somebody-by-name", "a-host-by-name", tmp_path.name, "outputs", "adk", os.sep + "tmp")
    assert [word for word in words if word.encode() in data] == []
    document = read_document(proof)
    assert (document["run"]["user"], document["run"]["host"], document["run"]["error"]) == (None, None, "wim")
    assert (document["targets"][0]["file"], document["targets"][0]["output"]) == ("boot.wim", "boot.wim")
    assert results_in(document)[0]["file"] == "boot.wim"
    assert run("verify", tmp_path / "outputs" / "boot.wim", "--evidence", proof).code == 0


def test_a_recovered_hive_is_compared_with_what_its_logs_make_of_it(
    run: Program, root: Path, proof: Path, tmp_path: Path
) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    (tmp_path / "SOFTWARE.LOG1").write_bytes(LOG)
    before = path.read_bytes()
    assert run("inject", path, "-c", root, "--recover", "--evidence", proof).code == 0
    document = read_document(proof)
    assert document["run"]["overrides"] == [{"name": "--recover", "value": None}]
    hive = document["targets"][0]["images"][0]["hive"]
    assert (hive["before"], hive["after"]) == (state(before), state(path.read_bytes()))
    assert [value["key"] for value in document["differences"][0]["values"]] == [KEY]
    assert run("verify", path, "--evidence", proof).code == 0


def test_libwim_is_named_where_it_took_part(
    run: Program, image: Path, hive: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def libraries(target: Path) -> dict[str, str]:
        assert run("inject", target, "-c", root, *index, "--evidence", proof, "--overwrite").code == 0
        found: dict[str, str] = read_document(proof)["tool"]["libraries"]
        return found

    index = ["-i", "1", "--codec", "python"]
    assert "libwim" not in libraries(image)
    monkeypatch.setattr(recorder, "codecs", lambda: SimpleNamespace(name="libwim 1.99.0"))
    assert libraries(image)["libwim"] == "1.99.0"
    index = ["--codec", "python"]
    assert "libwim" not in libraries(hive)


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
    assert read_document(proof)["targets"] == []
