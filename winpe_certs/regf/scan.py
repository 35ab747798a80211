"""One linear pass over a hive before it is edited: where every cell is, and which are free.

Follows M. Suhanov, "Windows registry file format specification", sections "Hive bin" and "Cell". Bins must
lie back to back and cells must tile them; a hive that breaks this is refused.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from typing import Final

from winpe_certs.regf import layout
from winpe_certs.regf.base import BaseBlock, damaged
from winpe_certs.regf.references import ALLOCATED, FREE, References, collect_references

_BIN: Final = int.from_bytes(layout.BIN_SIGNATURE, "little")


@dataclass(frozen=True, slots=True)
class Scan:
    """What the pass found. `marks` has one byte for every eight bytes of the bins; `free` maps to sizes."""

    marks: bytearray
    free: dict[int, int]
    references: References


def scan(data: bytes, base: BaseBlock, origin: str) -> Scan:
    """Walk all bins and cells; refuse what does not tile."""
    words = array("i")
    words.frombytes(memoryview(data)[layout.BASE_BLOCK_SIZE : layout.BASE_BLOCK_SIZE + base.bins_size])
    if sys.byteorder != "little":
        words.byteswap()
    marks = bytearray(base.bins_size // layout.CELL_ALIGNMENT)
    free: dict[int, int] = {}
    index, total = 0, len(words)
    while index < total:
        size = words[index + 2]
        if words[index] != _BIN or words[index + 1] != index * 4:
            why = "It does not start with b'hbin' and its own offset."
            raise damaged(origin, "hive bin", index * 4, why)
        end = index + size // 4
        if size < layout.BIN_ALIGNMENT or size % layout.BIN_ALIGNMENT or end > total:
            raise damaged(origin, "hive bin", index * 4, f"Its size of {size} bytes is impossible.")
        start = index = index + layout.BIN_HEADER_SIZE // 4
        while index < end:
            size = words[index]
            if size & 7 or size == 0:
                raise damaged(origin, "cell", index * 4, f"Its size of {size} bytes is impossible.")
            start = index
            if size < 0:
                marks[index >> 1] = ALLOCATED
                index -= size >> 2
            else:
                marks[index >> 1] = FREE
                free[index * 4] = size
                index += size >> 2
        if index != end:
            raise damaged(origin, "cell", start * 4, f"Its {abs(size)} bytes reach over the end of its bin.")
    return Scan(marks, free, collect_references(words, marks, base.root, base.minor))
