"""Compress one XPRESS Huffman chunk of a WIM file, for test data: deterministic and pure Python.

The opposite of `winpe_certs.wim.codecs.xpress` (MS-XCA 2.1 "LZ77+Huffman compression"), with which it
shares nothing but constants. The end mark, symbol 256, is written: Microsoft's reader wants it, wimlib's
does not look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from scripts.testdata.lz77 import MatchRules, Token, as_words, codeword_lengths, codewords, tokens_of
from winpe_certs.wim.codecs import xpress as layout

_END_MARK = 256


def compress(plain: bytes, chunk_size: int) -> bytes | None:
    """Return the compressed chunk, or None when it would not be smaller than `plain`."""
    rules = MatchRules(
        shortest_new=layout.SHORTEST_MATCH, longest=chunk_size, recent_offsets=0, farthest=chunk_size - 1
    )
    tokens = tokens_of(plain, rules)
    counts = Counter(_symbol(token) for token in tokens)
    counts[_END_MARK] += 1
    lengths = codeword_lengths(counts, layout.SYMBOLS, layout.LONGEST_CODEWORD)
    words = codewords(lengths)
    stream = _Stream(low | high << 4 for low, high in zip(lengths[0::2], lengths[1::2], strict=True))
    for token in tokens:
        length, offset = token
        stream.put_bits(words[_symbol(token)])
        if not length:
            continue
        rest = length - layout.LONGEST_SHORT_MATCH
        if rest >= 255:
            stream.put_bytes(b"\xff" + (length - layout.SHORTEST_MATCH).to_bytes(2, "little"))
        elif rest >= 0:
            stream.put_bytes(bytes((rest,)))
        stream.put_bits(f"{offset:b}"[1:])
    stream.put_bits(words[_END_MARK])
    packed = stream.finish()
    return packed if len(packed) < len(plain) else None


def _symbol(token: Token) -> int:
    """Return the symbol of a literal, or that of a match: bits of the offset, and up to 15 of the length."""
    length, offset = token
    if not length:
        return offset
    header = min(length, layout.LONGEST_SHORT_MATCH) - layout.SHORTEST_MATCH
    return layout.LITERALS + (offset.bit_length() - 1) * 16 + header


class _Stream:
    """Words of bits with whole bytes in between, laid out for a reader that reads ahead.

    The reader starts with two words, and takes the next one as soon as it has less than 16 bits in hand. A
    word has its place where the reader will be at that moment; bytes are put where it is now.
    """

    def __init__(self, head: Iterable[int]) -> None:
        self.packed = bytearray(head)
        self.bits: list[str] = []
        self.used = 0
        self.places: list[int] = []
        self._make_places(2)

    def _make_places(self, count: int) -> None:
        while len(self.places) < count:
            self.places.append(len(self.packed))
            self.packed += bytes(2)

    def put_bits(self, bits: str) -> None:
        self.bits.append(bits)
        self.used += len(bits)
        self._make_places((self.used + 15) // 16 + 1)

    def put_bytes(self, data: bytes) -> None:
        self.packed += data

    def finish(self) -> bytes:
        """Fill the words in and return all; the last word that the reader takes up has nothing to say."""
        words = as_words("".join(self.bits))
        for index, place in enumerate(self.places[: len(words) // 2]):
            self.packed[place : place + 2] = words[2 * index : 2 * index + 2]
        return bytes(self.packed)
