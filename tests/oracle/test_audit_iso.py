"""ISO files that other programs have made, and ours as 7-Zip reads them: both see the same WIM files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from scripts.testdata.images import variant
from scripts.testdata.isos import Tree, in_two_extents, make_iso, udf_alone
from tests.conftest import Judge
from winpe_certs.engines.iso import open_file, wim_files
from winpe_certs.errors import TargetError

WIM = variant("boot")
OTHER = variant("single")


def _seen_by_us(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        found = wim_files(file, path.name)
        return {each.path: hashlib.sha1(open_file(file, each).read()).hexdigest() for each in found}


def _seen_by_7zip(judge: Judge, path: Path) -> dict[str, str]:
    listed = judge("7zz", "l", "-slt", "-ba", path).stdout.decode()
    names = [
        name for name in re.findall(r"^Path = (.*)$", listed, re.MULTILINE) if name.lower().endswith(".wim")
    ]
    assert names
    return {name: hashlib.sha1(judge("7zz", "e", "-so", path, name).stdout).hexdigest() for name in names}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A media folder with two images, one of them with a name that ISO 9660 has no letters for."""
    folder = tmp_path / "media"
    for name, data in {
        "sources/boot.wim": WIM,
        "PXE größe/Größe.wim": OTHER,
        "setup.exe": b"MZ" * 900,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-J", "-joliet-long", "-r"],
        ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "4"],
        ["genisoimage", "-quiet", "-input-charset", "utf-8", "-udf", "-allow-limited-size", "-J", "-r"],
        ["genisoimage", "-quiet", "-input-charset", "utf-8", "-iso-level", "3", "-J", "-r"],
    ],
    ids=["xorriso-joliet", "xorriso-plain", "genisoimage-udf", "genisoimage-joliet"],
)
def test_what_other_programs_wrote_is_read(
    judge: Judge, tree: Path, tmp_path: Path, command: list[str]
) -> None:
    path = tmp_path / "media.iso"
    judge(*command, "-o", path, tree)
    seen = _seen_by_us(path)
    assert sorted(seen.values()) == sorted(hashlib.sha1(data).hexdigest() for data in (WIM, OTHER))
    assert {name.lower() for name in seen} >= {"sources/boot.wim"}
    if "-J" in command:
        assert _seen_by_7zip(judge, path) == seen


@pytest.mark.parametrize("kind", ["iso9660", "joliet", "udf"])
def test_7zip_finds_the_same_in_the_files_of_our_tests(judge: Judge, tmp_path: Path, kind: Tree) -> None:
    path = tmp_path / "media.iso"
    path.write_bytes(make_iso({"sources/boot.wim": WIM, "x/other.wim": OTHER}, kind))
    assert _seen_by_7zip(judge, path) == _seen_by_us(path)


def test_7zip_puts_extents_together_alike(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "media.iso"
    path.write_bytes(in_two_extents(WIM[: 40 * 2048], WIM[40 * 2048 :]))
    assert _seen_by_us(path) == {"BOOT.WIM": hashlib.sha1(WIM).hexdigest()}
    assert _seen_by_7zip(judge, path) == _seen_by_us(path)


def test_udf_alone_is_sound_for_7zip_and_so_never_called_damaged(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "u.iso"
    path.write_bytes(udf_alone({"sources/boot.wim": WIM}))
    assert _seen_by_7zip(judge, path) == {"sources/boot.wim": hashlib.sha1(WIM).hexdigest()}
    with pytest.raises(TargetError, match="of a kind that is not read here: UDF without ISO 9660"):
        _seen_by_us(path)
