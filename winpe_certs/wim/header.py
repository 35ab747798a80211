"""The 208-byte header: read, refused where the file is of a kind we cannot work on, and changed in place.

Follows Microsoft's WIM white paper, "WIM header". Bytes that this program does not know are kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from winpe_certs.errors import UnsupportedWimError, WimError
from winpe_certs.shown import shown_bytes
from winpe_certs.wim.codecs.interface import PYTHON, Codecs, Compression
from winpe_certs.wim.layout import (
    BOOT_INDEX_AT,
    BOOT_METADATA_AT,
    CHUNK_SIZE_AT,
    FLAGS_AT,
    HEADER_LENGTH_AT,
    HEADER_SIZE,
    IMAGE_COUNT_AT,
    INTEGRITY_AT,
    LOOKUP_TABLE_AT,
    MAGIC,
    PART_NUMBER_AT,
    PIPABLE_MAGIC,
    RESOURCE_HEADER_SIZE,
    SOLID_VERSION,
    TOTAL_PARTS_AT,
    VERSION,
    VERSION_AT,
    XML_AT,
    HeaderFlag,
    ResourceHeader,
)

# Far above any real file; keeps the sizes of lists that are made from it small.
MAXIMUM_IMAGES = 1024

_CHUNK_SIZES = {
    Compression.XPRESS: range(12, 17),
    Compression.LZX: range(15, 22),
    Compression.LZMS: range(15, 31),
}

_COMPRESSION_FLAGS = HeaderFlag.XPRESS | HeaderFlag.LZX | HeaderFlag.LZMS | HeaderFlag.XPRESS_2


@dataclass(frozen=True, slots=True)
class Header:
    """A WIM header: its 208 bytes, with names for the fields."""

    raw: bytes

    @classmethod
    def parse(cls, raw: bytes, origin: str, codecs: Codecs = PYTHON) -> Header:
        """Read and judge a header; raises `WimError` or `UnsupportedWimError` naming `origin`.

        `codecs` are what the file will be read with.
        """
        if raw[:8] == PIPABLE_MAGIC:
            raise UnsupportedWimError(
                f"{origin}: this is a pipable WIM (magic WLPWM), which only wimlib reads",
                resolution="Export all its images to a normal WIM first, with wimlib-imagex export.",
            )
        if len(raw) < HEADER_SIZE:
            raise WimError(
                f"{origin}: the file ends inside its header ({len(raw)} of {HEADER_SIZE} bytes)",
                resolution="Copy the image again from its source.",
            )
        if raw[:8] != MAGIC:
            raise WimError(
                f"{origin}: not a WIM file (it starts with {shown_bytes(raw[:8])} instead of MSWIM)",
                resolution="Give a .wim, an applied or mounted image folder, or a SOFTWARE hive.",
            )
        header = cls(raw)
        header._refuse_unknown(origin, codecs)
        return header

    def _refuse_unknown(self, origin: str, codecs: Codecs) -> None:
        # LZMS comes with the version of solid files, also where no resource is solid. Those that are solid
        # are refused one by one.
        if not (self.flags & HeaderFlag.LZMS and codecs.reads(Compression.LZMS)):
            self._refuse_solid(origin, "read")
        known = self._u32(VERSION_AT) in {VERSION, SOLID_VERSION}
        if not known or self._u32(HEADER_LENGTH_AT) != HEADER_SIZE:
            raise UnsupportedWimError(
                f"{origin}: unknown WIM version {self._u32(VERSION_AT):#x} "
                f"with a header of {self._u32(HEADER_LENGTH_AT)} bytes",
                details=f"Known is version {VERSION:#x} with {HEADER_SIZE} bytes.",
                resolution="Check that the file is complete and not encrypted.",
            )
        if self.total_parts != 1 or self.flags & HeaderFlag.SPANNED:
            raise UnsupportedWimError(
                f"{origin}: part {self.part_number} of a split image with {self.total_parts} parts",
                resolution="Join the parts first, with wimlib-imagex join or DISM /Export-Image /SWMFile.",
            )
        if not 0 < self.image_count <= MAXIMUM_IMAGES:
            raise WimError(
                f"{origin}: the header claims {self.image_count} images",
                details=f"1 to {MAXIMUM_IMAGES} can be handled (header offset {IMAGE_COUNT_AT:#x}).",
                resolution="Copy the image again from its source.",
            )
        if self.boot_index > self.image_count:
            raise WimError(
                f"{origin}: the boot index is {self.boot_index}, but there are {self.image_count} images",
                resolution="Copy the image again from its source.",
            )
        kinds = (self.flags & _COMPRESSION_FLAGS).bit_count()
        if self.flags & HeaderFlag.COMPRESSED and kinds != 1:
            raise UnsupportedWimError(
                f"{origin}: the header says compressed, but names {kinds or 'no'} known compressions "
                f"(flags {self.flags:#x} at offset {FLAGS_AT:#x})",
                resolution="Export the image to LZX with DISM or wimlib-imagex first.",
            )
        sizes = _CHUNK_SIZES.get(self.compression)
        if sizes is not None and self.chunk_size not in {1 << exponent for exponent in sizes}:
            raise WimError(
                f"{origin}: a chunk size of {self.chunk_size} bytes is impossible "
                f"for {self.compression.name} (header offset {CHUNK_SIZE_AT:#x})",
                resolution="Copy the image again from its source.",
            )

    def _refuse_solid(self, origin: str, what: str) -> None:
        if self._u32(VERSION_AT) == SOLID_VERSION or self.flags & HeaderFlag.LZMS:
            raise UnsupportedWimError(
                f"{origin}: this is a solid or LZMS image (ESD), which cannot be {what} here",
                details=f"header version {self._u32(VERSION_AT):#x}, flags {self.flags:#x}",
                resolution="Export it to LZX first, with DISM /Export-Image and /Compress:max."
                + ("" if what == "patched" else " LZMS without solid resources can be read with libwim."),
            )

    def refuse_unpatchable(self, origin: str) -> None:
        """Raise `UnsupportedWimError` when the file may be read but must not be changed."""
        self._refuse_solid(origin, "patched")
        if self.flags & HeaderFlag.WRITE_IN_PROGRESS:
            raise UnsupportedWimError(
                f"{origin}: another program has left this image marked as being written",
                resolution="Wait for it to finish; if it was interrupted, copy the image again.",
            )
        if self.flags & HeaderFlag.READONLY:
            raise UnsupportedWimError(
                f"{origin}: the image carries the read-only mark in its header",
                resolution="Export it to a new file with DISM /Export-Image, and patch that one.",
            )
        if self.flags & (HeaderFlag.RESOURCE_ONLY | HeaderFlag.METADATA_ONLY):
            raise UnsupportedWimError(
                f"{origin}: the file holds only resources or only metadata, not whole images",
                resolution="Give the complete image file.",
            )

    def _u32(self, at: int) -> int:
        number: int = struct.unpack_from("<I", self.raw, at)[0]
        return number

    @property
    def flags(self) -> int:
        """Header flags, see `HeaderFlag`."""
        return self._u32(FLAGS_AT)

    @property
    def compression(self) -> Compression:
        """How compressed resources of this file are coded."""
        flags = self.flags
        if not flags & HeaderFlag.COMPRESSED:
            return Compression.NONE
        if flags & HeaderFlag.LZX:
            return Compression.LZX
        if flags & (HeaderFlag.XPRESS | HeaderFlag.XPRESS_2):
            return Compression.XPRESS
        if flags & HeaderFlag.LZMS:
            return Compression.LZMS
        return Compression.NONE

    @property
    def chunk_size(self) -> int:
        """Plain bytes of a chunk."""
        return self._u32(CHUNK_SIZE_AT)

    @property
    def part_number(self) -> int:
        """Number of this part of a split image, 1 where it is not split."""
        number: int = struct.unpack_from("<H", self.raw, PART_NUMBER_AT)[0]
        return number

    @property
    def total_parts(self) -> int:
        """Number of files that make up the image."""
        number: int = struct.unpack_from("<H", self.raw, TOTAL_PARTS_AT)[0]
        return number

    @property
    def image_count(self) -> int:
        """Number of images in the file."""
        return self._u32(IMAGE_COUNT_AT)

    @property
    def boot_index(self) -> int:
        """Index of the image that boots, 0 for none."""
        return self._u32(BOOT_INDEX_AT)

    @property
    def lookup_table(self) -> ResourceHeader:
        """Where the lookup table lies."""
        return ResourceHeader.unpack(self.raw, LOOKUP_TABLE_AT)

    @property
    def xml(self) -> ResourceHeader:
        """Where the XML lies."""
        return ResourceHeader.unpack(self.raw, XML_AT)

    @property
    def boot_metadata(self) -> ResourceHeader:
        """A copy of the boot image's metadata resource header; boot loaders start from it."""
        return ResourceHeader.unpack(self.raw, BOOT_METADATA_AT)

    @property
    def integrity(self) -> ResourceHeader:
        """Where the integrity table lies; all zero when there is none."""
        return ResourceHeader.unpack(self.raw, INTEGRITY_AT)

    def with_resources(
        self,
        *,
        lookup_table: ResourceHeader,
        xml: ResourceHeader,
        boot_metadata: ResourceHeader,
        integrity: ResourceHeader,
    ) -> Header:
        """The same header, naming other resources."""
        raw = bytearray(self.raw)
        places = (
            (LOOKUP_TABLE_AT, lookup_table),
            (XML_AT, xml),
            (BOOT_METADATA_AT, boot_metadata),
            (INTEGRITY_AT, integrity),
        )
        for at, resource in places:
            raw[at : at + RESOURCE_HEADER_SIZE] = resource.pack()
        return Header(bytes(raw))

    def differs_only_in_places(self, other: Header) -> bool:
        """Whether the places of four resources are all that may set this header apart from another."""
        as_other = self.with_resources(
            lookup_table=other.lookup_table,
            xml=other.xml,
            boot_metadata=other.boot_metadata,
            integrity=other.integrity,
        )
        return as_other == other
