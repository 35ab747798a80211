"""A tiny builder of hives for tests, written apart from the package so that it can judge it.

It knows plain ASCII names, one descriptor, one leaf per key (or leaves below an ri) and data in one cell.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

NONE = 0xFFFFFFFF
DESCRIPTOR = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)


@dataclass
class Key:
    keys: Mapping[str, Key] = field(default_factory=dict)
    values: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    flags: int = 0x20
    class_name: bytes = b""


@dataclass
class Built:
    data: bytes
    nodes: dict[tuple[str, ...], int]
    values: dict[tuple[tuple[str, ...], str], int]
    security: int

    def position(self, *path: str) -> int:
        """The file position of a key node's content."""
        return 4096 + self.nodes[path] + 4

    def patched(self, position: int, new: bytes) -> bytes:
        return seal(self.data[:position] + new + self.data[position + len(new) :])

    def u32(self, position: int) -> int:
        return int(struct.unpack_from("<I", self.data, position)[0])


def seal(data: bytes) -> bytes:
    """Put the checksum right."""
    total = 0
    for (word,) in struct.iter_unpack("<I", data[:508]):
        total ^= word
    total = {0: 1, NONE: 0xFFFFFFFE}.get(total, total)
    return data[:508] + struct.pack("<I", total) + data[512:]


def lh(name: str) -> int:
    total = 0
    for character in name.upper():
        total = (37 * total + ord(character)) % 2**32
    return total


class _Builder:
    def __init__(self, minor: int, leaf_length: int, leaf_kind: bytes | None) -> None:
        self.minor = minor
        self.leaf_length = leaf_length
        self.leaf_kind = leaf_kind or (b"lh" if minor >= 5 else b"lf")
        self.bins: list[bytearray] = []
        self.sizes: list[int] = []
        self.nodes: dict[tuple[str, ...], int] = {}
        self.values: dict[tuple[tuple[str, ...], str], int] = {}
        self.fixes: list[tuple[int, int, int]] = []

    def cell(self, content: bytes) -> int:
        size = (len(content) + 4 + 7) // 8 * 8
        if not self.bins or len(self.bins[-1]) + size > self.sizes[-1]:
            self.sizes.append((size + 32 + 4095) // 4096 * 4096)
            self.bins.append(bytearray(32))
        offset = sum(self.sizes[:-1]) + len(self.bins[-1])
        self.bins[-1] += struct.pack("<i", -size) + content.ljust(size - 4, b"\0")
        return offset

    def key(self, path: tuple[str, ...], key: Key, parent: int, security: int) -> int:
        name = (path[-1] if path else "ROOT").encode("latin-1")
        flags = key.flags if path else 0x2C
        offset = self.cell(bytes(76) + name)
        self.nodes[path] = offset
        if security == 0:
            security = self.cell(bytes(20) + DESCRIPTOR)
            self.security = security
        class_cell = self.cell(key.class_name) if key.class_name else NONE
        children = sorted(key.keys, key=str.upper)
        built = [(n, self.key((*path, n), key.keys[n], offset, security)) for n in children]
        subkey_list = self.list(built)
        value_cells = []
        for value_name, (kind, data) in key.values.items():
            stored = value_name.encode("latin-1")
            if len(data) <= 4:
                size, where = len(data) | 0x80000000, int.from_bytes(data, "little")
            else:
                size, where = len(data), self.cell(data)
            node = struct.pack("<2sHIIIHH", b"vk", len(stored), size, where, kind, bool(stored), 0)
            value_cells.append(self.cell(node + stored))
            self.values[path, value_name] = value_cells[-1]
        value_list = self.cell(struct.pack(f"<{len(value_cells)}I", *value_cells)) if value_cells else NONE
        node = struct.pack(
            "<2sHQ15IHH", b"nk", flags, 1, 0, parent, len(built), 0, subkey_list, NONE, len(value_cells),
            value_list, security, class_cell, max((2 * len(n) for n in children), default=0),
            max((len(k.class_name) for k in key.keys.values()), default=0),
            max((2 * len(n) for n in key.values), default=0),
            max((len(d) for _, d in key.values.values()), default=0), 0, len(name), len(key.class_name),
        )  # fmt: skip
        self.overwrite(offset, node)
        return offset

    def overwrite(self, offset: int, content: bytes) -> None:
        for contents, size in zip(self.bins, self.sizes, strict=True):
            if offset < size:
                contents[offset + 4 : offset + 4 + len(content)] = content
                return
            offset -= size

    def list(self, built: list[tuple[str, int]]) -> int:
        leaves = [built[i : i + self.leaf_length] for i in range(0, len(built), self.leaf_length)]
        offsets = []
        for leaf in leaves:
            content = struct.pack("<2sH", self.leaf_kind, len(leaf))
            for name, offset in leaf:
                content += struct.pack("<I", offset)
                if self.leaf_kind == b"lh":
                    content += struct.pack("<I", lh(name))
                elif self.leaf_kind == b"lf":
                    content += name.encode("latin-1")[:4].ljust(4, b"\0")
            offsets.append(self.cell(content))
        if len(offsets) > 1:
            return self.cell(struct.pack(f"<2sH{len(offsets)}I", b"ri", len(offsets), *offsets))
        return offsets[0] if offsets else NONE


def build(
    root: Key,
    *,
    minor: int = 5,
    leaf_length: int = 10_000,
    leaf_kind: bytes | None = None,
    tail: bytes = b"",
    spare_bin: int = 0,
) -> Built:
    """Lay a tree of keys out as a hive; `spare_bin` adds an empty bin of that size."""
    builder = _Builder(minor, leaf_length, leaf_kind)
    builder.key((), root, 0, 0)
    security = struct.pack(
        "<2sHIIII", b"sk", 0, builder.security, builder.security, len(builder.nodes), len(DESCRIPTOR)
    )
    builder.overwrite(builder.security, security)
    if spare_bin:
        builder.sizes.append(spare_bin)
        builder.bins.append(bytearray(32))
    body = b""
    for contents, size in zip(builder.bins, builder.sizes, strict=True):
        contents[:12] = struct.pack("<4sII", b"hbin", len(body), size)
        if len(contents) < size:
            contents.extend(struct.pack("<i", size - len(contents)).ljust(size - len(contents), b"\0"))
        body += contents
    base = bytearray(4096)
    struct.pack_into("<4sIIQIIIIIII", base, 0, b"regf", 7, 7, 1, 1, minor, 0, 1, 32, len(body), 1)
    return Built(seal(bytes(base) + body + tail), builder.nodes, builder.values, builder.security)
