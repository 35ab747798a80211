from __future__ import annotations

import pytest

from tests.unit.codecs.making import canonical, pack, xpress_lengths
from winpe_certs.errors import ChunkError, UnsupportedWimError
from winpe_certs.wim.codecs.xpress import decompress

A, B, C = b"ABC"
CHUNK = 32768
END = 256


def match_symbol(offset_bits: int, header: int) -> int:
    return 256 + 16 * offset_bits + header


def chunk(lengths: dict[int, int], body: str) -> bytes:
    return xpress_lengths(lengths) + pack(body) + bytes(2)


def literals(text: bytes, lengths: dict[int, int]) -> str:
    words = canonical(lengths)
    return "".join(words[byte] for byte in text)


def test_literals() -> None:
    lengths = {A: 1, B: 2, END: 2}
    assert decompress(chunk(lengths, literals(b"ABBA", lengths)), 4, CHUNK) == b"ABBA"


def test_low_and_high_halves_of_the_length_bytes() -> None:
    """An even symbol is in the low half of its byte, an odd one in the high half."""
    assert xpress_lengths({B: 1, C: 2})[B // 2] == 0x21
    lengths = {B: 1, C: 2, END: 2}
    assert decompress(chunk(lengths, "0100"), 3, CHUNK) == b"BCB"


def test_codewords_of_15_bits() -> None:
    lengths = {symbol: symbol + 1 for symbol in range(15)} | {15: 15}
    plain = bytes([14, 15, 0, 3, 14, 8, 15])
    assert decompress(chunk(lengths, literals(plain, lengths)), 7, CHUNK) == plain


def test_short_matches() -> None:
    near, far = match_symbol(0, 2), match_symbol(1, 0)
    lengths = {A: 2, B: 2, near: 2, far: 2}
    words = canonical(lengths)
    body = literals(b"AB", lengths) + words[far] + "0" + words[near] + words[far] + "1"
    assert decompress(chunk(lengths, body), 13, CHUNK) == b"ABABA" + b"AAAAA" + b"AAA"


@pytest.mark.parametrize("rest", [0, 1, 100, 254])
def test_a_length_in_one_embedded_byte(rest: int) -> None:
    """Two words are in hand when the byte is read, so that it follows them."""
    long = match_symbol(0, 15)
    lengths = {A: 1, long: 2, END: 2}
    bits = pack("0" + canonical(lengths)[long] + "0" * 20)
    data = xpress_lengths(lengths) + bits[:4] + bytes((rest,)) + bits[4:] + bytes(2)
    size = 1 + 18 + rest + 20
    assert decompress(data, size, CHUNK) == b"A" * size


@pytest.mark.parametrize("length", [18, 273, 1000, 32000])
def test_a_length_in_three_embedded_bytes(length: int) -> None:
    long = match_symbol(0, 15)
    lengths = {A: 1, long: 2, END: 2}
    bits = pack("0" + canonical(lengths)[long] + "0" * 20)
    embedded = b"\xff" + (length - 3).to_bytes(2, "little")
    data = xpress_lengths(lengths) + bits[:4] + embedded + bits[4:] + bytes(2)
    size = 1 + length + 20
    assert decompress(data, size, CHUNK) == b"A" * size


@pytest.mark.parametrize("before", range(1, 40))
def test_an_embedded_byte_follows_the_words_in_hand_at_any_bit_position(before: int) -> None:
    """Words taken up after p bits: one more than p / 16 rounded up."""
    long = match_symbol(1, 15)
    lengths = {A: 1, B: 2, long: 2}
    words = canonical(lengths)
    plain = b"A" * (before - 1) + b"BA"
    head = literals(plain, lengths) + words[long]
    bits = pack(head + "0" + literals(b"ABBA" * 12, lengths)) + bytes(4)
    taken = 2 * (-(-len(head) // 16) + 1)
    data = xpress_lengths(lengths) + bits[:taken] + b"\x05" + bits[taken:]
    expected = plain + (b"BA" * 12)[:23] + b"ABBA" * 12
    assert decompress(data, len(expected), CHUNK) == expected


def test_embedded_bytes_close_to_each_other() -> None:
    """Two long matches in a row: both bytes follow the same words, an odd and an even number of bytes on."""
    long = match_symbol(0, 15)
    lengths = {A: 1, long: 2, END: 2}
    word = canonical(lengths)[long]
    bits = pack("0" + word * 5 + "0" * 12 + word + "0" * 9) + bytes(4)
    data = xpress_lengths(lengths) + bits[:4] + bytes((1, 2, 3, 4, 5)) + bits[4:]
    # The last long match ends at bit 25: three words are in hand by then.
    data = data[: 256 + 4 + 5 + 2] + b"\x07" + data[256 + 4 + 5 + 2 :]
    size = 1 + 5 * 18 + 15 + 12 + 18 + 7 + 9
    assert decompress(data, size, CHUNK) == b"A" * size


@pytest.mark.parametrize("offset_bits", range(1, 16))
def test_offsets_of_up_to_15_bits(offset_bits: int) -> None:
    """The first bit of an offset is implied; here the second is 1 and the others are 0."""
    offset = 3 << offset_bits - 1
    match, run = match_symbol(offset_bits, 0), match_symbol(0, 15)
    lengths = {A: 2, B: 2, match: 2, run: 2}
    words = canonical(lengths)
    tail = words[match] + "1" + "0" * (offset_bits - 1)
    if offset - 2 < 18:
        stream = pack(literals(b"B" + b"A" * (offset - 1), lengths) + tail) + bytes(4)
    else:
        stream = pack(literals(b"BA", lengths) + words[run] + tail) + bytes(4)
        stream = stream[:4] + b"\xff" + (offset - 2 - 3).to_bytes(2, "little") + stream[4:]
    expected = (b"B" + b"A" * (offset - 1)) + b"BAA"
    assert decompress(xpress_lengths(lengths) + stream, offset + 3, 65536) == expected


@pytest.mark.parametrize("order", range(12, 17))
def test_chunk_sizes(order: int) -> None:
    lengths = {A: 1, END: 1}
    assert decompress(chunk(lengths, "0" * (1 << order)), 1 << order, 1 << order) == b"A" * (1 << order)


@pytest.mark.parametrize("chunk_size", [0, 1 << 11, 5000, 1 << 17])
def test_other_chunk_sizes_are_refused(chunk_size: int) -> None:
    with pytest.raises(UnsupportedWimError, match="power of two"):
        decompress(b"", 0, chunk_size)


LONG = match_symbol(0, 15)
NEAR = match_symbol(0, 0)
LONG_LENGTHS = {A: 1, LONG: 1}
DAMAGED: dict[str, tuple[bytes, int, str]] = {
    "no whole code": (bytes(255), 1, "255 bytes, less than the 256"),
    "no codewords": (bytes(300), 1, "no codeword begins with"),
    "other half of a single codeword": (chunk({A: 1}, "01"), 2, "no codeword begins with"),
    "code promises too much": (chunk({A: 1, B: 1, C: 1}, "0"), 1, "promise more"),
    "code leaves some out": (chunk({A: 1, B: 2}, "0"), 1, "without a symbol"),
    "no bits": (chunk({A: 1, END: 1}, "")[:256], 1, "the data ends at byte 256"),
    "too few bits": (chunk({A: 1, END: 1}, "0" * 16), 33, "the data ends at byte 260"),
    "length byte missing": (
        xpress_lengths(LONG_LENGTHS) + pack("01") + bytes(2),
        30,
        "the middle of a match",
    ),
    "length word missing": (
        xpress_lengths(LONG_LENGTHS) + pack("01") + b"\0\0\xff\x20",
        30,
        "the middle of a match",
    ),
    "long length that is short": (
        xpress_lengths(LONG_LENGTHS) + pack("01") + b"\0\0\xff\x0e\0",
        30,
        "byte 260: the length of a long match",
    ),
    "match before the start": (chunk({A: 1, match_symbol(1, 0): 1}, "010"), 4, "2 bytes back"),
    "match at the start": (chunk({A: 1, NEAR: 1}, "1"), 4, "1 bytes back, before the start"),
    "match above the plain size": (chunk({A: 1, NEAR: 1}, "01"), 3, "3 bytes where the chunk has room for 2"),
    "plain size above chunk size": (bytes(300), 32769, "32769 is more than the chunk size"),
}


@pytest.mark.parametrize(("data", "size", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_named(data: bytes, size: int, message: str) -> None:
    with pytest.raises(ChunkError, match=message):
        decompress(data, size, CHUNK)


def test_what_follows_the_last_byte_is_ignored() -> None:
    lengths = {A: 1, B: 2, END: 2}
    assert decompress(chunk(lengths, literals(b"ABBA", lengths)) + b"\xff" * 7, 4, CHUNK) == b"ABBA"


def test_a_chunk_that_is_cut_anywhere_is_damaged() -> None:
    """The zeros behind the end look like a match from far before the start, but the end is what is wrong."""
    far = match_symbol(14, 0)
    lengths = {far: 1, A: 2, B: 2}
    data = chunk(lengths, literals(b"AB" * 200, lengths))
    assert decompress(data, 400, CHUNK) == b"AB" * 200
    for end in range(256, len(data) - 2):
        with pytest.raises(ChunkError, match="the data ends at byte"):
            decompress(data[:end], 400, CHUNK)
