"""Writes WIM files from scratch, after Microsoft's "Windows Imaging File Format" white paper.

A description of images goes in, the same bytes come out each time. Layout of the file: header of 208 bytes,
file resources, metadata resources, lookup table, XML, integrity table. Nothing is ever read here.
Chunks are coded by the encoders beside this module; a chunk that they cannot make smaller is stored plain.
"""

from __future__ import annotations

import hashlib
import importlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.testdata.clock import CAPTURED, INSTALLED
from scripts.testdata.wim_xml import Counts, Described, document

HEADER_SIZE = 208
NO_HASH = bytes(20)

READ_ONLY = 0x01
HIDDEN = 0x02
SYSTEM = 0x04
DIRECTORY = 0x10
ARCHIVE = 0x20
NORMAL = 0x80
REPARSE = 0x400
ENCRYPTED = 0x4000

RESOURCE_METADATA = 0x02
RESOURCE_COMPRESSED = 0x04

_HEADER_FLAGS = {"none": 0, "xpress": 0x20002, "lzx": 0x40002}
_REPARSE_FIXED = 0x80


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (`data` given) or a directory (`data` None) of an image.

    `link_group` not 0 joins hard links. `streams` are alternate data streams; with them DISM leaves the
    entry's own hash empty and puts it into an unnamed stream entry, older tools do not (`hash_in_entry`).
    """

    name: str
    data: bytes | None = None
    children: Sequence[Entry] = ()
    attributes: int | None = None
    security: int = 0
    times: tuple[int, int, int] = (INSTALLED, CAPTURED, INSTALLED)
    short_name: str = ""
    link_group: int = 0
    streams: Sequence[tuple[str, bytes]] = ()
    hash_in_entry: bool = False
    reparse_tag: int = 0

    @property
    def stored_attributes(self) -> int:
        """Give the attributes, by default those of a plain file or directory."""
        if self.attributes is not None:
            return self.attributes
        return DIRECTORY if self.data is None else ARCHIVE


@dataclass(frozen=True, slots=True)
class Image:
    """One image: a root directory, its security descriptors, and what the XML says of it."""

    name: str
    root: Entry
    descriptors: Sequence[bytes]
    description: str = ""
    flags: str = "9"
    windows: bool = True


@dataclass(frozen=True, slots=True)
class Wim:
    """A whole file.

    `plain` holds the hashes of blobs that are stored uncompressed in a compressed file; `stored_chunks` keeps
    every chunk plain and yet has the chunk table, as a patched image may. `edit_metadata` and `edit_xml`
    damage what they are given before it is stored, so that its hash is right all the same.
    """

    images: Sequence[Image]
    compression: str = "lzx"
    chunk_size: int = 32768
    boot_index: int = 0
    boot_metadata: bool = True
    integrity_piece: int | None = 10 * 1024 * 1024
    guid: bytes = bytes.fromhex("77696e70652d4365a774732d74657374")
    extra_flags: int = 0
    count_offsets: dict[bytes, int] = field(default_factory=dict)
    plain: frozenset[bytes] = frozenset()
    stored_chunks: bool = False
    edit_metadata: Callable[[bytes], bytes] = bytes
    edit_xml: Callable[[bytes], bytes] = bytes


def digest(content: bytes) -> bytes:
    """Compute the SHA-1 by which a WIM names a blob; nothing names the empty one."""
    return hashlib.sha1(content, usedforsecurity=False).digest() if content else NO_HASH


def walk(entry: Entry) -> Iterator[Entry]:
    """Go through a tree, parents first, however deep it is."""
    waiting = [entry]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += reversed(current.children)


@lru_cache(maxsize=4096)
def _coded_chunk(kind: str, plain: bytes, chunk_size: int) -> bytes | None:
    encoder = importlib.import_module(f"scripts.testdata.{kind}_encoder")
    compress: Callable[[bytes, int], bytes | None] = encoder.compress
    coded = compress(plain, chunk_size)
    return coded if coded is not None and len(coded) < len(plain) else None


def compressed_resource(content: bytes, kind: str, chunk_size: int) -> bytes:
    """Code a resource: a table of where each chunk but the first begins, then the chunks.

    The kind ``stored`` codes nothing.
    """
    chunks = []
    for start in range(0, len(content), chunk_size):
        plain = content[start : start + chunk_size]
        coded = None if kind == "stored" else _coded_chunk(kind, plain, chunk_size)
        chunks.append(coded or plain)
    offsets = []
    position = 0
    for chunk in chunks[:-1]:
        position += len(chunk)
        offsets.append(position)
    return struct.pack(f"<{len(offsets)}I", *offsets) + b"".join(chunks)


def resource_header(stored: int, flags: int, offset: int, plain: int) -> bytes:
    """Lay out the 24 bytes that say where a resource is."""
    return stored.to_bytes(7, "little") + struct.pack("<BQQ", flags, offset, plain)


def security_block(descriptors: Sequence[bytes]) -> bytes:
    """Lay out the head of a metadata resource: total length, count, sizes, descriptors."""
    sizes = b"".join(struct.pack("<Q", len(each)) for each in descriptors)
    length = (8 + len(sizes) + sum(map(len, descriptors)) + 7) & ~7
    return (struct.pack("<II", length, len(descriptors)) + sizes + b"".join(descriptors)).ljust(length, b"\0")


def _named(name: str) -> bytes:
    encoded = name.encode("utf-16-le", "surrogatepass")
    return encoded + b"\0\0" if encoded else b""


def _aligned(content: bytes) -> bytes:
    return content + bytes(-len(content) % 8)


def _stream_entry(name: str, content: bytes) -> bytes:
    encoded = name.encode("utf-16-le", "surrogatepass")
    body = _aligned(bytes(16) + digest(content) + struct.pack("<H", len(encoded)) + _named(name))
    return struct.pack("<Q", len(body)) + body[8:]


def directory_entry(entry: Entry, subdirectory: int) -> bytes:
    """Lay out one directory entry with the stream entries behind it."""
    unnamed = entry.data or b""
    streams = b""
    count = len(entry.streams)
    own = digest(unnamed)
    if entry.streams and not entry.hash_in_entry and entry.data is not None:
        streams = _stream_entry("", unnamed)
        own = NO_HASH
        count += 1
    streams += b"".join(_stream_entry(name, content) for name, content in entry.streams)
    name = entry.name.encode("utf-16-le", "surrogatepass")
    short = entry.short_name.encode("utf-16-le", "surrogatepass")
    group = struct.pack("<Q", entry.link_group)
    if entry.stored_attributes & REPARSE:
        group = struct.pack("<IHH", entry.reparse_tag, 0, 0)
    body = struct.pack("<IiQ16xQQQ", entry.stored_attributes, entry.security, subdirectory, *entry.times)
    body += own + bytes(4) + group + struct.pack("<HHH", count, len(short), len(name))
    body += _named(entry.name) + _named(entry.short_name)
    whole = _aligned(bytes(8) + body)
    return struct.pack("<Q", len(whole)) + whole[8:] + streams


def metadata(image: Image) -> bytes:
    """Lay out a metadata resource: security block, root, the directories, each ended by a zero."""
    security = security_block(image.descriptors)
    directories = [entry for entry in walk(image.root) if entry.data is None]
    position = len(security) + len(directory_entry(image.root, 0)) + 8
    starts: dict[int, int] = {}
    for directory in directories:
        starts[id(directory)] = position
        position += sum(len(directory_entry(child, 0)) for child in directory.children) + 8
    parts = [security, directory_entry(image.root, starts[id(image.root)]), bytes(8)]
    for directory in directories:
        parts += [directory_entry(child, starts.get(id(child), 0)) for child in directory.children]
        parts.append(bytes(8))
    return b"".join(parts)


def _contents(entry: Entry) -> Iterator[bytes]:
    if entry.data:
        yield entry.data
    yield from (content for _, content in entry.streams if content)


def counts(image: Image) -> Counts:
    """Count directories, files and bytes as the XML has them."""
    entries = [entry for entry in walk(image.root) if entry is not image.root]
    files = [entry for entry in entries if entry.data is not None]
    sizes = [sum(map(len, _contents(entry))) for entry in entries]
    seen: set[int] = set()
    linked = 0
    for entry in files:
        if entry.link_group in seen:
            linked += len(entry.data or b"")
        elif entry.link_group:
            seen.add(entry.link_group)
    return Counts(len(entries) - len(files), len(files), sum(sizes), linked)


class _File:
    def __init__(self, wim: Wim) -> None:
        self.wim = wim
        self.body = bytearray(HEADER_SIZE)
        self.table: list[bytes] = []

    def add(self, content: bytes, flags: int, references: int) -> bytes:
        """Append a resource with its lookup table entry; give the resource header."""
        wim = self.wim
        name = digest(content)
        stored = content
        if wim.compression != "none" and name not in wim.plain:
            kind = "stored" if wim.stored_chunks else wim.compression
            coded = compressed_resource(content, kind, wim.chunk_size)
            if wim.stored_chunks or len(coded) < len(content):
                stored = coded
                flags |= RESOURCE_COMPRESSED
        header = resource_header(len(stored), flags, len(self.body), len(content))
        self.body += stored
        count = max(references + wim.count_offsets.get(name, 0), 0)
        self.table.append(header + struct.pack("<HI", 1, count) + name)
        return header

    def append(self, content: bytes, flags: int) -> bytes:
        header = resource_header(len(content), flags, len(self.body), len(content))
        self.body += content
        return header


def build_wim(wim: Wim) -> bytes:
    """Build the bytes of a WIM file."""
    file = _File(wim)
    references: dict[bytes, int] = {}
    for image in wim.images:
        for entry in walk(image.root):
            for content in _contents(entry):
                references[content] = references.get(content, 0) + 1
    for content, count in references.items():
        file.add(content, 0, count)
    headers = [file.add(wim.edit_metadata(metadata(image)), RESOURCE_METADATA, 1) for image in wim.images]
    table = file.append(b"".join(file.table), RESOURCE_METADATA)
    table_end = len(file.body)
    described = [
        Described(image.name, image.description, image.flags, image.windows, counts(image))
        for image in wim.images
    ]
    xml = file.append(wim.edit_xml(document(described, table_end)), RESOURCE_METADATA)
    integrity = bytes(24)
    if wim.integrity_piece is not None:
        integrity = file.append(_integrity(file.body[HEADER_SIZE:table_end], wim.integrity_piece), 0)
    boot = headers[wim.boot_index - 1] if wim.boot_index and wim.boot_metadata else bytes(24)
    head = struct.pack(
        "<8sIIII16sHHI",
        b"MSWIM\0\0\0",
        HEADER_SIZE,
        0x10D00,
        _HEADER_FLAGS[wim.compression] | _REPARSE_FIXED | wim.extra_flags,
        wim.chunk_size if wim.compression != "none" else 0,
        wim.guid,
        1,
        1,
        len(wim.images),
    )
    head += table + xml + boot + struct.pack("<I", wim.boot_index) + integrity
    file.body[:HEADER_SIZE] = head.ljust(HEADER_SIZE, b"\0")
    return bytes(file.body)


def _integrity(covered: bytes | bytearray, piece: int) -> bytes:
    """Lay out the integrity table: SHA-1 of each piece between the header and the end of the lookup table."""
    digests = [
        hashlib.sha1(covered[start : start + piece], usedforsecurity=False).digest()
        for start in range(0, len(covered), piece)
    ]
    return struct.pack("<III", 12 + 20 * len(digests), len(digests), piece) + b"".join(digests)
