"""What replacing files means for a WIM: new contents, new metadata, other counts, other numbers in the XML.

Nothing is placed in a file here; `append` and `copy` do that. Rules (from wimlib's sources and from trials):
unchanged chunks are copied as they are stored; contents that would not get smaller are stored uncompressed;
two entries never have one hash; a name is followed through its hard links; only the hash and the last-write
time of an entry change.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from winpe_certs.wim.directory import Directory, DirectoryEntry
from winpe_certs.wim.layout import SHA1_SIZE, ResourceFlag, ResourceHeader
from winpe_certs.wim.reader import PlainBytes, WimFile
from winpe_certs.wim.resource import Resource
from winpe_certs.wim.xml import WimXml

Replacements: TypeAlias = Mapping[tuple[int, str], bytes]
"""New contents by image index and path (``Windows\\System32\\config\\SOFTWARE``)."""


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource that is not in the file yet: its stored bytes, its plain size and SHA-1.

    `plain` are the plain bytes of metadata, which are looked at again; of contents they are let go.
    """

    stored: bytes
    flags: int
    plain_size: int
    hash: bytes
    plain: bytes = b""

    def header_at(self, offset: int) -> ResourceHeader:
        """Its resource header when it is stored at `offset`."""
        return ResourceHeader(len(self.stored), self.flags, offset, self.plain_size)


@dataclass(slots=True)
class NewContents:
    """Contents that the lookup table does not have yet, and how many names use them."""

    resource: NewResource
    names: int = 0


@dataclass(slots=True)
class Changes:
    """Everything that a set of replacements changes in a WIM, before any of it has a place in a file.

    `counts` is by number of the entry in the lookup table, `metadata` by image index; `digests` are the SHA-1
    of the replacements, by image index and path. The replacements themselves are not kept: a file may have
    many images, with a large hive each.
    """

    xml: WimXml
    contents: dict[bytes, NewContents] = field(default_factory=dict)
    metadata: dict[int, NewResource] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    digests: dict[tuple[int, str], bytes] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the file is to stay as it is: every change of contents shows in some metadata."""
        return not self.metadata


def prepare(wim: WimFile, replacements: Replacements, clock: int) -> Changes:
    """Work out the changes; `clock` is the FILETIME of the new last-write and modification times.

    Raises `WimError` and `TargetError` as reading does. Replacements that change nothing are left out.
    """
    changes = no_changes(wim)
    for index in sorted({index for index, _ in replacements}):
        files = {path: replacements[number, path] for number, path in replacements if number == index}
        change_image(wim, changes, index, files, clock)
    return changes


def no_changes(wim: WimFile) -> Changes:
    """Changes to add to."""
    return Changes(WimXml(wim.xml_bytes(), wim.origin))


def change_image(wim: WimFile, changes: Changes, index: int, files: Mapping[str, bytes], clock: int) -> None:
    """Add what new contents of files, by path, change in one image; see `prepare`.

    Raises `ValueError` for an image whose changes are there already.
    """
    if any(index == known for known, _ in changes.digests):
        raise ValueError(f"image {index} has its changes already")
    old_metadata = wim.metadata(index)
    plain = old_metadata.read_all(wim.metadata_entries[index - 1].hash, remember=True)
    directory = Directory(PlainBytes(plain), f"{wim.origin}, image {index}", wim.work)
    changed = bytearray(plain)
    for path, data in files.items():
        entry = directory.find_file(path)
        old = wim.contents(entry, f"image {index}, {path}")
        digest = changes.digests[index, path] = sha1(data)
        if digest == entry.contents.hash:
            continue
        names = _linked_names(directory, entry)
        for name in names:
            _point_entry_to(changed, name, digest, clock)
        _exchange_contents(wim, changes, entry.contents.hash, digest, len(names), data, old)
        growth = len(data) - old.plain_size
        changes.xml.add_to_image(index, "TOTALBYTES", growth * len(names))
        changes.xml.add_to_image(index, "HARDLINKBYTES", growth * (len(names) - 1))
    if changed != plain:
        whole = bytes(changed)
        metadata = encode(wim, whole, sha1(whole), old_metadata)
        flags = metadata.flags | ResourceFlag.METADATA
        changes.metadata[index] = replace(metadata, flags=flags, plain=whole)
        changes.xml.set_image_time(index, "LASTMODIFICATIONTIME", clock)


def _linked_names(directory: Directory, entry: DirectoryEntry) -> list[DirectoryEntry]:
    """All names of a file: equal link groups count only where the contents are the same too."""
    if entry.link_group == 0:
        return [entry]
    return [
        other
        for _, other in directory.walk()
        if other.link_group == entry.link_group
        and not other.is_directory
        and other.contents.hash == entry.contents.hash
    ]


def _point_entry_to(metadata: bytearray, entry: DirectoryEntry, digest: bytes, clock: int) -> None:
    old = entry.contents.hash
    for stream in entry.streams:
        if not stream.name and stream.hash == old:
            metadata[stream.hash_at : stream.hash_at + SHA1_SIZE] = digest
    struct.pack_into("<Q", metadata, entry.write_time_at, clock)


def _exchange_contents(
    wim: WimFile, changes: Changes, old_hash: bytes, digest: bytes, names: int, data: bytes, old: Resource
) -> None:
    old_entry = wim.lookup_table.find(old_hash)
    if old_entry is not None:
        changes.counts[old_entry.number] = changes.counts.get(old_entry.number, 0) - names
    known = wim.lookup_table.find(digest)
    if known is not None:
        changes.counts[known.number] = changes.counts.get(known.number, 0) + names
        return
    if digest not in changes.contents:
        changes.contents[digest] = NewContents(encode(wim, data, digest, old))
    changes.contents[digest].names += names


def sha1(data: bytes | bytearray) -> bytes:
    """What the lookup table knows contents by."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def encode(wim: WimFile, plain: bytes, digest: bytes, old: Resource) -> NewResource:
    """Store `plain`, whose SHA-1 is `digest`.

    It gets as many of the chunks of `old` as it shares, the others are coded anew if they can be.
    """
    stored_plain = NewResource(plain, 0, len(plain), digest)
    if not old.header.is_compressed or not plain:
        return stored_plain
    size = wim.decoder.chunk_size
    chunks = []
    for number, at in enumerate(range(0, len(plain), size)):
        piece = plain[at : at + size]
        # As bytes: views are compared one element at a time.
        if number < old.chunk_count and bytes(old.plain_chunk(number)) == piece:
            piece = old.stored_chunk(number)
        else:
            coded = wim.decoder.codecs.compress(wim.decoder.compression, piece, size)
            piece = piece if coded is None else coded
        chunks.append(piece)
    wide = len(plain) > 0xFFFF_FFFF
    table = bytearray()
    offset = 0
    for chunk in chunks[:-1]:
        offset += len(chunk)
        table += struct.pack("<Q" if wide else "<I", offset)
    if len(table) + offset + len(chunks[-1]) >= len(plain):
        return stored_plain
    return NewResource(b"".join((table, *chunks)), ResourceFlag.COMPRESSED, len(plain), digest)
