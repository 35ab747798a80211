"""Decode one XPRESS Huffman chunk of a WIM file.

Format: MS-XCA 2.1 and 2.2 ("LZ77+Huffman"), each chunk on its own: 256 bytes with 512 codeword lengths,
then a stream of 16-bit words in which the long match lengths are embedded as whole bytes. The chunk ends
with its plain size; the end mark (symbol 256) behind it is not looked at, as there is nothing left to
decode.

Where the embedded bytes lie follows from how the format's own decoder reads ahead: it always holds between
16 and 31 bits, and the bytes come after the words that these are from. See `lzx` for how the loop is made
fast.

Everything damaged raises `ChunkError`, and output never grows past the announced size.
"""

from __future__ import annotations

from functools import cache

from winpe_certs.errors import ChunkError, UnsupportedWimError
from winpe_certs.wim.codecs.bits import REACH, swap_words
from winpe_certs.wim.codecs.huffman import decoding_table

SMALLEST_CHUNK = 1 << 12
LARGEST_CHUNK = 1 << 16
SYMBOLS = 512
LITERALS = 256
SHORTEST_MATCH = 3
LONGEST_CODEWORD = 15
LONGEST_SHORT_MATCH = 15 + SHORTEST_MATCH
"""A match header of 15 says that bytes with the rest of the length follow."""
LENGTHS_SIZE = SYMBOLS // 2

Entry = tuple[int, int | None, int, int]
"""Bits of the codeword, match length (None: a literal), literal or least offset, number of offset bits."""

_BEYOND = 1 << 40  # a length that no chunk has room for
_HOLE: Entry = (0, _BEYOND, 1, 0)
_SYMBOL_RESERVE = 64
"""More bits than a match takes (codeword 15, offset 15) and the format's decoder reads ahead (31)."""

_LOW_NIBBLE = bytes(value & 15 for value in range(256))
_HIGH_NIBBLE = bytes(value >> 4 for value in range(256))


@cache
def _rows() -> list[list[Entry]]:
    """All entries that a table can have, by codeword length and symbol."""
    rows = []
    for bits in range(LONGEST_CODEWORD + 1):
        row: list[Entry] = [(bits, None, literal, 0) for literal in range(LITERALS)]
        for offset_bits in range(16):
            row += [(bits, header + SHORTEST_MATCH, 1 << offset_bits, offset_bits) for header in range(16)]
        rows.append(row)
    return rows


def decompress(data: bytes, plain_size: int, chunk_size: int) -> bytes:
    """Return the plain bytes of a chunk; `chunk_size` is that of the WIM, not of this (maybe last) chunk."""
    if not SMALLEST_CHUNK <= chunk_size <= LARGEST_CHUNK or chunk_size & (chunk_size - 1):
        raise UnsupportedWimError(
            f"XPRESS: a chunk size of {chunk_size} is not a power of two from 2^12 to 2^16"
        )
    if plain_size > chunk_size:
        raise ChunkError(
            f"XPRESS chunk: a plain size of {plain_size} is more than the chunk size {chunk_size}"
        )
    if len(data) < LENGTHS_SIZE:
        raise ChunkError(f"XPRESS chunk: {len(data)} bytes, less than the {LENGTHS_SIZE} of its code")
    lengths = bytearray(SYMBOLS)
    lengths[0::2] = data[:LENGTHS_SIZE].translate(_LOW_NIBBLE)
    lengths[1::2] = data[:LENGTHS_SIZE].translate(_HIGH_NIBBLE)
    table, table_bits = decoding_table(lengths, _rows(), _HOLE, "XPRESS chunk, code")
    return _decode(data, table, table_bits, plain_size)


def _decode(data: bytes, table: list[Entry], table_bits: int, plain_size: int) -> bytes:
    """Decode the symbols behind the code."""
    # An odd number of embedded bytes moves the words to odd positions: both readings are at hand,
    # and each has its words where `data` has them.
    streams = (swap_words(data), b"\0" + swap_words(data[1:]))
    to_integer = int.from_bytes
    table_mask = (1 << table_bits) - 1
    reach = REACH
    reserve = _SYMBOL_RESERVE
    longest_short_match = LONGEST_SHORT_MATCH

    plain = bytearray()
    append = plain.append
    done = 0
    ahead = LENGTHS_SIZE  # the first byte that is not in the window yet
    window = 0
    left = (
        -table_bits
    )  # the bits in the window less those of a table index, which saves a subtraction per symbol
    while done < plain_size:
        if left < reserve:
            # Take up more behind the bits that are still there. The check only ends a cut chunk early.
            kept = left + table_bits
            _check_position(data, ahead, kept)
            fresh = to_integer(streams[ahead & 1][ahead : ahead + reach], "big")
            window = (window & (1 << kept) - 1) << reach * 8 | fresh
            ahead += reach
            left += reach * 8
        bits, length, offset, offset_bits = table[window >> left & table_mask]
        left -= bits
        if length is None:
            append(offset)
            done += 1
            continue

        if length == longest_short_match:
            # The format's decoder has 16 to 31 bits in hand here, and the length follows their words.
            unread = left + table_bits
            kept = 16 + (unread & 15)
            length, ahead = _long_length(data, ahead - (unread - kept >> 3))
            fresh = to_integer(streams[ahead & 1][ahead : ahead + reach], "big")
            window = (window >> unread - kept & (1 << kept) - 1) << reach * 8 | fresh
            ahead += reach
            left = kept + reach * 8 - table_bits
        if offset_bits:
            left -= offset_bits
            offset += window >> left + table_bits & offset - 1

        source = done - offset
        done += length
        if source < 0 or done > plain_size:
            _check_position(data, ahead, left + table_bits)
            position = ahead - (left + table_bits >> 4 << 1)
            raise _match_error(position, length, offset, plain_size - (done - length))
        if length <= offset:
            plain += plain[source : source + length]
        else:  # The copy feeds on itself: repeat what there is.
            plain += (plain[source:] * (length // offset + 1))[:length]
    _check_position(data, ahead, left + table_bits)
    return bytes(plain)


def _check_position(data: bytes, ahead: int, unread_bits: int) -> None:
    """Raise when used bits lie behind the end of the data; `ahead` is where the unread ones end."""
    if ahead - (unread_bits >> 4 << 1) > len(data):
        raise ChunkError(f"XPRESS chunk: the data ends at byte {len(data)}, before the chunk is complete")


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Return a match length that is embedded as whole bytes, and the position behind it."""
    behind = at + 1
    rest = data[at] if at < len(data) else 0
    if rest == 255:
        behind = at + 3
        rest = int.from_bytes(data[at + 1 : at + 3], "little") - 15
    if behind > len(data):
        raise ChunkError(f"XPRESS chunk: the data ends at byte {len(data)} in the middle of a match")
    if rest < 0:
        raise ChunkError(f"XPRESS chunk, byte {at}: the length of a long match is that of a short one")
    return rest + LONGEST_SHORT_MATCH, behind


def _match_error(position: int, length: int, offset: int, room: int) -> ChunkError:
    """Return the error for a match that does not fit."""
    if length >= _BEYOND:
        text = "a bit pattern that no codeword begins with"
    elif length > room:
        text = f"a match of {length} bytes where the chunk has room for {room}"
    else:
        text = f"a match {offset} bytes back, before the start of the chunk"
    return ChunkError(f"XPRESS chunk, before byte {position}: {text}")
