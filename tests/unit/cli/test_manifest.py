from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.cli.output import prepare_streams
from winpe_certs.wim.manifest import digest, manifest
from winpe_certs.wim.reader import WimFile

SOFTWARE = r"\Windows\System32\config\SOFTWARE"


def text_of(image: Path, index: int) -> str:
    entries = manifest(WimFile(io.BytesIO(image.read_bytes()), "x"), index)
    return "".join(f"{entry.line}\n" for entry in entries)


def test_one_image_is_printed_as_its_manifest_and_nothing_else(run: Program, image: Path) -> None:
    done = run("manifest", image, "--index", "1")
    assert (done.code, done.err) == (0, "")
    assert done.out == text_of(image, 1)
    assert max(map(len, done.out.splitlines())) > 200


def test_several_images_stand_behind_a_line_that_names_each(run: Program, image: Path) -> None:
    done = run("manifest", image)
    assert done.code == 0
    heads = [line for line in done.out.splitlines() if line.startswith("#")]
    counts = [text_of(image, index).count("\n") for index in (1, 2)]
    digests = [hashlib.sha256(text_of(image, index).encode()).hexdigest() for index in (1, 2)]
    assert heads == [
        f"# {image}, image 1 (Microsoft Windows PE (x64)): {counts[0]} entries, sha256 {digests[0]}",
        f"# {image}, image 2 (Microsoft Windows Setup (x64)): {counts[1]} entries, sha256 {digests[1]}",
    ]
    assert done.out == f"{heads[0]}\n{text_of(image, 1)}{heads[1]}\n{text_of(image, 2)}"
    assert run("manifest", image, "--index", "all").out == done.out


def test_as_json_the_lines_are_in_a_list_beside_their_digest(run: Program, image: Path) -> None:
    document = run("manifest", image, "-i", "2", "--format", "json").document
    (found,) = document["manifests"]
    assert (document["command"], document["ok"], document["changed"]) == ("manifest", True, False)
    assert (found["path"], found["index"]) == (str(image), 2)
    assert found["name"] == "Microsoft Windows Setup (x64)"
    assert found["entries"] == text_of(image, 2).splitlines()
    assert found["sha256"] == digest(manifest(WimFile(io.BytesIO(image.read_bytes()), "x"), 2))


def test_only_the_hive_differs_after_inject(run: Program, image: Path, root: Path) -> None:
    before = run("manifest", image, "-i", "1").out.splitlines()
    other = run("manifest", image, "-i", "2").out
    assert run("inject", image, "--cert", root, "--index", "1").code == 0
    after = run("manifest", image, "-i", "1").out.splitlines()
    assert len(before) == len(after)
    (change,) = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    fields = [
        (old, new) for old, new in zip(*(line.split("\t") for line in change), strict=True) if old != new
    ]
    assert change[0].split("\t")[0] == SOFTWARE
    assert [old.split("=")[0] for old, _ in fields] == ["written", "sha1"]
    assert run("manifest", image, "-i", "2").out == other


def test_a_media_folder_stands_for_its_boot_image(run: Program, image: Path, tmp_path: Path) -> None:
    (tmp_path / "media" / "sources").mkdir(parents=True)
    shutil.copy(image, tmp_path / "media" / "sources" / "boot.wim")
    assert run("manifest", tmp_path / "media", "-i", "1").out == text_of(image, 1)


def test_folders_and_hives_have_no_manifest(run: Program, hive: Path, tmp_path: Path) -> None:
    (tmp_path / "tree" / "Windows").mkdir(parents=True)
    for target in (hive, tmp_path / "tree"):
        done = run("manifest", target)
        assert (done.code, done.out) == (3, "")
        assert "only the images of a .wim have a manifest" in done.err
        assert "next: " in done.err


def test_quiet_prints_nothing_and_a_wrong_index_is_wrong_usage(run: Program, image: Path) -> None:
    assert run("manifest", image, "--quiet").out == ""
    assert run("manifest", image, "--index", "3").code == 2
    assert run("manifest", image, "--index", "3", "-f", "json").document["manifests"] == []


def test_what_was_read_before_a_damaged_file_is_still_printed(
    run: Program, image: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wim"
    damaged.write_bytes(image.read_bytes()[:4000])
    done = run("manifest", image, damaged)
    assert done.code == 3
    assert done.out.count("# ") == 2
    assert "damaged.wim" in done.err
    assert "Traceback" not in done.err


def test_into_a_pipe_go_utf_8_and_line_feeds_whatever_the_console_has(
    monkeypatch: pytest.MonkeyPatch, image: Path
) -> None:
    """As on Windows, where a pipe has the code page of the system and lines end in two characters."""
    from winpe_certs.cli.main import main

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", newline="\r\n"))
    prepare_streams()
    assert main(["manifest", str(image), "--index", "1"]) == 0
    assert raw.getvalue() == text_of(image, 1).encode()
    assert "日本".encode() in raw.getvalue()


def test_the_digest_is_what_a_pipe_hashes() -> None:
    image = TESTDATA / "boot.wim"
    command = [sys.executable, "-m", "winpe_certs", "manifest", str(image), "--index", "1"]
    done = subprocess.run(command, check=True, capture_output=True)
    assert hashlib.sha256(done.stdout).hexdigest() == digest(
        manifest(WimFile(io.BytesIO(image.read_bytes()), "x"), 1)
    )
