from __future__ import annotations

import pytest

from tests.unit.codecs.making import (
    ALIGNED,
    FLAT_PRECODE,
    VERBATIM,
    block_start,
    canonical,
    code_sections,
    length_section,
    main_symbols,
    match_symbol,
    number,
    pack,
    spread,
    uncompressed_block,
)
from winpe_certs.errors import ChunkError, UnsupportedWimError
from winpe_certs.wim.codecs import lzx_layout
from winpe_certs.wim.codecs.lzx import decompress

A, B, C, D = b"ABCD"
CHUNK = 32768
AB = {A: 1, B: 1}
NEAR = match_symbol(0, 1)  # three bytes, the offset used last
"""Slots 3, 4 and 8 begin with the offsets 1, 2 and 14 and have 0, 1 and 3 extra bits."""


def literals(text: bytes, lengths: dict[int, int]) -> str:
    words = canonical(lengths)
    return "".join(words[byte] for byte in text)


def verbatim(size: int, main: dict[int, int], body: str, length: dict[int, int] | None = None) -> bytes:
    return pack(block_start(VERBATIM, size) + code_sections(main, length) + body)


def test_literals_with_an_empty_length_code() -> None:
    assert decompress(verbatim(5, AB, literals(b"ABBAB", AB)), 5, CHUNK) == b"ABBAB"


def test_a_code_of_one_symbol_needs_one_codeword_only() -> None:
    assert decompress(verbatim(5, {A: 1}, "00000"), 5, CHUNK) == b"AAAAA"


def test_codewords_of_16_bits() -> None:
    main = {symbol: symbol + 1 for symbol in range(16)} | {16: 16}
    plain = bytes([15, 16, 0, 3, 15, 8, 16])
    assert decompress(verbatim(7, main, literals(plain, main)), 7, CHUNK) == plain


def test_a_match_with_a_new_offset() -> None:
    """Slot 4 begins at the adjusted offset 4, that is 2, and its extra bit makes it 3."""
    match = match_symbol(4, 2)
    main = {A: 2, B: 2, C: 2, match: 2}
    words = canonical(main)
    assert decompress(verbatim(7, main, literals(b"ABC", main) + words[match] + "1"), 7, CHUNK) == b"ABCABCA"
    assert decompress(verbatim(7, main, literals(b"ABC", main) + words[match] + "0"), 7, CHUNK) == b"ABCBCBC"


def test_a_match_that_overlaps_itself_repeats_what_there_is() -> None:
    match = match_symbol(3, 6)  # eight bytes, one back
    main = {A: 1, match: 1}
    assert decompress(verbatim(9, main, "0" + canonical(main)[match]), 9, CHUNK) == b"A" * 9


@pytest.mark.parametrize("symbol", [0, 1, 37, 248])
def test_a_long_match_continues_in_the_length_code(symbol: int) -> None:
    match = match_symbol(3, 7)
    main = {A: 1, match: 1}
    size = 1 + 2 + 7 + symbol
    length = {symbol: 1}
    assert decompress(verbatim(size, main, "0" + "1" + "0", length), size, CHUNK) == b"A" * size


def test_the_first_recent_offsets_are_one() -> None:
    for slot in range(3):
        match = match_symbol(slot, 0)
        assert decompress(verbatim(3, {A: 1, match: 1}, "01"), 3, CHUNK) == b"AAA"


def test_a_used_recent_offset_changes_places_with_the_first() -> None:
    """Among bytes that are all different, two of them copied from a wrong place would show."""
    new = match_symbol(8, 0)  # 14 and three extra bits
    recent = [match_symbol(slot, 0) for slot in range(3)]
    main = dict.fromkeys([*range(60), new, *recent], 6)
    words = canonical(main)
    expected = bytearray(range(24))
    body = literals(bytes(expected), main)
    for step, (symbol, extra, offset) in enumerate(
        [
            (new, "000", 14),
            (new, "011", 17),
            (new, "110", 20),  # recent: 20, 17, 14
            (recent[2], "", 14),  # 14, 17, 20
            (recent[1], "", 17),  # 17, 14, 20
            (recent[0], "", 17),
            (recent[2], "", 20),  # 20, 14, 17
            (recent[1], "", 14),  # 14, 20, 17
            (new, "001", 15),  # 15, 14, 20
            (recent[2], "", 20),  # 20, 14, 15
            (recent[2], "", 15),
        ]
    ):
        body += words[symbol] + extra + words[30 + step]
        start = len(expected) - offset
        expected += expected[start : start + 2] + bytes((30 + step,))
    assert decompress(verbatim(len(expected), main, body), len(expected), CHUNK) == bytes(expected)


