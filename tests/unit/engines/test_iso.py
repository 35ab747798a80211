from __future__ import annotations

import io
import random
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from scripts.testdata.isos import BLOCK, Tree, in_two_extents, make_iso
from winpe_certs.engines import iso
from winpe_certs.engines.iso import Extent, ExtentFile, open_file, wim_files
from winpe_certs.errors import InputError, TargetError
from winpe_certs.wim.reader import WimFile

TESTDATA = Path(__file__).resolve().parents[3] / "testdata"
WIM = (TESTDATA / "boot.wim").read_bytes()
TREES = get_args(Tree)


@pytest.mark.parametrize("tree", TREES)
def test_a_wim_is_read_where_it_lies(tree: Tree) -> None:
    file = io.BytesIO(make_iso({"readme.txt": b"hello", "sources/boot.wim": WIM}, tree))
    (found,) = wim_files(file, "media.iso")
    assert found.path.lower() == "sources/boot.wim"
    assert [extent.size for extent in found.extents] == [len(WIM)]
    opened = open_file(file, found)
    assert opened.read() == WIM
    assert WimFile(opened, "media.iso").header.image_count == 2


@pytest.mark.parametrize("tree", TREES)
def test_a_large_file_is_known_by_its_content_and_a_small_one_by_its_name(tree: Tree) -> None:
    files = {
        "a/x.bin": WIM + bytes(1 << 20),
        "a/y.bin": bytes(1 << 20),
        "a/z.bin": WIM[:5000],
        "b/odd.wim": b"no image",
    }
    found = wim_files(io.BytesIO(make_iso(files, tree)), "media.iso")
    assert [each.path.lower().rpartition("/")[2] for each in found] == ["x.bin", "odd.wim"]


def test_names_that_are_not_ascii_are_told_as_they_are() -> None:
    for tree in ("joliet", "udf"):
        (found,) = wim_files(io.BytesIO(make_iso({"größe 日本.wim": WIM}, tree)), "media.iso")
        assert found.path == "größe 日本.wim"


def test_one_file_under_two_names_is_taken_once() -> None:
    data = bytearray(make_iso({"a.wim": WIM, "b.wim": b"short"}, "iso9660"))
    a, b = data.find(b"A.WIM;1"), data.find(b"B.WIM;1")
    # Extent and size stand in front of the name, in both byte orders (ECMA-119, 9.1.3 and 9.1.4).
    data[b - 31 : b - 15] = data[a - 31 : a - 15]
    assert [each.path for each in wim_files(io.BytesIO(data), "media.iso")] == ["A.WIM"]


def test_a_file_of_several_extents_is_one_file() -> None:
    split = 20 * BLOCK
    file = io.BytesIO(in_two_extents(WIM[:split], WIM[split:]))
    (found,) = wim_files(file, "media.iso")
    assert [extent.size for extent in found.extents] == [split, len(WIM) - split]
    assert open_file(file, found).read() == WIM


def test_parts_that_overlap_are_refused() -> None:
    split = 20 * BLOCK
    data = bytearray(in_two_extents(WIM[:split], WIM[split:]))
    name = b"BOOT.WIM;1"
    second = data.rindex(name) if data.count(name) == 2 else data.index(name, data.index(name) + 1)
    first = data.index(name)
    # Both extents in the place of the first (ECMA-119, 9.1.3).
    data[second - 31 : second - 23] = data[first - 31 : first - 23]
    (found,) = wim_files(io.BytesIO(data), "media.iso")
    with pytest.raises(TargetError, match="two parts of the file overlap"):
        open_file(io.BytesIO(data), found)


def test_seeking_and_reading_across_extents() -> None:
    whole = random.Random(3).randbytes(5000)
    disk = b"#" * 100 + whole[2000:] + b"#" * 50 + whole[:2000]
    file = io.BufferedReader(ExtentFile(io.BytesIO(disk), [Extent(3150, 2000), Extent(100, 3000)]), 16)
    dice = random.Random(4)
    for _ in range(300):
        at, size = dice.randrange(5200), dice.randrange(4000)
        assert file.seek(at) == at
        assert file.read(size) == whole[at : at + size]
    assert file.seek(-10, io.SEEK_END) == 4990
    with pytest.raises(ValueError, match="before the start"):
        file.raw.seek(-1)


def _udf(length: int, *descriptors: SimpleNamespace, size: int = 1 << 30) -> tuple[Extent, ...]:
    raw = SimpleNamespace(alloc_descs=descriptors, get_data_length=lambda: length)
    return iso._Record(raw, BLOCK, 257).extents(size, "media.iso, sources/install.wim")


