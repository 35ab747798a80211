"""Damaged WIM files, each made from a small good one by one edit.

What is wrong within the metadata or the XML is put there before the file is laid out, so that hashes fit.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import cache, partial

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import single, small_hive, software, windows_pe
from scripts.testdata.wim_writer import HEADER_SIZE, Entry, Image, Wim, build_wim, digest, metadata

_LOOKUP, _XML, _BOOT, _INTEGRITY = 0x30, 0x48, 0x60, 0x7C
_TRUNCATIONS = 30


def _wim(**changes: object) -> Wim:
    usual: dict[str, object] = {"boot_index": 1, "integrity_piece": None}
    return Wim([windows_pe([software(small_hive())])], **(usual | changes))  # type: ignore[arg-type]


@cache
def _good() -> bytes:
    return build_wim(_wim())


def _put(content: bytes, offset: int, layout: str, *numbers: int) -> bytes:
    packed = struct.pack(layout, *numbers)
    assert 0 <= offset <= len(content) - len(packed)
    return content[:offset] + packed + content[offset + len(packed) :]


def _header(offset: int, layout: str, *numbers: int) -> bytes:
    return _put(_good(), offset, layout, *numbers)


def _stored_size(content: bytes, at: int, size: int) -> bytes:
    return content[:at] + size.to_bytes(7, "little") + content[at + 7 :]


def _table_entry(blob: bytes) -> int:
    """Find a blob's entry in the good file's lookup table."""
    return _table_in(_good(), blob)


def _software_entry(offset: int, layout: str, *numbers: int) -> bytes:
    return _put(_good(), _table_entry(small_hive()) + offset, layout, *numbers)


def _metadata_entry() -> int:
    return _table_entry(metadata(_image()))


def _image() -> Image:
    return windows_pe([software(small_hive())])


def _software_resource() -> tuple[int, int]:
    """Give where the hive's chunk table begins and how many offsets it has."""
    (offset,) = struct.unpack_from("<Q", _chunked(), _table_in(_chunked(), small_hive()) + 8)
    return offset, (len(small_hive()) - 1) // 32768


@cache
def _chunked() -> bytes:
    return build_wim(_wim(stored_chunks=True))


def _table_in(content: bytes, blob: bytes) -> int:
    (table,) = struct.unpack_from("<Q", content, _LOOKUP + 8)
    return content.index(digest(blob), table) - 30


def _chunk_offset(position: int, number: int) -> bytes:
    start, count = _software_resource()
    assert position < count
    return _put(_chunked(), start + 4 * position, "<I", number)


def _garbled_chunks() -> bytes:
    """Replace the hive's stored bytes by noise in a file whose chunks are coded or stored."""
    entry = _table_entry(small_hive())
    stored = int.from_bytes(_good()[entry : entry + 7], "little")
    (offset,) = struct.unpack_from("<Q", _good(), entry + 8)
    table = (len(small_hive()) - 1) // 32768 * 4
    noise = random.Random(3).randbytes(stored - table)
    return _good()[: offset + table] + noise + _good()[offset + stored :]


def _with_metadata(edit: Callable[[bytes], bytes]) -> bytes:
    return build_wim(_wim(edit_metadata=edit))


def _entry_of(content: bytes, name: str) -> int:
    """Find a directory entry by its name."""
    return content.index(name.encode("utf-16-le") + b"\0\0") - 102


def _edit_entry(name: str, offset: int, layout: str, *numbers: int) -> bytes:
    return _with_metadata(lambda plain: _put(plain, _entry_of(plain, name) + offset, layout, *numbers))


def _point_directory(name: str, target: str) -> bytes:
    """Let one directory's children be those of another; the empty name is the root."""

    def edit(plain: bytes) -> bytes:
        (security,) = struct.unpack_from("<I", plain)
        where = _entry_of(plain, target) if target else security
        (children,) = struct.unpack_from("<Q", plain, where + 16)
        return _put(plain, _entry_of(plain, name) + 16, "<Q", children)

    return _with_metadata(edit)


def _edit_root(offset: int, layout: str, *numbers: int) -> bytes:
    return _with_metadata(
        lambda plain: _put(plain, struct.unpack_from("<I", plain)[0] + offset, layout, *numbers)
    )


def _edit_security(offset: int, layout: str, *numbers: int) -> bytes:
    return _with_metadata(lambda plain: _put(plain, offset, layout, *numbers))


def _edit_stream(offset: int, layout: str, *numbers: int) -> bytes:
    """Damage the first stream entry of the file that has an alternate stream."""

    def edit(plain: bytes) -> bytes:
        entry = _entry_of(plain, "winpe.jpg")
        (length,) = struct.unpack_from("<Q", plain, entry)
        return _put(plain, entry + length + offset, layout, *numbers)

    return _with_metadata(edit)


