from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from scripts.testdata.images import single, small_hive, software, variant
from scripts.testdata.security import file_descriptors
from scripts.testdata.wim_writer import Entry, Image, build_wim, digest, metadata
from winpe_certs.errors import TargetError, WimError
from winpe_certs.wim import manifest as module
from winpe_certs.wim.directory import Directory, DirectoryEntry
from winpe_certs.wim.manifest import entries_of, escaped, manifest, time_text
from winpe_certs.wim.reader import PlainBytes, WimFile

SOFTWARE = r"\Windows\System32\config\SOFTWARE"
NOON = 133_000_000_000_000_000


def plain(*children: Entry, descriptors: Sequence[bytes] | None = None) -> bytes:
    given = file_descriptors() if descriptors is None else descriptors
    return metadata(Image("x", Entry("", children=children), given))


def lines(data: bytes) -> list[str]:
    return [entry.line for entry in entries_of(data, "boot.wim, image 1")]


def lines_of(name: str) -> list[str]:
    return [entry.line for entry in manifest(WimFile(io.BytesIO(variant(name)), "boot.wim"), 1)]


def found(data: bytes, path: str) -> DirectoryEntry:
    return Directory(PlainBytes(data), "x").find(path)


def test_a_line_says_all_of_an_entry() -> None:
    file = Entry(
        "Startnet.cmd",
        b"wpeinit\r\n",
        security=1,
        times=(NOON, NOON + 1, NOON + 12_345_678),
        short_name="STARTN~1.CMD",
        streams=[("note", b"n"), ("empty", b"")],
    )
    descriptor = hashlib.sha256(file_descriptors()[1]).hexdigest()
    assert lines(plain(file))[1].split("\t") == [
        r"\Startnet.cmd",
        "attributes=0x00000020",
        f"sd={descriptor}",
        "created=2022-06-18T04:26:40.0000000Z",
        "written=2022-06-18T04:26:41.2345678Z",
        "accessed=2022-06-18T04:26:40.0000001Z",
        f"sha1={digest(file.data or b'').hex()}",
        "stream=empty:-",
        f"stream=note:{digest(b'n').hex()}",
        "short=STARTN~1.CMD",
    ]


def test_the_digest_is_that_of_the_text_and_the_lines_have_the_order_of_sort() -> None:
    names = ["b", "B", "a", "a b", "a.b", "ä", "\ue000", "\U0001f600", "a\x01", "<"]
    data = plain(*(Entry(name, children=[Entry("x", b"x")]) for name in names))
    entries = entries_of(data, "x")
    raw = "".join(f"{entry.line}\n" for entry in entries).encode()
    assert module.digest(entries) == hashlib.sha256(raw).hexdigest()
    assert raw.splitlines() == sorted(raw.splitlines())
    assert [entry.path for entry in entries] == [entry.line.split("\t")[0] for entry in entries]
    assert entries[0].path == "\\"
    assert len(entries) == 1 + 2 * len(names)


