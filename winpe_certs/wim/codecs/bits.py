"""A chunk as LZX and XPRESS read it: little-endian 16-bit words, each from its highest bit down.

Swapping the bytes of each word once makes that a plain big-endian bit string, so that a position is one
number and many bits at a time become one Python integer.
"""

from __future__ import annotations

from array import array

from winpe_certs.errors import ChunkError

REACH = 32
"""Bytes that a decoding loop takes up at a time. Measured from 24 to 128: long integers shift more slowly,
short ones must be renewed more often; 32 to 40 is best."""


def swap_words(data: bytes) -> bytes:
    """Return the words of `data` with their bytes swapped; an odd last byte is left out, zeros are appended.

    The zeros let a loop take up `REACH` bytes anywhere up to the end of the data.
    """
    words = array("H", data[: len(data) & ~1] + bytes(REACH + 4))
    words.byteswap()
    return words.tobytes()


class BitReader:
    """Single fields of a chunk, for headers; the decoding loops do their own, faster reading."""

    __slots__ = ("end", "name", "position", "stream")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.stream = swap_words(data)
        self.end = len(data) // 2 * 16
        self.position = 0

    def take(self, count: int) -> int:
        """Return the next `count` bits, at most 128, as a number."""
        start = self.position >> 4 << 1
        window = int.from_bytes(self.stream[start : start + 18], "big")
        value = window >> (144 - (self.position & 15) - count) & ((1 << count) - 1)
        self.position += count
        self.check_position()
        return value

    def take_each(self, count: int, width: int) -> list[int]:
        """Return the next `count` numbers of `width` bits, at most 128 bits in all."""
        packed = self.take(count * width)
        mask = (1 << width) - 1
        return [packed >> shift & mask for shift in range((count - 1) * width, -1, -width)]

    def check_position(self) -> None:
        """Raise when more bits have been read than the chunk has."""
        if self.position > self.end:
            raise self.error("")

    def error(self, text: str, position: int | None = None) -> ChunkError:
        """Return the error for damage at a bit position, by default the present one.

        Behind the end of the data that is the damage, whatever the zeros there look like.
        """
        if position is None:
            position = self.position
        if position > self.end:
            return ChunkError(f"{self.name} chunk: the data ends at bit {self.end} in the middle of a block")
        return ChunkError(f"{self.name} chunk, bit {position}: {text}")
