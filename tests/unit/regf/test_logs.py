"""Replaying the log files of a hive that was not closed cleanly."""

from __future__ import annotations

import random
import struct

import pytest

from scripts.testdata.hives import plain_hive
from tests.unit.regf.log_builder import bitmap, dirty, entry, head, journal, sealed
from winpe_certs.certs.stores import edits_for
from winpe_certs.errors import HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.logs import SMALL_JOURNAL, Log, recover
from winpe_certs.regf.marvin import marvin32
from winpe_certs.regf.reading import Hive

CLEAN = plain_hive("software-1.5.hiv")
(SIZE,) = struct.unpack_from("<I", CLEAN, 40)
(NUMBER,) = struct.unpack_from("<I", CLEAN, 4)
OLD = dirty(CLEAN, NUMBER + 1, NUMBER)
WANTED = apply(CLEAN, edits_for(b"a Blob", "AuthRoot", "0" * 40), now=1, origin="SOFTWARE")
(GROWN,) = struct.unpack_from("<I", WANTED, 40)
PAGES = [
    (at, WANTED[4096 + at : 8192 + at])
    for at in range(0, GROWN, 4096)
    if WANTED[4096 + at : 8192 + at] != CLEAN[4096 + at : 8192 + at]
]


def replay(hive: bytes, *logs: bytes) -> bytes:
    return recover(hive, [Log(f"LOG{n}", data) for n, data in enumerate(logs, start=1)], "SOFTWARE").data


def is_wanted(hive: bytes, number: int) -> bool:
    assert check(hive) == ()
    assert struct.unpack_from("<II", hive, 4) == (number, number)
    return hive[4096:] == WANTED[4096:]


def test_one_entry_makes_the_hive_whole() -> None:
    log = journal(CLEAN, entry(NUMBER, GROWN, PAGES), sequence=NUMBER)
    assert is_wanted(replay(OLD, log), NUMBER + 1)


def test_entries_build_on_each_other_over_both_files_whatever_their_order() -> None:
    first = journal(CLEAN, entry(NUMBER, SIZE, [(0, bytes(4096))]), sequence=NUMBER)
    second = journal(
        CLEAN,
        entry(NUMBER + 1, SIZE, [(0, CLEAN[4096:8192])]),
        entry(NUMBER + 2, GROWN, PAGES),
        sequence=NUMBER + 1,
    )
    assert is_wanted(replay(OLD, first, second), NUMBER + 3)
    assert is_wanted(replay(OLD, second, first), NUMBER + 3)


def test_entries_older_than_the_hive_are_passed_over() -> None:
    stale = journal(CLEAN, entry(NUMBER - 1, SIZE, [(0, bytes(4096))]), sequence=NUMBER - 1)
    fresh = journal(CLEAN, entry(NUMBER, GROWN, PAGES), sequence=NUMBER)
    assert is_wanted(replay(OLD, fresh, stale), NUMBER + 1)
    with pytest.raises(HiveError, match="older than the hive"):
        replay(OLD, stale)


def test_a_journal_may_begin_later_than_the_hive() -> None:
    """Windows writes such hives: what came between is in the primary file already."""
    log = journal(CLEAN, entry(NUMBER + 7, GROWN, PAGES), sequence=NUMBER + 7)
    assert is_wanted(replay(OLD, log), NUMBER + 8)


def test_a_gap_between_the_files_is_refused() -> None:
    first = journal(CLEAN, entry(NUMBER, GROWN, PAGES), sequence=NUMBER)
    later = journal(CLEAN, entry(NUMBER + 2, GROWN, PAGES), sequence=NUMBER + 2)
    with pytest.raises(HiveError, match="missing") as raised:
        replay(OLD, first, later)
    assert f"Entry {NUMBER + 1} is missing" in raised.value.details


def test_a_journal_ends_where_its_writing_was_cut_off() -> None:
    torn = entry(NUMBER + 1, SIZE, [(0, bytes(4096))])
    for damaged in (torn[:600], torn[:-1] + b"\1", torn[:60] + b"\1" + torn[61:], b"HvLE" + b"\xff" * 600):
        log = journal(CLEAN, entry(NUMBER, GROWN, PAGES), damaged, sequence=NUMBER)
        assert is_wanted(replay(OLD, log), NUMBER + 1)


def test_an_entry_out_of_order_ends_it_too() -> None:
    left_over = entry(NUMBER - 5, SIZE, [(0, bytes(4096))])
    log = journal(CLEAN, entry(NUMBER, GROWN, PAGES), left_over, sequence=NUMBER)
    assert is_wanted(replay(OLD, log), NUMBER + 1)