def test_matches_of_the_most_bits_in_a_row() -> None:
    """16 bits of main code, 16 of length code and 17 of offset, at changing bit positions."""
    chunk_size = 1 << 21
    match = match_symbol(49, 7)
    ladder = {literal: literal + 1 for literal in range(15)}
    main = ladder | {15: 16, match: 16}
    length = {symbol: symbol + 1 for symbol in range(15)} | {15: 16, 16: 16}
    offset = 1966080 - 2 + 0x12345
    plain = bytearray(index * 3 % 251 for index in range(offset + 40))
    data = b""
    for at in range(0, len(plain), 1 << 20):
        piece = bytes(plain[at : at + (1 << 20)])
        bits = number(3, 3) + "0" + number(len(piece), 24)
        bits += "0" * (16 - len(bits) % 16)
        data += pack(bits) + (1).to_bytes(4, "little") * 3 + piece + b"\0" * (len(piece) % 2)
    body = ""
    before = len(plain)
    for literal in [*range(15), 0, 0, 5, 3]:
        body += "1" * 16 + "1" * 16 + number(0x12345, 17) + canonical(main)[literal]
        start = len(plain) - offset
        plain += plain[start : start + 2 + 7 + 16] + bytes((literal,))
    sections = code_sections(main, length, chunk_size=chunk_size)
    data += pack(block_start(VERBATIM, len(plain) - before, chunk_size) + sections + body)
    assert decompress(data, len(plain), chunk_size) == bytes(plain)


def test_call_targets_become_relative_again() -> None:
    """In compressed and in uncompressed blocks, with positions that count from the start of the chunk."""
    stored = b"." * 7 + b"\xe8" + (1000).to_bytes(4, "little") + b"." * 20
    plain = b"." * 7 + b"\xe8" + (993).to_bytes(4, "little") + b"." * 20
    assert decompress(uncompressed_block("", stored, (1, 1, 1)), len(stored), CHUNK) == plain
    codes = dict.fromkeys([*set(stored), 100, 101, 102, 103], 3)
    assert decompress(verbatim(len(stored), codes, literals(stored, codes)), len(stored), CHUNK) == plain


ALIGNED_CODE = [1, 2, 3, 4, 5, 6, 7, 7]


def aligned_block(size: int, main: dict[int, int], body: str, code: list[int] | None = None) -> bytes:
    lengths = "".join(number(length, 3) for length in code or ALIGNED_CODE)
    return pack(block_start(ALIGNED, size) + lengths + code_sections(main) + body)


@pytest.mark.parametrize("low", range(8))
def test_an_aligned_block_takes_the_low_three_offset_bits_from_their_own_code(low: int) -> None:
    """Slot 8 has three extra bits, all in the aligned code; slot 10 has four, one of them verbatim."""
    plain = bytes(range(64))
    words = canonical(dict(enumerate(ALIGNED_CODE)))
    for slot, verbatim_bits, offset in [(8, "", 14 + low), (10, "0", 30 + low), (10, "1", 38 + low)]:
        match = match_symbol(slot, 0)
        main = dict.fromkeys(range(63), 6) | {63: 7, match: 7}
        body = literals(plain, main) + canonical(main)[match] + verbatim_bits + words[low]
        expected = plain + plain[64 - offset : 64 - offset + 2]
        assert decompress(aligned_block(66, main, body), 66, CHUNK) == expected


def test_an_aligned_block_reads_offsets_of_less_than_three_bits_as_they_are() -> None:
    match = match_symbol(4, 0)
    main = {A: 2, B: 2, C: 2, match: 2}
    body = literals(b"ABC", main) + canonical(main)[match] + "1"
    assert decompress(aligned_block(5, main, body), 5, CHUNK) == b"ABCAB"


