from __future__ import annotations

import struct

import pytest

from winpe_certs.errors import WimError
from winpe_certs.wim.layout import NO_HASH, ResourceHeader
from winpe_certs.wim.lookup import LookupTable, LookupTableEditor


def entry(digest: bytes, *, flags: int = 0, count: int = 1, offset: int = 208, size: int = 10) -> bytes:
    return ResourceHeader(size, flags, offset, size).pack() + struct.pack("<HI", 1, count) + digest


def digest(number: int) -> bytes:
    return bytes([number]) * 20


def test_finds_contents_by_hash_and_never_metadata() -> None:
    table = LookupTable(entry(digest(1), flags=2) + entry(digest(2)) + entry(digest(1), count=7), "x")
    found = table.find(digest(1))
    assert found is not None
    assert (found.number, found.reference_count) == (2, 7)
    assert table.find(digest(9)) is None


def test_the_index_knows_what_is_found() -> None:
    table = LookupTable(entry(digest(1), flags=2) + entry(digest(2)) + entry(digest(3), flags=4), "x")
    assert table.hashes() == {digest(2), digest(3)}


def test_a_hash_that_lies_across_fields_is_no_hit() -> None:
    raw = entry(digest(0xD0)) + entry(digest(3))
    assert LookupTable(raw, "x").find(raw[40:60]) is None


def test_images_are_counted_by_live_metadata_entries_only() -> None:
    table = LookupTable(
        entry(digest(1), flags=6)
        + entry(digest(2), flags=2, count=0)
        + entry(NO_HASH, flags=2)
        + entry(digest(5))
        + entry(digest(4), flags=2),
        "x",
    )
    assert [found.number for found in table.metadata()] == [0, 4]


def test_end_of_resources_is_the_farthest_byte_that_any_entry_names() -> None:
    table = LookupTable(
        entry(digest(1), offset=1000, size=50) + entry(digest(2), offset=300, count=0, size=900), "x"
    )
    assert table.end_of_resources() == 1200


def test_a_table_that_is_no_whole_number_of_entries_is_refused() -> None:
    with pytest.raises(WimError, match="51 bytes, not a multiple of 50"):
        LookupTable(bytes(51), "x")


def test_counts_stop_at_zero_and_entries_stay() -> None:
    editor = LookupTableEditor(LookupTable(entry(digest(1), count=1) + entry(digest(2), count=5), "x"))
    editor.count(0, -3)
    editor.count(1, -2)
    after = LookupTable(editor.to_bytes(), "x")
    assert [found.reference_count for found in after.entries()] == [0, 3]


def test_placing_appending_and_dropping_keep_the_other_entries() -> None:
    raw = entry(digest(1)) + entry(digest(2), count=4) + entry(digest(3))
    editor = LookupTableEditor(LookupTable(raw, "x"))
    place = ResourceHeader(99, 4, 7000, 500)
    editor.place(1, place, digest(8))
    editor.append(place, 1, 2, digest(9))
    editor.drop({0})
    after = LookupTable(editor.to_bytes(), "x")
    assert [found.hash for found in after.entries()] == [digest(8), digest(3), digest(9)]
    assert after.entry(0).resource == place
    assert (after.entry(0).reference_count, after.entry(2).reference_count) == (4, 2)
    assert after.raw[50:100] == raw[100:150]