def test_the_older_kind_copies_dirty_sectors() -> None:
    pages = [(at + n, page[n : n + 512]) for at, page in PAGES if at < SIZE for n in range(0, 4096, 512)]
    for kind in (1, 2):
        found = replay(OLD, bitmap(CLEAN, NUMBER + 1, pages, kind=kind))
        assert struct.unpack_from("<II", found, 4) == (NUMBER + 1, NUMBER + 1)
        assert all(found[4096 + at : 4608 + at] == page for at, page in pages)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", "no usable log file"),
        (head(CLEAN, 6, NUMBER), "no usable log file"),
        (head(CLEAN, 0, NUMBER) + entry(NUMBER, SIZE, []), "no usable log file"),
        (journal(CLEAN, entry(NUMBER, SIZE, []), sequence=NUMBER)[:100], "no usable log file"),
        (b"\0" + journal(CLEAN, entry(NUMBER, SIZE, []), sequence=NUMBER)[1:], "no usable log file"),
        (bitmap(CLEAN, NUMBER, []), "of another moment"),
        (bitmap(CLEAN, NUMBER + 1, [(0, b"")]), "cut off"),
        (bitmap(CLEAN, NUMBER + 1, [])[:560], "cut off"),
    ],
)
def test_logs_that_do_not_belong_are_refused(log: bytes, words: str) -> None:
    with pytest.raises(HiveError, match=words):
        replay(OLD, log)


def test_a_damaged_base_block_is_refused() -> None:
    broken = OLD[:300] + b"\x55" + OLD[301:]
    with pytest.raises(HiveError, match="base block is damaged"):
        replay(broken, journal(CLEAN, entry(NUMBER, GROWN, PAGES), sequence=NUMBER))


def test_pages_beyond_the_bins_end_the_journal() -> None:
    for offset, size in ((SIZE, 4096), (0xFFFFF000, 4096), (SIZE - 512, 1024)):
        bad = entry(NUMBER + 1, SIZE, [(offset, bytes(size))])
        log = journal(CLEAN, entry(NUMBER, GROWN, PAGES), bad, sequence=NUMBER)
        assert is_wanted(replay(OLD, log), NUMBER + 1)


def test_an_entry_of_mere_padding_ends_the_journal() -> None:
    padded = entry(NUMBER, GROWN, PAGES, padding=7680)
    assert is_wanted(replay(OLD, journal(CLEAN, padded, sequence=NUMBER)), NUMBER + 1)
    padded = entry(NUMBER, GROWN, PAGES, padding=8193)
    with pytest.raises(HiveError, match="older than the hive"):
        replay(OLD, journal(CLEAN, padded, sequence=NUMBER))


def test_more_than_the_hive_can_need_is_refused() -> None:
    most = 2 * len(OLD) + SMALL_JOURNAL
    enough = entry(NUMBER, SIZE, [(0, bytes(4096))] * (most // 4104 + 1))
    assert len(enough) > most
    with pytest.raises(HiveError, match="LOG1 holds more than the hive can need"):
        replay(OLD, journal(CLEAN, enough, sequence=NUMBER))


def test_a_bitmap_cannot_make_the_hive_larger_than_its_log_can_fill() -> None:
    log = bitmap(CLEAN, NUMBER + 1, [])
    base = bytearray(log[:512])
    struct.pack_into("<I", base, 40, 1 << 30)
    with pytest.raises(HiveError, match="larger than the logs can fill"):
        replay(OLD, sealed(base) + log[512:].ljust(1 << 18, b"\0"))


def test_damage_raises_nothing_but_hive_errors() -> None:
    dice = random.Random(7)
    sound = journal(
        CLEAN, entry(NUMBER, SIZE, [(0, CLEAN[4096:8192])]), entry(NUMBER + 1, GROWN, PAGES), sequence=NUMBER
    )
    for _ in range(400):
        damaged = bytearray(sound[: dice.choice([len(sound), dice.randrange(len(sound))])])
        for _ in range(dice.randrange(1, 6)):
            if damaged:
                damaged[dice.randrange(min(len(damaged), 1200))] = dice.randrange(256)
        try:
            Hive(replay(OLD, bytes(damaged)), "SOFTWARE")
        except HiveError:
            continue


def test_the_checksum_is_marvin32() -> None:
    """Known answers: Microsoft's own for .NET (its test of Marvin), and those of real logs elsewhere."""
    assert marvin32(b"", 0x004FB61A001BDBCC) == 0x30ED35C100CD3C7D
    assert marvin32(bytes.fromhex("af"), 0x004FB61A001BDBCC) == 0x48E73FC77D75DDC1
    assert marvin32(bytes.fromhex("e70f"), 0x004FB61A001BDBCC) == 0xB5F6E1FC485DBFF8
    assert marvin32(bytes.fromhex("37f495"), 0x004FB61A001BDBCC) == 0xF0B07C789B8CF7E8
    assert marvin32(bytes.fromhex("8642dc59"), 0x004FB61A001BDBCC) == 0x7008F2E87E9CF556
