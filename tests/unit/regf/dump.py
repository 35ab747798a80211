"""An independent dump of a hive: what python-registry sees, key by key, and the raw cells of every key.

The raw part follows offsets with its own few lines, so that no reader of the package vouches for its writer.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

from Registry import Registry

Dump = dict[tuple[str, ...], dict[str, tuple[int, bytes]]]


def dump(data: bytes, *, with_data: bool = True) -> Dump:
    """All keys with their values, as python-registry reads them."""
    found: Dump = {}
    pending: list[tuple[tuple[str, ...], Any]] = [((), Registry.Registry(BytesIO(data)).root())]
    while pending:
        path, key = pending.pop()
        found[path] = {
            value.name() if value.name() != "(default)" else "": (
                value.value_type(),
                bytes(value.raw_data()) if with_data else b"",
            )
            for value in key.values()
        }
        pending.extend(((*path, child.name()), child) for child in key.subkeys())
    return found


class RawKeys:
    """Every key node by path, read with a few lines of its own: offset, content and owned cells."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.minor = self.u32(24)
        self.keys: dict[tuple[str, ...], tuple[int, bytes, dict[int, bytes]]] = {}
        pending: list[tuple[tuple[str, ...], int]] = [((), self.u32(36))]
        while pending:
            path, offset = pending.pop()
            content = self.cell(offset)
            owned: dict[int, bytes] = {}
            count, values = struct.unpack_from("<II", content, 36)
            if count and not content[2] & 0x40:
                owned[values] = self.cell(values)
                for value in struct.unpack_from(f"<{count}I", owned[values]):
                    owned[value] = node = self.cell(value)
                    size, where = struct.unpack_from("<II", node, 4)
                    if not size & 0x80000000 and size:
                        owned[where] = self.cell(where)
            self.keys[path] = offset, content, owned
            pending.extend(((*path, self.name(child)), child) for child in self.children(content))

    def u32(self, position: int) -> int:
        return int(struct.unpack_from("<I", self.data, position)[0])

    def cell(self, offset: int) -> bytes:
        size = -struct.unpack_from("<i", self.data, 4096 + offset)[0]
        assert size > 0
        return self.data[4096 + offset + 4 : 4096 + offset + size]

    def name(self, offset: int) -> str:
        content = self.cell(offset)
        stored = content[76 : 76 + struct.unpack_from("<H", content, 72)[0]]
        return stored.decode("latin-1" if content[2] & 0x20 else "utf-16-le")

    def children(self, content: bytes) -> list[int]:
        count, _, offset = struct.unpack_from("<III", content, 20)
        if not count:
            return []
        lists, found = [offset], []
        while lists:
            content = self.cell(lists.pop())
            kind, length = struct.unpack_from("<2sH", content)
            width = 8 if kind in (b"lf", b"lh") else 4
            offsets = [struct.unpack_from("<I", content, 4 + width * i)[0] for i in range(length)]
            if kind == b"ri":
                lists.extend(reversed(offsets))
            else:
                found.extend(offsets)
        return found


def assert_others_untouched(before: bytes, after: bytes, changed: set[tuple[str, ...]]) -> None:
    """No cell of a key that is not named has moved or changed."""
    old, new = RawKeys(before), RawKeys(after)
    for path, found in old.keys.items():
        if path not in changed:
            assert new.keys.get(path) == found, path
