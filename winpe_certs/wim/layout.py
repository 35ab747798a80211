"""Structures and constants of the WIM format, and nothing else.

Sources: Microsoft, "Windows Imaging File Format (WIM)" white paper (header, resource, directory entry),
and the field notes of wimlib's sources where the white paper is silent. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import Final, NamedTuple

HEADER_SIZE: Final = 208
MAGIC: Final = b"MSWIM\0\0\0"
PIPABLE_MAGIC: Final = b"WLPWM\0\0\0"
VERSION: Final = 0x10D00
SOLID_VERSION: Final = 0xE00

# Offsets inside the header.
HEADER_LENGTH_AT: Final = 8
VERSION_AT: Final = 12
FLAGS_AT: Final = 16
CHUNK_SIZE_AT: Final = 20
PART_NUMBER_AT: Final = 40
TOTAL_PARTS_AT: Final = 42
IMAGE_COUNT_AT: Final = 44
LOOKUP_TABLE_AT: Final = 0x30
XML_AT: Final = 0x48
BOOT_METADATA_AT: Final = 0x60
BOOT_INDEX_AT: Final = 0x78
INTEGRITY_AT: Final = 0x7C

RESOURCE_HEADER: Final = struct.Struct("<QQQ")
RESOURCE_HEADER_SIZE: Final = 24
LOOKUP_ENTRY: Final = struct.Struct("<QQQHI20s")
LOOKUP_ENTRY_SIZE: Final = 50
STORED_SIZE_MASK: Final = 0x00FF_FFFF_FFFF_FFFF
"""Of the first eight bytes of a resource header; the eighth has the flags."""
SHA1_SIZE: Final = 20
NO_HASH: Final = bytes(SHA1_SIZE)

# Directory entry: fixed part, then name, NUL, short name, NUL, tagged items.
ENTRY_FIXED_SIZE: Final = 102
ENTRY: Final = struct.Struct("<QIiQQQQQQ20sIQHHH")
# The same, without security, times and link group.
BRIEF_ENTRY: Final = struct.Struct("<QI4xQ40x20s12xHHH")
ENTRY_WRITE_TIME_AT: Final = 56
ENTRY_HASH_AT: Final = 64
STREAM_FIXED_SIZE: Final = 38
STREAM: Final = struct.Struct("<QQ20sH")
STREAM_HASH_AT: Final = 16
END_OF_DIRECTORY_SIZE: Final = 8

INTEGRITY_HEADER: Final = struct.Struct("<III")

ATTRIBUTE_DIRECTORY: Final = 0x10
ATTRIBUTE_REPARSE_POINT: Final = 0x400
ATTRIBUTE_ENCRYPTED: Final = 0x4000


class HeaderFlag(IntFlag):
    """Flags of the header at offset 16 that this program looks at."""

    COMPRESSED = 0x2
    READONLY = 0x4
    SPANNED = 0x8
    RESOURCE_ONLY = 0x10
    METADATA_ONLY = 0x20
    WRITE_IN_PROGRESS = 0x40
    XPRESS = 0x20000
    LZX = 0x40000
    LZMS = 0x80000
    XPRESS_2 = 0x200000


class ResourceFlag(IntFlag):
    """Flags of a resource header (its eighth byte)."""

    FREE = 1
    METADATA = 2
    COMPRESSED = 4
    SPANNED = 8
    SOLID = 0x10


class ResourceHeader(NamedTuple):
    """Where a resource lies in the file and how: 7-byte stored size, flags, offset, plain size (bytes)."""

    stored_size: int
    flags: int
    offset: int
    plain_size: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> ResourceHeader:
        """Read the 24 bytes at `at`; the caller has checked that they are there."""
        return cls.of(*RESOURCE_HEADER.unpack_from(data, at))

    @classmethod
    def of(cls, size_and_flags: int, offset: int, plain_size: int) -> ResourceHeader:
        """The same from its three numbers."""
        return cls(size_and_flags & STORED_SIZE_MASK, size_and_flags >> 56, offset, plain_size)

    def pack(self) -> bytes:
        """The 24 bytes."""
        return RESOURCE_HEADER.pack(self.stored_size | self.flags << 56, self.offset, self.plain_size)

    @property
    def end(self) -> int:
        """Offset of the first byte behind the resource."""
        return self.offset + self.stored_size

    @property
    def is_compressed(self) -> bool:
        """Whether the stored bytes are a chunk table and chunks."""
        return bool(self.flags & ResourceFlag.COMPRESSED)


def align8(size: int) -> int:
    """The next multiple of eight."""
    return (size + 7) & ~7
