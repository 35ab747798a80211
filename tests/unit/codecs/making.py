"""Tiny chunks written by hand, bit by bit, without any code of the package or of the encoders."""

from __future__ import annotations

from collections.abc import Mapping

VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
LENGTH_SYMBOLS = 249

FLAT_PRECODE = [4] * 12 + [5] * 8
"""A complete precode in which each of the 20 symbols has a codeword."""


def number(value: int, width: int) -> str:
    return f"{value:0{width}b}" if width else ""


def canonical(lengths: Mapping[int, int]) -> dict[int, str]:
    """Codewords by the book: shorter before longer, then by symbol, counting up."""
    words: dict[int, str] = {}
    code = 0
    for length in range(1, 17):
        for symbol in sorted(symbol for symbol, its in lengths.items() if its == length):
            words[symbol] = number(code, length)
            code += 1
        code *= 2
    return words


def pack(bits: str) -> bytes:
    """Little-endian words, each filled from the top."""
    bits += "0" * (-len(bits) % 16)
    return b"".join(int(bits[at : at + 16], 2).to_bytes(2, "little") for at in range(0, len(bits), 16))


def main_symbols(chunk_size: int) -> int:
    """256 literals, and 8 for each slot: the numbers of slots are those of the specification's table."""
    slots = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
    return 256 + 8 * slots[chunk_size.bit_length() - 1]


def length_section(lengths: list[int], previous: list[int] | None = None) -> str:
    """Codeword lengths with a flat precode, one difference per length."""
    words = canonical(dict(enumerate(FLAT_PRECODE)))
    previous = previous or [0] * len(lengths)
    text = "".join(number(length, 4) for length in FLAT_PRECODE)
    return text + "".join(words[(old - new) % 17] for old, new in zip(previous, lengths, strict=True))


def spread(lengths: Mapping[int, int], count: int) -> list[int]:
    return [lengths.get(symbol, 0) for symbol in range(count)]


def block_start(kind: int, size: int, chunk_size: int = 32768) -> str:
    if size == 32768:
        return number(kind, 3) + "1"
    return number(kind, 3) + "0" + number(size, 16 if chunk_size < 65536 else 24)


def code_sections(
    main: Mapping[int, int],
    length: Mapping[int, int] | None = None,
    *,
    chunk_size: int = 32768,
    previous_main: Mapping[int, int] | None = None,
) -> str:
    count = main_symbols(chunk_size)
    new = spread(main, count)
    old = spread(previous_main or {}, count)
    return (
        length_section(new[:256], old[:256])
        + length_section(new[256:], old[256:])
        + length_section(spread(length or {}, LENGTH_SYMBOLS))
    )


def match_symbol(slot: int, length_header: int) -> int:
    return 256 + 8 * slot + length_header


def uncompressed_block(before: str, plain: bytes, recent: tuple[int, int, int], *, pad: bool = True) -> bytes:
    """An uncompressed block behind the bits of `before`."""
    bits = before + block_start(UNCOMPRESSED, len(plain))
    bits += "0" * (16 - len(bits) % 16)  # one to sixteen bits
    data = pack(bits) + b"".join(offset.to_bytes(4, "little") for offset in recent) + plain
    return data + b"\0" * (len(plain) % 2 if pad else 0)


def xpress_lengths(lengths: Mapping[int, int]) -> bytes:
    """The 256 bytes in front of an XPRESS chunk: two symbols to a byte, the lower one in the lower half."""
    flat = spread(lengths, 512)
    return bytes(flat[at] | flat[at + 1] << 4 for at in range(0, 512, 2))
