"""`verify` says how what is missing gets into an image."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import variant
from scripts.testdata.pki import thumbprint
from tests.pasting import pasted
from tests.unit.cli.conftest import Program

ROOT = thumbprint("corp-root")


def _advice(run: Program, *arguments: object) -> list[str]:
    done = run("verify", *arguments, "-f", "json")
    assert done.code == 1
    advice: list[str] = done.document["advice"]
    return advice


def _words(piece: str) -> list[str]:
    """The words of the command line that a piece of advice ends with, without the program's."""
    return pasted(piece.split(": winpe-certs ")[1])


def test_each_image_gets_the_command_that_helps(run: Program, image: Path, root: Path) -> None:
    assert run("inject", image, "-c", root, "-i", "1").code == 0
    (piece,) = _advice(run, image, "-c", root)
    assert piece == f"Put what is missing into the image: winpe-certs inject {image} --index 2 --cert {root}"
    text, _, command = piece.partition(" winpe-certs ")
    assert f"- {text}\n    winpe-certs {command}\n" in run("verify", image, "-c", root).out
    assert run(*_words(piece)).code == 0
    done = run("verify", image, "-c", root, "-f", "json")
    assert (done.code, done.document["advice"]) == (0, [])


def test_a_file_with_one_image_needs_no_index_and_blanks_are_quoted(
    run: Program, hive: Path, root: Path, tmp_path: Path
) -> None:
    spaced = hive.rename(tmp_path / "my SOFTWARE")
    (piece,) = _advice(run, spaced, "-c", root)
    assert _words(piece) == ["inject", str(spaced), "--cert", str(root)]
    assert run(*_words(piece)).code == 0
    assert run("verify", spaced, "-c", root).code == 0


def test_one_command_brings_all_files_and_the_store(
    run: Program, hive: Path, certs: Path, root: Path, tmp_path: Path
) -> None:
    roots, longer = tmp_path / "roots.pem", tmp_path / "roots.pem2"
    shutil.copy(certs / "chain.pem", roots)
    shutil.copy(certs / "corp-root-2.cer", longer)
    assert run("inject", hive, "-c", root).code == 0
    (piece,) = _advice(run, hive, "-c", root, "-c", roots, "-c", longer)
    assert _words(piece) == ["inject", str(hive), "--cert", str(roots), "--cert", str(longer)]
    assert run(*_words(piece)).code == 0
    assert run("verify", hive, "-c", root, "-c", roots, "-c", longer).code == 0
    (piece,) = _advice(run, hive, "-c", longer, "-s", "ROOT")
    assert _words(piece) == ["inject", str(hive), "--cert", str(longer), "--store", "ROOT"]
    assert run(*_words(piece)).code == 0


def test_a_media_folder_stands_for_its_image(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    inside = image.rename(tmp_path / "sources" / "boot.wim")
    (piece,) = _advice(run, tmp_path, "-c", root, "-i", "1")
    assert _words(piece) == ["inject", str(inside), "--index", "1", "--cert", str(root)]


def test_a_thumbprint_alone_cannot_go_in(run: Program, image: Path, certs: Path) -> None:
    (piece,) = _advice(run, image, "-t", ROOT)
    assert piece.startswith(f"{ROOT}: if it should be there, get the file of this certificate")
    command, other = _advice(run, image, "-t", ROOT, "-c", certs / "corp-root-2.cer", "-i", "1")
    assert _words(command)[-2:] == ["--cert", str(certs / "corp-root-2.cer")]
    assert other == piece


@pytest.mark.parametrize("flag", ["read-only", "managed", "links"])
def test_what_inject_would_refuse_gets_the_reason_and_no_command(
    run: Program, image: Path, root: Path, flag: str
) -> None:
    if flag == "managed":
        image = image.rename(image.parent / "boot.ABC00012.wim")
    elif flag == "links":
        os.link(image, image.parent / "other.wim")
    else:
        image.write_bytes(variant(flag))
    refused = run("inject", image, "-c", root, "-i", "all", "-f", "json")
    assert refused.code == 3
    (piece,) = _advice(run, image, "-c", root)
    error = refused.document["error"]
    assert piece == f"{error['message']}. {error['resolution']}"
    assert "winpe-certs inject" not in piece


def test_a_certificate_that_is_distrusted_is_not_put_in(run: Program, hive: Path, certs: Path) -> None:
    done = run("verify", hive, "-c", certs / "disallowed-root.cer", "-f", "json")
    (certificate,) = done.document["images"][0]["certificates"]
    assert (certificate["status"], done.document["advice"]) == ("missing", [])
    assert certificate["findings"][0]["command"][:2] == ["winpe-certs", "remove"]


def test_one_that_is_there_but_narrowed_gets_no_command(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("narrowed.hiv"))
    assert _advice(run, hive, "-c", root) == []