def test_an_aligned_code_without_codewords_is_no_harm_until_it_is_used() -> None:
    match = match_symbol(8, 0)
    main = {A: 1, match: 1}
    assert decompress(aligned_block(3, main, "000", [0] * 8), 3, CHUNK) == b"AAA"
    with pytest.raises(ChunkError, match="no codeword begins with"):
        decompress(aligned_block(16, main, "0" * 14 + "1", [0] * 8), 16, CHUNK)


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 10, 4096])
def test_an_uncompressed_block(size: int, pad: bool) -> None:
    """The byte that makes an odd block even may be missing at the end of the chunk."""
    plain = bytes(index * 7 % 200 for index in range(size))
    assert decompress(uncompressed_block("", plain, (1, 1, 1), pad=pad), size, CHUNK) == plain


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("count", range(1, 20))
def test_an_uncompressed_block_between_others_at_any_bit_position(size: int, count: int) -> None:
    """A position that is aligned already skips a whole word; the block brings its own recent offsets."""
    main = {A: 1, NEAR: 1}
    first = block_start(VERBATIM, count) + code_sections(main) + "0" * count
    data = uncompressed_block(first, b"wxyz!"[:size], (3, 1, 1))
    # The lengths carry over: all differences to the block before are zero.
    data += pack(block_start(VERBATIM, 4) + code_sections(main, previous_main=main) + "10")
    middle = b"wxyz!"[:size]
    copied = middle[-3:]
    assert decompress(data, count + size + 4, CHUNK) == b"A" * count + middle + copied + b"A"


def test_lengths_of_a_later_block_are_differences_to_the_block_before() -> None:
    first = {A: 1, B: 2, C: 2}
    second = {A: 2, C: 1, D: 2}
    bits = block_start(VERBATIM, 3) + code_sections(first) + literals(b"ABC", first)
    bits += block_start(VERBATIM, 4) + code_sections(second, previous_main=first) + literals(b"DCAD", second)
    assert decompress(pack(bits), 7, CHUNK) == b"ABCDCAD"


def test_runs_in_the_codeword_lengths() -> None:
    """Zeros in both widths, and a repeated difference."""
    words = canonical(dict(enumerate(FLAT_PRECODE)))
    precode = "".join(number(length, 4) for length in FLAT_PRECODE)

    def zeros(count: int) -> str:
        text = ""
        while count >= 20:
            run = min(count, 51) if count < 71 else 51
            text += words[18] + number(run - 20, 5)
            count -= run
        if count >= 4:
            text += words[17] + number(min(count, 19) - 4, 4)
            count -= min(count, 19)
        return text + words[0] * count

    # Literals 60 to 63 get three bits by one repeat of four, 64 one bit.
    three = (0 - 3) % 17
    literal_lengths = zeros(60) + words[19] + "0" + words[three] + words[(0 - 1) % 17] + zeros(191)
    sections = precode + literal_lengths + precode + zeros(240) + precode + zeros(249)
    main = {60: 3, 61: 3, 62: 3, 63: 3, 64: 1}
    bits = block_start(VERBATIM, 5) + sections + literals(b"<@=>?", main)
    assert decompress(pack(bits), 5, CHUNK) == b"<@=>?"


def test_a_block_of_the_default_size_says_so_in_one_bit() -> None:
    match = match_symbol(0, 7)
    main = {A: 1, match: 1}
    length = {248: 1, 0: 1}
    body = "0" + ("1" + "1") * 127 + "1" + "0" + "0" * 119
    size = 1 + 127 * 257 + 9 + 119
    assert size == CHUNK
    assert decompress(verbatim(size, main, body, length), size, CHUNK) == b"A" * size


@pytest.mark.parametrize("order", range(15, 22))
def test_the_chunk_size_decides_slots_and_the_width_of_block_sizes(order: int) -> None:
    """The last slot of each window size is used, so that one slot too few or too many shows."""
    chunk_size = 1 << order
    slots = lzx_layout.offset_slots(chunk_size)
    assert 256 + 8 * len(slots) == main_symbols(chunk_size)
    base, extra = slots[-1]
    assert base + (1 << extra) == chunk_size
    match = match_symbol(len(slots) - 1, 0)
    offset = base - 2
    size = offset + 5
    plain = bytes(index % 251 for index in range(offset + 3))
    data = b""
    for at in range(0, len(plain), 30000):
        piece = plain[at : at + 30000]
        bits = number(3, 3) + "0" + number(len(piece), 16 if order == 15 else 24)
        bits += "0" * (16 - len(bits) % 16)
        data += pack(bits) + (1).to_bytes(4, "little") * 3 + piece + b"\0" * (len(piece) % 2)
    main = {A: 1, match: 1}
    sections = code_sections(main, chunk_size=chunk_size)
    data += pack(block_start(VERBATIM, 2, chunk_size) + sections + "1" + "0" * extra)
    assert decompress(data, size, chunk_size) == plain + plain[3:5]


@pytest.mark.parametrize("chunk_size", [0, 1 << 14, (1 << 15) + 1, 1 << 22, -32768])
def test_other_chunk_sizes_are_refused(chunk_size: int) -> None:
    with pytest.raises(UnsupportedWimError, match="power of two"):
        decompress(b"", 0, chunk_size)


