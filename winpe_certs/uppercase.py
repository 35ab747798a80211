"""How Windows compares names of files and registry keys: by upper-cased UTF-16 code units, in no language.

The table is Unicode's simple one-to-one mapping with exceptions (M. Suhanov, "Windows registry file format
specification"; MS-UCODEREF, "Upper-case mapping"). So a dotless i and a long s are other letters than I and
S, and no ligature is two letters, as they are for Python. Which of the case pairs younger than Unicode 5.1
Windows knows depends on the release, and they are taken as unchanged here.
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
    return in_code_units(name).translate(_upper_table())


def in_code_units(name: str) -> str:
    """Give a text with one character for each UTF-16 code unit."""
    return _ASTRAL.sub(_surrogates, name)
