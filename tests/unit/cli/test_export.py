"""`export` on the command line: out of files or out of images, and what it is written as."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.testdata import pki
from tests.unit.cli.conftest import Program

ROOT = pki.thumbprint("corp-root")
OTHER = pki.thumbprint("corp-root-2")


@pytest.fixture
def filled(run: Program, image: Path, root: Path) -> Path:
    """An image with the root in its first image only."""
    assert run("inject", image, "-c", root, "-i", "1").code == 0
    return image


@pytest.mark.parametrize("form", ["der", "pem", "p7b", "reg"])
def test_a_certificate_out_of_an_image_is_the_one_that_went_in(
    run: Program, filled: Path, hive: Path, root: Path, tmp_path: Path, form: str
) -> None:
    done = run("export", filled, "-t", ROOT.lower(), "--as", form)
    assert (done.code, f"wrote {ROOT}.{form}" in done.out) == (0, True)
    (written,) = tmp_path.glob(f"*.{form}")
    assert (form == "der") == (written.read_bytes() == root.read_bytes())
    assert run("inject", hive, "-c", written).code == 0
    assert run("verify", hive, "-c", root, "--strict-blob").code == 0


def test_it_comes_out_of_a_hive_a_folder_and_a_media_folder(
    run: Program, filled: Path, hive: Path, root: Path, tmp_path: Path
) -> None:
    run("inject", hive, "-c", root)
    config = tmp_path / "mounted" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    shutil.copy(hive, config / "SOFTWARE")
    (tmp_path / "media" / "sources").mkdir(parents=True)
    shutil.copy(filled, tmp_path / "media" / "sources" / "boot.wim")
    for number, target in enumerate((hive, tmp_path / "mounted", tmp_path / "media"), start=1):
        out = tmp_path / f"{number}.cer"
        assert run("export", target, "-t", ROOT, "--as", "der", "-o", out).code == 0
        assert out.read_bytes() == root.read_bytes()


def test_images_and_stores_are_chosen(run: Program, filled: Path) -> None:
    for options, code in (
        (("-i", "1"), 0),
        (("-i", "2"), 3),
        (("-i", "1,2"), 0),
        (("-s", "AuthRoot,CA"), 0),
        (("-s", "ROOT"), 3),
    ):
        assert run("export", filled, "-t", ROOT, "-n", *options).code == code, options
    assert run("export", filled, "-t", ROOT, "-n", "-i", "3").code == 2


def test_an_image_wants_a_thumbprint(run: Program, filled: Path) -> None:
    done = run("export", filled, "--as", "pem")
    assert (done.code, "no thumbprint was given" in done.err) == (2, True)


@pytest.mark.parametrize("form", ["der", "pem", "p7b"])
def test_a_certificate_file_becomes_another_kind(
    run: Program, certs: Path, root: Path, tmp_path: Path, form: str
) -> None:
    assert run("export", certs / "corp-root.pem", "--as", form, "-o", "out").code == 0
    assert run("export", "out", "--as", "der", "-o", "again").code == 0
    assert (tmp_path / "again").read_bytes() == root.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["IMAGE", "ROOT", "-t", ROOT], "is an image, and "),
        (["ROOT", "IMAGE"], "is an image, and "),
        (["ROOT", "-i", "1"], "--index: there is no image among the files"),
        (["-t", ROOT, "-i", "1"], "--index: there is no image among the files"),
        (["ROOT", "--as", "pem", "-s", "ROOT"], "--store is for the keys of a .reg file"),
        (["ROOT", "--as", "der", "--hive-name", "OFF"], "--hive-name is for the keys of a .reg file"),
        (["IMAGE", "-t", ROOT, "--as", "p7b", "--hive-name", "OFF"], "--hive-name is for the keys of a"),
        (["ROOT", "--as", "pfx"], "--as pfx: this is not one of reg, der, pem, p7b"),
        (["missing", "-t", ROOT], "missing: no such file or folder"),
        (["missing"], "missing: no such certificate file"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run: Program, filled: Path, root: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    named = {"IMAGE": str(filled), "ROOT": str(root)}
    # Only whole words before the options are files: ROOT is the name of a store as well.
    files = [named.get(word, word) for word in arguments[:2]]
    done = run("export", *files, *arguments[2:])
    assert (done.code, words in done.err) == (2, True), done.err
    assert list(tmp_path.glob("*.reg")) == []


def test_a_file_that_is_neither_is_said_to_be_no_image(run: Program, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    done = run("export", "junk", "-t", ROOT)
    assert (done.code, "junk: neither a WIM image nor a registry hive" in done.err) == (3, True)


def test_a_document_names_the_images_and_the_files(run: Program, filled: Path) -> None:
    done = run("export", filled, "-t", ROOT, "--as", "pem", "-f", "json")
    assert done.code == 0
    assert done.document["files"] == [f"{ROOT}.pem"]
    assert [image["index"] for image in done.document["images"]] == [1, 2]
    missing = run("export", filled, "-t", OTHER, "-f", "json")
    assert (missing.code, missing.document["error"]["code"]) == (3, 3)