MATCH = match_symbol(0, 1)
DAMAGED: dict[str, tuple[bytes, int, str]] = {
    "nothing at all": (b"", 1, "the data ends at bit 0"),
    "block type 0": (pack(block_start(0, 4)), 4, "block type 0 does not exist"),
    "block type 7": (pack(block_start(7, 4)), 4, "block type 7 does not exist"),
    "empty block": (pack(block_start(1, 0)), 4, "a block of 0 bytes, but 4 are left"),
    "block above the rest": (pack(block_start(1, 5)), 4, "a block of 5 bytes, but 4 are left"),
    "plain size above chunk size": (b"", 32769, "32769 is more than the chunk size"),
    "main code promises too much": (verbatim(1, {A: 1, B: 1, C: 1}, "0"), 1, "main code: .* promise more"),
    "main code leaves some out": (verbatim(1, {A: 1, B: 2}, "0"), 1, "main code: .* without a symbol"),
    "one codeword of two bits": (verbatim(1, {A: 2}, "00"), 1, "main code: .* without a symbol"),
    "length code promises too much": (
        verbatim(1, AB, "0", {1: 1, 2: 1, 3: 5}),
        1,
        "length code: .* promise more",
    ),
    "aligned code leaves some out": (aligned_block(1, AB, "0", [2] * 3 + [0] * 5), 1, "aligned code"),
    "precode leaves some out": (pack(block_start(1, 1) + "0001" + "0010" + "0000" * 18), 1, "precode: "),
    "precode without codewords": (pack(block_start(1, 1) + "0" * 400), 1, "the precode has no such codeword"),
    "main code without codewords": (verbatim(1, {}, "0" * 16), 1, "no codeword begins with"),
    "other half of a single codeword": (verbatim(2, {A: 1}, "01"), 2, "no codeword begins with"),
    "length code without codewords": (
        verbatim(12, {A: 1, match_symbol(0, 7): 1}, "01" + "0" * 16),
        12,
        "no codeword begins with",
    ),
    "match before the start": (verbatim(4, {A: 1, match_symbol(4, 0): 1}, "010"), 4, "2 bytes back"),
    "match at the start": (verbatim(4, {A: 1, MATCH: 1}, "1"), 4, "1 bytes back, before the start"),
    "match above the block": (
        verbatim(3, {A: 1, MATCH: 1}, "01"),
        3,
        "3 bytes where the block has room for 2",
    ),
    "recent offset of zero": (uncompressed_block("", b"ab", (1, 0, 1)), 2, "recent offset of 0"),
    "recent offset before the start": (
        uncompressed_block("", b"ab", (9, 1, 1))
        + pack(block_start(1, 3) + code_sections({A: 1, MATCH: 1}) + "1"),
        5,
        "9 bytes back",
    ),
    "uncompressed block cut short": (uncompressed_block("", b"abcd", (1, 1, 1))[:-1], 4, "byte 16 of 19"),
    "zeros beyond the lengths": (
        pack(block_start(1, 1) + "".join(number(n, 4) for n in FLAT_PRECODE) + "1111011111" * 6),
        1,
        "a run of 51 codeword lengths where 1 are left",
    ),
    "a repeat of no length": (
        pack(block_start(1, 1) + "".join(number(n, 4) for n in FLAT_PRECODE) + "11111" + "0" + "11110"),
        1,
        "precode symbol 18 where a length is to be repeated",
    ),
}


@pytest.mark.parametrize(("data", "size", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_named(data: bytes, size: int, message: str) -> None:
    with pytest.raises(ChunkError, match=message):
        decompress(data, size, CHUNK)


def test_a_chunk_that_is_cut_anywhere_is_damaged() -> None:
    main = {A: 2, B: 2, C: 2, MATCH: 2}
    body = literals(b"ABC", main) + (canonical(main)[MATCH] + literals(b"ABCBA", main)) * 40
    size = 3 + 8 * 40
    data = verbatim(size, main, body)
    assert len(decompress(data, size, CHUNK)) == size
    for end in range(len(data) - 1):
        with pytest.raises(ChunkError, match="the data ends at bit"):
            decompress(data[:end], size, CHUNK)


def test_bytes_behind_the_last_block_are_ignored() -> None:
    data = verbatim(5, AB, literals(b"ABBAB", AB))
    assert decompress(data + b"\xff" * 9, 5, CHUNK) == b"ABBAB"


def test_the_lengths_section_of_these_tests_is_what_it_says() -> None:
    """The tests above rest on it: 80 bits of precode and 4 or 5 bits for each length."""
    assert len(length_section(spread({3: 5}, 10))) == 80 + 9 * 4 + 5
