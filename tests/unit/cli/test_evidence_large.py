"""Evidence that is written can be read: what many images have in common stands in it once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.cli.conftest import TESTDATA, Program, read_document
from winpe_certs.evidence import canonical


def _change(run: Program, folder: Path, count: int, certificates: int) -> Path:
    """Evidence of so many images that got so many certificates."""
    folder.mkdir()
    made = sorted((TESTDATA / "certs").glob("corp-*.cer"))[:certificates]
    assert len(made) == certificates
    images = [Path(shutil.copy(TESTDATA / "boot.wim", folder / f"{number}.wim")) for number in range(count)]
    chosen = [word for each in made for word in ("-c", each)]
    proof = folder / "e.json"
    done = run("inject", *images, *chosen, "-i", "1", "--evidence", proof)
    assert done.code == 0, done.err
    return proof


def test_a_further_certificate_costs_the_same_in_one_image_and_in_many(run: Program, tmp_path: Path) -> None:
    """Counted in commas, of which the reader takes 200,000: one for each image of the list, no more."""
    one, two = (_change(run, tmp_path / f"1-{number}", 1, number) for number in (1, 3))
    many, more = (_change(run, tmp_path / f"4-{number}", 4, number) for number in (1, 3))

    def commas(path: Path) -> int:
        return path.read_bytes().count(b",")

    assert commas(more) - commas(many) == commas(two) - commas(one)


def test_all_that_was_written_is_read_and_undone(run: Program, tmp_path: Path) -> None:
    proof = _change(run, tmp_path / "all", 4, 3)
    assert len(read_document(proof)["differences"]) == 1
    shown = run("evidence", "show", proof)
    assert shown.code == 0
    assert "put 3 certificates (" in shown.out
    assert "into 4 images of 4 files." in shown.out
    assert shown.out.count("        key added  ") == 3
    assert "4 files alike" in shown.out
    for number in range(4):
        image = tmp_path / "all" / f"{number}.wim"
        assert run("verify", image, "--evidence", proof).code == 0
        assert run("undo", image, "--evidence", proof).code == 0
        assert image.read_bytes() == (TESTDATA / "boot.wim").read_bytes()


@pytest.mark.parametrize("bound", ["_MOST_WRITTEN", "_LARGEST_WRITTEN"])
def test_what_could_not_be_read_is_not_written_and_nothing_changed(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    before = image.read_bytes()
    monkeypatch.setattr(canonical, bound, 1_000)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof)
    assert (done.code, image.read_bytes()) == (2, before)
    assert "too large to be read again" in done.err
    assert "Split the run" in done.err
