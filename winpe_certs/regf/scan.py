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
    # Bins and cells start at multiples of eight bytes, so sizes of cells are among every second dword.
    sizes = words[::2]
    index, total = 0, len(words)
    while index < total:
        size = words[index + 2]
        if words[index] != _BIN or words[index + 1] != index * 4:
            why = "It does not start with b'hbin' and its own offset."
            raise damaged(origin, "hive bin", index * 4, why)
        end = index + size // 4
        if size < layout.BIN_ALIGNMENT or size % layout.BIN_ALIGNMENT or end > total:
            raise damaged(origin, "hive bin", index * 4, f"Its size of {size} bytes is impossible.")
        at, stop = (index + layout.BIN_HEADER_SIZE // 4) // 2, end // 2
        size = 0
        while at < stop:
            size = sizes[at]
            if size & 7:
                raise damaged(origin, "cell", at * 8, f"Its size of {size} bytes is impossible.")
            if size < 0:
                marks[at] = ALLOCATED
                at -= size >> 3
            elif size:
                marks[at] = FREE
                free[at * 8] = size
                at += size >> 3
            else:
                raise damaged(origin, "cell", at * 8, f"Its size of {size} bytes is impossible.")
        if at != stop:
            start = at * 8 - abs(size)
            raise damaged(origin, "cell", start, f"Its {abs(size)} bytes reach over the end of its bin.")
        index = end
    return Scan(marks, free, collect_references(words, marks, base.root, base.minor))
