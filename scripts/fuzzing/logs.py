"""Dirty hives with their log files, as one file to fuzz: two lengths, the hive, a first log, a second.

Layout of logs: M. Suhanov, "Windows registry file format specification", "Format of transaction log files".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from scripts.testdata.hive_writer import sealed
from winpe_certs.regf.marvin import marvin32

SECTOR: Final = 512
_BASE_BLOCK: Final = 4096
_LENGTHS: Final = struct.Struct("<II")
_JOURNAL: Final = b"HvLE"
_MOST_ENTRIES: Final = 50
_LONGEST_ENTRY: Final = 1 << 16

Page = tuple[int, bytes]


def packed(hive: bytes, first: bytes, second: bytes = b"") -> bytes:
    """One file out of three."""
    return _LENGTHS.pack(len(hive), len(first)) + hive + first + second


def unpacked(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The three files; lengths that are too large take what there is."""
    if len(data) < _LENGTHS.size:
        return data, b"", b""
    hive, first = _LENGTHS.unpack_from(data)
    rest = data[_LENGTHS.size :]
    return rest[:hive], rest[hive : hive + first], rest[hive + first :]


def seal(data: bytes) -> bytes:
    """All three files with the checksums of their base blocks, and of their entries."""
    hive, first, second = unpacked(data)
    return packed(_with_checksum(hive), _sealed_log(first), _sealed_log(second))


def places(data: bytes) -> tuple[range, ...]:
    """The fields of the three base blocks, and the head of every entry."""
    hive, first, second = unpacked(data)
    found = [range(_LENGTHS.size)]
    start = _LENGTHS.size
    for part in (hive, first, second):
        found.append(range(start, start + min(48, len(part))))
        at = data.find(_JOURNAL, start, start + len(part))
        while at >= 0:
            found.append(range(at, min(at + 64, len(data))))
            at = data.find(_JOURNAL, at + 4, start + len(part))
        start += len(part)
    return tuple(place for place in found if place)


def _with_checksum(data: bytes) -> bytes:
    return sealed(data) if len(data) >= SECTOR else data


def _sealed_log(log: bytes) -> bytes:
    made = bytearray(_with_checksum(log))
    at = SECTOR
    for _ in range(_MOST_ENTRIES):
        if made[at : at + 4] != _JOURNAL or at + 40 > len(made):
            break
        size = int.from_bytes(made[at + 4 : at + 8], "little")
        if not 40 <= size <= min(len(made) - at, _LONGEST_ENTRY):
            break
        struct.pack_into("<Q", made, at + 24, marvin32(bytes(made[at + 40 : at + size])))
        struct.pack_into("<Q", made, at + 32, marvin32(bytes(made[at : at + 32])))
        at += size
    return bytes(made)


def dirty_hives(hive: bytes) -> Iterator[bytes]:
    """A sound hive made dirty, with logs of both kinds that put it right again."""
    page = hive[_BASE_BLOCK : _BASE_BLOCK + SECTOR]
    dirty = _numbered(hive, 8, 7, 0)
    bins_size = len(hive) - _BASE_BLOCK
    entries = [_entry(number, bins_size, [(0, page)]) for number in (7, 8, 9)]
    journal = [_numbered(hive[:SECTOR], number, number, 6) for number in (7, 9)]
    yield seal(packed(dirty, journal[0] + b"".join(entries)))
    yield seal(packed(dirty, journal[1] + entries[2], journal[0] + entries[0] + entries[1]))
    bits = bytearray(bins_size // SECTOR // 8)
    bits[0] = 1
    bitmap = (_numbered(hive[:SECTOR], 8, 8, 1) + b"DIRT" + bits).ljust(2 * SECTOR, b"\0") + page
    yield seal(packed(dirty, bitmap))


def _numbered(head: bytes, primary: int, secondary: int, kind: int) -> bytes:
    made = bytearray(head)
    struct.pack_into("<II", made, 4, primary, secondary)
    struct.pack_into("<I", made, 28, kind)
    return sealed(bytes(made))


def _entry(sequence: int, bins_size: int, pages: Sequence[Page]) -> bytes:
    body = b"".join(struct.pack("<II", offset, len(page)) for offset, page in pages)
    body += b"".join(page for _, page in pages)
    size = -(-(40 + len(body)) // SECTOR) * SECTOR
    head = struct.pack("<4sIIIIIQQ", _JOURNAL, size, 0, sequence, bins_size, len(pages), 0, 0)
    return head + body.ljust(size - len(head), b"\0")
