from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Built, Key, build
from winpe_certs.edits import DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.nodes import uses_big_data
from winpe_certs.regf.reading import Hive
from winpe_certs.regf.values import room_for_value

NOW = 133_000_000_000_000_000


def edited(data: bytes, *edits: Edit) -> bytes:
    result = apply(data, edits, now=NOW)
    assert check(result) == ()
    return result


def fields(data: bytes, index: int = 0) -> tuple[int, int, int, int, int]:
    """Name length, size field, offset field, type and flags of a value of the root key."""
    (value_list,) = struct.unpack_from("<I", data, 4096 + 36 + 40)
    (offset,) = struct.unpack_from("<I", data, 4096 + value_list + 4 + 4 * index)
    length, size, where, kind, flags = struct.unpack_from("<HIIIH", data, 4096 + offset + 6)
    return length, size, where, kind, flags


@pytest.mark.parametrize("minor", [3, 4, 5, 6])
@pytest.mark.parametrize("size", [0, 1, 4, 5, 8, 1500, 16344, 16345, 32688, 32689, 40000, 300_000])
def test_data_of_every_size_is_kept_in_the_form_of_its_size(minor: int, size: int) -> None:
    content = (bytes(range(251)) * 1200)[:size]
    data = edited(build(Key(), minor=minor).data, SetValue((), "Blob", 3, content))
    assert Hive(data).value((), "Blob") == (3, content)
    name_length, size_field, where, kind, flags = fields(data)
    assert (name_length, kind, flags) == (4, 3, 1)
    if size <= 4:
        assert (size_field, where) == (size | 0x80000000, int.from_bytes(content, "little"))
        return
    assert size_field == size
    record = data[4096 + where + 4 : 4096 + where + 4 + 8]
    if minor == 3 or size <= 16344:
        assert data[4096 + where + 4 : 4096 + where + 4 + size] == content
    else:
        signature, count, _ = struct.unpack("<2sHI", record)
        assert (signature, count) == (b"db", -(-size // 16344))
    assert edited(data, DeleteValue((), "blob")) != data
    assert Hive(edited(data, DeleteValue((), "blob"))).values(()) == {}


@pytest.mark.parametrize("minor", [4, 5, 6])
@pytest.mark.parametrize("size", [16345, 16346, 32685, 32688, 32689, 40_000])
def test_the_last_segment_of_a_long_value_has_a_whole_cell(size: int, minor: int) -> None:
    """As in hives from Windows; readers take all but the last four bytes of a segment's cell for data."""
    built = build(Key(), minor=minor)
    data = edited(built.data, SetValue((), "Blob", 3, b"x" * size))
    where = 4096 + fields(data)[2] + 4
    count, listed = struct.unpack_from("<HI", data, where + 2)
    segments = struct.unpack_from(f"<{count}I", data, 4096 + listed + 4)
    assert [struct.unpack_from("<i", data, 4096 + each)[0] for each in segments] == [-16352] * count
    assert (
        room_for_value(minor, "Blob", b"x" * size) == 32 + 16 + -(-(4 * count + 4) // 8) * 8 + 16352 * count
    )


def test_the_default_value_has_no_name_and_no_flag() -> None:
    data = edited(build(Key()).data, SetValue((), "", 1, b"abcdefgh"))
    assert fields(data)[0] == 0
    assert fields(data)[4] == 0


def test_a_name_beyond_one_byte_is_stored_in_two() -> None:
    data = edited(build(Key()).data, SetValue((), "Ключ", 4, b"\1\0\0\0"))
    assert fields(data)[0] == 8
    assert fields(data)[4] == 0
    assert Hive(data).value((), "КЛЮЧ") == (4, b"\1\0\0\0")


HELD: Built = build(Key(values={"Blob": (3, bytes(100)), "Other": (1, bytes(50))}))


def test_new_data_of_the_same_rounded_size_takes_the_same_cell() -> None:
    data = edited(HELD.data, SetValue((), "Blob", 1, b"x" * 97))
    assert fields(data)[1:4] == (97, fields(HELD.data)[2], 1)
    where = 4096 + fields(data)[2] + 4
    assert data[where : where + 100] == b"x" * 97 + bytes(3)


def test_data_stays_in_its_cell_even_when_a_smaller_hole_would_do() -> None:
    data = edited(build(Key()).data, SetValue((), "a", 3, b"a" * 200), SetValue((), "b", 3, b"b" * 8))
    data = edited(data, SetValue((), "b", 3, b"b" * 200), DeleteValue((), "a"))
    where = fields(data)[2]
    assert fields(edited(data, SetValue((), "b", 3, b"c" * 200)))[2] == where


def test_a_new_type_alone_changes_only_the_type() -> None:
    data = edited(HELD.data, SetValue((), "Blob", 7, bytes(100)))
    assert fields(data) == (*fields(HELD.data)[:3], 7, 1)


@pytest.mark.parametrize("before", [0, 3, 10, 1000, 20_000, 50_000])
@pytest.mark.parametrize("after", [0, 4, 5, 1000, 16345, 60_000])
@pytest.mark.parametrize("minor", [3, 5])
def test_data_changes_between_all_forms(before: int, after: int, minor: int) -> None:
    data = edited(build(Key(), minor=minor).data, SetValue((), "v", 3, b"b" * before))
    data = edited(data, SetValue((), "V", 3, b"a" * after), SetValue((), "w", 1, b"w" * 7))
    assert Hive(data).values(()) == {"v": (3, b"a" * after), "w": (1, b"w" * 7)}


def test_the_longest_name_and_data_are_raised_and_never_lowered() -> None:
    position = 4096 + 36 + 60
    data = edited(HELD.data, SetValue((), "A longer name", 3, bytes(120)))
    assert struct.unpack_from("<II", data, position) == (26, 120)
    data = edited(data, DeleteValue((), "A longer name"))
    assert struct.unpack_from("<II", data, position) == (26, 120)


def test_the_last_value_takes_its_list_along() -> None:
    data = edited(HELD.data, DeleteValue((), "Blob"), DeleteValue((), "OTHER"))
    assert struct.unpack_from("<II", data, 4096 + 36 + 36) == (0, 0xFFFFFFFF)


def test_a_tombstone_is_no_value_and_setting_it_brings_it_to_life() -> None:
    built = build(Key(values={"Gone": (0, b"")}), minor=6)
    position = 4096 + built.values[(), "Gone"] + 4
    dead = built.patched(position + 4, struct.pack("<IIIH", 0, 0xFFFFFFFF, 0, 3))
    assert Hive(dead).value((), "Gone") is None
    assert Hive(dead).values(()) == {}
    assert apply(dead, [DeleteValue((), "Gone")], now=NOW) is dead
    data = edited(dead, SetValue((), "gone", 0, b""))
    assert Hive(data).value((), "Gone") == (0, b"")


@pytest.mark.parametrize(
    ("place", "new"),
    [
        ("record", b"bd"),
        ("record", struct.pack("<2sH", b"db", 2)),
        ("list", "first twice"),
    ],
)
def test_a_damaged_big_data_record_is_refused(place: str, new: bytes | str) -> None:
    data = edited(build(Key()).data, SetValue((), "Big", 3, bytes(40_000)))
    record = 4096 + fields(data)[2] + 4
    segment_list = 4096 + struct.unpack_from("<I", data, record + 4)[0] + 4
    position = record if place == "record" else segment_list
    content = data[position + 4 : position + 8] if isinstance(new, str) else new
    damaged = data[:position] + content + data[position + len(content) :]
    with pytest.raises(HiveError, match="big data"):
        Hive(damaged).value((), "Big")
    for edit in (SetValue((), "Big", 3, b"small"), DeleteValue((), "Big")):
        with pytest.raises(HiveError, match="big data"):
            apply(damaged, [edit], now=NOW)


def test_only_hives_from_version_1_4_have_big_data() -> None:
    assert [uses_big_data(minor, 16345) for minor in (3, 4, 5)] == [False, True, True]
    assert not uses_big_data(5, 16344)


def test_what_is_deleted_is_wiped() -> None:
    secret = bytes(range(1, 200)) * 200
    values = [SetValue(("Key",), "Long", 3, secret), SetValue(("Key",), "Name of it", 3, secret[:99])]
    written = edited(build(Key()).data, *values)
    for edits in (
        [DeleteKey(("Key",))],
        [SetValue(("Key",), "Long", 3, b""), DeleteValue(("Key",), "Name of it")],
    ):
        left = edited(written, *edits)
        assert secret[:99] not in left
        assert b"Name of it" not in left
