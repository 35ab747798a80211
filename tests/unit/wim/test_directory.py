from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from scripts.testdata.images import single, small_hive, software, variant
from scripts.testdata.wim_writer import build_wim, digest
from winpe_certs.errors import TargetError, WimError
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.reader import PlainBytes, WimFile

PATH = r"Windows\System32\config\SOFTWARE"


def wim_file(name: str) -> WimFile:
    return WimFile(io.BytesIO(variant(name)), "boot.wim")


def test_finds_a_path_without_regard_to_case() -> None:
    directory = wim_file("small").directory(1)
    entry = directory.find_file(r"windows\SYSTEM32\Config\software")
    assert entry.name == "SOFTWARE"
    assert entry.contents.hash == digest(small_hive())


def test_a_name_in_exact_case_wins_over_its_twin() -> None:
    assert wim_file("case-twins").directory(1).find_file(PATH).contents.hash == digest(small_hive())


def test_twins_of_which_none_is_exact_are_refused() -> None:
    with pytest.raises(TargetError, match="2 entries are called") as caught:
        wim_file("case-twins-only-other").directory(1).find(PATH)
    assert "Software" in caught.value.details


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("software-encrypted", "encrypted"),
        ("software-reparse", "reparse point"),
        ("software-directory", "a folder"),
        ("software-missing", r"there is no Windows\\System32\\config\\SOFTWARE"),
    ],
)
def test_refuses_what_is_no_plain_file(name: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        wim_file(name).directory(1).find_file(PATH)


@pytest.mark.parametrize("name", ["named-stream", "named-stream-entry-hash"])
def test_the_hash_is_found_in_the_entry_or_in_its_unnamed_stream(name: str) -> None:
    entry = wim_file(name).directory(1).find_file(PATH)
    assert entry.contents.hash == digest(small_hive())
    assert (entry.contents is entry.streams[0]) == (name == "named-stream-entry-hash")
    assert any(stream.name for stream in entry.streams)


def test_the_walk_names_every_entry_once_with_its_path() -> None:
    paths = [path for path, _ in wim_file("small").directory(1).walk()]
    assert paths[0] == ""
    assert PATH in paths
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    "name", ["boot", "named-stream", "named-stream-entry-hash", "hard-linked", "short-name"]
)
def test_without_names_the_same_hashes_are_found(name: str) -> None:
    wim = wim_file(name)
    for index in range(1, wim.header.image_count + 1):
        directory = Directory(PlainBytes(wim.metadata_bytes(index)), "x")
        walked = [(entry.offset, each.hash) for _, entry in directory.walk() for each in entry.streams]
        assert sorted(directory.hashes()) == sorted(walked)


def hashes(directory: Directory) -> object:
    return list(directory.hashes())


def walk(directory: Directory) -> object:
    return list(directory.walk())


either = pytest.mark.parametrize("visit", [walk, hashes])


@either
@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 1 << 20),  # the entry's own length
        (0, 104),
        (96, 3),  # streams
        (98, 3),  # bytes of the short name
        (100, 3),  # bytes of the name
        (100, 60_000),
        (16, 1 << 40),  # where a folder's entries are
        (16, 77),
    ],
)
def test_a_damaged_entry_ends_both_ways_of_visiting(
    visit: Callable[[Directory], object], at: int, value: int
) -> None:
    wim = wim_file("small")
    plain = bytearray(wim.metadata_bytes(1))
    root = wim.directory(1).root
    child = next(child for child in wim.directory(1).children(root) if child.is_directory)
    struct.pack_into("<H" if at >= 96 else "<Q", plain, child.offset + at, value)
    with pytest.raises(WimError, match="damaged metadata"):
        visit(Directory(PlainBytes(bytes(plain)), "boot.wim, image 1"))


@either
def test_a_folder_that_contains_itself_is_an_error(visit: Callable[[Directory], object]) -> None:
    wim = wim_file("small")
    plain = bytearray(wim.metadata_bytes(1))
    root = wim.directory(1).root
    folder = next(child for child in wim.directory(1).children(root) if child.is_directory)
    struct.pack_into("<Q", plain, folder.offset + 16, root.subdirectory_offset)
    directory = Directory(PlainBytes(bytes(plain)), "boot.wim, image 1")
    with pytest.raises(WimError, match="leads back into the tree"):
        visit(directory)


@either
def test_folders_that_share_entries_end_the_walk_in_time(visit: Callable[[Directory], object]) -> None:
    """Each of a thousand folders lists the same files from another start: unbounded, a million entries."""
    size, count = 104, 1000
    list_at = 8 + size + 8
    files_at = list_at + size * count + 8
    folders = [folder(files_at + size * number) for number in range(count)]
    files = [folder(0)] * count
    head = struct.pack("<II", 8, 0) + folder(list_at) + bytes(8)
    raw = head + b"".join(folders) + bytes(8) + b"".join(files) + bytes(8)
    with pytest.raises(WimError, match="overlap"):
        visit(Directory(PlainBytes(raw), "x"))


def folder(subdirectory: int) -> bytes:
    return struct.pack("<QIiQ", 104, 0x10, -1, subdirectory).ljust(102, b"\0") + b"\0\0"


@pytest.mark.parametrize(
    ("at", "data", "words"),
    [
        (0, struct.pack("<II", 100, 1 << 31), "2147483648 security descriptors"),
        (0, struct.pack("<II", 1 << 30, 1), "1 security descriptors in a block of"),
        (8, struct.pack("<Q", 1 << 60), "a directory entry of"),
        (8, struct.pack("<Q", 20), "a directory entry of 20 bytes"),
    ],
)
def test_absurd_sizes_are_told_with_their_offset(at: int, data: bytes, words: str) -> None:
    raw = bytearray(struct.pack("<II", 8, 0) + folder(0) + bytes(64))
    raw[at : at + len(data)] = data
    with pytest.raises(WimError, match=words) as caught:
        Directory(PlainBytes(bytes(raw)), "boot.wim, image 1")
    assert "offset" in caught.value.message


def test_an_odd_name_size_is_an_error() -> None:
    raw = bytearray(struct.pack("<II", 8, 0) + folder(0) + bytes(64))
    struct.pack_into("<QIiQ", raw, 8, 160, 0x10, -1, 0)
    struct.pack_into("<H", raw, 8 + 100, 3)
    with pytest.raises(WimError, match="name sizes of 3"):
        Directory(PlainBytes(bytes(raw)), "x")


def test_a_long_short_name_and_stream_name_are_read_whole() -> None:
    long_name = "S" * 300
    wim = single(software(small_hive(), streams=((long_name, b"x"),)))
    entry = WimFile(io.BytesIO(build_wim(wim)), "x").directory(1).find_file(PATH)
    assert long_name in [stream.name for stream in entry.streams]


def test_a_reparse_point_has_a_tag_where_others_have_a_link_group() -> None:
    link = software(small_hive(), name="link", attributes=0x400, reparse_tag=0xA000000C)
    wim = build_wim(single(replace(link), software(small_hive())))
    entry = WimFile(io.BytesIO(wim), "x").directory(1).find(r"Windows\System32\config\link")
    assert entry.attributes & 0x400
    assert entry.link_group == 0
