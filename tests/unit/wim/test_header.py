from __future__ import annotations

import struct

import pytest

from scripts.testdata.images import variant
from winpe_certs.errors import UnsupportedWimError, WimError
from winpe_certs.wim.codecs.interface import Compression
from winpe_certs.wim.header import Header
from winpe_certs.wim.layout import HEADER_SIZE, ResourceHeader

GOOD = variant("small")[:HEADER_SIZE]


def changed(at: int, data: bytes) -> bytes:
    return GOOD[:at] + data + GOOD[at + len(data) :]


def test_names_the_fields_of_a_sound_header() -> None:
    header = Header.parse(GOOD, "boot.wim")
    assert (header.compression, header.chunk_size) == (Compression.LZX, 32768)
    assert (header.part_number, header.total_parts) == (1, 1)
    assert (header.image_count, header.boot_index) == (2, 2)
    header.refuse_unpatchable("boot.wim")


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        (b"", WimError, "ends inside its header (0 of 208 bytes)"),
        (GOOD[:207], WimError, "ends inside its header (207 of 208 bytes)"),
        (b"PK\3\4" + GOOD[4:], WimError, "not a WIM file"),
        (b"WLPWM\0\0\0" + GOOD[8:], UnsupportedWimError, "pipable"),
        (changed(8, struct.pack("<I", 200)), UnsupportedWimError, "header of 200 bytes"),
        (changed(12, struct.pack("<I", 0xE00)), UnsupportedWimError, "ESD"),
        (changed(12, struct.pack("<I", 0x10E00)), UnsupportedWimError, "unknown WIM version 0x10e00"),
        (changed(16, struct.pack("<I", 0x80002)), UnsupportedWimError, "LZMS"),
        (changed(16, struct.pack("<I", 0x2)), UnsupportedWimError, "names no known compressions"),
        (changed(16, struct.pack("<I", 0x60002)), UnsupportedWimError, "names 2 known compressions"),
        (changed(16, struct.pack("<I", 0x4000A)), UnsupportedWimError, "split image"),
        (changed(42, struct.pack("<H", 2)), UnsupportedWimError, "split image with 2 parts"),
        (changed(44, struct.pack("<I", 0)), WimError, "claims 0 images"),
        (changed(44, struct.pack("<I", 1 << 31)), WimError, "claims 2147483648 images"),
        (changed(0x78, struct.pack("<I", 3)), WimError, "boot index is 3"),
        (changed(20, struct.pack("<I", 0)), WimError, "chunk size of 0 bytes"),
        (changed(20, struct.pack("<I", 40000)), WimError, "chunk size of 40000 bytes"),
        (changed(20, struct.pack("<I", 1 << 22)), WimError, "chunk size of 4194304 bytes"),
    ],
)
def test_refuses_what_it_cannot_read(raw: bytes, error: type[WimError], words: str) -> None:
    with pytest.raises(error) as caught:
        Header.parse(raw, "boot.wim")
    assert "boot.wim" in caught.value.message
    assert words in caught.value.message
    assert caught.value.resolution


@pytest.mark.parametrize(
    ("flag", "words"), [(0x40, "being written"), (0x04, "read-only"), (0x10, "only resources")]
)
def test_reads_but_does_not_patch_a_marked_file(flag: int, words: str) -> None:
    header = Header.parse(changed(16, struct.pack("<I", 0x40002 | flag)), "boot.wim")
    with pytest.raises(UnsupportedWimError, match=words):
        header.refuse_unpatchable("boot.wim")


def test_changing_the_resources_keeps_every_other_byte() -> None:
    header = Header.parse(GOOD, "boot.wim")
    new = ResourceHeader(100, 4, 5000, 200)
    after = header.with_resources(lookup_table=new, xml=new, boot_metadata=new, integrity=new)
    assert (after.lookup_table, after.xml, after.boot_metadata, after.integrity) == (new,) * 4
    different = {at for at in range(HEADER_SIZE) if after.raw[at] != GOOD[at]}
    assert different <= {*range(0x30, 0x78), *range(0x7C, 0x94)}


def test_another_place_of_a_resource_is_told_from_any_other_difference() -> None:
    header, new = Header(GOOD), ResourceHeader(100, 4, 5000, 200)
    moved = header.with_resources(lookup_table=new, xml=new, boot_metadata=new, integrity=new)
    assert header.differs_only_in_places(header)
    assert header.differs_only_in_places(moved)
    for at in {*range(HEADER_SIZE)} - {*range(0x30, 0x78), *range(0x7C, 0x94)}:
        other = Header(moved.raw[:at] + bytes([moved.raw[at] ^ 1]) + moved.raw[at + 1 :])
        assert not header.differs_only_in_places(other)
        assert not other.differs_only_in_places(header)


def test_resource_header_keeps_seven_byte_sizes() -> None:
    header = ResourceHeader((1 << 56) - 1, 0x14, (1 << 63) - 1, 12345)
    assert ResourceHeader.unpack(header.pack()) == header
