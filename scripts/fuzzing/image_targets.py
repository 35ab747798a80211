"""What is fuzzed of WIM files: the whole file, what a patch makes of it, and each of its parts on its own."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Final

from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import InputError
from winpe_certs.wim.append import append
from winpe_certs.wim.changes import prepare
from winpe_certs.wim.codecs.interface import Compression, decoder_for
from winpe_certs.wim.confirm import confirm
from winpe_certs.wim.copy import compact
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.header import Header
from winpe_certs.wim.integrity import IntegrityTable
from winpe_certs.wim.layout import HEADER_SIZE
from winpe_certs.wim.lookup import LookupTable, LookupTableEditor
from winpe_certs.wim.manifest import entries_of
from winpe_certs.wim.reader import PlainBytes, WimFile
from winpe_certs.wim.xml import WimXml

ORIGIN: Final = "fuzzed"
SOFTWARE: Final = r"Windows\System32\config\SOFTWARE"
NEW_CONTENTS: Final = b"what stands in the place of a hive, and is longer than that was. " * 60
CLOCK: Final = 0x01DB_0000_1234_5678
_MOST_IMAGES: Final = 3
_MOST_COVERED: Final = 1 << 20


def wim(data: bytes) -> None:
    """Everything that is read of a WIM: its images, their directories, SOFTWARE, the integrity table."""
    file = WimFile(io.BytesIO(data), ORIGIN)
    images = WimImages(file)
    failures: list[InputError] = []

    def attempt(work: object) -> None:
        assert callable(work)
        try:
            work()
        except InputError as error:
            failures.append(error)

    attempt(lambda: images.images)
    for index in range(1, min(file.header.image_count, _MOST_IMAGES) + 1):
        attempt(lambda: sum(1 for _ in file.directory(index).walk()))  # noqa: B023 - called at once
        attempt(lambda: images.read(index, SOFTWARE))  # noqa: B023 - called at once

    def verify() -> None:
        table = file.integrity_table()
        if table is not None:
            table.verify(file.read_at, ORIGIN)

    attempt(verify)
    if failures:
        raise failures[0]


def wim_patch(data: bytes) -> None:
    """What ``inject`` makes of a WIM, in place and as a copy, read back through the new header."""
    before = WimFile(io.BytesIO(data), ORIGIN)
    before.header.refuse_unpatchable(ORIGIN)
    replacements = {(1, SOFTWARE): NEW_CONTENTS}
    changes = prepare(before, replacements, CLOCK)
    appendix = append(before, changes)
    patched = appendix.header.raw + data[HEADER_SIZE : appendix.start] + b"".join(appendix.payload)
    after = WimFile(io.BytesIO(patched), ORIGIN)
    confirm(before, after, changes.digests)
    assert after.read_file(1, SOFTWARE) == NEW_CONTENTS
    copy = b"".join(compact(before, prepare(before, replacements, CLOCK)).pieces())
    confirm(before, WimFile(io.BytesIO(copy), ORIGIN), changes.digests)


def wim_header(data: bytes) -> None:
    """The header and all of its fields."""
    header = Header.parse(data[:HEADER_SIZE], ORIGIN)
    same = header.with_resources(
        lookup_table=header.lookup_table,
        xml=header.xml,
        boot_metadata=header.boot_metadata,
        integrity=header.integrity,
    )
    assert same == header
    assert header.boot_index <= header.image_count
    assert header.part_number >= 0
    decoder_for(header.compression)
    header.refuse_unpatchable(ORIGIN)


def wim_lookup_table(data: bytes) -> None:
    """The lookup table, looked through and changed."""
    table = LookupTable(data, ORIGIN)
    entries = list(table.entries())
    assert len(entries) == len(table)
    table.metadata()
    table.end_of_resources()
    editor = LookupTableEditor(table)
    for entry in entries:
        found = table.find(entry.hash)
        assert found is None or found.hash == entry.hash
        assert editor.resource(entry.number) == entry.resource
        editor.count(entry.number, -3)
    editor.drop({entry.number for entry in entries if entry.is_metadata})
    assert len(editor.to_bytes()) <= len(data)


def wim_metadata(data: bytes) -> None:
    """The metadata of an image: the walk through its directories, the way to SOFTWARE, the manifest."""
    directory = Directory(PlainBytes(data), ORIGIN)
    with suppress(InputError):
        directory.find_file(SOFTWARE)
    count = 0
    streams = []
    for _, entry in directory.walk():
        assert entry.contents in entry.streams
        streams += [(entry.offset, stream.hash) for stream in entry.streams]
        count += 1
    assert sorted(directory.hashes()) == sorted(streams)
    entries = entries_of(data, ORIGIN)
    assert len(entries) == count
    assert not any(b"\n" in entry.line.encode() for entry in entries)


def wim_xml(data: bytes) -> None:
    """The XML: read, changed, and read again."""
    xml = WimXml(data, ORIGIN)
    for image in xml.images.values():
        assert all(isinstance(text, str) for text in (image.name, image.architecture, image.version))
        xml.add_to_image(image.index, "TOTALBYTES", -5)
        xml.add_to_image(image.index, "HARDLINKBYTES", 1 << 40)
        xml.set_image_time(image.index, "LASTMODIFICATIONTIME", CLOCK)
    xml.set_total_bytes(1 << 40)
    changed = WimXml(xml.to_bytes(), ORIGIN)
    assert {index: image.name for index, image in changed.images.items()} == {
        index: image.name for index, image in xml.images.items()
    }


def integrity_table(data: bytes) -> None:
    """The integrity table; the first eight bytes say how much of a file it covers."""
    covered = HEADER_SIZE + int.from_bytes(data[:8], "little") % _MOST_COVERED
    table = IntegrityTable.parse(data[8:], covered, ORIGIN)

    def zeros(_: int, size: int) -> bytes:
        return bytes(size)

    with suppress(InputError):
        table.extended(covered + 1000, zeros, zeros, ORIGIN)
    with suppress(InputError):
        table.verify(zeros, ORIGIN)
    assert IntegrityTable.parse(table.to_bytes(), covered, ORIGIN) == table


def lzx(data: bytes) -> None:
    """An LZX chunk, behind a byte for the chunk size and two for the plain size."""
    _chunk(Compression.LZX, data, smallest=15, kinds=7)


def xpress(data: bytes) -> None:
    """An XPRESS chunk, likewise."""
    _chunk(Compression.XPRESS, data, smallest=12, kinds=5)


def _chunk(compression: Compression, data: bytes, smallest: int, kinds: int) -> None:
    """Decode a chunk for the size that it says, for fewer bytes, and for more."""
    decode = decoder_for(compression)
    chunk_size = 1 << smallest + data[0] % kinds if data else 1 << smallest
    said = int.from_bytes(data[1:3], "little")
    stored = data[3:]
    for size in (1, said // 2, min(said + 1, chunk_size)):
        with suppress(InputError):
            assert len(decode(stored, size, chunk_size)) == size
    assert len(decode(stored, said, chunk_size)) == said