def _xml(edit: Callable[[bytes], bytes]) -> bytes:
    return build_wim(_wim(edit_xml=edit))


def _replaced_xml(old: str, new: str) -> bytes:
    return _xml(lambda xml: xml.replace(old.encode("utf-16-le"), new.encode("utf-16-le")))


def _entity_bomb(xml: bytes) -> bytes:
    levels = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 12))
    head = f'\ufeff<!DOCTYPE WIM [<!ENTITY e0 "bomb">{levels}]><WIM><NAME>&e11;</NAME>'
    return head.encode("utf-16-le") + xml[len("\ufeff<WIM>") * 2 :]


def _integrity(offset: int, layout: str, *numbers: int) -> bytes:
    good = build_wim(_wim(integrity_piece=32768))
    (table,) = struct.unpack_from("<Q", good, _INTEGRITY + 8)
    return _put(good, table + offset, layout, *numbers)


def _deep() -> bytes:
    nest = Entry("level", data=b"")
    for _ in range(3000):
        nest = Entry("level", children=[nest])
    image = Image("deep", Entry("", children=[nest]), _image().descriptors)
    return build_wim(Wim([image], integrity_piece=None, compression="none"))


def _odd_name(name: str) -> bytes:
    """Give a file in ``config`` a name that no Windows file can have."""
    return build_wim(single(Entry(name, b"harmless"), software(small_hive())))


def _duplicate_hash() -> bytes:
    good = _good()
    first = _table_entry(small_hive())
    second = _table_in(good, b"wpeinit\r\n")
    return good[: second + 30] + good[first + 30 : first + 50] + good[second + 50 :]