@pytest.mark.parametrize(
    ("filetime", "text"),
    [
        (0, "-"),
        (1, "1601-01-01T00:00:00.0000001Z"),
        (116_444_736_000_000_000, "1970-01-01T00:00:00.0000000Z"),
        (2_650_467_743_999_999_999, "9999-12-31T23:59:59.9999999Z"),
        (2_650_467_744_000_000_000, "0x24c85a5ed1c04000"),
        ((1 << 64) - 1, "0xffffffffffffffff"),
    ],
)
def test_times_are_told_to_the_last_digit(filetime: int, text: str) -> None:
    assert time_text(filetime) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Größe ü 日本 😀.txt", "Größe ü 日本 😀.txt"),
        ("a\tb\nc", "a<0009>b<000A>c"),
        ("a\\b", "a<005C>b"),
        ("<0009>", "<003C>0009>"),
        ("\ud800x", "<D800>x"),
        ("\u202etxt", "<202E>txt"),
        ("\U000e0041", "<E0041>"),
        ("\x85\u2028", "<0085><2028>"),
    ],
)
def test_names_are_escaped_so_that_they_can_be_had_back(name: str, text: str) -> None:
    assert escaped(name) == text
    assert re.sub("<([0-9A-F]+)>", lambda match: chr(int(match[1], 16)), text) == name
    data = plain(Entry("?" * (len(name.encode("utf-16-le", "surrogatepass")) // 2), b"x"))
    at = data.index("?".encode("utf-16-le"))
    encoded = name.encode("utf-16-le", "surrogatepass")
    line = lines(data[:at] + encoded + data[at + len(encoded) :])[1]
    assert line.startswith(f"\\{text}\t")
    line.encode()


def test_a_name_with_a_backslash_is_no_path() -> None:
    inside = plain(Entry("a", children=[Entry("b", b"x")]))
    named = plain(Entry("a", children=[]), Entry("a\\b", b"x"))
    assert lines(inside)[2].split("\t")[1:] == lines(named)[2].split("\t")[1:]
    assert lines(inside) != lines(named)


def linked(*groups: int) -> list[Entry]:
    return [Entry(name, b"same", link_group=group) for name, group in zip("cab", groups, strict=True)]


def test_hard_links_are_named_after_their_first_path_whatever_their_number() -> None:
    first, second = lines(plain(*linked(7, 9, 7))), lines(plain(*linked(4711, 1, 4711)))
    assert first == second
    assert [line.partition("\tlink=")[2] for line in first] == ["", "", r"\b", r"\b"]
    assert lines(plain(*linked(0, 9, 7))) == lines(plain(*linked(0, 0, 0))) != first


def test_names_with_one_number_and_other_contents_are_no_links() -> None:
    twins = [line for line in lines_of("link-group-mismatch") if SOFTWARE in line]
    assert len(twins) == 2
    assert not [line for line in twins if "link=" in line]


def test_the_place_of_the_hash_makes_no_difference() -> None:
    assert lines_of("named-stream") == lines_of("named-stream-entry-hash")


def test_the_order_of_descriptors_makes_no_difference_and_missing_ones_are_told() -> None:
    given = file_descriptors()
    one = lines(plain(Entry("f", b"x", security=1), descriptors=given[:2]))
    other = lines(plain(Entry("f", b"x", security=0), descriptors=[given[1], given[0]]))
    assert one[1] == other[1]
    assert one[0] != other[0]
    for security, text in ((-1, "-"), (2, "none:2"), (-7, "none:-7")):
        line = lines(plain(Entry("f", b"x", security=security), descriptors=given[:2]))[1]
        assert f"\tsd={text}\t" in line


def test_a_reparse_point_shows_its_tag_and_its_data() -> None:
    link = Entry("link", b"target", attributes=0x400, reparse_tag=0xA000000C)
    data = bytearray(plain(link))
    assert f"\tsha1={digest(b'target').hex()}\treparse=0xa000000c" in lines(bytes(data))[1]
    struct.pack_into("<HH", data, found(bytes(data), "link").offset + 92, 0x1234, 1)
    assert lines(bytes(data))[1].endswith("\treparse=0xa000000c\treparse-flags=0x00011234")


def test_a_second_unnamed_stream_is_told_unless_it_says_nothing() -> None:
    data = plain(Entry("f", b"first", streams=[("", b"second"), ("", b"first"), ("", b"")]))
    assert lines(data)[1].endswith(f"\tsha1={digest(b'first').hex()}\tstream=:{digest(b'second').hex()}")


CHANGES = [
    (8, "<I", 0x23, "attributes=0x00000023"),
    (12, "<i", 2, f"sd={hashlib.sha256(file_descriptors()[2]).hexdigest()}"),
    (24, "<Q", 5, "unused-24=0x5"),
    (32, "<Q", 6, "unused-32=0x6"),
    (40, "<Q", NOON, "created=2022-06-18T04:26:40.0000000Z"),
    (48, "<Q", NOON, "accessed=2022-06-18T04:26:40.0000000Z"),
    (56, "<Q", 0, "written=-"),
    (64, "20s", bytes(range(20)), f"sha1={bytes(range(20)).hex()}"),
    (84, "<I", 7, "unused-84=0x7"),
    (102, "<H", ord("G"), "\\G"),
    (102 + 2 + 2, "<H", ord("Z"), "short=Z~1"),
]


@pytest.mark.parametrize(("at", "layout", "value", "field"), CHANGES, ids=lambda value: str(value)[:12])
def test_every_field_shows_in_its_line_and_in_no_other(
    at: int, layout: str, value: int | bytes, field: str
) -> None:
    data = bytearray(plain(Entry("F", b"x", short_name="F~1"), Entry("other", b"x")))
    before = lines(bytes(data))
    struct.pack_into(layout, data, found(bytes(data), "F").offset + at, value)
    after = lines(bytes(data))
    assert (before[0], before[2]) == (after[0], after[2])
    assert before[1] != after[1]
    changed = set(after[1].split("\t")) - set(before[1].split("\t"))
    assert changed == {field}


def tagged(entry: bytes, item: bytes) -> bytes:
    """An entry with an item behind its names."""
    return struct.pack("<Q", len(entry) + len(item)) + entry[8:] + item


def with_item(name: str, item: bytes) -> bytes:
    """Metadata with a root and one file, which has a tagged item."""
    encoded = name.encode("utf-16-le") + b"\0\0"
    fixed = struct.pack("<QIiQ", 0, 0x20, -1, 0).ljust(100, b"\0") + struct.pack("<H", len(encoded) - 2)
    entry = fixed + encoded
    entry += bytes(-len(entry) % 8)
    root = struct.pack("<QIiQ", 104, 0x10, -1, 120).ljust(104, b"\0")
    return struct.pack("<II", 8, 0) + root + bytes(8) + tagged(entry, item) + bytes(8)


def test_tagged_items_have_a_digest_that_the_name_does_not_change() -> None:
    item = struct.pack("<IIIIII", 0x337DD873, 16, 1000, 1000, 0o100644, 0)
    expected = f"extra={hashlib.sha256(item.rstrip(bytes(1))).hexdigest()}"
    for name in ("f", "fo", "foo", "four", "fifth"):
        line = lines(with_item(name, item))[1]
        assert line.split("\t")[-1] == expected
    assert "extra" not in lines(with_item("f", bytes(16)))[1]
    assert lines(with_item("f", bytes(8) + item))[1] != lines(with_item("f", item))[1]


def test_bytes_in_the_padding_do_not_hide() -> None:
    data = bytearray(plain(Entry("F", b"x")))
    offset = found(bytes(data), "F").offset
    data[offset + 107] = 1
    assert "\textra=" in lines(bytes(data))[1]


def test_the_unused_field_of_a_stream_shows() -> None:
    data = bytearray(plain(Entry("F", b"x", streams=[("note", b"n")])))
    stream = found(bytes(data), "F").streams[-1]
    data[stream.hash_at - 1] = 1
    unused = (1 << 56).to_bytes(8, "little")
    assert lines(bytes(data))[1].endswith(f"\tstream-extra=note:{hashlib.sha256(unused).hexdigest()}")


def test_there_is_no_manifest_of_an_image_that_is_not_there() -> None:
    with pytest.raises(TargetError, match="there is no image 2"):
        manifest(WimFile(io.BytesIO(variant("single")), "boot.wim"), 2)


def test_metadata_with_another_hash_is_refused() -> None:
    wim = bytearray(build_wim(replace(single(software(small_hive())), compression="none")))
    entry = WimFile(io.BytesIO(bytes(wim)), "x").metadata_entries[0]
    wim[entry.resource.offset + entry.resource.plain_size - 1] ^= 1
    with pytest.raises(WimError, match="SHA-1"):
        manifest(WimFile(io.BytesIO(bytes(wim)), "x"), 1)


def test_metadata_that_ends_anywhere_is_an_error_of_ours_or_a_manifest() -> None:
    whole = plain(
        Entry("F", b"x", short_name="F~1", streams=[("note", b"n")]), Entry("d", children=[Entry("g", b"")])
    )
    for size in range(len(whole)):
        try:
            cut = lines(whole[:size])
        except WimError:
            continue
        pytest.fail(f"{size} of {len(whole)} bytes gave {cut}")


def test_folders_that_share_long_entries_end_in_time() -> None:
    """Each of a thousand folders lists an entry that reaches to the same megabyte: a gigabyte in all."""
    count, long = 1000, 1 << 20
    list_at = 8 + 104 + 8
    starts = list_at + 104 * count + 8
    shared = starts + 104 * count

    def entry(length: int, attributes: int, subdirectory: int) -> bytes:
        return struct.pack("<QIiQ", length, attributes, -1, subdirectory).ljust(104, b"\0")

    raw = struct.pack("<II", 8, 0) + entry(104, 0x10, list_at) + bytes(8)
    raw += b"".join(entry(104, 0x10, starts + 104 * number) for number in range(count)) + bytes(8)
    raw += b"".join(entry(shared - starts - 104 * number, 0x20, 0) for number in range(count))
    raw += entry(long, 0x20, 0).ljust(long, b"\xff") + bytes(8)
    assert sum(1 for _ in Directory(PlainBytes(raw), "x").walk()) == 1 + 3 * count
    with pytest.raises(WimError, match="overlap"):
        lines(raw)


def test_text_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = plain(*linked(7, 7, 7))
    size = len("".join(lines(data)))
    monkeypatch.setattr(module, "_LETTERS_PER_BYTE", 0)
    monkeypatch.setattr(module, "_MORE_LETTERS", size)
    assert len(lines(data)) == 4
    monkeypatch.setattr(module, "_MORE_LETTERS", size - 1)
    with pytest.raises(WimError, match="too much text"):
        lines(data)


def test_long_paths_of_many_files_do_not_fill_the_memory() -> None:
    """Twenty thousand files at the end of a path of thirty thousand letters: 600 MB of text from 4 MB."""
    folder = Entry("a" * 200, children=[Entry(f"{number}", b"") for number in range(20_000)])
    for _ in range(149):
        folder = Entry("a" * 200, children=[folder])
    data = plain(folder)
    assert len(data) < 4 << 20
    with pytest.raises(WimError, match="too much text"):
        lines(data)
