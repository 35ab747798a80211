"""What is no plain Windows image is called what it is and left as it is: links, twins, odd names, deltas."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.testdata.images import single, small_hive, software, windows_pe
from scripts.testdata.wim_writer import DIRECTORY, ENCRYPTED, REPARSE, Entry, Wim, build_wim
from tests.conftest import Judge
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.uppercase import upper

ROOT = TESTDATA / "certs" / "corp-root.cer"
JUNCTION, LINK, ODD_TAG = 0xA0000003, 0xA000000C, 0x80000021
FOLDERS = ("Windows", "System32", "config")
ONLY_HERE = {
    *(0x1C5, 0x1C8, 0x1CB, 0x1F2, 0x3D0, 0x3D1, 0x3D5, 0x3D6, 0x3F0, 0x3F1, 0x3F5, 0x1E9B, 0x1FBE, 0x2C5F),
}
"""Forms in title case and variants of Greek letters, which mkntfs leaves as they are."""


def _changed(entries: Sequence[Entry], name: str, /, **fields: object) -> list[Entry]:
    return [
        replace(each, **fields)  # type: ignore[arg-type] # fields by name
        if each.name == name
        else replace(each, children=_changed(each.children, name, **fields))
        for each in entries
    ]


def _image(name: str, /, **fields: object) -> bytes:
    image = windows_pe([software(small_hive())])
    (root,) = _changed([image.root], name, **fields)
    return build_wim(Wim([replace(image, root=root)], boot_index=1))


def _refused(run: Program, target: Path, *words: str) -> None:
    before = target.read_bytes() if target.is_file() else b""
    for command in ("verify", "inject", "remove"):
        done = run(command, target, "--cert", ROOT)
        assert done.code == 3, (command, done.out, done.err)
        for word in (*words, "next:"):
            assert word in done.err, (command, done.err)
    assert not before or target.read_bytes() == before


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize(
    ("tag", "words"),
    [(tag, "a reparse point (a junction or a link), not a folder") for tag in (JUNCTION, LINK, ODD_TAG)],
)
def test_a_folder_that_leads_elsewhere_is_not_entered(
    run: Program, tmp_path: Path, name: str, tag: int, words: str
) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(_image(name, attributes=DIRECTORY | REPARSE, reparse_tag=tag))
    _refused(run, wim, words, f"{name} is")


@pytest.mark.parametrize("attributes", [ENCRYPTED, 0x7, 0x800, 0x2000])
def test_other_attributes_of_a_folder_do_not_matter(run: Program, tmp_path: Path, attributes: int) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(_image("config", attributes=DIRECTORY | attributes))
    assert run("inject", wim, "--cert", ROOT).code == 0
    assert run("verify", wim, "--cert", ROOT).code == 0


def test_a_file_on_the_way_is_said(run: Program, tmp_path: Path) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(_image("System32", data=b"x", children=()))
    _refused(run, wim, r"Windows\System32 is a file, where a folder should be")


def test_two_entries_of_one_name_are_said(run: Program, tmp_path: Path) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(build_wim(single(software(small_hive()), software(b"regf"))))
    _refused(run, wim, "2 entries are called", "exactly")


@pytest.mark.parametrize(
    ("name", "other"), [("SOFTWARE", "\u017fOFTWARE"), ("Windows", "W\u0131ndows"), ("config", "con\ufb01g")]
)
def test_letters_that_python_maps_to_ascii_are_other_letters(
    run: Program, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, other: str
) -> None:
    monkeypatch.setenv("WIMLIB_IMAGEX_IGNORE_CASE", "1")
    path = "--path=/WINDOWS/system32/CONFIG/software"
    wim = tmp_path / "boot.wim"
    wim.write_bytes(_image(name))
    judge("wimlib-imagex", "dir", wim, 1, path)
    wim.write_bytes(_image(name, name=other))
    assert judge("wimlib-imagex", "dir", wim, 1, path, check=False).returncode
    before = wim.read_bytes()
    assert "there is no Windows" in run("inject", wim, "--cert", ROOT).err
    assert run("verify", wim, "--cert", ROOT).code != 0
    assert wim.read_bytes() == before


def test_a_name_that_is_no_text_is_passed_over(run: Program, tmp_path: Path) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(build_wim(single(software(small_hive()), software(b"x", name="\ud800\udc00\ud83d"))))
    assert run("inject", wim, "--cert", ROOT).code == 0


def test_the_table_is_that_of_a_new_volume(judge: Judge, tmp_path: Path) -> None:
    volume = tmp_path / "ntfs.img"
    with volume.open("wb") as file:
        file.truncate(20 << 20)
    judge("mkntfs", "-F", "-q", volume)
    table = struct.unpack("<65536H", judge("ntfscat", "-f", "-i", 10, volume).stdout)
    ours = [ord(upper(chr(unit))) for unit in range(0x10000)]
    different = {unit for unit in range(0x10000) if ours[unit] != table[unit]}
    assert different == ONLY_HERE
    assert not {unit for unit in range(0x80, 0x10000) if ours[unit] < 0x80}


@pytest.mark.wine_cannot("links")
@pytest.mark.parametrize("place", ["Windows", "Windows/System32", "Windows/System32/config/SOFTWARE"])
def test_a_link_in_a_folder_is_said(run: Program, tmp_path: Path, place: str) -> None:
    link = tmp_path / "image" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path)
    _refused(run, tmp_path / "image", "a link or a junction")


def test_a_delta_wim_is_completed_as_the_message_says(run: Program, judge: Judge, tmp_path: Path) -> None:
    config = tmp_path / "tree" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    (config / "SOFTWARE").write_bytes(small_hive())
    base, delta, whole = (tmp_path / name for name in ("base.wim", "delta.wim", "whole.wim"))
    judge("wimlib-imagex", "capture", tmp_path / "tree", base)
    judge("wimlib-imagex", "capture", tmp_path / "tree", delta, f"--delta-from={base}")
    _refused(run, delta, "A delta WIM leaves out", "--ref=BASE.wim")
    judge("wimlib-imagex", "export", delta, "all", whole, f"--ref={base}")
    assert run("inject", whole, "--cert", ROOT).code == 0


@pytest.mark.parametrize("name", ["boot.wim", "SOFTWARE", "boot.iso"])
def test_an_empty_file_is_called_empty(run: Program, tmp_path: Path, name: str) -> None:
    empty = tmp_path / name
    empty.write_bytes(b"")
    _refused(run, empty, "is empty")