def _truncated(position: int) -> bytes:
    """Cut the good file: the first ten times within the header and just behind it, then evenly."""
    if position < 10:
        return _good()[: (1, 7, 8, 12, 44, 100, 148, 207, 208, 230)[position]]
    return _good()[: len(_good()) * (position - 9) // (_TRUNCATIONS - 8)]


def _holding(hive: bytes) -> bytes:
    return build_wim(single(software(hive)))


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (bytes, "The file is empty."),
    "random": (lambda: random.Random(1).randbytes(50_000), "The file is 50,000 random bytes."),
    "zeros": (partial(bytes, 4096), "The file is all zeros."),
    "header-only": (lambda: _good()[:HEADER_SIZE], "The file ends behind its header."),
    "header-size": (lambda: _header(8, "<I", 100), "The header says that it is 100 bytes long."),
    "chunk-size-0": (lambda: _header(20, "<I", 0), "The chunk size of a compressed file is 0."),
    "chunk-size-3": (lambda: _header(20, "<I", 3), "The chunk size is 3, no power of two."),
    "chunk-size-2g": (lambda: _header(20, "<I", 1 << 31), "The chunk size is 2 GiB."),
    "part-0": (lambda: _header(40, "<H", 0), "The file is part 0."),
    "image-count-0": (lambda: _header(44, "<I", 0), "The header counts no image, there is metadata of one."),
    "image-count-2g": (lambda: _header(44, "<I", 1 << 31), "The header counts 2,147,483,648 images."),
    "fewer-metadata": (
        lambda: _header(44, "<I", 2),
        "The header counts two images, there is metadata of one.",
    ),
    "boot-index": (lambda: _header(0x78, "<I", 9), "The boot index is 9 of 1."),
    "boot-metadata": (
        lambda: _header(_BOOT + 8, "<Q", 4711),
        "The header's boot metadata is not the metadata of the boot index.",
    ),
    "lookup-past-end": (
        lambda: _header(_LOOKUP + 8, "<Q", 1 << 40),
        "The lookup table lies a terabyte behind the end of the file.",
    ),
    "lookup-odd-size": (
        lambda: _stored_size(_header(_LOOKUP + 16, "<Q", 333), _LOOKUP, 333),
        "The lookup table is 333 bytes long, no multiple of 50.",
    ),
    "lookup-huge": (lambda: _stored_size(_good(), _LOOKUP, 1 << 55), "The lookup table claims 2^55 bytes."),
    "lookup-compressed": (lambda: _header(_LOOKUP + 7, "<B", 6), "The lookup table is marked compressed."),
    "lookup-missing": (lambda: _header(_LOOKUP, "<QQQ", 0, 0, 0), "The file has no lookup table."),
    "lookup-in-header": (lambda: _header(_LOOKUP + 8, "<Q", 10), "The lookup table lies in the header."),
    "lookup-duplicate": (_duplicate_hash, "Two lookup table entries have the hash of the SOFTWARE hive."),
    "xml-missing": (lambda: _header(_XML, "<QQQ", 0, 0, 0), "The file has no XML."),
    "xml-past-end": (lambda: _header(_XML + 8, "<Q", 1 << 40), "The XML lies behind the end of the file."),
    "xml-huge": (lambda: _stored_size(_good(), _XML, 1 << 55), "The XML claims 2^55 bytes."),
    "xml-malformed": (lambda: _replaced_xml("</WIM>", "</WIM"), "The XML's last element is not closed."),
    "xml-no-bom": (lambda: _xml(lambda xml: xml[2:]), "The XML has no byte order mark."),
    "xml-odd-length": (lambda: _xml(lambda xml: xml + b" "), "The XML has an odd number of bytes."),
    "xml-lone-surrogate": (
        lambda: _xml(lambda xml: xml.replace("®".encode("utf-16-le"), b"\0\xd8")),
        "The XML has half a surrogate pair.",
    ),
    "xml-entity-bomb": (lambda: _xml(_entity_bomb), "The XML's entities unfold to 400 gigabytes."),
    "xml-other-count": (
        lambda: _replaced_xml('INDEX="1"', 'INDEX="7"'),
        "The XML describes image 7, the file has image 1.",
    ),
    "xml-total-not-a-number": (
        lambda: _replaced_xml("<WIM><TOTALBYTES>", "<WIM><TOTALBYTES>many"),
        "The XML's TOTALBYTES is no number.",
    ),
    "integrity-count": (
        lambda: _integrity(4, "<I", 0xFFFFFFFF),
        "The integrity table counts 2^32 - 1 pieces.",
    ),
    "integrity-size": (lambda: _integrity(0, "<I", 0xFFFFFFF0), "The integrity table claims 4 GiB."),
    "integrity-piece-0": (lambda: _integrity(8, "<I", 0), "The integrity table's pieces have 0 bytes."),
    "integrity-past-end": (
        lambda: _put(build_wim(_wim(integrity_piece=32768)), _INTEGRITY + 8, "<Q", 1 << 40),
        "The integrity table lies behind the end of the file.",
    ),
    "integrity-digest": (lambda: _integrity(12, "<Q", 0), "The integrity table's first digest is wrong."),
    "resource-huge": (
        lambda: _stored_size(_good(), _table_entry(small_hive()), 1 << 55),
        "The SOFTWARE resource claims 2^55 stored bytes.",
    ),
    "resource-plain-huge": (
        lambda: _software_entry(16, "<Q", 1 << 55),
        "The SOFTWARE resource claims to be 2^55 bytes when decoded.",
    ),
    "resource-past-end": (
        lambda: _software_entry(8, "<Q", len(_good()) - 100),
        "The SOFTWARE resource runs past the end of the file.",
    ),
    "resource-empty": (
        lambda: _stored_size(_good(), _table_entry(small_hive()), 0),
        "The SOFTWARE resource has 0 stored bytes, and decodes to many.",
    ),
    "resource-hash": (
        lambda: _put(_good(), 208 + 40, "<Q", 0x0123456789ABCDEF),
        "A byte of the first resource was changed, its hash no longer fits.",
    ),
    "resource-garbled": (_garbled_chunks, "The chunks of the SOFTWARE resource are noise."),
    "metadata-huge": (
        lambda: _stored_size(_good(), _metadata_entry(), 1 << 55),
        "The metadata resource claims 2^55 stored bytes.",
    ),
    "metadata-plain-huge": (
        lambda: _put(_good(), _metadata_entry() + 16, "<Q", 1 << 55),
        "The metadata resource claims to be 2^55 bytes when decoded.",
    ),
    "metadata-empty": (
        lambda: _with_metadata(lambda _: b"\x08\0\0\0\0\0\0\0"),
        "The metadata has a security block and no root directory.",
    ),
    "chunk-table-past-end": (
        lambda: _put(_chunked(), _table_in(_chunked(), small_hive()) + 16, "<Q", 1_000_000_000),
        "The SOFTWARE resource's chunk table is longer than the resource.",
    ),
    "chunk-empty": (lambda: _chunk_offset(1, 32768), "The second chunk of SOFTWARE has 0 bytes."),
    "chunk-descending": (lambda: _chunk_offset(1, 5), "The chunk offsets of SOFTWARE go back."),
    "chunk-past-end": (lambda: _chunk_offset(2, 1 << 31), "A chunk of SOFTWARE lies behind the resource."),
    "chunk-too-long": (lambda: _chunk_offset(0, 40000), "The first chunk of SOFTWARE has 40,000 bytes."),
    "security-count": (
        lambda: _edit_security(4, "<I", 1 << 31),
        "The security block counts 2^31 descriptors.",
    ),
    "security-length": (lambda: _edit_security(0, "<I", 1 << 31), "The security block claims 2 GiB."),
    "security-short": (lambda: _edit_security(0, "<I", 12), "The security block claims 12 bytes."),
    "security-size": (lambda: _edit_security(8, "<Q", 1 << 60), "A security descriptor claims 2^60 bytes."),
    "security-id": (
        lambda: _edit_entry("SOFTWARE", 12, "<i", 4711),
        "SOFTWARE has security descriptor 4711 of 4.",
    ),
    "directory-cycle": (lambda: _point_directory("System32", ""), "System32 contains the root directory."),
    "directory-cycle-elsewhere": (
        lambda: _point_directory("Users", ""),
        "Users contains the root directory, apart from the way to SOFTWARE.",
    ),
    "directory-itself": (
        lambda: _point_directory("config", "System32"),
        "The directory config contains itself.",
    ),
    "directory-twice": (
        lambda: _point_directory("Users", "Windows"),
        "Users and Windows share their entries.",
    ),
    "directory-past-end": (
        lambda: _edit_entry("config", 16, "<Q", 1 << 50),
        "The entries of config lie behind the metadata.",
    ),
    "directory-in-security": (
        lambda: _edit_entry("config", 16, "<Q", 3),
        "The entries of config lie in the security block.",
    ),
    "directory-deep": (_deep, "The directories are nested 3,000 deep."),
    "root-length": (lambda: _edit_root(0, "<Q", 0), "The root directory's entry has length 0."),
    "root-no-directory": (lambda: _edit_root(8, "<I", 0x20), "The root directory is marked a plain file."),
    "entry-length-huge": (
        lambda: _edit_entry("SOFTWARE", 0, "<Q", 1 << 60),
        "The entry of SOFTWARE claims 2^60 bytes.",
    ),
    "entry-length-short": (
        lambda: _edit_entry("SOFTWARE", 0, "<Q", 16),
        "The entry of SOFTWARE claims 16 bytes, less than its fixed part.",
    ),
    "entry-length-0": (
        lambda: _edit_entry("SOFTWARE", 0, "<Q", 0),
        "The entry of SOFTWARE claims 0 bytes: the directory ends before it.",
    ),
    "entry-length-overlap": (
        lambda: _edit_entry("SOFTWARE", 0, "<Q", 104),
        "The entry of SOFTWARE claims 104 bytes, its name runs into the next entry.",
    ),
    "entry-length-wrap": (
        lambda: _edit_entry("SOFTWARE", 0, "<Q", (1 << 64) - 8),
        "The entry of SOFTWARE claims 2^64 - 8 bytes, so that a sum wraps around.",
    ),
    "name-length-odd": (
        lambda: _edit_entry("SOFTWARE", 100, "<H", 15),
        "The name has 15 bytes, UTF-16 is even.",
    ),
    "name-length-past": (
        lambda: _edit_entry("SOFTWARE", 100, "<H", 65534),
        "The name of SOFTWARE claims 65,534 bytes.",
    ),
    "short-name-past": (
        lambda: _edit_entry("SOFTWARE", 98, "<H", 65534),
        "The short name of SOFTWARE claims 65,534 bytes.",
    ),
    "name-with-separator": (partial(_odd_name, "a\\b"), "A file name has a backslash in it."),
    "name-dots": (partial(_odd_name, ".."), "A file is called '..'."),
    "name-nul": (partial(_odd_name, "a\0b"), "A file name has a NUL in it."),
    "name-escape": (
        partial(_odd_name, "\x1b[31m[bold]red"),
        "A file name has terminal codes and markup in it.",
    ),
    "stream-count": (lambda: _edit_entry("SOFTWARE", 96, "<H", 65535), "SOFTWARE claims 65,535 streams."),
    "stream-length-0": (lambda: _edit_stream(0, "<Q", 0), "A stream entry has length 0."),
    "stream-length-huge": (lambda: _edit_stream(0, "<Q", 1 << 60), "A stream entry claims 2^60 bytes."),
    "stream-name-past": (lambda: _edit_stream(36, "<H", 65534), "A stream's name claims 65,534 bytes."),
    "hive-truncated": (lambda: _holding(small_hive()[:50_000]), "The SOFTWARE hive is cut off."),
    "hive-garbage": (lambda: _holding(random.Random(2).randbytes(20_000)), "The SOFTWARE hive is noise."),
    "hive-dirty": (
        lambda: _holding(hive_variant("software-dirty.hiv")),
        "The SOFTWARE hive is dirty: its sequence numbers differ.",
    ),
    "hive-of-one-byte": (lambda: _holding(b"r"), "The SOFTWARE hive is one byte long."),
}
IMAGES |= {
    f"truncated-{position:02}": (
        partial(_truncated, position),
        f"The file is cut off, place {position} of 30.",
    )
    for position in range(_TRUNCATIONS)
}
