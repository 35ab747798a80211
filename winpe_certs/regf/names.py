"""Key and value names as Windows compares, stores and hashes them.

Follows M. Suhanov, "Windows registry file format specification", sections on key nodes, key values and
subkey lists. Names compare by upper-cased UTF-16 code units, without regard to language. The upper-case table
of Windows is Unicode's simple one-to-one mapping with exceptions; which of the case pairs younger than
Unicode 5.1 it knows depends on the release, and they are taken as unchanged here.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import Final

_YOUNG_PAIRS: Final = (
    *(0x023F, 0x0240, 0x0252, 0x025C, 0x0261, 0x0264, 0x0265, 0x0266, 0x026A, 0x026C, 0x0282, 0x0287),
    *(0x029D, 0x029E, 0x03F3, 0x0525, 0x0527, *range(0x0529, 0x0530), *range(0x10D0, 0x1100)),
    *(*range(0x13F8, 0x13FE), *range(0x1C80, 0x1C90), 0x1D8E, 0x2CEC, 0x2CEE, 0x2CF3, 0x2D27, 0x2D2D),
    *(0xA661, *range(0xA698, 0xA69C), *range(0xA790, 0xA800), 0xAB53, *range(0xAB70, 0xABC0)),
)
_UNCHANGED: Final = frozenset((0x00B5, 0x0131, 0x017F, 0x0345, 0x03C2, *_YOUNG_PAIRS))
_WITH_IOTA: Final = {
    **{unit: unit + 8 for start in (0x1F80, 0x1F90, 0x1FA0) for unit in range(start, start + 8)},
    **{unit: unit + 9 for unit in (0x1FB3, 0x1FC3, 0x1FF3)},
}
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
_HASH_MASK: Final = 0xFFFFFFFF


def _upper_unit(unit: int) -> int:
    if unit in _WITH_IOTA:
        return _WITH_IOTA[unit]
    if unit in _UNCHANGED or 0xD800 <= unit < 0xE000:
        return unit
    mapped = chr(unit).upper()
    return ord(mapped) if len(mapped) == 1 and ord(mapped) < 0x10000 else unit


@cache
def _upper_table() -> dict[int, int]:
    """All pairs, made when the first name needs them: nearly all names are ASCII."""
    table = {unit: mapped for unit in range(0x80, 0x10000) if (mapped := _upper_unit(unit)) != unit}
    table.update({unit: unit - 0x20 for unit in range(ord("a"), ord("z") + 1)})
    return table


def _surrogates(match: re.Match[str]) -> str:
    high, low = struct.unpack("<HH", match[0].encode("utf-16-le"))
    return chr(high) + chr(low)


def upper(name: str) -> str:
    """Give the form in which Windows compares a name: one character per upper-cased UTF-16 code unit."""
    if name.isascii():
        return name.upper()
    return _ASTRAL.sub(_surrogates, name).translate(_upper_table())


def unit_count(name: str) -> int:
    """Tell how many UTF-16 code units a name has."""
    return len(name) if name.isascii() else len(name.encode("utf-16-le", "surrogatepass")) // 2


def encode_name(name: str) -> tuple[bytes, bool]:
    """Give a name's stored bytes, and whether they are one byte per character."""
    try:
        return name.encode("latin-1"), True
    except UnicodeEncodeError:
        return name.encode("utf-16-le", "surrogatepass"), False


def decode_name(stored: bytes, *, one_byte: bool) -> str:
    """Read a stored name; an odd last byte of a two-byte name is left out."""
    if one_byte:
        return stored.decode("latin-1")
    return stored[: len(stored) & ~1].decode("utf-16-le", "surrogatepass")


def hash_of(uppercased: str) -> int:
    """Give the hash that an lh list stores for a name, which must have gone through `upper`."""
    total = 0
    for character in uppercased:
        total = total * 37 + ord(character)
    return total & _HASH_MASK


def hint_of(name: str) -> bytes:
    """Give the four bytes that an lf list stores for a name: its first characters, or a zero first byte."""
    try:
        return _ASTRAL.sub(_surrogates, name)[:4].encode("latin-1").ljust(4, b"\0")
    except UnicodeEncodeError:
        return bytes(4)
