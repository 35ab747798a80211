"""Writes registry hives from scratch, laid out as the Windows kernel does it.

Follows M. Suhanov's public specification of the regf format. A description goes in, the bytes of a clean
hive come out; nothing is ever read or edited here. Free cells can be scattered between the used ones, so that
an editor finds something to reuse.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.testdata.clock import INSTALLED

REG_SZ = 1
REG_EXPAND_SZ = 2
REG_BINARY = 3
REG_DWORD = 4
REG_MULTI_SZ = 7
REG_QWORD = 11

NONE = 0xFFFFFFFF
_BASE_BLOCK = 4096
_BIN_HEADER = 32
_SEGMENT = 16344
_LF_LIMIT = 507
_LH_LIMIT = 1012
_LEAF_UNDER_RI = 506
_ROOT_FLAGS = 0x0C
_ONE_BYTE_NAME = 0x20
# Upper case in the Windows table differs from Unicode's here: these stay as they are.
_UNCHANGED = "\u00b5\u0131\u017f\u0345\u03c2"


@dataclass(frozen=True, slots=True)
class Value:
    """A value; an empty name is the key's default value."""

    name: str
    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A key with all that is below it; `security` None takes the parent's descriptor."""

    name: str
    values: Sequence[Value] = ()
    subkeys: Sequence[Key] = ()
    security: int | None = None
    class_name: str = ""
    written: int = INSTALLED


@dataclass(frozen=True, slots=True)
class Hive:
    """A whole hive; `scatter` is the seed for free cells between the used ones, None leaves none."""

    root: Key
    descriptors: Sequence[bytes]
    file_name: str = "emRoot\\System32\\Config\\SOFTWARE"
    scatter: int | None = None
    leaf_limit: int | None = None
    sequence: int = 27
    trailing: bytes = b""


def text(content: str) -> bytes:
    """Encode a string as the registry stores it: UTF-16 with a closing NUL."""
    return (content + "\0").encode("utf-16-le")


def sort_key(name: str) -> bytes:
    """Give the order of key names: upper case, one UTF-16 unit to one unit, compared as numbers."""
    return "".join(_upper(letter) for letter in name).encode("utf-16-be")


def _upper(letter: str) -> str:
    raised = letter.upper()
    return letter if len(raised) != 1 or letter in _UNCHANGED or ord(letter) > 0xFFFF else raised


def name_hash(name: str) -> int:
    """Compute the hash that an ``lh`` list keeps of a name."""
    total = 0
    for (unit,) in struct.iter_unpack(">H", sort_key(name)):
        total = (total * 37 + unit) & 0xFFFFFFFF
    return total


def stored_name(name: str) -> tuple[bytes, bool]:
    """Encode a name: one byte a character where that is possible (True), otherwise UTF-16."""
    try:
        return name.encode("latin-1"), True
    except UnicodeEncodeError:
        return name.encode("utf-16-le"), False


def utf16_length(name: str) -> int:
    """Count the bytes of a name in UTF-16."""
    return len(name.encode("utf-16-le"))


