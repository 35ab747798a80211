"""A fresh, compact copy of a WIM with changes in it: live resources as they are stored, dead space left out.

Which contents are live is found by walking every image, not by the reference counts, because WIMGAPI writes
counts that are too low. The copy gets the counts that the walk finds.
"""

from __future__ import annotations

import bisect
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from winpe_certs.errors import WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.append import stored_at
from winpe_certs.wim.changes import Changes
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.header import Header
from winpe_certs.wim.integrity import IntegrityTable
from winpe_certs.wim.layout import HEADER_SIZE, NO_HASH, ResourceHeader
from winpe_certs.wim.lookup import LookupEntry, LookupTableEditor
from winpe_certs.wim.reader import ALWAYS_READ, MOST_EXPANSION, PlainBytes, WimFile
from winpe_certs.wim.resource import RETRY, contents_missing

_PIECE: Final = 1 << 20


@dataclass(slots=True)
class CompactCopy:
    """The bytes of the copy: ranges of the old file and new bytes, back to back, and an integrity table.

    `names` says how many names of all images use each hash. `integrity` is the copy's own table, None for a
    file without one: its bytes are counted from the start, and there once `digesting` has come to its end.
    """

    wim: WimFile
    header: Header
    size: int = HEADER_SIZE
    names: Counter[bytes] = field(default_factory=Counter)
    integrity: IntegrityTable | None = None
    _starts: list[int] = field(default_factory=list)
    _segments: list[tuple[int, int] | bytes] = field(default_factory=list)

    def add_range(self, offset: int, size: int) -> int:
        """Append a range of the old file; returns its new offset."""
        last = self._segments[-1] if self._segments else b""
        if not isinstance(last, bytes) and sum(last) == offset:
            # Neighbours stay neighbours: a few long ranges are copied faster than many short ones.
            at = self.size
            self._segments[-1] = (last[0], last[1] + size)
            self.size += size
            return at
        return self._add((offset, size), size)

    def add_bytes(self, data: bytes) -> int:
        """Append new bytes; returns their offset."""
        return self._add(data, len(data))

    def _add(self, segment: tuple[int, int] | bytes, size: int) -> int:
        at = self.size
        self._starts.append(at)
        self._segments.append(segment)
        self.size += size
        return at

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the copy behind its header, gathered from where they come from."""
        pieces = []
        number = bisect.bisect_right(self._starts, at) - 1
        while size > 0:
            segment = self._segments[number]
            skip = at - self._starts[number]
            if isinstance(segment, bytes):
                piece = segment[skip : skip + size]
            else:
                piece = self.wim.read_at(segment[0] + skip, max(0, min(size, segment[1] - skip)))
            pieces.append(piece)
            at += len(piece)
            size -= len(piece)
            number += 1
        return b"".join(pieces)

    @property
    def unmoved(self) -> int:
        """End of the leading bytes that are where they are in the old file (the header counts as one)."""
        first = self._segments[0] if self._segments else b""
        return HEADER_SIZE if isinstance(first, bytes) or first[0] != HEADER_SIZE else sum(first)

    def segments(self) -> Iterator[tuple[int, int] | bytes]:
        """All of the copy in order: its header, ranges of the old file (offset and size), and new bytes."""
        yield self.header.raw
        yield from self._segments

    @contextlib.contextmanager
    def digesting(self) -> Iterator[Callable[[Progress], bytes]]:
        """Begin to work out the integrity table and do something else meanwhile.

        What this yields ends it and gives the last bytes of the copy, none where there is no table. Pieces
        that have not moved keep the digests that the old file is checked with.
        """
        old = self.wim.integrity_table()
        if old is None:
            yield lambda _: b""
            return
        size, end = old.piece_size, self.header.lookup_table.end
        kept = (min(self.unmoved, old.covered_end, end) - HEADER_SIZE) // size
        start = HEADER_SIZE + kept * size
        with IntegrityTable.computing(self.read, size, end, start=start) as finish_moved:

            def finish(progress: Progress) -> bytes:
                moved = finish_moved(progress)
                self.integrity = IntegrityTable(size, old.digests[:kept] + moved.digests, end)
                table = self.integrity.to_bytes()
                self._starts.append(self.size - len(table))
                self._segments.append(table)
                return table

            yield finish

    def pieces(self, progress: Progress = silent) -> Iterator[bytes]:
        """All bytes of the copy in order, header first."""
        yield self.header.raw
        for at in range(HEADER_SIZE, self.size, _PIECE):
            progress("copying", at, self.size)
            yield self.read(at, min(_PIECE, self.size - at))


def compact(wim: WimFile, changes: Changes, progress: Progress = silent) -> CompactCopy:
    """The whole copy of a file that fits its integrity table; raises as its `verify` and `lay_out` do."""
    table = wim.integrity_table()
    if table is not None:
        table.verify(wim.read_at, wim.origin, progress)
    copy = lay_out(wim, changes)
    with copy.digesting() as finish:
        finish(progress)
    return copy


def lay_out(wim: WimFile, changes: Changes) -> CompactCopy:
    """All but the integrity table; whoever calls this also verifies that of the file before the copy counts.

    Raises `WimError` when an image names contents that are not in the file.
    """
    copy = CompactCopy(wim, wim.header)
    names = copy.names = _count_names(wim, changes)
    live = [
        entry
        for entry in wim.lookup_table.entries()
        if entry.hash in names or (entry.is_metadata and entry.reference_count and entry.hash != NO_HASH)
    ]
    replaced = {wim.metadata_entries[index - 1].number for index in changes.metadata}
    table = LookupTableEditor(wim.lookup_table)
    boot_metadata = wim.header.boot_metadata
    for entry, place in _copy_live(copy, [entry for entry in live if entry.number not in replaced]):
        table.place(entry.number, place, entry.hash)
        if not entry.is_metadata:
            table.count(entry.number, names[entry.hash] - entry.reference_count)

    for digest, contents in changes.contents.items():
        place = contents.resource.header_at(copy.add_bytes(contents.resource.stored))
        table.append(place, wim.header.part_number, names[digest], digest)
    for index, metadata in changes.metadata.items():
        place = metadata.header_at(copy.add_bytes(metadata.stored))
        table.place(wim.metadata_entries[index - 1].number, place, metadata.hash)
    boot = wim.header.boot_index
    if boot:
        number = wim.metadata_entries[boot - 1].number
        changed = changes.metadata.get(boot)
        boot_metadata = table.resource(number) if changed or boot_metadata.offset else boot_metadata

    # From here on numbers of entries mean something else.
    table.drop(set(range(len(wim.lookup_table))) - {entry.number for entry in live})
    table_bytes = table.to_bytes()
    lookup_table = stored_at(wim.header.lookup_table, table_bytes, copy.add_bytes(table_bytes))
    changes.xml.set_total_bytes(copy.size)
    xml_bytes = changes.xml.to_bytes()
    xml = stored_at(wim.header.xml, xml_bytes, copy.add_bytes(xml_bytes))
    integrity = wim.header.integrity
    old_integrity = wim.integrity_table()
    if old_integrity is not None:
        size = old_integrity.stored_size(lookup_table.end)
        integrity = stored_at(integrity, bytes(size), copy.size)
        copy.size += size
    copy.header = wim.header.with_resources(
        lookup_table=lookup_table, xml=xml, boot_metadata=boot_metadata, integrity=integrity
    )
    return copy


def _count_names(wim: WimFile, changes: Changes) -> Counter[bytes]:
    """How many names of all images use each hash once the changes are in."""
    names: Counter[bytes] = Counter()
    known = wim.lookup_table.hashes() | changes.contents.keys()
    for index, images in _different_images(wim, changes).items():
        changed = changes.metadata.get(index)
        plain = changed.plain if changed else wim.metadata_bytes(index)
        directory = Directory(PlainBytes(plain), f"{wim.origin}, image {index}", wim.work)
        for offset, digest in directory.hashes():
            if digest == NO_HASH:
                continue
            names[digest] += images
            if digest not in known:
                path = next(path for path, entry in directory.walk() if entry.offset == offset)
                raise contents_missing(wim.origin, f"{path} (image {index})", digest)
    return names


def _different_images(wim: WimFile, changes: Changes) -> dict[int, int]:
    """An image for each metadata that there is, and how many images have that; refuses a sum beyond reason.

    A thousand images may name one resource, or small ones that are large once they are decoded.
    """
    first: dict[tuple[ResourceHeader, bytes], int] = {}
    images: Counter[int] = Counter()
    for index, entry in enumerate(wim.metadata_entries, start=1):
        is_changed = index in changes.metadata
        images[index if is_changed else first.setdefault((entry.resource, entry.hash), index)] += 1
    size = sum(wim.metadata_entries[index - 1].resource.plain_size for index in images)
    if size > ALWAYS_READ + MOST_EXPANSION * wim.size:
        raise WimError(
            f"{wim.origin}: the metadata of its images claims {size} bytes, nearly all of them empty",
            details=f"The file has {wim.size} bytes.",
            resolution=RETRY,
        )
    return dict(images)


def _copy_live(copy: CompactCopy, live: list[LookupEntry]) -> Iterator[tuple[LookupEntry, ResourceHeader]]:
    """Add the resources of these entries in the order of the old file; the entries with their new places."""
    moved: dict[tuple[int, int], int] = {}
    for entry in sorted(live, key=lambda entry: entry.resource.offset):
        old = entry.resource
        if old.end > copy.wim.size:
            raise WimError(
                f"{copy.wim.origin}: a resource lies at offset {old.offset} with {old.stored_size} bytes, "
                f"but the file has only {copy.wim.size}",
                resolution=RETRY,
            )
        extent = (old.offset, old.stored_size)
        if extent not in moved:
            moved[extent] = copy.add_range(*extent)
        yield entry, ResourceHeader(old.stored_size, old.flags, moved[extent], old.plain_size)
