"""What protects images from a change protects them from ``undo``, and from outputs of other commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program


@pytest.fixture
def original(image: Path) -> bytes:
    return image.read_bytes()


@pytest.fixture
def changed(run: Program, original: bytes, image: Path, root: Path, proof: Path) -> Path:
    """An image that was changed with evidence."""
    assert original
    assert run("inject", image, "-c", root, "-i", "1", "--evidence", proof).code == 0
    return image


def assert_guarded(run: Program, place: Path, root: Path, proof: Path, original: bytes, words: str) -> None:
    """inject, remove and undo refuse alike; undo does it all the same when it is forced to."""
    before = place.read_bytes()
    for command in (("inject", place, "-c", root, "-i", "2"), ("remove", place, "-c", root, "-i", "2")):
        assert run(*command).code == 3
    for more in ((), ("--dry-run",)):
        done = run("undo", place, "--evidence", proof, "-f", "json", *more)
        assert (done.code, place.read_bytes()) == (3, before)
        error = done.document["error"]
        assert (error["kind"], words in error["message"]) == ("guard", True)
        assert "--force-managed-copy" in error["resolution"]
        assert "-o" not in error["resolution"].split()
    done = run("undo", place, "--evidence", proof, "--force-managed-copy")
    assert (done.code, place.read_bytes()) == (0, original)


def test_a_file_with_several_names(
    run: Program, changed: Path, root: Path, proof: Path, original: bytes, tmp_path: Path
) -> None:
    other = tmp_path / "other.wim"
    os.link(changed, other)
    assert_guarded(run, changed, root, proof, original, "the file has 2 hard links")
    assert other.read_bytes() == original


@pytest.mark.parametrize("name", ["boot.ABC00012.wim", "SCCMContentLib/x.wim", "SMSPKGD$/ABC00012/y.wim"])
def test_a_copy_that_configuration_manager_manages(
    run: Program, changed: Path, root: Path, proof: Path, original: bytes, tmp_path: Path, name: str
) -> None:
    place = tmp_path / name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(changed, place)
    assert_guarded(run, place, root, proof, original, "this copy is managed by Configuration Manager")


@pytest.mark.wine_cannot("links")
def test_a_link_to_a_managed_copy_is_that_copy(
    run: Program, changed: Path, proof: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copy(changed, tmp_path / "boot.ABC00012.wim"))
    (tmp_path / "boot-for-test.wim").symlink_to(place)
    assert run("undo", tmp_path / "boot-for-test.wim", "--evidence", proof).code == 3
    assert place.read_bytes() == changed.read_bytes()


@pytest.mark.parametrize("what", ["boot.wim", "hives/software-1.5.hiv"])
def test_no_output_that_is_no_image_takes_the_place_of_one(
    run: Program, image: Path, root: Path, certs: Path, tmp_path: Path, what: str
) -> None:
    place = Path(shutil.copy(certs.parent / what, tmp_path / "boot.ABC00012.wim"))
    before = place.read_bytes()
    exported = run("export", root, "-o", place, "--overwrite")
    proven = run("inject", image, "-c", root, "-i", "1", "--evidence", place, "--overwrite")
    for done in (exported, proven):
        assert (done.code, place.read_bytes()) == (3, before)
        assert "and what is written is none" in done.err
