from __future__ import annotations

import pytest

from winpe_certs.regf.names import decode_name, encode_name, hash_of, hint_of, unit_count
from winpe_certs.uppercase import upper


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AuthRoot_x", "AUTHROOT_X"),
        ("straße", "STRAßE"),
        ("ÿ", "Ÿ"),
        ("µ", "µ"),
        ("\u0131\u017f\u0345\u03c2", "\u0131\u017f\u0345\u03c2"),
        ("\u03c3", "\u03a3"),
        ("\u1f80\u1fb3\u1ff3", "\u1f88\u1fbc\u1ffc"),
        ("\u0149\ufb00", "\u0149\ufb00"),
        ("\u10d0", "\u10d0"),
        ("\ud801", "\ud801"),
    ],
)
def test_upper_follows_the_windows_table(name: str, expected: str) -> None:
    assert upper(name) == expected


def test_upper_sees_utf16_units_so_supplementary_characters_sort_before_private_ones() -> None:
    assert upper("\U00010428") == "\ud801\udc28"
    assert upper("\U00010428") < upper("\ue000")


def test_underscore_sorts_after_letters() -> None:
    assert sorted(["_", "z", "A"], key=upper) == ["A", "z", "_"]


def test_names_of_small_units_take_one_byte() -> None:
    assert encode_name("Blöb") == (b"Bl\xf6b", True)
    assert encode_name("Ж") == (b"\x16\x04", False)
    assert decode_name(b"\x16\x04\x00", one_byte=False) == "Ж"


@pytest.mark.parametrize("name", ["a", "ÿ", "Ж", "\ud800x", "\U0001f512", ""])
def test_stored_names_read_back(name: str) -> None:
    stored, one_byte = encode_name(name)
    assert decode_name(stored, one_byte=one_byte) == name
    assert unit_count(name) == len(name.encode("utf-16-le", "surrogatepass")) // 2


def test_hash_of_a_known_name() -> None:
    # Worked out by hand: 37 * (37 * 65 + 66) + 67.
    assert hash_of("ABC") == 37 * (37 * 65 + 66) + 67
    assert hash_of("A" * 50) < 2**32


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Blob", b"Blob"),
        ("ab", b"ab\0\0"),
        ("ÿbcde", b"\xffbcd"),
        ("abcdЖ", b"abcd"),
        ("abЖ", bytes(4)),
        ("\U0001f512", bytes(4)),
    ],
)
def test_hint_is_the_first_four_characters_as_written(name: str, hint: bytes) -> None:
    assert hint_of(name) == hint