class Cells:
    """The bins of a hive under construction: hands out cells in ascending order, never across a bin's end."""

    def __init__(self, scatter: int | None) -> None:
        self.bins = bytearray()
        self._position = 0
        self._dice = random.Random(scatter) if scatter is not None else None

    def _open_bin(self, needed: int) -> None:
        self.close()
        size = (needed + _BIN_HEADER + 4095) & ~4095
        if self._dice is not None and self._dice.random() < 0.08:
            size += 4096
        start = len(self.bins)
        stamp = INSTALLED if start == 0 else 0
        self.bins += struct.pack("<4sII8xQI", b"hbin", start, size, stamp, 0)
        self.bins += bytes(size - _BIN_HEADER)
        self._position = start + _BIN_HEADER

    def close(self) -> None:
        """Turn what is left of the last bin into one free cell."""
        if rest := len(self.bins) - self._position:
            struct.pack_into("<i", self.bins, self._position, rest)
            self._position += rest

    def allocate(self, length: int) -> int:
        """Reserve a cell for `length` bytes and give its offset."""
        size = (length + 4 + 7) & ~7
        room = len(self.bins) - self._position
        if room < size:
            self._open_bin(size)
        elif self._dice is not None and self._dice.random() < 0.03:
            self._leave_gap(room - size)
        offset = self._position
        struct.pack_into("<i", self.bins, offset, -size)
        self._position += size
        return offset

    def _leave_gap(self, room: int) -> None:
        assert self._dice is not None
        gap = 8 * self._dice.choice([1, 2, 5, 11, 12, 16, 40, 130])
        if gap > room:
            return
        leftover = bytes(self._dice.randrange(256) for _ in range(gap - 4))
        struct.pack_into("<i", self.bins, self._position, gap)
        self.bins[self._position + 4 : self._position + gap] = leftover
        self._position += gap

    def write(self, offset: int, content: bytes) -> None:
        """Fill a cell that was reserved."""
        (size,) = struct.unpack_from("<i", self.bins, offset)
        assert size < 0
        assert len(content) <= -size - 4
        self.bins[offset + 4 : offset + 4 + len(content)] = content

    def store(self, content: bytes) -> int:
        """Reserve a cell and fill it."""
        offset = self.allocate(len(content))
        self.write(offset, content)
        return offset


