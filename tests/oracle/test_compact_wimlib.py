"""Compacted images before programs of other hands: the same files, the same everything, and sound."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from scripts.testdata import images
from scripts.testdata.build import FOLDER
from tests.conftest import Judge
from winpe_certs.cli.main import main

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
PATCHABLE = (*images.SOUND, *images.TOLERATED)
# Where a resource lies, and how often it is named (WIMGAPI counts too low), is all that may differ.
_PLACE = re.compile(r"^\s*(Raw offset|Offset in WIM|Reference Count|References)\s*=.*$", re.MULTILINE)


def _make(name: str, folder: Path) -> Path:
    path = folder / "boot.wim"
    path.write_bytes(images.variant(name))
    return path


def _inject(path: Path, index: str = "all") -> None:
    assert main(["inject", str(path), "--cert", str(CERTIFICATE), "--index", index, "-q"]) == 0


def _details(path: Path, judge: Judge) -> list[str]:
    """Every entry and stream of every image: attributes, times, descriptors, hashes, sizes, flags."""
    count = int(re.search(r"Image Count:\s+(\d+)", _info(path, judge))[1])  # type: ignore[index] # it has one
    texts = (
        judge("wimlib-imagex", "dir", path, n, "--detailed").stdout.decode() for n in range(1, count + 1)
    )
    return [_PLACE.sub("", text) for text in texts]


def _info(path: Path, judge: Judge) -> str:
    return str(judge("wimlib-imagex", "info", path).stdout, "utf-8")


def _please(path: Path, judge: Judge) -> None:
    judge("wimlib-imagex", "verify", path)
    done = judge("7zz", "t", path)
    words = str(done.stdout + done.stderr, "utf-8")
    assert "Everything is Ok" in words
    assert not re.search(r"warn|error|fail", words, re.IGNORECASE), words


@pytest.mark.parametrize("name", PATCHABLE)
def test_nothing_but_dead_space_goes(name: str, tmp_path: Path, judge: Judge) -> None:
    path = _make(name, tmp_path)
    _inject(path)
    before, size = _details(path, judge), path.stat().st_size
    told = _info(path, judge)
    assert main(["compact", str(path), "-q"]) == 0
    _please(path, judge)
    assert _details(path, judge) == before
    assert path.stat().st_size <= size
    for field in ("Image Count", "Boot Index", "Compression", "Attributes", "GUID"):
        pattern = rf"^{field}:.*$"
        assert re.findall(pattern, told, re.MULTILINE) == re.findall(
            pattern, _info(path, judge), re.MULTILINE
        )

    once = path.read_bytes()
    assert main(["compact", str(path), "-q"]) == 0
    assert path.read_bytes() == once, "twice is the same as once"


@pytest.mark.parametrize("name", ["small", "xpress", "none", "no-integrity", "trailing-bytes"])
def test_it_is_no_larger_than_what_wimlib_makes(name: str, tmp_path: Path, judge: Judge) -> None:
    path = _make(name, tmp_path)
    _inject(path)
    assert main(["compact", str(path), "-o", str(tmp_path / "ours.wim"), "-q"]) == 0
    judge("wimlib-imagex", "optimize", path)
    # wimlib codes again what is stored plain, so its file may be smaller by what that gives, and no more.
    ours, theirs = (tmp_path / "ours.wim").stat().st_size, path.stat().st_size
    assert ours <= theirs * 1.05 + 70_000
    assert _names_and_hashes(tmp_path / "ours.wim", judge) == _names_and_hashes(path, judge)


def _names_and_hashes(path: Path, judge: Judge) -> list[str]:
    pattern = re.compile(r"^(?:Full Path|\s*Hash|\s*Security ID|Last Write Time)\s*=.*$", re.MULTILINE)
    return [line for text in _details(path, judge) for line in pattern.findall(text)]


@pytest.mark.parametrize("name", ["hard-linked", "named-stream", "small", "no-integrity"])
def test_extracted_trees_are_equal(name: str, tmp_path: Path, judge: Judge) -> None:
    path = _make(name, tmp_path)
    _inject(path)
    trees = []
    for step in ("before", "after"):
        judge("wimlib-imagex", "apply", path, 1, tmp_path / step)
        trees.append(_tree(tmp_path / step))
        assert main(["compact", str(path), "-q"]) == 0
    assert trees[0] == trees[1]
    assert len(trees[0]) > 3


def _tree(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        str(each.relative_to(folder)): (
            hashlib.sha1(each.read_bytes()).hexdigest(),
            each.stat().st_mtime_ns,
            each.stat().st_nlink,
        )
        for each in folder.rglob("*")
        if each.is_file()
    }


def test_images_that_share_files_keep_sharing_them(tmp_path: Path, judge: Judge) -> None:
    path = _make("three-images", tmp_path)
    _inject(path, "2")
    before = _details(path, judge)
    assert main(["compact", str(path), "-q"]) == 0
    assert _details(path, judge) == before
    blobs = judge("wimlib-imagex", "info", path, "--blobs").stdout.decode()
    hashes = re.findall(r"^Hash\s*=\s*(0x\w+)", blobs, re.MULTILINE)
    assert hashes
    assert len(set(hashes)) == len(hashes)


def test_an_image_that_wimlib_deleted_gives_its_space_back(tmp_path: Path, judge: Judge) -> None:
    path = _make("three-images", tmp_path)
    judge("wimlib-imagex", "delete", path, 1, "--soft")
    before, size = _details(path, judge), path.stat().st_size
    assert main(["compact", str(path), "-q"]) == 0
    _please(path, judge)
    assert _details(path, judge) == before
    assert path.stat().st_size < size


@pytest.mark.parametrize("name", ["small", "integrity-pieces", "no-integrity"])
def test_the_integrity_table_is_what_it_was_in_kind(name: str, tmp_path: Path, judge: Judge) -> None:
    path = _make(name, tmp_path)
    _inject(path)
    has_table = "Integrity" in _info(path, judge)
    assert main(["compact", str(path), "-q"]) == 0
    assert ("Integrity" in _info(path, judge)) == has_table == (name != "no-integrity")
    # Damage after the fact is found by wimlib through the new table.
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    done = judge("wimlib-imagex", "verify", path, check=False)
    assert done.returncode != 0
