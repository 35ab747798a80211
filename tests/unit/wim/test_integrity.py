from __future__ import annotations

import hashlib
import struct

import pytest

from winpe_certs.errors import WimError
from winpe_certs.progress import silent
from winpe_certs.wim.integrity import IntegrityTable, ReadAt
from winpe_certs.wim.layout import HEADER_SIZE

FILE = bytes(range(256)) * 20
PIECE = 1000


def reader(data: bytes) -> ReadAt:
    return lambda at, size: data[at : at + size]


def table_for(data: bytes, end: int) -> IntegrityTable:
    return IntegrityTable.compute(reader(data), PIECE, end)


def test_covers_the_file_from_behind_the_header_in_pieces() -> None:
    table = table_for(FILE, 2500)
    assert [digest.hex() for digest in table.digests] == [
        hashlib.sha1(FILE[HEADER_SIZE : HEADER_SIZE + 1000]).hexdigest(),
        hashlib.sha1(FILE[HEADER_SIZE + 1000 : HEADER_SIZE + 2000]).hexdigest(),
        hashlib.sha1(FILE[HEADER_SIZE + 2000 : 2500]).hexdigest(),
    ]
    assert IntegrityTable.parse(table.to_bytes(), 2500, "x") == table
    table.verify(reader(FILE), "x")


def test_begun_and_ended_later_it_is_the_same() -> None:
    """Whoever begins to verify may end it, and then hears of damage, or leave without a word."""
    with IntegrityTable.computing(reader(FILE), PIECE, 2500) as finish:
        table = finish(silent)
    assert table == table_for(FILE, 2500)
    assert len(table.to_bytes()) == table.stored_size(2500) == table_for(FILE, 4300).stored_size(2500)
    damaged = reader(FILE[:2400] + b"!" + FILE[2401:])
    with table.verifying(damaged, "x") as finish_damaged:
        pass
    with (
        table.verifying(damaged, "x") as finish_damaged,
        pytest.raises(WimError, match="the bytes 2208 to 2500 do not fit"),
    ):
        finish_damaged(silent)


def test_growing_keeps_the_digests_of_untouched_pieces_even_when_those_are_damaged() -> None:
    table = table_for(FILE, 2500)
    damaged = FILE[:300] + b"!" + FILE[301:]
    grown = table.extended(4300, reader(damaged), reader(damaged), "x")
    assert grown.digests[:2] == table.digests[:2]
    assert grown.digests[2:] == table_for(FILE, 4300).digests[2:]
    with pytest.raises(WimError, match="the bytes 208 to 1208 do not fit"):
        grown.verify(reader(damaged), "x")


def test_growing_checks_the_piece_whose_digest_it_replaces() -> None:
    table = table_for(FILE, 2500)
    damaged = FILE[:2400] + b"!" + FILE[2401:]
    with pytest.raises(WimError, match="the bytes 2208 to 2500 do not fit"):
        table.extended(4300, reader(damaged), reader(damaged), "x")


def test_growing_from_a_piece_boundary_replaces_nothing() -> None:
    end = HEADER_SIZE + 2 * PIECE
    grown = table_for(FILE, end).extended(4300, reader(FILE), reader(FILE), "x")
    assert grown == table_for(FILE, 4300)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "only 0 bytes"),
        (struct.pack("<III", 12, 0, 0), "0 pieces of 0 bytes"),
        (struct.pack("<III", 32, 1, PIECE), "claims 1 pieces"),
        (struct.pack("<III", 12, 1 << 31, PIECE), "claims 2147483648 pieces"),
        (struct.pack("<III", 32, 1, PIECE) + bytes(20), "has 1 digests, but the file has 3 pieces"),
    ],
)
def test_refuses_a_table_that_does_not_fit(raw: bytes, words: str) -> None:
    with pytest.raises(WimError, match=words):
        IntegrityTable.parse(raw, 2500, "x")
