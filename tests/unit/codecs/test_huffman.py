from __future__ import annotations

import random
from itertools import product

import pytest

from tests.unit.codecs.making import canonical
from winpe_certs.errors import ChunkError
from winpe_certs.wim.codecs.huffman import decoding_table, entry_rows

HOLE = (0, -1)


def table_of(lengths: list[int]) -> tuple[list[tuple[int, int]], int]:
    return decoding_table(lengths, entry_rows(range(len(lengths))), HOLE, "here")


def test_an_index_begins_with_the_codeword_of_its_entry() -> None:
    lengths = [3, 0, 1, 3, 0, 2]
    table, bits = table_of(lengths)
    words = canonical(dict(enumerate(lengths)))
    assert bits == 3
    assert table == [(1, 2)] * 4 + [(2, 5)] * 2 + [(3, 0), (3, 3)]
    for index, (length, symbol) in enumerate(table):
        assert f"{index:03b}"[:length] == words[symbol]


def test_the_longest_codeword_in_use_decides_the_size() -> None:
    for longest in range(1, 17):
        table, bits = table_of([*range(1, longest + 1), longest])
        assert (bits, len(table)) == (longest, 1 << longest)


def test_no_codewords_and_a_single_one_of_one_bit_are_accepted() -> None:
    assert table_of([0, 0, 0]) == ([HOLE], 0)
    assert table_of([0, 1, 0]) == ([(1, 1), HOLE], 1)


def test_exactly_the_complete_codes_are_accepted() -> None:
    """All codes of four symbols with up to four bits, judged by Kraft's sum."""
    for lengths in product(range(5), repeat=4):
        room = sum(16 >> length for length in lengths if length)
        used = [length for length in lengths if length]
        if room == 16 or used in ([], [1]):
            table_of(list(lengths))
        else:
            with pytest.raises(ChunkError, match=r"here: .*(promise more|without a symbol)"):
                table_of(list(lengths))


def test_a_code_that_promises_far_too_much_is_refused_before_a_table_is_built() -> None:
    with pytest.raises(ChunkError, match="promise more"):
        table_of([1] * 500 + [16])


def test_random_complete_codes_read_back() -> None:
    generator = random.Random(4)
    for _ in range(50):
        lengths = [0]
        while len(lengths) < 40:  # split a random codeword
            index = generator.randrange(len(lengths))
            if lengths[index] < 16:
                lengths[index] += 1
                lengths.append(lengths[index])
        generator.shuffle(lengths)
        table, bits = table_of(lengths)
        for symbol, word in canonical(dict(enumerate(lengths))).items():
            for filler in "01":
                assert table[int(word.ljust(bits, filler), 2)] == (len(word), symbol)
