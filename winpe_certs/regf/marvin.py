"""Marvin32, the checksum of entries in a hive's log files.

The algorithm is the one that Microsoft publishes with .NET; the seed for log files is from M. Suhanov,
"Windows registry file format specification", section "Log entries".
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import Final

LOG_SEED: Final = 0x82EF4D887A4E55C5
_MASK: Final = 0xFFFFFFFF


def marvin32(data: bytes, seed: int = LOG_SEED) -> int:
    """The 64-bit checksum of some bytes."""
    low, high = seed & _MASK, seed >> 32
    whole = len(data) & ~3
    tail = data[whole:] + b"\x80"
    last = int.from_bytes(tail.ljust(4, b"\0"), "little")
    for (block,) in chain(struct.iter_unpack("<I", memoryview(data)[:whole]), ((last,), (0,))):
        low = (low + block) & _MASK
        high ^= low
        low = ((((low << 20) & _MASK) | (low >> 12)) + high) & _MASK
        high = (((high << 9) & _MASK) | (high >> 23)) ^ low
        low = ((((low << 27) & _MASK) | (low >> 5)) + high) & _MASK
        high = ((high << 19) & _MASK) | (high >> 13)
    return high << 32 | low
