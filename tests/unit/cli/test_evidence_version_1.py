"""Evidence that the first releases wrote is read as before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.testdata.evidence_version_1 import as_version_1
from tests.unit.cli.conftest import TESTDATA, Program, read_document
from winpe_certs.errors import EvidenceError
from winpe_certs.evidence.canonical import from_json

FILE = TESTDATA / "evidence" / "version-1.json"


@pytest.fixture
def old(run: Program, image: Path, root: Path, certs: Path, proof: Path, tmp_path: Path) -> Path:
    """Evidence of version 1 of a change of `image`."""
    changed = run(
        "inject", image, "-c", root, "-c", certs / "corp-issuing.cer", "-i", "all", "--evidence", proof
    )
    assert changed.code == 0
    path = tmp_path / "old.json"
    path.write_bytes(as_version_1(read_document(proof)))
    return path


def test_it_is_shown_and_says_what_it_does_not_know(run: Program) -> None:
    done = run("evidence", "show", FILE)
    assert (done.code, done.err) == (0, "")
    assert "inject put 1 certificate (CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US)" in done.out
    assert "Which refusals were overridden is not recorded in evidence of version 1." in done.out
    assert "Who confirmed the result is not recorded in evidence of version 1." in done.out
    assert "No refusal was overridden" not in done.out
    assert run("evidence", "show", FILE, "-f", "json").out.encode() == FILE.read_bytes()


def test_it_verifies_and_undoes(run: Program, image: Path, old: Path) -> None:
    before = (TESTDATA / "boot.wim").read_bytes()
    done = run("verify", image, "--evidence", old, "-f", "json")
    assert done.code == 0
    subjects = {claim["subject"] for claim in done.document["evidence"][0]["claims"]}
    assert len([each for each in subjects if "AuthRoot" in each]) == 2
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    assert run("verify", image, "--evidence", old).code == 1
    image.write_bytes(before)
    assert run("undo", image, "--evidence", old).code == 0


def test_undo_gives_the_original_back(run: Program, image: Path, old: Path) -> None:
    assert run("undo", image, "--evidence", old).code == 0
    assert image.read_bytes() == (TESTDATA / "boot.wim").read_bytes()


def test_what_is_alike_is_told_of_once(run: Program, old: Path) -> None:
    assert run("evidence", "show", old).out.count("boot.wim, images 1-2") == 2


@pytest.mark.parametrize("byte", [b"\n", b"0", b"a", b'"'])
def test_every_byte_of_it_is_guarded(byte: bytes) -> None:
    data = FILE.read_bytes()
    for at in range(0, len(data), 11):
        if data[at : at + 1] != byte:
            with pytest.raises(EvidenceError):
                from_json(data[:at] + byte + data[at + 1 :], "old.json")


def test_fields_of_the_other_version_are_refused(proof: Path, run: Program) -> None:
    document = json.loads(FILE.read_bytes())
    document["run"] |= {"overrides": [], "options": []}
    proof.write_text(json.dumps(document, indent=2) + "\n")
    done = run("evidence", "show", proof)
    assert done.code == 3
    assert "not as evidence of version 1 has it" in done.err
    assert "schema-1.json" in done.err
