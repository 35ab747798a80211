"""Decode one LZX chunk of a WIM file.

Format: MS-PATCH (LZX DELTA) as narrowed in `lzx_layout`. A chunk is self-contained: window, code lengths
and recent offsets (1, 1, 1) start afresh, and a match reaches back to the start of the chunk at most.

Everything damaged raises `ChunkError`; output never grows past the announced size, and each step of a loop
consumes bits or produces bytes, so neither memory nor time depends on what the bits say. Bytes behind the
last block are ignored.

How it is fast, as a hive comes in hundreds of these chunks and Python pays for each operation:

* The bit position is one number, counted back from the end of a window of 32 bytes held as one integer. A
  symbol costs one shift and one mask; one comparison tells whether a whole match still fits into what is
  left.
* A table entry is a ready tuple with everything the main symbol implies (bits, length, offset base, extra
  bits, mask), made once per process; building a block's table only places references.
* A literal, the most frequent entry, is told by None in place of a length: the cheapest of all tests.
* Damage costs nothing to look for: missing codewords are entries that fail the bounds checks which every
  match needs anyway.

Measured and not faster: 16-bit looks at each bit position prepared in advance (that costs what it saves), and
writing into a buffer of the final size (two slice objects per match instead of one). An inner loop that
counts no bytes, as the bits in the window bound the literals, gains nothing, even with two literals to a
turn. Table entries for pairs of symbols do not pay either: a chunk has too few symbols for the thousands of
entries to be made.
"""

from __future__ import annotations

from functools import cache

from winpe_certs.errors import ChunkError
from winpe_certs.wim.codecs import lzx_layout as layout
from winpe_certs.wim.codecs.bits import REACH, BitReader
from winpe_certs.wim.codecs.call_translation import undo_call_translation
from winpe_certs.wim.codecs.huffman import LONGEST_CODEWORD, decoding_table, entry_rows

MainEntry = tuple[int, int | None, int, int, int, bool]
"""Bits of the codeword, match length (None: a literal), literal or offset base, extra offset bits to consume,
mask of the offset bits to look at, and whether the aligned code has a part in them."""

_BEYOND = 1 << 40  # a length or offset that no chunk has room for
_MAIN_HOLE: MainEntry = (0, _BEYOND, 0, 0, 0, False)
_LENGTH_HOLE = (0, _BEYOND)
_ALIGNED_HOLE = (0, _BEYOND)
_PRECODE_HOLE = (0, layout.PRECODE_SYMBOLS)

_LENGTH_ROWS = entry_rows(range(layout.FIRST_CODED_LENGTH, layout.FIRST_CODED_LENGTH + layout.LENGTH_SYMBOLS))
_ALIGNED_ROWS = entry_rows(range(layout.ALIGNED_SYMBOLS), 7)
_PRECODE_ROWS = entry_rows(range(layout.PRECODE_SYMBOLS), 15)

_LONGEST_ALIGNED = 7
_SYMBOL_RESERVE = 64
"""More bits than the longest match takes: codewords of 16, 16 and 7 bits and 17 offset bits."""

RecentOffsets = tuple[int, int, int]


def decompress(data: bytes, plain_size: int, chunk_size: int) -> bytes:
    """Return the plain bytes of a chunk; `chunk_size` is that of the WIM, not of this (maybe last) chunk."""
    main_lengths = bytearray(layout.LITERALS + len(layout.offset_slots(chunk_size)) * layout.LENGTH_HEADERS)
    length_lengths = bytearray(layout.LENGTH_SYMBOLS)
    if plain_size > chunk_size:
        raise ChunkError(f"LZX chunk: a plain size of {plain_size} is more than the chunk size {chunk_size}")
    reader = BitReader("LZX", data)
    recent: RecentOffsets = (1, 1, 1)
    plain = bytearray()
    while len(plain) < plain_size:
        kind = reader.take(3)
        size = layout.DEFAULT_BLOCK_SIZE
        if not reader.take(1):
            size = reader.take(layout.block_size_bits(chunk_size))
        if not 0 < size <= plain_size - len(plain):
            raise reader.error(f"a block of {size} bytes, but {plain_size - len(plain)} are left to decode")
        if kind == layout.UNCOMPRESSED:
            recent = _copy_uncompressed(reader, data, size, plain)
            continue
        if kind not in (layout.VERBATIM, layout.ALIGNED):
            raise reader.error(f"block type {kind} does not exist")
        aligned_table = _read_aligned_code(reader) if kind == layout.ALIGNED else []
        _read_lengths(reader, main_lengths, 0, layout.LITERALS)
        _read_lengths(reader, main_lengths, layout.LITERALS, len(main_lengths))
        _read_lengths(reader, length_lengths, 0, layout.LENGTH_SYMBOLS)
        where = f"LZX chunk, bit {reader.position}"
        main_code = decoding_table(
            main_lengths, _main_rows(chunk_size, kind == layout.ALIGNED), _MAIN_HOLE, f"{where}, main code"
        )
        length_code = decoding_table(length_lengths, _LENGTH_ROWS, _LENGTH_HOLE, f"{where}, length code")
        recent = _decode_block(reader, main_code, length_code, aligned_table, recent, size, plain)
    undo_call_translation(plain)
    return bytes(plain)


