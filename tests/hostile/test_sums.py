"""Small files of which each part is within its bounds, and only the sum of them is not.

Each is smaller than 2 MB and may cost 5 seconds of a processor, whatever is done with it; most of them once
took minutes.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts.testdata import images
from scripts.testdata.build import FOLDER
from scripts.testdata.wim_writer import compressed_resource
from tests.hostile.isolated import Isolated
from winpe_certs.errors import WimError
from winpe_certs.wim.layout import (
    BOOT_INDEX_AT,
    BOOT_METADATA_AT,
    IMAGE_COUNT_AT,
    INTEGRITY_AT,
    LOOKUP_TABLE_AT,
    XML_AT,
)
from winpe_certs.wim.lookup import LookupTable
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.work import Work
from winpe_certs.workflows.selection import SOFTWARE_HIVE

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
MAXIMUM_SECONDS = 5
MAXIMUM_PEAK = 400 << 20
LARGEST = 2_000_000
CHUNK = 32_768
COMPRESSED, METADATA = 4, 2
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("list",),
    ("verify", "-i", "all", "--cert", str(CERTIFICATE)),
    ("audit",),
    ("inject", "-i", "all", "--dry-run", "--cert", str(CERTIFICATE)),
    ("manifest",),
    ("compact", "-o", "{output}"),
)


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated() as running:
        yield running


@cache
def _chunk(plain: bytes) -> bytes:
    return compressed_resource(plain, "lzx", CHUNK)


def _stored(plain: bytes) -> bytes:
    chunks = [_chunk(plain[at : at + CHUNK]) for at in range(0, len(plain), CHUNK)]
    offset, table = 0, b""
    for chunk in chunks[:-1]:
        offset += len(chunk)
        table += struct.pack("<I", offset)
    return table + b"".join(chunks)


def _entry(stored: int, flags: int, offset: int, plain: bytes) -> bytes:
    digest = hashlib.sha1(plain, usedforsecurity=False).digest()
    return struct.pack("<QQQHI20s", stored | flags << 56, offset, len(plain), 1, 1, digest)


def _folder_entry(name: str, attributes: int, subdirectory: int, streams: int = 0) -> bytes:
    stored = name.encode("utf-16-le")
    length = 102 + len(stored) + 2 + 7 & ~7
    fields = (length, attributes, -1, subdirectory, *[0] * 5, bytes(20), 0, 0, streams, 0, len(stored))
    return (struct.pack("<QIiQQQQQQ20sIQHHH", *fields) + stored).ljust(length, b"\0")


class _File:
    """A sound image, to which hostile parts are added."""

    def __init__(self) -> None:
        self.data = bytearray(images.variant("small"))
        wim = WimFile(io.BytesIO(bytes(self.data)), "x")
        self.metadata = wim.metadata_bytes(1)
        self.root = wim.directory(1).root.offset
        entries = [each for each in wim.lookup_table.entries() if not each.is_metadata]
        self.contents = b"".join(wim.lookup_table.raw[50 * each.number :][:50] for each in entries)
        self.hive = wim.directory(1).find_file(SOFTWARE_HIVE)

    def add(self, plain: bytes, flags: int) -> bytes:
        """The entry of a new resource."""
        stored, offset = _stored(plain), len(self.data)
        self.data += stored
        return _entry(len(stored), flags | COMPRESSED, offset, plain)

    def put(self, at: int, plain: bytes) -> None:
        """A resource that the header names."""
        stored, offset = _stored(plain), len(self.data)
        self.data += stored
        struct.pack_into("<QQQ", self.data, at, len(stored) | COMPRESSED << 56, offset, len(plain))

    def finish(self, table: bytes, count: int) -> bytes:
        self.put(LOOKUP_TABLE_AT, table + self.contents)
        struct.pack_into("<I", self.data, IMAGE_COUNT_AT, count)
        struct.pack_into("<I", self.data, BOOT_INDEX_AT, 0)
        for at in (BOOT_METADATA_AT, INTEGRITY_AT):
            struct.pack_into("<QQQ", self.data, at, 0, 0, 0)
        return bytes(self.data)


def _one_metadata(count: int) -> bytes:
    file = _File()
    return file.finish(file.add(file.metadata, METADATA) * count, count)


def _other_metadata(count: int) -> bytes:
    """Each image has its own root folder's time, and one hive with the others."""
    file, table = _File(), b""
    for number in range(count):
        metadata = bytearray(file.metadata)
        struct.pack_into("<Q", metadata, file.root + 40, number + 1)
        table += file.add(bytes(metadata), METADATA)
    return file.finish(table, count)


def _many_entries(count: int, *, images: int) -> bytes:
    """One folder of so many entries, and images that all have it."""
    file = _File()
    head = struct.pack("<II", 8, 0)
    root = _folder_entry("", 0x10, len(head) + 112 + 8)
    child = _folder_entry("x" * 12, 0x20, 0)
    metadata = head + root.ljust(112, b"\0") + bytes(8) + child * count + bytes(8)
    return file.finish(file.add(metadata, METADATA) * images, images)


