"""The lookup table: which resource holds the contents with a given SHA-1, and how many names use it.

Entries of 50 bytes: resource header, part number, reference count, SHA-1. Image n is the n-th entry that is
flagged as metadata and has a reference count and a hash (wimlib's reading of files that WIMGAPI wrote), so
entries are changed in place and never reordered.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from winpe_certs.errors import WimError
from winpe_certs.wim.layout import (
    LOOKUP_ENTRY,
    LOOKUP_ENTRY_SIZE,
    NO_HASH,
    RESOURCE_HEADER_SIZE,
    STORED_SIZE_MASK,
    ResourceFlag,
    ResourceHeader,
)

_FLAGS_AT: Final = 7
_COUNT_AT: Final = 26
_HASH_AT: Final = 30
_COUNT_MAXIMUM: Final = 0xFFFF_FFFF
# Stored size and flags, offset: for those who want these of every entry.
_PLACES: Final = struct.Struct(f"<QQ{LOOKUP_ENTRY_SIZE - 16}x")
# Flags and hash, for the index of a whole table.
_NAMES: Final = struct.Struct(f"<7xB{_HASH_AT - 8}x20s")
_MOST_SEARCHES: Final = 8
"""Look-ups that search the bytes; who asks more often gets an index, and so does who made them slow."""
_ROW_BITS: Final = 32
# A plain number: arithmetic with flags of an enumeration takes ten times as long.
_METADATA: Final = ResourceFlag.METADATA.value


class LookupEntry(NamedTuple):
    """One entry: its place in the table (counted from 0) and its fields."""

    number: int
    resource: ResourceHeader
    part_number: int
    reference_count: int
    hash: bytes

    @property
    def is_metadata(self) -> bool:
        """Whether the resource is the directory tree of an image."""
        return bool(self.resource.flags & _METADATA)


class LookupTable:
    """A lookup table's bytes, with look-ups that touch no more of them than they must."""

    def __init__(self, raw: bytes, origin: str) -> None:
        """Raises `WimError` when `raw` is not a whole number of entries."""
        if len(raw) % LOOKUP_ENTRY_SIZE:
            raise WimError(
                f"{origin}: the lookup table has {len(raw)} bytes, not a multiple of {LOOKUP_ENTRY_SIZE}",
                resolution="Copy the image again from its source.",
            )
        self.raw = raw
        self._searches = 0
        self._index: array[int] | None = None

    def __len__(self) -> int:
        return len(self.raw) // LOOKUP_ENTRY_SIZE

    def entry(self, number: int) -> LookupEntry:
        """The entry at a place in the table."""
        *resource, part, count, digest = LOOKUP_ENTRY.unpack_from(self.raw, number * LOOKUP_ENTRY_SIZE)
        return LookupEntry(number, ResourceHeader.of(*resource), part, count, digest)

    def entries(self) -> Iterator[LookupEntry]:
        """Every entry, in order; a large table has more than should be in memory at once."""
        fields = LOOKUP_ENTRY.iter_unpack(self.raw)
        for number, (size_and_flags, offset, plain_size, part, count, digest) in enumerate(fields):
            resource = ResourceHeader.of(size_and_flags, offset, plain_size)
            yield LookupEntry(number, resource, part, count, digest)

    def hashes(self) -> frozenset[bytes]:
        """The SHA-1 of everything but metadata: for those who would call `find` for each name of an image."""
        starts = range(0, len(self) * LOOKUP_ENTRY_SIZE, LOOKUP_ENTRY_SIZE)
        return frozenset(
            self.raw[at + _HASH_AT : at + LOOKUP_ENTRY_SIZE]
            for at in starts
            if not self.raw[at + _FLAGS_AT] & _METADATA
        )

    def find(self, digest: bytes) -> LookupEntry | None:
        """The first entry that is no metadata and has this SHA-1.

        The first few look-ups search the bytes, which is quick in all tables but hostile ones; then an index
        is made, of eight bytes for each entry.
        """
        at = -1
        while self._searches < _MOST_SEARCHES:
            self._searches += 1
            at = self.raw.find(digest, at + 1)
            if at < 0:
                return None
            if at % LOOKUP_ENTRY_SIZE == _HASH_AT:
                entry = self.entry(at // LOOKUP_ENTRY_SIZE)
                if not entry.is_metadata:
                    return entry
        return self._find_in_index(digest)

    def _find_in_index(self, digest: bytes) -> LookupEntry | None:
        if self._index is None:
            self._index = self._made_index()
        index, key = self._index, _key(digest)
        for place in range(bisect_left(index, key), len(index)):
            if (index[place] ^ key) >> _ROW_BITS:
                break
            entry = self.entry(index[place] & (1 << _ROW_BITS) - 1)
            if entry.hash == digest:
                return entry
        return None

    def _made_index(self) -> array[int]:
        """Part of each SHA-1's hash, and the place of its entry, as one number; without metadata, in order.

        Python's hash of bytes depends on a secret of the process, so no table can be made to fit badly.
        """
        names = enumerate(_NAMES.iter_unpack(self.raw))
        return array(
            "Q", sorted(_key(digest) | row for row, (flags, digest) in names if not flags & _METADATA)
        )

    def metadata(self) -> list[LookupEntry]:
        """The metadata entries in image order."""
        flags = self.raw[_FLAGS_AT::LOOKUP_ENTRY_SIZE]
        found = (self.entry(number) for number, flag in enumerate(flags) if flag & _METADATA)
        return [entry for entry in found if entry.reference_count and entry.hash != NO_HASH]

    def end_of_resources(self) -> int:
        """Offset of the first byte behind every resource that the table names."""
        places = _PLACES.iter_unpack(self.raw)
        return max((offset + (size & STORED_SIZE_MASK) for size, offset in places), default=0)


def _key(digest: bytes) -> int:
    """The number at which entries with this SHA-1 begin in an index."""
    return hash(digest) << _ROW_BITS & 0xFFFF_FFFF_0000_0000


class LookupTableEditor:
    """Changes to a lookup table: entries in place, new ones at the end."""

    def __init__(self, table: LookupTable) -> None:
        self._raw = bytearray(table.raw)

    def place(self, number: int, resource: ResourceHeader, digest: bytes) -> None:
        """Let an entry name another resource, keeping its part number and reference count."""
        at = number * LOOKUP_ENTRY_SIZE
        self._raw[at : at + RESOURCE_HEADER_SIZE] = resource.pack()
        self._raw[at + _HASH_AT : at + LOOKUP_ENTRY_SIZE] = digest

    def count(self, number: int, difference: int) -> None:
        """Change a reference count, never below 0: WIMGAPI itself writes counts that are too low."""
        at = number * LOOKUP_ENTRY_SIZE + _COUNT_AT
        count = struct.unpack_from("<I", self._raw, at)[0]
        struct.pack_into("<I", self._raw, at, min(max(count + difference, 0), _COUNT_MAXIMUM))

    def resource(self, number: int) -> ResourceHeader:
        """The resource that an entry names now."""
        return ResourceHeader.unpack(self._raw, number * LOOKUP_ENTRY_SIZE)

    def append(self, resource: ResourceHeader, part_number: int, reference_count: int, digest: bytes) -> None:
        """Add an entry for contents that the table does not have yet."""
        self._raw += resource.pack() + struct.pack("<HI", part_number, reference_count) + digest

    def drop(self, numbers: Collection[int]) -> None:
        """Leave entries out; the numbers of those behind them change, so this comes last."""
        kept = (n for n in range(len(self._raw) // LOOKUP_ENTRY_SIZE) if n not in numbers)
        entries = (self._raw[n * LOOKUP_ENTRY_SIZE : (n + 1) * LOOKUP_ENTRY_SIZE] for n in kept)
        self._raw = bytearray().join(entries)

    def to_bytes(self) -> bytes:
        """The changed table."""
        return bytes(self._raw)