@cache
def _main_rows(chunk_size: int, aligned: bool) -> list[list[MainEntry]]:
    """All entries that a main table can have, by codeword length and symbol."""
    rows = []
    for bits in range(LONGEST_CODEWORD + 1):
        row: list[MainEntry] = [(bits, None, literal, 0, 0, False) for literal in range(layout.LITERALS)]
        for slot, (base, extra) in enumerate(layout.offset_slots(chunk_size)):
            rest: tuple[int, int, int, bool]
            if slot < layout.RECENT_OFFSETS:
                rest = (-slot, 0, 0, False)
            elif aligned and extra >= layout.ALIGNED_BITS:
                # The low three bits come from the aligned code: look at the verbatim bits and one codeword.
                extra -= layout.ALIGNED_BITS  # noqa: PLW2901 - what is left of it
                rest = (base - layout.OFFSET_ADJUSTMENT, extra, (1 << extra + _LONGEST_ALIGNED) - 1, True)
            else:
                rest = (base - layout.OFFSET_ADJUSTMENT, extra, (1 << extra) - 1, False)
            row += [(bits, layout.SHORTEST_MATCH + header, *rest) for header in range(layout.LENGTH_HEADERS)]
        rows.append(row)
    return rows


def _copy_uncompressed(reader: BitReader, data: bytes, size: int, plain: bytearray) -> RecentOffsets:
    """Take over an uncompressed block; it restates the recent offsets in front of its bytes."""
    # One to sixteen bits of padding: a position that is aligned already still skips a whole word.
    start = (reader.position >> 4) * 2 + 2
    first_byte = start + 4 * layout.RECENT_OFFSETS
    if first_byte + size > len(data):
        raise reader.error(f"an uncompressed block of {size} bytes at byte {first_byte} of {len(data)}")
    recent = [int.from_bytes(data[at : at + 4], "little") for at in range(start, first_byte, 4)]
    if 0 in recent:
        raise reader.error("an uncompressed block states a recent offset of 0")
    plain += data[first_byte : first_byte + size]
    reader.position = (first_byte + size + (size & 1)) * 8
    return recent[0], recent[1], recent[2]


def _read_aligned_code(reader: BitReader) -> list[tuple[int, int]]:
    """Read the aligned code into a table of 7 bits, whatever its longest codeword.

    The value of an entry is the symbol less the upper bits of its own index: the loop adds verbatim bits and
    index in one go, and the part of the index that is no offset cancels out.
    """
    lengths = reader.take_each(layout.ALIGNED_SYMBOLS, 3)
    where = f"LZX chunk, bit {reader.position}, aligned code"
    short_table, bits = decoding_table(lengths, _ALIGNED_ROWS, _ALIGNED_HOLE, where)
    table = [entry for entry in short_table or [_ALIGNED_HOLE] for _ in range(1 << (_LONGEST_ALIGNED - bits))]
    return [
        (bits, symbol - (index >> _LONGEST_ALIGNED - layout.ALIGNED_BITS))
        for index, (bits, symbol) in enumerate(table)
    ]


