"""What the LZX and XPRESS encoders for test data share: parsing, codeword lengths, packing.

The parse is lazy: at each position the most profitable match is looked for along a chain of earlier places
with the same three bytes, and given up for a literal when the next position has a better one. "Profit" is
an estimate in bits, so that a short match far away loses against its literals, and a recent offset wins
over an equal match elsewhere. The weights are what came out best on registry hives.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Token = tuple[int, int]
"""Length and offset of a match, or 0 and a literal."""

_CHAIN_STEPS = 24
_GOOD_ENOUGH = 48
"""A match of this length is taken without a look at the next position."""
_LITERAL_BITS = 5
_MATCH_BITS = 8
_RECENT_BITS = 5


@dataclass(frozen=True)
class MatchRules:
    """What a format can express."""

    shortest_new: int
    longest: int
    recent_offsets: int
    farthest: int


def tokens_of(plain: bytes, rules: MatchRules) -> list[Token]:
    """Split a chunk into literals and matches."""
    finder = _Finder(plain, rules)
    tokens: list[Token] = []
    size = len(plain)
    position = 0
    profit, length, offset = finder.best(0)
    while position < size:
        if length and length < _GOOD_ENOUGH and position + 1 < size:
            finder.insert(position, position + 1)
            following = finder.best(position + 1)
            if following[0] > profit + 1:
                length = 0
        else:
            finder.insert(position, position + 1)
            following = None
        if length == 0:
            tokens.append((0, plain[position]))
            position += 1
            profit, length, offset = following or finder.best(position)
            continue
        tokens.append((length, offset))
        finder.use(offset)
        finder.insert(position + 1, position + length)
        position += length
        profit, length, offset = finder.best(position)
    return tokens


class _Finder:
    """Matches for one position after the other."""

    def __init__(self, plain: bytes, rules: MatchRules) -> None:
        self.plain = plain
        self.rules = rules
        self.recent = [1] * rules.recent_offsets
        self.latest: dict[bytes, int] = {}
        self.earlier = [-1] * len(plain)

    def insert(self, first: int, last: int) -> None:
        """Make the positions from `first` to before `last` known as places to copy from."""
        plain, latest, earlier = self.plain, self.latest, self.earlier
        for position in range(first, last):
            key = plain[position : position + 3]
            earlier[position] = latest.get(key, -1)
            latest[key] = position

    def use(self, offset: int) -> None:
        """Move an offset to the front of the recent ones: a known one changes places with the first."""
        recent = self.recent
        if offset in recent:
            index = recent.index(offset)
            recent[index], recent[0] = recent[0], offset
        elif recent:
            recent.insert(0, offset)
            recent.pop()

    def best(self, position: int) -> tuple[int, int, int]:
        """Return profit, length and offset of the best match, or zeros."""
        plain = self.plain
        room = min(self.rules.longest, len(plain) - position)
        if room < 2:
            return 0, 0, 0
        best_profit = best_length = best_offset = 0
        for offset in self.recent:
            start = plain[position : position + 2]
            if offset <= position and plain.startswith(start, position - offset):
                length = self._common(position - offset, position, room)
                profit = length * _LITERAL_BITS - _RECENT_BITS
                if profit > best_profit:
                    best_profit, best_length, best_offset = profit, length, offset
        place = self.latest.get(plain[position : position + 3], -1) if room >= 3 else -1
        steps = _CHAIN_STEPS
        farthest = position - self.rules.farthest
        while place >= farthest and place >= 0 and steps and best_length < room:
            if plain[place + best_length] == plain[position + best_length]:
                length = self._common(place, position, room)
                offset = position - place
                profit = length * _LITERAL_BITS - _MATCH_BITS - offset.bit_length()
                if profit > best_profit and length >= self.rules.shortest_new:
                    best_profit, best_length, best_offset = profit, length, offset
            place = self.earlier[place]
            steps -= 1
        return best_profit, best_length, best_offset

    def _common(self, place: int, position: int, room: int) -> int:
        """Count the equal bytes at two places, up to `room`."""
        plain = self.plain
        length = 0
        piece = 32
        while length < room:
            piece = min(piece, room - length)
            one = plain[place + length : place + length + piece]
            two = plain[position + length : position + length + piece]
            if one != two:
                difference = int.from_bytes(one, "little") ^ int.from_bytes(two, "little")
                return length + ((difference & -difference).bit_length() - 1 >> 3)
            length += piece
            piece *= 2
        return length


def codeword_lengths(counts: Mapping[int, int], symbols: int, longest: int) -> list[int]:
    """Return the codeword lengths of a Huffman code for these symbol counts, none above `longest`."""
    lengths = [0] * symbols
    used = sorted(counts)
    if not used:
        return lengths
    if len(used) == 1:  # A complete code needs a second codeword: decoders refuse half a code.
        used.append(1 if used[0] == 0 else 0)
    weights = {symbol: counts.get(symbol, 1) for symbol in used}
    while True:
        heap: list[tuple[int, int, tuple[int, ...]]] = [
            (weights[symbol], symbol, (symbol,)) for symbol in used
        ]
        heapq.heapify(heap)
        depths = dict.fromkeys(used, 0)
        while len(heap) > 1:
            one_weight, rank, one = heapq.heappop(heap)
            two_weight, _, two = heapq.heappop(heap)
            for symbol in one + two:
                depths[symbol] += 1
            heapq.heappush(heap, (one_weight + two_weight, rank, one + two))
        if max(depths.values()) <= longest:
            break
        # Flatter counts make a flatter tree; at the latest equal ones give a code that fits.
        weights = {symbol: (weight + 1) // 2 for symbol, weight in weights.items()}
    for symbol, depth in depths.items():
        lengths[symbol] = depth
    return lengths


def codewords(lengths: Sequence[int]) -> list[str]:
    """Return the canonical codewords of these lengths as texts of 0 and 1."""
    words = [""] * len(lengths)
    code = 0
    previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - previous
        words[symbol] = f"{code:0{length}b}"
        code += 1
        previous = length
    return words


def as_words(bits: str) -> bytes:
    """Pack a text of 0 and 1 into little-endian 16-bit words, each filled from its highest bit down."""
    bits += "0" * (-len(bits) % 16)
    packed = bytearray(int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:])
    packed[0::2], packed[1::2] = packed[1::2], packed[0::2]
    return bytes(packed)