def test_udf_extents_are_added_up_and_held_against_the_length() -> None:
    """A file above 1 GiB has several allocation descriptors; those that lie elsewhere are not followed."""
    one = SimpleNamespace(log_block_num=10, extent_length=4096)
    two = SimpleNamespace(log_block_num=900, extent_length=100)
    assert _udf(4196, one, two) == (Extent(267 * BLOCK, 4096), Extent(1157 * BLOCK, 100))
    for length, descriptors, why in (
        (5000, [one, two], "its extents have 4196 bytes"),
        (4096, [SimpleNamespace(log_block_num=1, extent_length=0x4000_1000)], "not recorded"),
        (4096, [SimpleNamespace(log_block_num=1, extent_length=4096, part_ref_num=1)], "another partition"),
        (4096, [SimpleNamespace(log_block_num=1 << 20, extent_length=4096)], "begins at offset"),
    ):
        with pytest.raises(TargetError, match=why):
            _udf(length, *descriptors)


def _iso_record(**fields: object) -> SimpleNamespace:
    usual = {
        "file_unit_size": 0, "interleave_gap_size": 0, "orig_extent_loc": 30, "xattr_len": 0,
        "data_length": 4096, "data_continuation": None,
    }  # fmt: skip
    return SimpleNamespace(**usual | fields)


@pytest.mark.parametrize("fields", [{"interleave_gap_size": 2}, {"data_length": -5, "orig_extent_loc": 900}])
def test_what_is_no_plain_run_inside_the_file_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(TargetError, match="cannot be read in place"):
        iso._Record(_iso_record(**fields), BLOCK, None).extents(100 * BLOCK, "media.iso, x.wim")


@pytest.mark.parametrize("tree", TREES)
def test_a_file_that_ends_too_early_is_refused_or_read_as_far_as_it_goes(tree: Tree) -> None:
    whole = make_iso({"sources/boot.wim": WIM}, tree)
    for size in (0, 100, 0x8000, 0x8800, 0x9000, len(whole) // 2, len(whole) - len(WIM)):
        with pytest.raises(InputError, match=r"media\.iso"):
            _read_something(io.BytesIO(whole[:size]))


def _read_something(file: io.BytesIO) -> bytes:
    (found,) = wim_files(file, "media.iso")
    return WimFile(open_file(file, found), "media.iso").read_file(1, "Windows\\win.ini")


@pytest.mark.parametrize("tree", TREES)
def test_damage_gives_our_errors_only(tree: Tree) -> None:
    whole = make_iso({"sources/boot.wim": WIM[:6000], "a/b/c.txt": b"x"}, tree)
    structures = [at for at in range(0x8000, len(whole)) if whole[at]]
    dice = random.Random(11)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 1, 3))):
            data[dice.choice(structures)] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
        file = io.BytesIO(data)
        try:
            for found in wim_files(file, "media.iso"):
                open_file(file, found).read(1)
        except InputError:
            continue


def test_a_folder_that_contains_itself_does_not_run_away() -> None:
    data = bytearray(make_iso({"a/b/x.wim": WIM[:300]}, "iso9660"))
    outer = data.find(b"\x01A", 0x9000)
    inner = data.find(b"\x01B", outer + 2)
    record = data[outer - 30 : outer - 14]
    data[inner - 30 : inner - 14] = record
    started = time.process_time()
    with pytest.raises(TargetError):
        wim_files(io.BytesIO(data), "media.iso")
    assert time.process_time() - started < 5


def test_directories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_iso({f"file-{number:03}.txt": b"x" for number in range(200)}, "joliet")
    assert wim_files(io.BytesIO(data), "media.iso") == []
    monkeypatch.setattr(iso, "MOST_RECORDS", 500)
    with pytest.raises(TargetError, match="more than 500 records"):
        wim_files(io.BytesIO(data), "media.iso")


def test_a_directory_of_gigabytes_is_not_read() -> None:
    data = bytearray(make_iso({"x.wim": WIM[:300]}, "iso9660"))
    # The root's record in the volume descriptor: its size in both byte orders (ECMA-119, 8.4.18).
    data[0x8000 + 156 + 10 : 0x8000 + 156 + 18] = struct.pack("<I", 0x7000_0000) + struct.pack(
        ">I", 0x7000_0000
    )
    data[0x8000 + 80 : 0x8000 + 88] = struct.pack("<I", 0x0F00_0000) + struct.pack(">I", 0x0F00_0000)
    data += bytes(2 << 20)
    with pytest.raises(TargetError):
        wim_files(io.BytesIO(data), "media.iso")


def test_folders_deeper_than_any_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO(make_iso({"a/b/c/x.wim": b"x"}, "udf"))
    assert len(wim_files(file, "media.iso")) == 1
    monkeypatch.setattr(iso, "_DEEPEST", 2)
    with pytest.raises(TargetError, match="levels deep"):
        wim_files(file, "media.iso")
