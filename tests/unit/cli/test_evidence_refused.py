"""``--evidence`` that cannot be written: told before anything is changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program, read_document


@pytest.mark.parametrize("options", [["--change-id", "X"], ["--redact"]])
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
    assert read_document(proof)["version"] == 2


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


@pytest.mark.wine_cannot("links")
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
    assert read_document(proof)["targets"] == []
