"""The upper-case table beside the one that mkntfs writes into a volume."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.conftest import Judge
from winpe_certs.uppercase import upper

UPCASE_FILE = 10
# mkntfs leaves out pairs of a lower-case and a title-case letter, and variants of Greek letters.
DIFFERENT = frozenset(
    {0x1C5, 0x1C8, 0x1CB, 0x1F2, 0x3D0, 0x3D1, 0x3D5, 0x3D6, 0x3F0, 0x3F1, 0x3F5, 0x1E9B, 0x1FBE, 0x2C5F}
)


@pytest.fixture(scope="module")
def table(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, ...]:
    volume: Path = tmp_path_factory.mktemp("ntfs") / "volume"
    with volume.open("wb") as file:
        file.truncate(4 << 20)
    judge("mkntfs", "-F", "-q", volume)
    data = judge("ntfscat", "-f", "-i", UPCASE_FILE, volume).stdout
    return struct.unpack("<65536H", data)


def test_every_letter_is_what_it_is_to_ntfs(table: tuple[int, ...]) -> None:
    units = (unit for unit in range(0x10000) if not 0xD800 <= unit < 0xE000)
    assert {unit for unit in units if ord(upper(chr(unit))) != table[unit]} == DIFFERENT


def test_no_other_letter_becomes_an_ascii_one(table: tuple[int, ...]) -> None:
    for unit in range(0x80, 0x10000):
        assert table[unit] >= 0x80
        assert 0xD800 <= unit < 0xE000 or not upper(chr(unit)).isascii()
