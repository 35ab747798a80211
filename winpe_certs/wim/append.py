"""Changes placed behind the end of a WIM: nothing that the old header names is touched.

Order as wimlib keeps it: resources, lookup table, XML, integrity table. The 208 bytes of the new header are
written last and in one piece by the caller; that write is the commit.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.errors import WimError
from winpe_certs.wim.changes import Changes
from winpe_certs.wim.header import Header
from winpe_certs.wim.layout import HEADER_SIZE, ResourceFlag, ResourceHeader
from winpe_certs.wim.lookup import LookupTableEditor
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.resource import RETRY


class Payload:
    """Bytes for the file in the pieces they came in: joined, they would stand in memory twice."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._starts: list[int] = []
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        """The pieces in order; none is empty."""
        return iter(self._pieces)

    def add(self, piece: bytes) -> None:
        """Put a piece behind the others."""
        if piece:
            self._starts.append(self.size)
            self._pieces.append(piece)
            self.size += len(piece)

    def read(self, at: int, size: int) -> bytes:
        """Bytes from offset `at`, fewer than `size` at the end."""
        found = []
        number = max(0, bisect.bisect_right(self._starts, at) - 1)
        for start, piece in zip(self._starts[number:], self._pieces[number:], strict=True):
            if start >= at + size:
                break
            found.append(piece[max(0, at - start) : at + size - start])
        return b"".join(found)


@dataclass(frozen=True, slots=True)
class Appendix:
    """Bytes for the file from `start` on, and the header that makes them part of the image."""

    start: int
    payload: Payload
    header: Header

    @property
    def end(self) -> int:
        """Size of the file with the payload."""
        return self.start + self.payload.size


def live_end(wim: WimFile) -> int:
    """Offset of the first byte behind everything that the header or the lookup table names.

    What lies there is left over from an interrupted run. Raises `WimError` when the file is shorter.
    """
    header = wim.header
    places = [header.lookup_table, header.xml, header.boot_metadata, header.integrity]
    end = max(HEADER_SIZE, wim.lookup_table.end_of_resources(), *(place.end for place in places))
    if end > wim.size:
        raise WimError(
            f"{wim.origin}: the file has {wim.size} bytes, but its parts reach to offset {end}",
            details="The file is cut short.",
            resolution=RETRY,
        )
    return end


def append(wim: WimFile, changes: Changes) -> Appendix:
    """Place the changes behind the end of the file; raises `WimError` when the file does not fit together."""
    old_integrity = wim.integrity_table()
    start = live_end(wim)
    payload = Payload()
    table = LookupTableEditor(wim.lookup_table)
    boot_metadata = wim.header.boot_metadata

    for digest, contents in changes.contents.items():
        place = contents.resource.header_at(start + payload.size)
        table.append(place, wim.header.part_number, contents.names, digest)
        payload.add(contents.resource.stored)
    for index, metadata in changes.metadata.items():
        place = metadata.header_at(start + payload.size)
        table.place(wim.metadata_entries[index - 1].number, place, metadata.hash)
        if index == wim.header.boot_index:
            boot_metadata = place
        payload.add(metadata.stored)
    for number, difference in changes.counts.items():
        table.count(number, difference)

    table_bytes = table.to_bytes()
    lookup_table = stored_at(wim.header.lookup_table, table_bytes, start + payload.size)
    payload.add(table_bytes)
    changes.xml.set_total_bytes(start + payload.size)
    xml_bytes = changes.xml.to_bytes()
    xml = stored_at(wim.header.xml, xml_bytes, start + payload.size)
    payload.add(xml_bytes)
    integrity = wim.header.integrity
    if old_integrity is not None:

        def read_new(at: int, size: int) -> bytes:
            kept = wim.read_at(at, min(size, start - at)) if at < start else b""
            return kept + payload.read(at + len(kept) - start, size - len(kept))

        new_table = old_integrity.extended(lookup_table.end, wim.read_at, read_new, wim.origin).to_bytes()
        integrity = stored_at(integrity, new_table, start + payload.size)
        payload.add(new_table)
    header = wim.header.with_resources(
        lookup_table=lookup_table, xml=xml, boot_metadata=boot_metadata, integrity=integrity
    )
    return Appendix(start, payload, header)


def stored_at(old: ResourceHeader, data: bytes, offset: int) -> ResourceHeader:
    """A resource header for `data`, stored uncompressed, with the flags that the old one had."""
    return ResourceHeader(len(data), old.flags & ~ResourceFlag.COMPRESSED, offset, len(data))
