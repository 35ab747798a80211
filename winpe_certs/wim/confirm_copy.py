"""Holding a compact copy against its original, both as they lie on the disk.

No place is taken from the plan that the copy was written by: the header, the XML and the lookup table are
read back, and through them the stored bytes of every resource are compared with the original's. Directories
and hives are among them; what is equal as it is stored needs no decoding, and no walking a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from winpe_certs.errors import WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.layout import ResourceHeader
from winpe_certs.wim.lookup import LookupEntry
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.xml import WimXml

_PIECE: Final = 1 << 18  # small enough to stay in the processor's cache
_HIGHEST_COUNT: Final = 0xFFFF_FFFF


def confirm_copy(before: WimFile, after: WimFile, names: Counter[bytes], progress: Progress = silent) -> None:
    """Raise `WimError` unless `after` has all that the images of `before` name, byte for byte as stored.

    `names` says how many names of all images of `before` use each hash.
    """
    _confirm_frame(before, after)
    if len(after.metadata_entries) != len(before.metadata_entries):
        raise _different(after, "images are missing")
    _confirm_names(after, names)
    pairs = [*_metadata_pairs(before, after), *_content_pairs(before, after)]
    for old, new in pairs:
        if _kind(old) != _kind(new):
            raise _different(after, f"the resource {old.hash.hex()} is described differently")
    done = 0
    for old_at, new_at, size in _runs((old.resource, new.resource) for old, new in pairs):
        for at in range(0, size, _PIECE):
            length = min(_PIECE, size - at)
            if before.read_at(old_at + at, length) != after.read_at(new_at + at, length):
                raise _different(after, f"the bytes from offset {new_at + at} on are not the original's")
            done += length
            progress("comparing", min(done, after.size), after.size)


def _confirm_frame(before: WimFile, after: WimFile) -> None:
    """The header but for the places that it names, the XML but for its own place, the integrity table."""
    header, places = after.header, before.header
    as_before = header.with_resources(
        lookup_table=places.lookup_table,
        xml=places.xml,
        boot_metadata=places.boot_metadata,
        integrity=places.integrity,
    )
    if as_before.raw != places.raw:
        raise _different(after, "the header says other things")
    if header.boot_index and (places.boot_metadata.offset or header.boot_metadata.offset):
        real = after.metadata_entries[header.boot_index - 1].resource
        if header.boot_metadata != real:
            raise _different(
                after, f"the header names {header.boot_metadata} as the boot image's metadata, not {real}"
            )
    expected = WimXml(before.xml_bytes(), before.origin)
    expected.set_total_bytes(header.xml.offset)
    if after.xml_bytes() != expected.to_bytes():
        raise _different(after, "the XML says other things")
    old, new = before.integrity_table(), after.integrity_table()
    if (old and old.piece_size) != (new and new.piece_size):
        raise _different(after, "the integrity table is another")


def _confirm_names(after: WimFile, names: Counter[bytes]) -> None:
    """Every contents that an image names is in the copy and counted right, and nothing else is."""
    counts = {
        entry.hash: entry.reference_count for entry in after.lookup_table.entries() if not entry.is_metadata
    }
    if counts != {digest: min(count, _HIGHEST_COUNT) for digest, count in names.items()}:
        raise _different(after, "the lookup table has not just what the images name")


def _metadata_pairs(before: WimFile, after: WimFile) -> Iterator[tuple[LookupEntry, LookupEntry]]:
    return zip(before.metadata_entries, after.metadata_entries, strict=True)


def _content_pairs(before: WimFile, after: WimFile) -> Iterator[tuple[LookupEntry, LookupEntry]]:
    """Each contents of the copy with the original's of the same hash, the first of them as readers do."""
    originals: dict[bytes, list[LookupEntry]] = {}
    for entry in before.lookup_table.entries():
        if not entry.is_metadata:
            originals.setdefault(entry.hash, []).append(entry)
    for entry in after.lookup_table.entries():
        if not entry.is_metadata:
            if not originals.get(entry.hash):
                raise _different(after, f"the resource {entry.hash.hex()} is not the original's")
            yield originals[entry.hash].pop(0), entry


def _kind(entry: LookupEntry) -> tuple[object, ...]:
    """What an entry says besides the resource's place and the number of its names."""
    resource = entry.resource
    return entry.hash, entry.part_number, resource.stored_size, resource.plain_size, resource.flags


def _runs(pairs: Iterable[tuple[ResourceHeader, ResourceHeader]]) -> Iterator[tuple[int, int, int]]:
    """Where the bytes lie in both files, and how many: each once, neighbours in both files as one."""
    places = {(new.offset, old.offset, new.stored_size) for old, new in pairs}
    old_start = new_start = size = 0
    for new_at, old_at, length in sorted(places):
        if (old_start + size, new_start + size) != (old_at, new_at):
            yield old_start, new_start, size
            old_start, new_start, size = old_at, new_at, 0
        size += length
    yield old_start, new_start, size


def _different(after: WimFile, what: str) -> WimError:
    return WimError(
        f"{after.origin}: read back from disk, {what}",
        resolution="Check the disk, and report this if it happens again.",
    )
