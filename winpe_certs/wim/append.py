"""Changes placed behind the end of a WIM: nothing that the old header names is touched.

Order as wimlib keeps it: resources, lookup table, XML, integrity table. The 208 bytes of the new header are
written last and in one piece by the caller; that write is the commit.
"""

from __future__ import annotations

from dataclasses import dataclass

from winpe_certs.errors import WimError
from winpe_certs.wim.changes import Changes
from winpe_certs.wim.header import Header
from winpe_certs.wim.layout import HEADER_SIZE, ResourceFlag, ResourceHeader
from winpe_certs.wim.lookup import LookupTableEditor
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.resource import RETRY


@dataclass(frozen=True, slots=True)
class Appendix:
    """Bytes for the file from `start` on, and the header that makes them part of the image."""

    start: int
    payload: bytes
    header: Header

    @property
    def end(self) -> int:
        """Size of the file with the payload."""
        return self.start + len(self.payload)


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
    payload = bytearray()
    table = LookupTableEditor(wim.lookup_table)
    boot_metadata = wim.header.boot_metadata

    for digest, contents in changes.contents.items():
        place = contents.resource.header_at(start + len(payload))
        table.append(place, wim.header.part_number, contents.names, digest)
        payload += b"".join(contents.resource.pieces)
    for index, metadata in changes.metadata.items():
        place = metadata.header_at(start + len(payload))
        table.place(wim.metadata_entries[index - 1].number, place, metadata.hash)
        if index == wim.header.boot_index:
            boot_metadata = place
        payload += b"".join(metadata.pieces)
    for number, difference in changes.counts.items():
        table.count(number, difference)

    lookup_table = stored_at(wim.header.lookup_table, table.to_bytes(), start + len(payload))
    payload += table.to_bytes()
    changes.xml.set_total_bytes(start + len(payload))
    xml_bytes = changes.xml.to_bytes()
    xml = stored_at(wim.header.xml, xml_bytes, start + len(payload))
    payload += xml_bytes
    integrity = wim.header.integrity
    if old_integrity is not None:

        def read_new(at: int, size: int) -> bytes:
            kept = wim.read_at(at, min(size, start - at)) if at < start else b""
            inside = at + len(kept) - start
            return kept + bytes(payload[inside : inside + size - len(kept)])

        new_table = old_integrity.extended(lookup_table.end, wim.read_at, read_new, wim.origin).to_bytes()
        integrity = stored_at(integrity, new_table, start + len(payload))
        payload += new_table
    header = wim.header.with_resources(
        lookup_table=lookup_table, xml=xml, boot_metadata=boot_metadata, integrity=integrity
    )
    return Appendix(start, bytes(payload), header)


def stored_at(old: ResourceHeader, data: bytes, offset: int) -> ResourceHeader:
    """A resource header for `data`, stored uncompressed, with the flags that the old one had."""
    return ResourceHeader(len(data), old.flags & ~ResourceFlag.COMPRESSED, offset, len(data))
