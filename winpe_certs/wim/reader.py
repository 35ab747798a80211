"""A WIM file opened for reading: its images, their directories, their files.

Works on any seekable binary file object and decodes only the chunks that an answer needs.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Final

from winpe_certs.errors import TargetError, WimError
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.codecs.interface import PYTHON, Codecs
from winpe_certs.wim.directory import Directory, DirectoryEntry, Known
from winpe_certs.wim.header import Header
from winpe_certs.wim.integrity import IntegrityTable
from winpe_certs.wim.layout import HEADER_SIZE, NO_HASH, ResourceHeader
from winpe_certs.wim.lookup import LookupEntry, LookupTable
from winpe_certs.wim.pages import Pages
from winpe_certs.wim.resource import RETRY, ChunkDecoder, Resource, contents_missing
from winpe_certs.wim.work import CONTENTS, Work
from winpe_certs.wim.xml import WimXml

# Windows' own limits lie far below; what claims more is damaged or hostile.
MAXIMUM_METADATA: Final = 512 << 20
MAXIMUM_LOOKUP_TABLE: Final = 64 << 20
MAXIMUM_XML: Final = 16 << 20
MAXIMUM_INTEGRITY_TABLE: Final = 64 << 20
MAXIMUM_FILE: Final = 512 << 20
# What is read of an image is never stored in much less: hives and directories in a fourth to a twentieth.
# Zeros take a thousandth, so a small file could otherwise fill the memory.
MOST_EXPANSION: Final = 64
ALWAYS_READ: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class PlainBytes:
    """Metadata that is wholly decoded already."""

    data: bytes

    @property
    def plain_size(self) -> int:
        """Number of plain bytes."""
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from `offset`, fewer at the end."""
        return self.data[offset : offset + size]


