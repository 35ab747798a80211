"""Holding a compact copy against its original, both as they lie on the disk.

No place is taken from the plan that the copy was written by: the header, the XML and the lookup table are
read back, and through them the stored bytes of every resource are compared with the original's. Directories
and hives are among them; what is equal as it is stored needs no decoding, and no walking a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias

from winpe_certs.errors import WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.integrity import IntegrityTable, two_at_a_time
from winpe_certs.wim.layout import LOOKUP_ENTRY, LOOKUP_ENTRY_SIZE, STORED_SIZE_MASK, ResourceFlag
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.xml import WimXml

_STRETCH: Final = 4 << 20
_PIECE: Final = 1 << 18  # small enough to stay in the processor's cache
_HIGHEST_COUNT: Final = 0xFFFF_FFFF
# An entry of the lookup table in plain numbers: objects for all of both tables take as long as all the bytes.
_Entry: TypeAlias = tuple[int, int, int, int, int, bytes]
"""Stored size and flags, offset, plain size, part number, number of names, SHA-1."""
_METADATA_FLAG: Final = ResourceFlag.METADATA.value << 56
_Run: TypeAlias = tuple[int, int, int]
"""Where bytes lie in the original and in the copy, and how many."""


def confirm_copy(
    before: WimFile,
    after: WimFile,
    names: Counter[bytes],
    integrity: IntegrityTable | None,
    progress: Progress = silent,
) -> None:
    """Raise `WimError` unless `after` has all that the images of `before` name, byte for byte as stored.

    `names` says how many names of all images of `before` use each hash, `integrity` which table `after` has.
    """
    _confirm_frame(before, after)
    if after.integrity_table() != integrity:
        raise _different(after, "the integrity table is another")
    if len(after.metadata_entries) != len(before.metadata_entries):
        raise _different(after, "images are missing")
    contents = _contents(after)
    _confirm_names(after, contents, names)
    images = list(zip(_metadata(before), _metadata(after), strict=True))
    for number, (old, new) in enumerate(images, start=1):
        # How often contents are used the walk has found; how often an image is, only the original says.
        if _uses(old) != _uses(new):
            raise _different(after, f"image {number} is used {_uses(new)} times instead of {_uses(old)}")
    pairs = [*images, *_content_pairs(before, after, contents)]
    for old, new in pairs:
        if _kind(old) != _kind(new):
            raise _different(after, f"the resource {old[-1].hex()} is described differently")
    _confirm_bytes(before, after, list(_stretches(_runs(pairs))), progress)


def _confirm_bytes(before: WimFile, after: WimFile, stretches: list[_Run], progress: Progress) -> None:
    done = 0
    with two_at_a_time(partial(_first_difference, before, after), stretches) as found:
        for (_, new_at, size), difference in zip(stretches, found, strict=True):
            if difference is not None:
                at = new_at + difference
                raise _different(after, f"the bytes from offset {at} on are not the original's")
            done += size
            progress("comparing", min(done, after.size), after.size)


def _first_difference(before: WimFile, after: WimFile, stretch: _Run) -> int | None:
    """Where in a stretch the first piece begins that is not the same."""
    old_at, new_at, size = stretch
    for at in range(0, size, _PIECE):
        length = min(_PIECE, size - at)
        if before.read_at(old_at + at, length) != after.read_at(new_at + at, length):
            return at
    return None


def _confirm_frame(before: WimFile, after: WimFile) -> None:
    """The header but for the places that it names, the XML but for its own place."""
    header, original = after.header, before.header
    if not header.differs_only_in_places(original):
        raise _different(after, "the header says other things")
    if header.boot_index and (original.boot_metadata.offset or header.boot_metadata.offset):
        real = after.metadata_entries[header.boot_index - 1].resource
        if header.boot_metadata != real:
            raise _different(
                after, f"the header names {header.boot_metadata} as the boot image's metadata, not {real}"
            )
    expected = WimXml(before.xml_bytes(), before.origin)
    expected.set_total_bytes(header.xml.offset)
    if after.xml_bytes() != expected.to_bytes():
        raise _different(after, "the XML says other things")


def _contents(wim: WimFile) -> list[_Entry]:
    """The entries of all contents, in the order of the lookup table."""
    return [
        entry for entry in LOOKUP_ENTRY.iter_unpack(wim.lookup_table.raw) if not entry[0] & _METADATA_FLAG
    ]


def _confirm_names(after: WimFile, contents: list[_Entry], names: Counter[bytes]) -> None:
    """Every contents that an image names is in the copy and counted right, and nothing else is."""
    counts = {digest: count for *_, count, digest in contents}
    if counts != {digest: min(count, _HIGHEST_COUNT) for digest, count in names.items()}:
        raise _different(after, "the lookup table has not just what the images name")


def _metadata(wim: WimFile) -> Iterator[_Entry]:
    """The entries of the images, in their order."""
    for entry in wim.metadata_entries:
        yield LOOKUP_ENTRY.unpack_from(wim.lookup_table.raw, entry.number * LOOKUP_ENTRY_SIZE)


def _content_pairs(
    before: WimFile, after: WimFile, contents: list[_Entry]
) -> Iterator[tuple[_Entry, _Entry]]:
    """Each contents of the copy with the original's of the same hash, the first of them as readers do."""
    originals: dict[bytes, list[_Entry]] = {}
    for entry in _contents(before):
        originals.setdefault(entry[-1], []).append(entry)
    for entry in contents:
        same = originals.get(entry[-1])
        if not same:
            raise _different(after, f"the resource {entry[-1].hex()} is not the original's")
        yield same.pop(0), entry


def _uses(entry: _Entry) -> int:
    return entry[4]


def _kind(entry: _Entry) -> tuple[object, ...]:
    """What an entry says besides the resource's place and the number of its names."""
    size_and_flags, _, plain_size, part_number, _, digest = entry
    return size_and_flags, plain_size, part_number, digest


def _stretches(runs: Iterable[_Run]) -> Iterator[_Run]:
    """The same in parts, for two threads to share."""
    for old_at, new_at, size in runs:
        for at in range(0, size, _STRETCH):
            yield old_at + at, new_at + at, min(_STRETCH, size - at)


def _runs(pairs: Iterable[tuple[_Entry, _Entry]]) -> Iterator[_Run]:
    """Where all bytes lie: each once, neighbours in both files as one."""
    places = {(new[1], old[1], new[0] & STORED_SIZE_MASK) for old, new in pairs}
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
