"""Which names of commands or options a mistyped word is near to; none when it is near to none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_WORD: Final = 40
_SHORTEST_BEGINNING: Final = 3
_SHORTEST_NAME: Final = 4
_LETTERS_PER_SLIP: Final = 5
_MOST: Final = 3


def near_ones(word: str, names: Iterable[str]) -> tuple[str, ...]:
    """Up to three of the names, the nearest first: with a slip of the fingers, cut short, or with more after.

    A slip is a letter too many, too few, wrong, or two of them swapped; one is near in a short name, two in
    a name of ten letters. Case and leading dashes do not matter.
    """
    typed = _plain(word)
    if not typed or len(typed) > LONGEST_WORD:
        return ()
    found: list[tuple[int, str]] = []
    for name in names:
        known = _plain(name)
        shorter, longer = sorted((len(typed), len(known)))
        slips = _slips(typed, known)
        if shorter >= _SHORTEST_BEGINNING and slips <= max(1, longer // _LETTERS_PER_SLIP):
            found.append((slips, name))
        elif len(typed) >= _SHORTEST_BEGINNING and known.startswith(typed):
            found.append((len(known), name))
        elif len(known) >= _SHORTEST_NAME and typed.startswith(known):
            found.append((len(typed), name))
    return tuple(name for _, name in sorted(found, key=lambda each: each[0])[:_MOST])


def _plain(word: str) -> str:
    return word.lstrip("-").replace("_", "-").casefold()


def _slips(one: str, other: str) -> int:
    """The optimal string alignment distance: edits of one letter and swaps of neighbours."""
    earlier: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        line = [row]
        for column, counterpart in enumerate(other, start=1):
            best = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != counterpart))
            if row > 1 and column > 1 and (letter, counterpart) == (other[column - 2], one[row - 2]):
                best = min(best, earlier[column - 2] + 1)
            line.append(best)
        earlier, above = above, line
    return above[-1]
