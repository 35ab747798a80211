"""Compress one LZX chunk of a WIM file, for test data: deterministic and pure Python.

The opposite of `winpe_certs.wim.codecs.lzx`, with which it shares nothing but the constants of the format.
Blocks are verbatim or aligned; a chunk that would not get smaller is left to be stored plain.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import groupby
from operator import itemgetter

from scripts.testdata.lz77 import MatchRules, Token, as_words, codeword_lengths, codewords, tokens_of
from winpe_certs.wim.codecs import lzx_layout as layout

_LONGEST_CODEWORD = 16
_LONGEST_ALIGNED = 7
_LONGEST_PRECODE = 15

Symbol = tuple[int, int, int, int]
"""Main symbol, length symbol or -1, offset bits, their number."""


def compress(plain: bytes, chunk_size: int) -> bytes | None:
    """Return the compressed chunk, or None when it would not be smaller than `plain`."""
    slots = layout.offset_slots(chunk_size)
    rules = MatchRules(
        shortest_new=3,
        longest=layout.LONGEST_MATCH,
        recent_offsets=layout.RECENT_OFFSETS,
        # The last position of the window is out of reach by definition.
        farthest=chunk_size - layout.SHORTEST_MATCH - 1,
    )
    main_lengths = [0] * (layout.LITERALS + len(slots) * layout.LENGTH_HEADERS)
    length_lengths = [0] * layout.LENGTH_SYMBOLS
    recent = [1] * layout.RECENT_OFFSETS
    pieces: list[str] = []
    for size, tokens in _blocks(tokens_of(translate_calls(plain), rules)):
        symbols = [_symbol(token, recent, slots) for token in tokens]
        pieces += _block(symbols, size, chunk_size, main_lengths, length_lengths)
    packed = as_words("".join(pieces))
    return packed if len(packed) < len(plain) else None


def translate_calls(plain: bytes) -> bytes:
    """Make the targets of x86 call instructions absolute, as every LZX chunk of a WIM has them."""
    chunk = bytearray(plain)
    limit = len(chunk) - layout.CALL_FREE_TAIL
    position = chunk.find(layout.CALL_OPCODE)
    while 0 <= position < limit:
        target = slice(position + 1, position + 5)
        relative = int.from_bytes(chunk[target], "little", signed=True)
        if -position <= relative < layout.CALL_FILE_SIZE:
            in_file = relative < layout.CALL_FILE_SIZE - position
            absolute = relative + position if in_file else relative - layout.CALL_FILE_SIZE
            chunk[target] = absolute.to_bytes(4, "little", signed=True)
        position = chunk.find(layout.CALL_OPCODE, position + 5)
    return bytes(chunk)


def _blocks(tokens: list[Token]) -> list[tuple[int, list[Token]]]:
    """Cut the tokens into blocks of about the default size; a match belongs to one block whole."""
    blocks = []
    block: list[Token] = []
    size = 0
    for token in tokens:
        length = token[0] or 1
        if size + length > layout.DEFAULT_BLOCK_SIZE:
            blocks.append((size, block))
            block, size = [], 0
        block.append(token)
        size += length
    if block:
        blocks.append((size, block))
    return blocks


def _symbol(token: Token, recent: list[int], slots: tuple[tuple[int, int], ...]) -> Symbol:
    """Turn a token into symbols, and keep the recent offsets up to date."""
    length, offset = token
    if not length:
        return offset, -1, 0, 0
    if offset in recent:
        slot = recent.index(offset)
        recent[slot], recent[0] = recent[0], offset
        extra = extra_bits = 0
    else:
        recent[:] = [offset, *recent[:-1]]
        adjusted = offset + layout.OFFSET_ADJUSTMENT
        slot = bisect_right(slots, adjusted, key=itemgetter(0)) - 1
        extra = adjusted - slots[slot][0]
        extra_bits = slots[slot][1]
    header = min(length - layout.SHORTEST_MATCH, layout.LENGTH_HEADERS - 1)
    rest = length - layout.FIRST_CODED_LENGTH if header == layout.LENGTH_HEADERS - 1 else -1
    return layout.LITERALS + slot * layout.LENGTH_HEADERS + header, rest, extra, extra_bits


def _block(
    symbols: list[Symbol], size: int, chunk_size: int, main_lengths: list[int], length_lengths: list[int]
) -> list[str]:
    """Write one block, aligned or verbatim as is shorter; its codeword lengths stay for the next one."""
    main_counts = Counter(symbol[0] for symbol in symbols)
    length_counts = Counter(symbol[1] for symbol in symbols if symbol[1] >= 0)
    low_counts = Counter(symbol[2] & 7 for symbol in symbols if symbol[3] >= layout.ALIGNED_BITS)
    aligned_lengths = codeword_lengths(low_counts, layout.ALIGNED_SYMBOLS, _LONGEST_ALIGNED)
    aligned_cost = 3 * 8 + sum(count * aligned_lengths[low] for low, count in low_counts.items())
    aligned = aligned_cost < layout.ALIGNED_BITS * low_counts.total()

    pieces = [f"{layout.ALIGNED if aligned else layout.VERBATIM:03b}"]
    if size == layout.DEFAULT_BLOCK_SIZE:
        pieces.append("1")
    else:
        pieces.append(f"0{size:0{layout.block_size_bits(chunk_size)}b}")
    if aligned:
        pieces += [f"{length:03b}" for length in aligned_lengths]

    new_main = codeword_lengths(main_counts, len(main_lengths), _LONGEST_CODEWORD)
    new_length = codeword_lengths(length_counts, len(length_lengths), _LONGEST_CODEWORD)
    pieces += _lengths(main_lengths[: layout.LITERALS], new_main[: layout.LITERALS])
    pieces += _lengths(main_lengths[layout.LITERALS :], new_main[layout.LITERALS :])
    pieces += _lengths(length_lengths, new_length)
    main_lengths[:] = new_main
    length_lengths[:] = new_length

    main_words = codewords(new_main)
    length_words = codewords(new_length)
    aligned_words = codewords(aligned_lengths)
    for main, rest, extra, extra_bits in symbols:
        pieces.append(main_words[main])
        if rest >= 0:
            pieces.append(length_words[rest])
        if aligned and extra_bits >= layout.ALIGNED_BITS:
            if extra_bits > layout.ALIGNED_BITS:
                pieces.append(f"{extra >> 3:0{extra_bits - 3}b}")
            pieces.append(aligned_words[extra & 7])
        elif extra_bits:
            pieces.append(f"{extra:0{extra_bits}b}")
    return pieces


def _lengths(old: list[int], new: list[int]) -> list[str]:
    """Write codeword lengths as differences to the old ones, with a precode of their own."""
    operations: list[tuple[int, str]] = []  # precode symbol, raw bits behind it
    index = 0
    for value, group in groupby(new):
        end = index + len(list(group))
        while index < end:
            run = end - index
            difference = (old[index] - value) % layout.LENGTH_MODULUS
            if value == 0 and run >= 20:
                run = min(run, 51)
                operations.append((layout.ZEROS_LONG, f"{run - 20:05b}"))
            elif value == 0 and run >= 4:
                run = min(run, 19)
                operations.append((layout.ZEROS_SHORT, f"{run - 4:04b}"))
            elif run >= 4:
                run = min(run, 5)
                operations.append((layout.REPEAT, f"{run - 4:01b}"))
                operations.append((difference, ""))
            else:
                run = 1
                operations.append((difference, ""))
            index += run
    counts = Counter(symbol for symbol, _ in operations)
    precode = codeword_lengths(counts, layout.PRECODE_SYMBOLS, _LONGEST_PRECODE)
    words = codewords(precode)
    return [f"{length:04b}" for length in precode] + [words[symbol] + raw for symbol, raw in operations]
