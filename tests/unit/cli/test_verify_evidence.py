"""``verify --evidence`` from the outside: every claim of the evidence is computed again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata import images
from scripts.testdata.pki import thumbprint
from tests.conftest import Judge
from tests.unit.cli.conftest import Program, Run
from winpe_certs.evidence.document import EntryChange, ImageEvidence
from winpe_certs.wim.manifest import ManifestEntry
from winpe_certs.workflows.attest import _against, _entry_claims
from winpe_certs.workflows.evidence.values import changed_entries

ROOT = thumbprint("corp-root")
SOFTWARE = "Windows\\System32\\config\\SOFTWARE"


@dataclass(frozen=True)
class Changed:
    """An image that was changed with evidence."""

    image: Path
    proof: Path


@pytest.fixture
def changed(run: Program, image: Path, root: Path, tmp_path: Path) -> Changed:
    proof = tmp_path / "evidence.json"
    assert run("inject", image, "-c", root, "-i", "2", "--evidence", proof).code == 0
    return Changed(image, proof)


def held(run: Program, image: Path, proof: Path) -> tuple[Run, dict[str, Any]]:
    """What does not hold, by subject."""
    done = run("verify", image, "--evidence", proof, "-f", "json")
    (found,) = done.document["evidence"]
    assert done.document["ok"] is (done.code == 0)
    return done, {each["subject"]: each for each in found["claims"] if not each["ok"]}


def test_an_image_that_is_what_it_says_holds_every_claim(run: Program, changed: Changed) -> None:
    done, wrong = held(run, changed.image, changed.proof)
    assert (done.code, wrong) == (0, {})
    assert [each["subject"] for each in done.document["evidence"][0]["claims"]] == [
        "size",
        "SHA-256",
        "image 1, manifest, SHA-256",
        "image 2, manifest, SHA-256",
        f"image 2, entry \\{SOFTWARE}",
        f"image 2, {SOFTWARE}, SHA-256",
        f"image 2, AuthRoot {ROOT}",
    ]
    assert "is what the evidence says" in run("verify", changed.image, "--evidence", changed.proof).out


def test_the_original_lacks_all_of_the_change(
    run: Program, changed: Changed, root: Path, tmp_path: Path
) -> None:
    original = Path(shutil.copy(root.parent.parent / "boot.wim", tmp_path / "boot.wim"))
    done, wrong = held(run, original, changed.proof)
    assert done.code == 1
    assert list(wrong) == [
        "size",
        "SHA-256",
        "image 2, manifest, SHA-256",
        f"image 2, entry \\{SOFTWARE}",
        f"image 2, {SOFTWARE}, SHA-256",
        f"image 2, AuthRoot {ROOT}",
    ]
    assert (wrong[f"image 2, AuthRoot {ROOT}"]["expected"], wrong[f"image 2, AuthRoot {ROOT}"]["found"]) == (
        "present",
        "absent",
    )
    assert wrong[f"image 2, entry \\{SOFTWARE}"]["found"].startswith("written=")
    assert "sha1=" in wrong[f"image 2, entry \\{SOFTWARE}"]["found"]
    told = run("verify", original, "--evidence", changed.proof).out
    assert "differs from the evidence" in told


@pytest.mark.parametrize("how", ["longer", "unused byte"])
def test_unused_bytes_count_for_the_file_alone(run: Program, changed: Changed, how: str) -> None:
    data = changed.image.read_bytes()
    changed.image.write_bytes(data + b"x" if how == "longer" else data[:200] + b"\1" + data[201:])
    done, wrong = held(run, changed.image, changed.proof)
    assert done.code == 1
    assert list(wrong) == (["size", "SHA-256"] if how == "longer" else ["SHA-256"])


def test_another_file_in_the_image_is_told_by_its_manifest(
    run: Program, changed: Changed, judge: Judge, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text("one more")
    judge("wimlib-imagex", "update", changed.image, 1, f"--command=add '{tmp_path}/new.txt' /new.txt")
    done, wrong = held(run, changed.image, changed.proof)
    assert done.code == 1
    assert list(wrong) == ["size", "SHA-256", "image 1, manifest, SHA-256"]


def test_a_certificate_that_was_taken_out_again_is_told(run: Program, changed: Changed, root: Path) -> None:
    assert run("remove", changed.image, "-c", root, "-i", "2").code == 0
    _, wrong = held(run, changed.image, changed.proof)
    assert wrong[f"image 2, AuthRoot {ROOT}"]["found"] == "absent"
    assert "image 1, manifest, SHA-256" not in wrong


def test_an_image_that_is_gone_from_the_file_or_cannot_be_read(
    run: Program, changed: Changed, judge: Judge
) -> None:
    judge("wimlib-imagex", "delete", changed.image, 2)
    _, wrong = held(run, changed.image, changed.proof)
    assert (wrong["image 2"]["expected"], wrong["image 2"]["found"]) == ("in the file", "not in it")
    changed.image.write_bytes(changed.image.read_bytes()[:1000])
    done, wrong = held(run, changed.image, changed.proof)
    assert done.code == 1
    assert wrong["contents"]["found"].startswith("cannot be read: ")


def test_what_was_removed_must_be_absent(run: Program, changed: Changed, root: Path, tmp_path: Path) -> None:
    proof = tmp_path / "removed.json"
    assert run("remove", changed.image, "-c", root, "-i", "2", "--evidence", proof).code == 0
    assert held(run, changed.image, proof)[1] == {}
    run("inject", changed.image, "-c", root, "-i", "2")
    wrong = held(run, changed.image, proof)[1]
    assert wrong[f"image 2, AuthRoot {ROOT}"]["found"] == "present"
    # Taking out what was not there is a claim too.
    run("remove", changed.image, "-c", root, "-i", "all")
    assert run("remove", changed.image, "-c", root, "-i", "1", "--evidence", proof, "--overwrite").code == 0
    assert held(run, changed.image, proof)[1] == {}


@pytest.mark.parametrize("name", ["case-twins", "hard-linked", "named-stream", "lower-case"])
def test_images_with_unusual_entries_hold(run: Program, root: Path, tmp_path: Path, name: str) -> None:
    image, proof = tmp_path / "some.wim", tmp_path / "some.json"
    image.write_bytes(images.variant(name))
    assert run("inject", image, "-c", root, "-i", "1", "--evidence", proof).code == 0
    assert held(run, image, proof)[1] == {}


def test_entries_that_came_or_went_are_listed_like_those_that_differ() -> None:
    kept, gone, new, old = (ManifestEntry(f"\\{name}", f"\\{name}\tsha1=1") for name in ("a", "b", "c", "d"))
    other = ManifestEntry("\\d", "\\d\tsha1=2")
    assert changed_entries((kept, gone, old), (kept, new, other)) == (
        EntryChange("\\b", gone.line, None),
        EntryChange("\\c", None, new.line),
        EntryChange("\\d", old.line, other.line),
    )


def test_two_entries_of_one_name_are_held_as_the_two_that_they_are() -> None:
    """No tool at hand makes an image with two entries of one path, so that only this part is tested."""
    twins = (ManifestEntry("\\a", "\\a\tsha1=1"), ManifestEntry("\\a", "\\a\tsha1=2"))
    (change,) = changed_entries(twins[:1], twins)
    recorded = ImageEvidence(1, "", "", "", None, None, (change,), None)
    assert [claim.holds for claim in _entry_claims("", recorded, twins)] == [True]
    assert [claim.holds for claim in _entry_claims("", recorded, twins[1:])] == [False]
    assert [claim.holds for claim in _entry_claims("", recorded, ())] == [False]


def test_fields_in_another_order_are_another_line() -> None:
    assert _against("\\a\tx=1\ty=2", "\\a\ty=2\tx=1") == "the same fields in another order"
    assert _against("\\a\tx=1\ty=2", "\\a\tx=1") == "no y=2"
    assert (_against(None, "\\a"), _against("\\a", None), _against(None, None)) == ("there", "gone", "gone")


def test_other_questions_are_not_passed_over(run: Program, changed: Changed, root: Path) -> None:
    for more in (["-c", root], ["-t", ROOT], ["-i", "1"], ["--store", "ROOT"], ["--strict-blob"]):
        done = run("verify", changed.image, "--evidence", changed.proof, *more)
        assert done.code == 2
        assert "--evidence says itself what to look for" in done.err


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\0" * 1000, b'{"format": "winpe-certs evidence", "version": 2,']
)
def test_what_is_no_evidence_is_refused(run: Program, changed: Changed, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(data)
    for command in ("verify", "undo"):
        done = run(command, changed.image, "--evidence", tmp_path / "other")
        assert (done.code, done.out) == (3, "")


def test_an_image_that_is_missing_or_no_file(run: Program, changed: Changed, tmp_path: Path) -> None:
    for place in (tmp_path / "no.wim", tmp_path):
        done = run("verify", place, "--evidence", changed.proof)
        assert done.code in {1, 2, 3}
        assert "defect" not in done.err
