"""Changes files in the ways that parsers dislike, from a seeded source: the same seed, the same file.

No change knows what it breaks. What a format is made of comes in from outside: places worth changing, words
worth inserting, other files to take pieces from.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

BYTES: Final = (0x00, 0x01, 0x02, 0x10, 0x20, 0x30, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
_WIDTHS: Final = (1, 2, 4, 4, 4, 8)
_LONGEST_BLOCK: Final = 600


@dataclass(frozen=True, slots=True)
class Material:
    """What changes are made of besides chance: other files of the kind, and words that mean something."""

    others: Sequence[bytes]
    words: Sequence[bytes] = ()


Change = Callable[[bytearray, range, random.Random, Material], None]


def mutate(
    data: bytes, material: Material, dice: random.Random, places: Sequence[range] = (), longest: int = 1 << 20
) -> bytes:
    """A changed copy of `data`, of `longest` bytes at most; the `places` get most of the changes."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        where = range(len(changed))
        if places and dice.random() < 0.7:
            chosen = dice.choice(places)
            where = range(min(chosen.start, len(changed)), min(chosen.stop, len(changed)))
        change = dice.choice(_CHANGES) if where else _insert
        change(changed, where, dice, material)
    return bytes(changed[:longest])


def _flip(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    for _each in range(dice.choice((1, 1, 1, 4))):
        data[dice.choice(where)] ^= 1 << dice.randrange(8)


def _set_byte(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    for _each in range(dice.choice((1, 1, 3))):
        data[dice.choice(where)] = dice.choice(BYTES) if dice.random() < 0.6 else dice.randrange(256)


def _set_number(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    """Sizes, counts and offsets: set to the ends of their range, or near a size that is meant."""
    width = dice.choice(_WIDTHS)
    at = dice.choice(where)
    if dice.random() < 0.8:
        at -= at % min(width, 4)
    if at + width > len(data):
        return
    order: Literal["little", "big"] = "little" if dice.random() < 0.85 else "big"
    old = int.from_bytes(data[at : at + width], order)
    top = 1 << 8 * width
    elsewhere = dice.randrange(max(1, len(data) - width))
    number = dice.choice(
        (
            0,
            1,
            top - 1,
            top // 2,
            top // 2 - 1,
            len(data),
            len(data) - at,
            len(data) - at - width + dice.randint(-9, 9),
            old + dice.choice((-8, -4, -2, -1, 1, 2, 4, 8)),
            -old,
            old * 2,
            old << 8,
            old ^ 1 << dice.randrange(8 * width),
            1 << dice.randrange(8 * width),
            int.from_bytes(data[elsewhere : elsewhere + width], order),
        )
    )
    data[at : at + width] = (number % top).to_bytes(width, order)


def _cut(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    del data[dice.choice(where) :]


def _extend(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    block = _block(where, dice)
    more = dice.choice(
        (bytes(len(block)), b"\xff" * len(block), dice.randbytes(len(block)), data[block.start : block.stop])
    )
    data += more


def _delete(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    block = _block(where, dice)
    del data[block.start : block.stop]


def _duplicate(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    block = _block(where, dice)
    times = dice.choice((1, 1, 2, 10))
    data[block.stop : block.stop] = data[block.start : block.stop] * times


def _swap(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    first = _block(where, dice)
    at = dice.choice(where)
    second = range(at, min(at + len(first), len(data)))
    if first.start < second.stop and second.start < first.stop:
        return
    piece = data[first.start : first.start + len(second)]
    data[first.start : first.start + len(second)] = data[second.start : second.stop]
    data[second.start : second.stop] = piece


def _overwrite(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    """Copy one part over another of the same length, so that nothing moves."""
    block = _block(where, dice)
    at = dice.randrange(len(data))
    piece = data[block.start : block.stop][: len(data) - at]
    data[at : at + len(piece)] = piece


def _fill(data: bytearray, where: range, dice: random.Random, _: Material) -> None:
    block = _block(where, dice)
    data[block.start : block.stop] = bytes((dice.choice(BYTES),)) * len(block)


def _splice(data: bytearray, where: range, dice: random.Random, material: Material) -> None:
    other = dice.choice(material.others)
    at = dice.choice(where)
    start = min(at, len(other)) if dice.random() < 0.5 else dice.randrange(len(other) + 1)
    data[at:] = other[start:]


def _insert(data: bytearray, where: range, dice: random.Random, material: Material) -> None:
    at = dice.choice(where) if where else dice.randrange(len(data) + 1)
    word = dice.choice(material.words) if material.words else dice.randbytes(dice.randint(1, 8))
    end = at if dice.random() < 0.5 else at + len(word)
    data[at:end] = word


def _block(where: range, dice: random.Random) -> range:
    start = dice.choice(where)
    length = dice.choice((1, 2, 4, 8, 16, 50, dice.randint(1, _LONGEST_BLOCK)))
    return range(start, min(start + length, where.stop))


_CHANGES: Final[tuple[Change, ...]] = (
    _flip,
    _flip,
    _set_byte,
    _set_byte,
    _set_number,
    _set_number,
    _set_number,
    _cut,
    _extend,
    _delete,
    _duplicate,
    _swap,
    _overwrite,
    _fill,
    _splice,
    _insert,
    _insert,
)