class WimFile:
    """A WIM on a seekable file.

    `header` stands in for the file's own header: how a patch is read back before it is committed.
    `decoder` may come from another reader of the same file, so that known chunks are not decoded again;
    otherwise one is made of `codecs`, and what these read decides what is refused.
    """

    def __init__(
        self,
        file: BinaryIO,
        origin: str,
        *,
        header: Header | None = None,
        decoder: ChunkDecoder | None = None,
        codecs: Codecs = PYTHON,
    ) -> None:
        self._file = file
        self._turn = threading.Lock()
        self._ahead: dict[tuple[int, str], tuple[bytes, Resource]] = {}
        self._metadata_ahead: dict[int, Resource] = {}
        # Images often have one metadata resource in common: the last one stays open, for the next image.
        self._metadata: Resource | None = None
        self._known: dict[ResourceHeader, Known] = {}
        self.origin = origin
        self.size = file.seek(0, os.SEEK_END)
        self.work = Work(self.size, origin)
        codecs = decoder.codecs if decoder else codecs
        self.header = header or Header.parse(self.read_at(0, min(HEADER_SIZE, self.size)), origin, codecs)
        self.decoder = decoder or ChunkDecoder(self.header.compression, self.header.chunk_size, codecs)

    def read_at(self, offset: int, size: int) -> bytes:
        """Raw bytes of the file, also for several threads; raises `WimError` when it ends before."""
        with self._turn:
            self._file.seek(offset)
            data = self._file.read(size)
        if len(data) != size:
            raise WimError(
                f"{self.origin}: the file ends at offset {offset + len(data)}, "
                f"{size - len(data)} bytes too early",
                resolution=RETRY,
            )
        return data

    def resource(self, header: ResourceHeader, what: str, maximum: int) -> Resource:
        """The resource that a resource header names; `what` names it in messages."""
        if header.plain_size > maximum:
            raise WimError(
                f"{self.origin}: {what} claims {header.plain_size} bytes; at most {maximum} can be meant",
                details=f"stored size {header.stored_size} at offset {header.offset}",
                resolution=RETRY,
            )
        if header.plain_size > ALWAYS_READ + MOST_EXPANSION * header.stored_size:
            raise WimError(
                f"{self.origin}: {what} claims {header.plain_size} bytes, nearly all of them empty",
                details=f"It is stored in {header.stored_size} bytes at offset {header.offset}; "
                f"{MOST_EXPANSION} times as many can be meant, and {ALWAYS_READ >> 20} MiB.",
                resolution=RETRY,
            )
        return Resource(
            self._file,
            header,
            self.decoder,
            file_size=self.size,
            origin=f"{self.origin}, {what}",
            work=self.work,
        )

    @cached_property
    def lookup_table(self) -> LookupTable:
        """The lookup table."""
        header = self.header.lookup_table
        raw = self.resource(header, "lookup table", MAXIMUM_LOOKUP_TABLE).read_all()
        return LookupTable(raw, self.origin)

    @cached_property
    def xml(self) -> WimXml:
        """The XML."""
        return WimXml(self.xml_bytes(), self.origin)

    def xml_bytes(self) -> bytes:
        """The XML as it is stored."""
        return self.resource(self.header.xml, "XML", MAXIMUM_XML).read_all()

    def integrity_table(self) -> IntegrityTable | None:
        """The integrity table, None when the file has none."""
        header = self.header.integrity
        if header.offset == 0 or header.plain_size == 0:
            return None
        raw = self.resource(header, "integrity table", MAXIMUM_INTEGRITY_TABLE).read_all()
        return IntegrityTable.parse(raw, self.header.lookup_table.end, self.origin)

    @cached_property
    def metadata_entries(self) -> list[LookupEntry]:
        """The lookup table's metadata entries in image order; raises `WimError` when images are missing."""
        entries = self.lookup_table.metadata()
        if len(entries) != self.header.image_count:
            raise WimError(
                f"{self.origin}: the header counts {self.header.image_count} images, "
                f"but the lookup table has metadata for {len(entries)}",
                resolution=RETRY,
            )
        return entries

    def metadata(self, index: int) -> Resource:
        """The metadata resource of an image."""
        if not 1 <= index <= self.header.image_count:
            raise TargetError(
                f"{self.origin}: there is no image {index}; the file has {self.header.image_count}",
                resolution="Choose one with --index, or --index all.",
            )
        if index in self._metadata_ahead:
            return self._metadata_ahead[index]
        entry = self.metadata_entries[index - 1]
        if self._metadata is None or self._metadata.header != entry.resource:
            what = f"metadata of image {index}"
            self._metadata = self.resource(entry.resource, what, MAXIMUM_METADATA)
        return self._metadata

    def metadata_bytes(self, index: int) -> bytes:
        """All of an image's metadata, its SHA-1 checked."""
        return self.metadata(index).read_all(self.metadata_entries[index - 1].hash)

    def directory(self, index: int) -> Directory:
        """The directory of an image, decoded where it is looked at."""
        metadata = self.metadata(index)
        known = self._known.setdefault(metadata.header, {})
        return Directory(metadata, f"{self.origin}, image {index}", self.work, known)

    def contents(self, entry: DirectoryEntry, what: str) -> Resource:
        """The resource with a file's contents; raises `WimError` when the lookup table does not have it."""
        self.work.spend(CONTENTS)
        digest = entry.contents.hash
        if digest == NO_HASH:
            raise TargetError(
                f"{self.origin}: {what} is empty",
                resolution="Check that this is a Windows or Windows PE image, and its index.",
            )
        found = self.lookup_table.find(digest)
        if found is None or found.part_number != self.header.part_number:
            raise contents_missing(self.origin, what, digest)
        return self.resource(found.resource, what, MAXIMUM_FILE)

    def file_pages(self, index: int, path: str) -> Pages | None:
        """A file whose chunks are decoded as they are needed; None for one that is not stored in chunks."""
        entry = self.directory(index).find_file(path)
        resource = self.contents(entry, f"image {index}, {path}")
        return Pages(resource, entry.contents.hash) if resource.chunk_count else None

    def read_file(
        self, index: int, path: str, *, remember: bool = False, progress: Progress = silent
    ) -> bytes:
        r"""The contents of a file such as ``Windows\System32\config\SOFTWARE``, its SHA-1 checked."""
        begun = (index, path) in self._ahead
        digest, resource = self._ahead.pop((index, path)) if begun else self._found(index, path)
        return resource.read_all(digest, remember=remember, progress=progress)

    def read_ahead(self, index: int, path: str, begun: Resource | None = None) -> None:
        """Let a second process begin with a file that `read_file` will be asked for; then comes `leave`.

        `begun` is a resource of this file, opened by another reader, that may be the one: then it goes on.
        """
        digest, resource = self._found(index, path)
        if begun is not None:
            resource.take_over(begun)
        resource.read_ahead()
        self._ahead[index, path] = digest, resource

    def read_metadata_ahead(self, index: int) -> None:
        """The same for an image's metadata, all of which will be read; for one image at a time."""
        if not self._metadata_ahead:
            resource = self._metadata_ahead[index] = self.metadata(index)
            resource.read_ahead()

    def leave(self) -> None:
        """End what was begun ahead and nobody has asked for."""
        for resource in (*(resource for _, resource in self._ahead.values()), *self._metadata_ahead.values()):
            resource.leave()
        self._ahead.clear()
        self._metadata_ahead.clear()

    def file_resource(self, index: int, path: str) -> Resource:
        """The resource with a file's contents."""
        return self._found(index, path)[1]

    def _found(self, index: int, path: str) -> tuple[bytes, Resource]:
        entry = self.directory(index).find_file(path)
        return entry.contents.hash, self.contents(entry, f"image {index}, {path}")
