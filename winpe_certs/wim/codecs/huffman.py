"""Lookup tables for canonical Huffman codes, as LZX and XPRESS Huffman chunks carry them.

Both formats store only the length of each symbol's codeword; codewords are dealt out by length, then by
symbol (MS-PATCH and MS-XCA, "Huffman codes"). A table is indexed with the next bits of the stream, as many
as the longest codeword *in use* has: that is rarely more than 12 of the 16 possible bits, and a table of 2
to the 16 entries for each block would cost more time than the symbols that it decodes.

What an index yields is up to the codec: it passes one row of ready-made entries for each codeword length,
so that one lookup gives all that the decoding loop needs, and nothing is computed symbol by symbol.

Refused: codes that promise more codewords than there are, and codes that leave some out. Two kinds of
unfinished code are accepted: no codeword at all (the length code of a block without long matches), and a
single one of one bit, which is all that one symbol needs. The bit patterns that they leave open yield the
entry `hole`, which the codec must take for damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from winpe_certs.errors import ChunkError

Entry = TypeVar("Entry")

LONGEST_CODEWORD = 16


def decoding_table(
    lengths: Sequence[int], rows: Sequence[Sequence[Entry]], hole: Entry, where: str
) -> tuple[list[Entry], int]:
    """Return the table of a code and the number of bits that index it (0 for a code without codewords).

    `rows[n][symbol]` is the entry of a symbol with an n-bit codeword; `where` begins the error message.
    """
    symbols_of_length: list[list[int]] = [[] for _ in range(LONGEST_CODEWORD + 1)]
    for symbol, length in enumerate(lengths):
        if length:
            symbols_of_length[length].append(symbol)
    longest = LONGEST_CODEWORD
    while longest and not symbols_of_length[longest]:
        longest -= 1
    size = 1 << longest
    # Checked before anything is built: a code that promises too much would make a table beyond all bounds.
    filled = sum(len(symbols_of_length[length]) << (longest - length) for length in range(1, longest + 1))
    if filled > size:
        raise ChunkError(f"{where}: the codeword lengths promise more codewords than there are")
    if filled < size and longest > 1:
        raise ChunkError(f"{where}: the codeword lengths leave codewords without a symbol")

    table: list[Entry] = []
    for length in range(1, longest + 1):
        symbols = symbols_of_length[length]
        if symbols:
            row = rows[length]
            repeats = 1 << (longest - length)
            if repeats == 1:
                table += [row[symbol] for symbol in symbols]
            else:
                for symbol in symbols:
                    table += [row[symbol]] * repeats
    if filled < size:
        table += [hole] * (size - filled)
    return table, longest


def entry_rows(values: Sequence[int], longest: int = LONGEST_CODEWORD) -> list[list[tuple[int, int]]]:
    """Rows of the plainest entry: (bits of the codeword, the value that its symbol stands for)."""
    return [[(bits, value) for value in values] for bits in range(longest + 1)]