class _Builder:
    def __init__(self, hive: Hive, minor: int) -> None:
        self.hive = hive
        self.minor = minor
        self.cells = Cells(hive.scatter)
        self.users = [0] * len(hive.descriptors)
        self.security: list[int] = []

    def build(self) -> bytes:
        root = self.cells.allocate(76 + len(stored_name(self.hive.root.name)[0]))
        self.security = [self.cells.allocate(20 + len(each)) for each in self.hive.descriptors]
        self.key(self.hive.root, root, 0, 0)
        self._write_security()
        self.cells.close()
        return self._base_block(root) + bytes(self.cells.bins) + self.hive.trailing

    def key(self, key: Key, offset: int, parent: int, inherited: int) -> None:
        security = inherited if key.security is None else key.security
        self.users[security] += 1
        values = [self.value(value) for value in key.values]
        value_list = self.cells.store(struct.pack(f"<{len(values)}I", *values)) if values else NONE
        class_cell = self.cells.store(key.class_name.encode("utf-16-le")) if key.class_name else NONE
        children: list[tuple[str, int]] = []
        for subkey in key.subkeys:
            place = self.cells.allocate(76 + len(stored_name(subkey.name)[0]))
            children.append((subkey.name, place))
            self.key(subkey, place, offset, security)
        children.sort(key=lambda child: sort_key(child[0]))
        assert all(sort_key(a[0]) < sort_key(b[0]) for a, b in pairwise(children))
        name, one_byte = stored_name(key.name)
        flags = (_ROOT_FLAGS if offset == _BIN_HEADER else 0) | (_ONE_BYTE_NAME if one_byte else 0)
        head = struct.pack("<2sHQII", b"nk", flags, key.written, 0, parent)
        lists = struct.pack(
            "<IIIIIIII",
            len(children),
            0,
            self.subkey_list(children) if children else NONE,
            NONE,
            len(values),
            value_list,
            self.security[security],
            class_cell,
        )
        longest = struct.pack(
            "<IIIII",
            max((utf16_length(subkey.name) for subkey in key.subkeys), default=0),
            max((utf16_length(subkey.class_name) for subkey in key.subkeys), default=0),
            max((utf16_length(value.name) for value in key.values), default=0),
            max((len(value.data) for value in key.values), default=0),
            0,
        )
        sizes = struct.pack("<HH", len(name), utf16_length(key.class_name))
        self.cells.write(offset, head + lists + longest + sizes + name)

    def value(self, value: Value) -> int:
        name, one_byte = stored_name(value.name)
        cell = self.cells.allocate(20 + len(name))
        size = len(value.data)
        if size <= 4:
            size |= 0x80000000
            (data,) = struct.unpack("<I", value.data.ljust(4, b"\0"))
        elif size > _SEGMENT and self.minor >= 4:
            data = self.big_data(value.data)
        else:
            data = self.cells.store(value.data)
        flags = 1 if one_byte and name else 0
        self.cells.write(
            cell, struct.pack("<2sHIIIHH", b"vk", len(name), size, data, value.kind, flags, 0) + name
        )
        return cell

    def big_data(self, content: bytes) -> int:
        record = self.cells.allocate(8)
        segments = [
            self.cells.store(content[start : start + _SEGMENT]) for start in range(0, len(content), _SEGMENT)
        ]
        listed = self.cells.store(struct.pack(f"<{len(segments)}I", *segments))
        self.cells.write(record, struct.pack("<2sHI", b"db", len(segments), listed))
        return record

    def subkey_list(self, children: Sequence[tuple[str, int]]) -> int:
        """Choose the kind of list by number and version, as the kernel does."""
        longest = self.hive.leaf_limit or _LH_LIMIT
        if len(children) <= longest:
            return self.leaf(children)
        part = self.hive.leaf_limit or _LEAF_UNDER_RI
        starts = list(range(0, len(children), part))
        if len(children) - starts[-1] < part // 4:
            starts.pop()  # an appended leaf grows before it is split
        leaves = [
            self.leaf(children[start:end])
            for start, end in zip(starts, [*starts[1:], len(children)], strict=True)
        ]
        return self.cells.store(struct.pack(f"<2sH{len(leaves)}I", b"ri", len(leaves), *leaves))

    def leaf(self, children: Sequence[tuple[str, int]]) -> int:
        if self.minor >= 5:
            body = b"".join(struct.pack("<II", offset, name_hash(name)) for name, offset in children)
            kind = b"lh"
        elif len(children) <= _LF_LIMIT:
            body = b"".join(struct.pack("<I4s", offset, _hint(name)) for name, offset in children)
            kind = b"lf"
        else:
            body = b"".join(struct.pack("<I", offset) for _, offset in children)
            kind = b"li"
        return self.cells.store(struct.pack("<2sH", kind, len(children)) + body)

    def _write_security(self) -> None:
        """Link the descriptors to a ring, each with the number of keys that use it."""
        places = self.security
        for index, (place, content) in enumerate(zip(places, self.hive.descriptors, strict=True)):
            assert self.users[index], "a descriptor that no key uses would be a leak"
            following = places[(index + 1) % len(places)]
            head = struct.pack(
                "<2sHIIII", b"sk", 0, following, places[index - 1], self.users[index], len(content)
            )
            self.cells.write(place, head + content)

    def _base_block(self, root: int) -> bytes:
        sequence = self.hive.sequence
        head = struct.pack(
            "<4sIIQIIIIIII",
            b"regf",
            sequence,
            sequence,
            INSTALLED,
            1,
            self.minor,
            0,
            1,
            root,
            len(self.cells.bins),
            1,
        )
        block = bytearray(head.ljust(_BASE_BLOCK, b"\0"))
        name = text(self.hive.file_name)[-64:]
        block[48 : 48 + len(name)] = name
        return sealed(bytes(block))


def _hint(name: str) -> bytes:
    start, one_byte = stored_name(name[:4])
    return start if one_byte else b"\0"


def sealed(hive: bytes) -> bytes:
    """Put the right checksum into a hive's first block."""
    checksum = 0
    for (number,) in struct.iter_unpack("<I", hive[:508]):
        checksum ^= number
    checksum = {0xFFFFFFFF: 0xFFFFFFFE, 0: 1}.get(checksum, checksum)
    return hive[:508] + struct.pack("<I", checksum) + hive[512:]


def build_hive(description: Hive, minor: int = 5) -> bytes:
    """Lay out a hive of version 1.`minor`: lists ``lh`` from 1.5 on, split values (``db``) from 1.4 on."""
    return _Builder(description, minor).build()
