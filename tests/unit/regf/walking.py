"""A walk through a hive's subkey lists from their beginnings, as readers do that do not search them.

Written only for the tests (after M. Suhanov's specification): it finds the places to damage, and finds keys
that Windows' search would miss.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_WIDTHS = {b"lf": 8, b"lh": 8, b"li": 4}


@dataclass(frozen=True)
class Entry:
    """One entry of a leaf: its file position and width, and the file position and name of its key node."""

    at: int
    width: int
    kind: bytes
    node: int
    name: str


def _u32(hive: bytes, at: int) -> int:
    (value,) = struct.unpack_from("<I", hive, at)
    assert isinstance(value, int)
    return value


def entries(hive: bytes, node: int) -> Iterator[Entry]:
    """The entries of a key's subkey list, in stored order; `node` is the file position of its content."""
    if not _u32(hive, node + 20):
        return
    leaves = [4096 + _u32(hive, node + 28) + 4]
    kind, count = struct.unpack_from("<2sH", hive, leaves[0])
    if kind == b"ri":
        leaves = [4096 + _u32(hive, leaves[0] + 4 + 4 * index) + 4 for index in range(count)]
    for leaf in leaves:
        kind, count = struct.unpack_from("<2sH", hive, leaf)
        width = _WIDTHS[kind]
        for index in range(count):
            at = leaf + 4 + index * width
            child = 4096 + _u32(hive, at) + 4
            flags, length = (
                struct.unpack_from("<H", hive, child + 2)[0],
                struct.unpack_from("<H", hive, child + 72)[0],
            )
            stored = hive[child + 76 : child + 76 + length]
            name = stored.decode("latin-1" if flags & 0x20 else "utf-16-le")
            yield Entry(at, width, kind, child, name)


def way_to(hive: bytes, *path: str) -> list[Entry]:
    """The entries on the way from the root to a key."""
    node = 4096 + _u32(hive, 36) + 4
    found = []
    for name in path:
        entry = next(each for each in entries(hive, node) if each.name.lower() == name.lower())
        found.append(entry)
        node = entry.node
    return found
