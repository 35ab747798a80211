"""What evidence says, held against programs of other hands: sha256sum, cmp, hivex, wimlib, jsonschema."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import winpe_certs
from scripts.testdata.images import SOFTWARE, variant
from scripts.testdata.pki import thumbprint
from tests.conftest import Judge
from tests.contract.dism_machine import ready_station
from tests.unit.cli.conftest import Program, certs, hive, image, root, run

__all__ = ["certs", "hive", "image", "root", "run"]

SCHEMA = Path(winpe_certs.__file__).parent / "evidence" / "schema.json"
ROOT = thumbprint("corp-root")
Values = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Case:
    """A file before and after a change, and the evidence of it."""

    before: Path
    after: Path
    evidence: dict[str, Any]

    @property
    def target(self) -> dict[str, Any]:
        found: dict[str, Any] = self.evidence["targets"][0]
        return found


def _sum(judge: Judge, path: Path) -> dict[str, Any]:
    digest = judge("sha256sum", "-b", path).stdout.decode().split()[0]
    return {"size": path.stat().st_size, "sha256": digest}


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes())).validate(document)
    return document


def _inject(run: Program, image: Path, before: Path, *options: object) -> Case:
    shutil.copy(image, before)
    proof = before.with_suffix(".json")
    output = next((Path(str(word)) for word in options if str(word).endswith("out.wim")), image)
    done = run(options[0], image, *options[1:], "--evidence", proof)
    assert done.code == 0, done.err
    return Case(before, output, _read(proof))


# --- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["boot", "no-integrity", "xpress", "three-images", "trailing-bytes"])
def test_states_and_the_undone_file_before_sha256sum_and_cmp(
    run: Program, root: Path, judge: Judge, tmp_path: Path, name: str
) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(variant(name))
    case = _inject(run, image, tmp_path / "before.wim", "inject", "-c", root, "-i", "1")
    assert case.target["before"] == _sum(judge, case.before)
    assert case.target["after"] == _sum(judge, image)
    way_back = case.target["way_back"]
    assert run("undo", image, "--evidence", tmp_path / "before.json").code == 0
    judge("wimlib-imagex", "verify", image)
    assert _sum(judge, image) == {"size": way_back["size"], "sha256": way_back["sha256"]}
    judge("cmp", f"--bytes={way_back['size']}", image, case.before)
    assert judge("cmp", image, case.before, check=False).returncode == (not way_back["is_original"])
    assert way_back["is_original"] is (name != "trailing-bytes")


def test_half_an_undo_is_a_sound_image(
    run: Program, image: Path, root: Path, judge: Judge, tmp_path: Path
) -> None:
    case = _inject(run, image, tmp_path / "before.wim", "inject", "-c", root, "-i", "all")
    image.write_bytes(case.before.read_bytes()[:208] + image.read_bytes()[208:])
    judge("wimlib-imagex", "verify", image)
    assert run("undo", image, "--evidence", tmp_path / "before.json").code == 0
    judge("cmp", image, case.before)


# --- entries ----------------------------------------------------------------------------------------


def _entries(judge: Judge, image: Path, index: int) -> dict[str, str]:
    """Each path with all that wimlib says of it, but where its contents lie in the file."""
    text = judge("wimlib-imagex", "dir", "--detailed", image, index).stdout.decode()
    found = {}
    for block in text.split("-" * 76)[1:]:
        path = re.search(r'^Full Path += "(.*)"$', block, re.MULTILINE)
        assert path is not None
        kept = [
            line
            for line in block.splitlines()
            # Nor the number of a group of hard links, which wimlib chooses anew.
            if not line.startswith(("Compressed size", "Offset in", "Reference Count", "Link Group ID"))
        ]
        found[path[1].replace("/", "\\")] = "\n".join(kept)
    return found


def _changed(judge: Judge, case: Case, index: int) -> set[str]:
    old, new = _entries(judge, case.before, index), _entries(judge, case.after, index)
    return {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


@pytest.mark.parametrize("how", ["in place", "copy", "hard-linked"])
def test_the_entries_that_changed_are_those_that_wimlib_sees(
    run: Program, root: Path, judge: Judge, tmp_path: Path, how: str
) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(variant("hard-linked" if how == "hard-linked" else "boot"))
    more = ["-o", tmp_path / "out.wim"] if how == "copy" else []
    case = _inject(run, image, tmp_path / "before.wim", "inject", "-c", root, "-i", "1", *more)
    for each in case.target["images"]:
        paths = {entry["path"] for entry in each["changed_entries"]}
        assert paths == _changed(judge, case, each["index"])
        expected = {1: 2 if how == "hard-linked" else 1, 2: 0}[each["index"]]
        assert len(paths) == expected
        assert each["manifest_before"]["entries"] == len(_entries(judge, case.before, each["index"]))


def test_so_are_those_that_dism_has_changed(
    run: Program, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "machine").mkdir()
    station = ready_station(tmp_path / "machine", judge, monkeypatch)
    before = Path(shutil.copy(station.image, tmp_path / "before.wim"))
    assert station.run("--evidence", tmp_path / "e.json").code == 0
    case = Case(before, station.image, _read(tmp_path / "e.json"))
    assert (case.target["before"], case.target["after"]) == (
        _sum(judge, before),
        _sum(judge, station.image),
    )
    for each in case.target["images"]:
        assert {entry["path"] for entry in each["changed_entries"]} == _changed(judge, case, each["index"])
    assert run("verify", station.image, "--evidence", tmp_path / "e.json").code == 0


# --- hives ------------------------------------------------------------------------------------------


def _export(judge: Judge, hive: Path) -> tuple[set[str], Values]:
    """All keys, and the text of all values, as hivexregedit exports them."""
    keys: set[str] = set()
    values: Values = {}
    text = judge("hivexregedit", "--export", hive, "\\").stdout.decode("latin-1")
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            keys.add(key := line[1:-1].strip("\\"))
        elif match := re.match(r'(@|"((?:[^"\\]|\\.)*)")=(.*)$', line):
            values[key, re.sub(r"\\(.)", r"\1", match[2] or "")] = match[3]
    return keys, values


def _digest(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    match = re.fullmatch(r"hex\(([0-9a-f]+)\):([0-9a-f,]*)", text)
    assert match is not None, text
    data = bytes.fromhex(match[2].replace(",", ""))
    return {"type": int(match[1], 16), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("name", ["boot", "narrowed", "root-only"])
@pytest.mark.parametrize("command", ["inject", "remove", "rotate"])
def test_the_difference_of_the_hives_is_that_of_two_exports(
    run: Program, certs: Path, judge: Judge, tmp_path: Path, name: str, command: str
) -> None:
    image, old, new = tmp_path / "boot.wim", tmp_path / "old", tmp_path / "new"
    image.write_bytes(variant(name))
    words: tuple[object, ...] = ("inject", "-c", certs / "corp-root.cer", "-c", certs / "corp-issuing.cer")
    if command != "inject":
        assert run("inject", image, *words[1:], "-i", "1").code == 0
        words = ("remove", "-t", ROOT)
    if command == "rotate":
        words = ("inject", "-c", certs / "corp-root-2.cer", "--replace", ROOT)
    case = _inject(run, image, tmp_path / "before.wim", *words, "-i", "1")
    for path, file in ((case.before, old), (case.after, new)):
        file.write_bytes(judge("wimlib-imagex", "extract", path, 1, SOFTWARE, "--to-stdout").stdout)
    state = case.target["images"][0]["hive"]
    (hive,) = case.evidence["differences"]
    assert (state["before"], state["after"]) == (_sum(judge, old), _sum(judge, new))
    (keys, values), (new_keys, new_values) = _export(judge, old), _export(judge, new)
    assert sorted(hive["keys_added"]) == sorted(new_keys - keys)
    assert sorted(hive["keys_removed"]) == sorted(keys - new_keys)
    differing = {
        place: (_digest(values.get(place)), _digest(new_values.get(place)))
        for place in values.keys() | new_values.keys()
        if values.get(place) != new_values.get(place)
    }
    assert {
        (each["key"], each["name"]): (each["before"], each["after"]) for each in hive["values"]
    } == differing
    assert differing


def test_documents_of_every_kind_of_run_go_with_the_schema(
    run: Program, image: Path, hive: Path, root: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "e.json"
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:-9])
    for words in (
        ["inject", image, "-i", "2"],
        ["inject", image, "-i", "2"],
        ["remove", image, "-i", "all", "--redact"],
        ["inject", hive, "--change-id", "Änderung \udcff 7"],
        ["remove", hive, "-o", tmp_path / "new.hiv"],
        ["inject", image, damaged, "-i", "1"],
    ):
        proof.unlink(missing_ok=True)
        run(*words, "-c", root, "--evidence", proof)
        assert _read(proof)["run"]["command"] == words[0]
