"""Log files of hives as Windows writes them, made without the code that replays them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from winpe_certs.regf.marvin import marvin32

SECTOR = 512
Page = tuple[int, bytes]


def sealed(base: bytearray) -> bytes:
    """The first sector of a base block with its checksum."""
    total = 0
    for (word,) in struct.iter_unpack("<I", base[:508]):
        total ^= word
    struct.pack_into("<I", base, 508, {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(total, total))
    return bytes(base)


def head(hive: bytes, kind: int, sequence: int) -> bytes:
    """The base block of a log: that of its hive, with its own kind and number."""
    base = bytearray(hive[:SECTOR])
    struct.pack_into("<II", base, 4, sequence, sequence)
    struct.pack_into("<I", base, 28, kind)
    return sealed(base)


def entry(sequence: int, bins_size: int, pages: Sequence[Page], *, padding: int = 0) -> bytes:
    """One entry of a journal, with so many zeros behind its pages and some to fill the sector."""
    size = 40 + sum(8 + len(data) for _, data in pages) + padding
    size += -size % SECTOR
    body = b"".join(struct.pack("<II", offset, len(data)) for offset, data in pages)
    body = (body + b"".join(data for _, data in pages)).ljust(size - 40, b"\0")
    first = struct.pack("<4sIIIIIQ", b"HvLE", size, 0, sequence, bins_size, len(pages), marvin32(body))
    return first + struct.pack("<Q", marvin32(first)) + body


def journal(hive: bytes, *entries: bytes, sequence: int) -> bytes:
    """A log of the newer kind."""
    return head(hive, 6, sequence) + b"".join(entries)


def bitmap(hive: bytes, sequence: int, pages: Sequence[Page], *, kind: int = 1) -> bytes:
    """A log of the older kind; the pages are sectors."""
    (bins_size,) = struct.unpack_from("<I", hive, 40)
    bits = bytearray((bins_size // SECTOR + 7) // 8)
    for offset, _ in pages:
        bits[offset // SECTOR >> 3] |= 1 << (offset // SECTOR & 7)
    start = head(hive, kind, sequence) + b"DIRT" + bits
    start = start.ljust(-(-len(start) // SECTOR) * SECTOR, b"\0")
    return start + b"".join(data for _, data in sorted(pages))


def dirty(hive: bytes, primary: int, secondary: int) -> bytes:
    """A hive whose last write was cut off."""
    base = bytearray(hive[:SECTOR])
    struct.pack_into("<II", base, 4, primary, secondary)
    return sealed(base) + hive[SECTOR:]
