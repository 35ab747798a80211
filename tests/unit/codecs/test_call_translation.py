from __future__ import annotations

import pytest

from winpe_certs.wim.codecs.call_translation import undo_call_translation


def call(target: int) -> bytes:
    return b"\xe8" + target.to_bytes(4, "little", signed=True)


def undone(chunk: bytes) -> bytes:
    copy = bytearray(chunk)
    undo_call_translation(copy)
    return bytes(copy)


TAIL = bytes(10)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (100, 0),
        (0, -100),
        (11_999_999, 11_999_899),
        (12_000_000, 12_000_000),
        (-1, 11_999_999),
        (-100, 11_999_900),
        (-101, -101),
        (0x7FFFFFFF, 0x7FFFFFFF),
        (-0x80000000, -0x80000000),
    ],
)
def test_targets_between_minus_the_position_and_the_file_size_are_translated(
    stored: int, expected: int
) -> None:
    before = b"." * 100
    assert undone(before + call(stored) + TAIL) == before + call(expected) + TAIL


@pytest.mark.parametrize(("size", "translated"), [(18, False), (19, False), (20, True), (21, True)])
def test_no_call_is_translated_in_the_last_ten_bytes(size: int, translated: bool) -> None:
    """The opcode is at 9: with 20 bytes there are ten behind it, with 19 it is one of the last ten."""
    chunk = (b"." * 9 + call(1000) + bytes(20))[:size]
    assert (undone(chunk) != chunk) is translated


@pytest.mark.parametrize("size", range(16))
def test_short_chunks_of_opcodes_are_left_alone_up_to_ten_bytes(size: int) -> None:
    chunk = b"\xe8" * size
    assert undone(chunk) == chunk  # 0xE8E8E8E8 is negative and out of reach in any case
    chunk = (b"\xe8" + bytes(15))[:size]
    assert undone(chunk) == chunk  # position 0: the target stays what it is


def test_the_bytes_of_a_target_are_no_opcodes() -> None:
    """The target of the first call contains 0xE8, and the next opcode follows at once."""
    first = call(0x00E8E8)
    chunk = b"." * 4 + first + call(50) + TAIL
    assert undone(chunk) == b"." * 4 + call(0x00E8E8 - 4) + call(50 - 9) + TAIL


def test_a_target_out_of_range_is_skipped_as_a_whole() -> None:
    chunk = b"." * 4 + call(0x7FE8E8E8) + TAIL
    assert undone(chunk) == chunk