def _read_lengths(reader: BitReader, lengths: bytearray, first: int, last: int) -> None:
    """Read codeword lengths `first` to `last`, coded as differences to those of the block before."""
    precode_lengths = reader.take_each(layout.PRECODE_SYMBOLS, 4)
    where = f"LZX chunk, bit {reader.position}, precode"
    table, table_bits = decoding_table(precode_lengths, _PRECODE_ROWS, _PRECODE_HOLE, where)
    mask = (1 << table_bits) - 1
    stream = reader.stream
    left = 0
    end = reader.position
    index = first
    while index < last:
        if left < _SYMBOL_RESERVE:
            reader.position = end - left
            reader.check_position()
            start = reader.position >> 4 << 1
            window = int.from_bytes(stream[start : start + REACH], "big")
            end = (start + REACH) * 8 - table_bits
            left = end - reader.position
        bits, symbol = table[window >> left & mask]
        left -= bits
        if symbol < layout.LENGTH_MODULUS:
            lengths[index] = (lengths[index] - symbol) % 17
            index += 1
            continue
        value = 0
        if symbol == layout.ZEROS_SHORT:
            left -= 4
            run = 4 + (window >> left + table_bits & 15)
        elif symbol == layout.ZEROS_LONG:
            left -= 5
            run = 20 + (window >> left + table_bits & 31)
        elif symbol == layout.REPEAT and index < last:
            left -= 1
            run = 4 + (window >> left + table_bits & 1)
            bits, symbol = table[window >> left & mask]
            left -= bits
            if symbol >= layout.LENGTH_MODULUS:
                raise reader.error(f"precode symbol {symbol} where a length is to be repeated", end - left)
            value = (lengths[index] - symbol) % 17
        else:
            raise reader.error("the precode has no such codeword", end - left)
        if run > last - index:
            raise reader.error(f"a run of {run} codeword lengths where {last - index} are left", end - left)
        lengths[index : index + run] = bytes((value,)) * run
        index += run
    reader.position = end - left
    reader.check_position()


def _decode_block(
    reader: BitReader,
    main_code: tuple[list[MainEntry], int],
    length_code: tuple[list[tuple[int, int]], int],
    aligned_table: list[tuple[int, int]],
    recent: RecentOffsets,
    size: int,
    plain: bytearray,
) -> RecentOffsets:
    """Decode the symbols of one block onto `plain` and return the recent offsets after it."""
    main_table, main_bits = main_code
    length_table, length_bits = length_code
    main_mask = (1 << main_bits) - 1
    length_mask = (1 << length_bits) - 1
    # `left` counts the bits of the window that remain *after* the next index of the main table, which saves a
    # subtraction for every symbol. The other fields add back how much shorter than that index they are.
    length_shift = main_bits - length_bits
    aligned_shift = main_bits - _LONGEST_ALIGNED
    stream = reader.stream
    to_integer = int.from_bytes
    append = plain.append
    reach = REACH
    reserve = _SYMBOL_RESERVE
    first_coded_length = layout.FIRST_CODED_LENGTH
    recent0, recent1, recent2 = recent
    done = len(plain)
    stop = done + size
    left = 0
    end = reader.position
    limit = reader.end
    full = reach * 8 - main_bits
    while done < stop:
        if left < reserve:
            position = end - left
            if position > limit:
                raise reader.error("", position)
            start = position >> 4 << 1
            window = to_integer(stream[start : start + reach], "big")
            left = full - (position & 15)
            end = position + left
        bits, length, offset, extra, mask, aligned = main_table[window >> left & main_mask]
        left -= bits
        if length is None:
            append(offset)
            done += 1
            continue

        if length == first_coded_length:
            bits, length = length_table[window >> left + length_shift & length_mask]
            left -= bits
        if offset > 0:
            if aligned:
                left -= extra
                value = window >> left + aligned_shift & mask
                bits, low = aligned_table[value & 127]
                left -= bits
                offset += (value >> 4) + low
            elif mask:
                left -= extra
                offset += window >> left + main_bits & mask
            recent2 = recent1
            recent1 = recent0
            recent0 = offset
        elif offset == 0:
            offset = recent0
        elif offset == -1:
            offset = recent1
            recent1 = recent0
            recent0 = offset
        else:
            offset = recent2
            recent2 = recent0
            recent0 = offset

        source = done - offset
        done += length
        if source < 0 or done > stop:
            raise reader.error(_why_not(length, offset, stop - (done - length)), end - left)
        if length <= offset:
            plain += plain[source : source + length]
        else:  # The copy feeds on itself: repeat what there is.
            plain += (plain[source:] * (length // offset + 1))[:length]
    reader.position = end - left
    reader.check_position()
    return recent0, recent1, recent2


def _why_not(length: int, offset: int, room: int) -> str:
    """Say what is wrong with a match that does not fit."""
    if length >= _BEYOND or offset >= _BEYOND // 2:
        return "a bit pattern that no codeword begins with"
    if length > room:
        return f"a match of {length} bytes where the block has room for {room}"
    return f"a match {offset} bytes back, before the start of the chunk"