def _many_streams() -> bytes:
    file = _File()
    stream = struct.pack("<QQ20sH", 40, 0, bytes(20), 0).ljust(40, b"\0")
    child = _folder_entry("x", 0x20, 0, streams=60_000) + stream * 60_000
    metadata = struct.pack("<II", 8, 0) + _folder_entry("", 0x10, 128) + bytes(120)
    metadata = metadata[:128] + child * 20 + bytes(8)
    return file.finish(file.add(metadata, METADATA), 1)


def _deep(depth: int) -> bytes:
    file = _File()
    size = len(_folder_entry("x" * 250, 0x10, 0)) + 8
    metadata = struct.pack("<II", 8, 0) + _folder_entry("", 0x10, 120) + bytes(8)
    assert len(metadata) == 120
    for level in range(1, depth + 1):
        metadata += _folder_entry("x" * 250, 0x10, 120 + level * size if level < depth else 0) + bytes(8)
    return file.finish(file.add(metadata, METADATA), 1)


def _repetitive_table(size: int, count: int) -> bytes:
    """A table whose every byte looks like the beginning of the hash that is looked for."""
    file = _File()
    metadata = bytearray(file.metadata)
    for stream in file.hive.streams:
        if not stream.name:
            metadata[stream.hash_at : stream.hash_at + 20] = b"\x55" * 20
    filler = b"\x55" * 49 + b"\x54"
    return file.finish(file.add(bytes(metadata), METADATA) * count + filler * (size // 50), count)


def _xml(body: str) -> bytes:
    file = _File()
    text = f'<WIM><TOTALBYTES>1</TOTALBYTES><IMAGE INDEX="1"><NAME>x</NAME>{body}</IMAGE></WIM>'
    data = file.finish(file.add(file.metadata, METADATA), 1)
    file.data = bytearray(data)
    file.put(XML_AT, ("\ufeff" + text).encode("utf-16-le"))
    return bytes(file.data)


def _integrity() -> bytes:
    """A digest for every byte."""
    file = _File()
    file.data = bytearray(file.finish(file.add(file.metadata, METADATA), 1))
    count = len(file.data) - 208
    file.put(INTEGRITY_AT, struct.pack("<III", 12 + 20 * count, count, 1) + bytes(20 * count))
    return bytes(file.data)


FILES: dict[str, Callable[[], bytes]] = {
    "1024-images-of-one-metadata": lambda: _one_metadata(1_024),
    "300-images-with-their-own": lambda: _other_metadata(300),
    "a-folder-of-9000-in-1024-images": lambda: _many_entries(9_000, images=1_024),
    "a-folder-of-400000": lambda: _many_entries(400_000, images=1),
    "a-folder-of-100000-in-1024-images": lambda: _many_entries(100_000, images=1_024),
    "streams": _many_streams,
    "deep": lambda: _deep(15_000),
    "lookup-table-63-mib": lambda: _repetitive_table(63 << 20, 1),
    "lookup-table-8-mib-16-images": lambda: _repetitive_table(8 << 20, 16),
    "xml-elements": lambda: _xml("<a/>" * 1_500_000),
    "xml-long-path": lambda: _xml(f"<{'b' * 3_000_000}>{'<a/>' * 150_000}</{'b' * 3_000_000}>"),
    "integrity-of-bytes": _integrity,
}


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_costs_little_whatever_is_done_with_it(
    name: str, isolated: Isolated, tmp_path: Path
) -> None:
    path, output = tmp_path / "boot.wim", tmp_path / "copy.wim"
    content = FILES[name]()
    assert len(content) < LARGEST
    path.write_bytes(content)
    for command, *more in COMMANDS:
        outcome = isolated.run(command, path, *(word.format(output=output) for word in more))
        assert outcome.seconds < MAXIMUM_SECONDS, command
        assert outcome.peak < MAXIMUM_PEAK, command
        assert outcome.code in {0, 1, 3}, (command, outcome.stderr)
        assert "Traceback" not in outcome.stderr
        assert path.read_bytes() == content


def test_many_images_of_one_metadata_are_listed(isolated: Isolated, tmp_path: Path) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(_one_metadata(1_024))
    for form in ("text", "json"):
        outcome = isolated.run("list", path, "-f", form)
        assert outcome.code == 0
        assert outcome.stdout.count("boot.wim") >= 1_024
        assert outcome.seconds < MAXIMUM_SECONDS


def test_work_is_counted_and_ends() -> None:
    work = Work(8_000, "boot.wim")
    work.spend(251_000)
    with pytest.raises(WimError, match=r"boot\.wim: reading its images takes far more work"):
        work.spend(1)


@pytest.mark.parametrize("count", [3, 40])
def test_the_index_of_a_table_finds_what_a_search_finds(count: int) -> None:
    digests = [bytes([number % 7]) * 20 for number in range(count)]
    raw = b"".join(
        struct.pack("<QQQHI20s", 1 | (METADATA if number % 5 == 1 else 0) << 56, number, 1, 1, 1, digest)
        for number, digest in enumerate(digests)
    )
    table = LookupTable(raw, "x")
    for _ in range(20):
        for digest in {*digests, b"\xaa" * 20}:
            expected = next(
                (n for n in range(count) if digests[n] == digest and n % 5 != 1),
                None,
            )
            found = table.find(digest)
            assert (found.number if found else None) == expected
