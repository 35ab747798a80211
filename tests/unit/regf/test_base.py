from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Key, build, seal
from winpe_certs.errors import DirtyHiveError, HiveError
from winpe_certs.regf.base import checksum, close_base_block, read_base_block

HIVE = build(Key())


def patched(position: int, value: int) -> bytes:
    return HIVE.patched(position, struct.pack("<I", value))


def test_reads_a_sound_base_block() -> None:
    base = read_base_block(HIVE.data, "SOFTWARE")
    assert (base.minor, base.root, base.bins_size, base.sequence) == (5, 32, 4096, 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too short"),
        (HIVE.data[:4095], "too short"),
        (b"MZ" + HIVE.data[2:], "not a registry hive"),
        (patched(28, 1), "registry log"),
        (patched(28, 6), "registry log"),
        (patched(20, 2), "version 2.5 is unknown"),
        (patched(24, 2), "version 1.2 is unknown"),
        (patched(24, 7), "version 1.7 is unknown"),
        (patched(32, 0), "unknown file format"),
        (patched(44, 2), "unknown file format"),
        (patched(40, 0), "impossible size"),
        (patched(40, 4097), "impossible size"),
        (patched(40, 8192), "truncated"),
        (HIVE.data[:-1], "truncated"),
    ],
)
def test_refuses_what_is_no_hive_to_edit(data: bytes, message: str) -> None:
    with pytest.raises(HiveError, match=message) as caught:
        read_base_block(data, "SOFTWARE")
    assert not isinstance(caught.value, DirtyHiveError)
    assert caught.value.message.startswith("SOFTWARE: ")
    assert caught.value.details
    assert caught.value.resolution


@pytest.mark.parametrize("data", [patched(4, 8), HIVE.data[:508] + b"\1\2\3\4" + HIVE.data[512:]])
def test_a_hive_not_closed_cleanly_is_dirty(data: bytes) -> None:
    with pytest.raises(DirtyHiveError) as caught:
        read_base_block(data, "SOFTWARE")
    assert "LOG1" in caught.value.resolution
    assert read_base_block(data, "SOFTWARE", allow_dirty=True).root == 32


@pytest.mark.parametrize(("word", "stored"), [(0, 1), (0xFFFFFFFF, 0xFFFFFFFE), (5, 5)])
def test_checksum_avoids_its_two_reserved_results(word: int, stored: int) -> None:
    assert checksum(struct.pack("<I", word).ljust(4096, b"\0")) == stored


@pytest.mark.parametrize(("before", "after"), [(7, 8), (0xFFFFFFFF, 0)])
def test_closing_raises_both_sequence_numbers(before: int, after: int) -> None:
    data = bytearray(HIVE.data)
    close_base_block(data, 8192, before)
    assert struct.unpack_from("<II", data, 4) == (after, after)
    assert struct.unpack_from("<I", data, 40) == (8192,)
    assert bytes(data) == seal(bytes(data))
