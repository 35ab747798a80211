"""Constants of the LZX variant that WIM files use, shared by whoever reads or writes such chunks.

Source: MS-PATCH (LZX DELTA), narrowed to what a WIM does: no reset interval, no preset history, the
translation of x86 call instructions always on with a fixed "file size", and a window equal to the chunk.
"""

from __future__ import annotations

from functools import cache

from winpe_certs.errors import UnsupportedWimError

SMALLEST_CHUNK = 1 << 15
LARGEST_CHUNK = 1 << 21

VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
DEFAULT_BLOCK_SIZE = 32768

LITERALS = 256
SHORTEST_MATCH = 2
LENGTH_HEADERS = 8
"""Main symbols carry 3 bits of match length; the last of the eight values continues in the length code."""
FIRST_CODED_LENGTH = SHORTEST_MATCH + LENGTH_HEADERS - 1
LENGTH_SYMBOLS = 249
LONGEST_MATCH = FIRST_CODED_LENGTH + LENGTH_SYMBOLS - 1
RECENT_OFFSETS = 3
OFFSET_ADJUSTMENT = 2
"""Offsets are coded plus this, so that the first three slots are free to name the recent offsets."""
MOST_EXTRA_BITS = 17

PRECODE_SYMBOLS = 20
ZEROS_SHORT, ZEROS_LONG, REPEAT = 17, 18, 19
"""Precode symbols above the 17 length differences: 4 + 4 bits zeros, 20 + 5 bits zeros, 4 + 1 bit repeats."""
LENGTH_MODULUS = 17

ALIGNED_SYMBOLS = 8
ALIGNED_BITS = 3

CALL_OPCODE = 0xE8
CALL_FILE_SIZE = 12_000_000
CALL_FREE_TAIL = 10
"""No call instruction is translated in the last ten bytes of a chunk."""


@cache
def offset_slots(chunk_size: int) -> tuple[tuple[int, int], ...]:
    """Return (first adjusted offset, extra bits) of each offset slot that a window of this size has."""
    if not SMALLEST_CHUNK <= chunk_size <= LARGEST_CHUNK or chunk_size & (chunk_size - 1):
        raise UnsupportedWimError(
            f"LZX: a chunk size of {chunk_size} is not a power of two from 2^15 to 2^21"
        )
    slots: list[tuple[int, int]] = []
    base = 0
    while base < chunk_size:
        extra_bits = min(max(len(slots) // 2 - 1, 0), MOST_EXTRA_BITS)
        slots.append((base, extra_bits))
        base += 1 << extra_bits
    return tuple(slots)


def block_size_bits(chunk_size: int) -> int:
    """Return the width of an explicit block size."""
    return 16 if chunk_size < 1 << 16 else 24
