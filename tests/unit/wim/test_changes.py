from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import pytest

from scripts.testdata.images import small_hive, variant
from scripts.testdata.wim_writer import digest
from winpe_certs.errors import WimError
from winpe_certs.wim import changes
from winpe_certs.wim.append import append, live_end
from winpe_certs.wim.changes import change_image, prepare
from winpe_certs.wim.confirm import confirm
from winpe_certs.wim.copy import compact
from winpe_certs.wim.header import Header
from winpe_certs.wim.layout import (
    HEADER_SIZE,
    IMAGE_COUNT_AT,
    INTEGRITY_AT,
    LOOKUP_TABLE_AT,
    ResourceHeader,
)
from winpe_certs.wim.reader import ALWAYS_READ, MOST_EXPANSION, WimFile

PATH = r"Windows\System32\config\SOFTWARE"
CLOCK = 0x01DC_0000_0000_0001


def opened(data: bytes) -> WimFile:
    return WimFile(io.BytesIO(data), "boot.wim")


def count_of(wim: WimFile, contents: bytes) -> int:
    """The reference count of contents that must be in the file."""
    found = wim.lookup_table.find(digest(contents))
    assert found is not None
    return found.reference_count


def digests(replacements: dict[tuple[int, str], bytes]) -> dict[tuple[int, str], bytes]:
    return {key: digest(contents) for key, contents in replacements.items()}


def edited(hive: bytes) -> bytes:
    """Another hive of the same size: one byte in the middle differs."""
    middle = len(hive) // 2
    return hive[:middle] + bytes([hive[middle] ^ 1]) + hive[middle + 1 :]


def patched(data: bytes, replacements: dict[tuple[int, str], bytes]) -> bytes:
    wim = opened(data)
    appendix = append(wim, prepare(wim, replacements, CLOCK))
    return appendix.header.raw + data[HEADER_SIZE : appendix.start] + b"".join(appendix.payload)


def test_one_changed_byte_stores_one_chunk_anew() -> None:
    data = variant("boot")
    wim = opened(data)
    hive = wim.read_file(1, PATH)
    changes = prepare(wim, {(1, PATH): edited(hive)}, CLOCK)
    (contents,) = changes.contents.values()
    old = wim.contents(wim.directory(1).find_file(PATH), "hive")
    kept = [
        number for number in range(old.chunk_count) if old.stored_chunk(number) in contents.resource.stored
    ]
    assert len(kept) == old.chunk_count - 1


def test_a_file_stored_uncompressed_stays_so() -> None:
    wim = opened(variant("plain-software"))
    changes = prepare(wim, {(1, PATH): edited(small_hive())}, CLOCK)
    (contents,) = changes.contents.values()
    assert not contents.resource.flags
    assert contents.resource.stored == edited(small_hive())


def test_contents_that_would_not_get_smaller_are_stored_uncompressed() -> None:
    wim = opened(variant("stored-chunks"))
    changes = prepare(wim, {(1, PATH): edited(small_hive())}, CLOCK)
    (contents,) = changes.contents.values()
    assert not contents.resource.flags


def test_contents_that_the_file_has_already_are_counted_and_not_stored() -> None:
    wim = opened(variant("three-images"))
    other = wim.read_file(3, PATH)
    changes = prepare(wim, {(1, PATH): other}, CLOCK)
    assert not changes.contents
    old, known = wim.lookup_table.find(digest(small_hive())), wim.lookup_table.find(digest(other))
    assert old is not None
    assert known is not None
    assert changes.counts == {old.number: -1, known.number: 1}


def test_images_that_shared_a_file_share_the_new_one() -> None:
    wim = opened(variant("small"))
    new = edited(small_hive())
    changes = prepare(wim, {(1, PATH): new, (2, PATH): new}, CLOCK)
    (contents,) = changes.contents.values()
    assert contents.names == 2
    assert list(changes.metadata) == [1, 2]


def test_every_hard_link_follows() -> None:
    data = patched(variant("hard-linked"), {(1, PATH): edited(small_hive())})
    names = [
        entry
        for _, entry in opened(data).directory(1).walk()
        if not entry.is_directory and entry.contents.hash == digest(edited(small_hive()))
    ]
    assert len(names) == 2
    assert {entry.write_time for entry in names} == {CLOCK}
    assert count_of(opened(data), edited(small_hive())) == 2


def test_the_same_link_group_with_other_contents_is_another_file() -> None:
    data = patched(variant("link-group-mismatch"), {(1, PATH): edited(small_hive())})
    directory = opened(data).directory(1)
    other = directory.find_file(r"Windows\System32\config\SOFTWARE.BAK")
    assert other.contents.hash == digest(b"another file with the same number")
    assert other.write_time != CLOCK


@pytest.mark.parametrize("name", ["named-stream", "named-stream-entry-hash"])
def test_alternate_streams_stay(name: str) -> None:
    before = opened(variant(name)).directory(1).find_file(PATH)
    data = patched(variant(name), {(1, PATH): edited(small_hive())})
    after = opened(data).directory(1).find_file(PATH)
    assert after.contents.hash == digest(edited(small_hive()))
    assert [s for s in after.streams if s.name] == [s for s in before.streams if s.name]
    assert (after.streams[0].hash == bytes(20)) == (before.streams[0].hash == bytes(20))


@pytest.mark.parametrize("index", [1, 2])
def test_the_boot_metadata_moves_only_with_the_boot_image(index: int) -> None:
    before = opened(variant("small"))
    after = opened(patched(variant("small"), {(index, PATH): edited(small_hive())}))
    moved = before.header.boot_metadata != after.header.boot_metadata
    assert moved == (index == before.header.boot_index)
    assert after.header.boot_metadata == after.metadata_entries[after.header.boot_index - 1].resource


def test_nothing_that_the_old_header_names_is_touched() -> None:
    data = variant("small")
    after = patched(data, {(1, PATH): edited(small_hive())})
    assert after[HEADER_SIZE : len(data)] == data[HEADER_SIZE:]


def test_left_over_bytes_behind_the_image_are_overwritten() -> None:
    clean = variant("small")
    dirty = variant("trailing-bytes")
    assert live_end(opened(dirty)) == len(clean)
    new = {(1, PATH): edited(small_hive())}
    assert patched(dirty, new) == patched(clean, new)


def test_a_file_that_is_cut_short_is_refused() -> None:
    with pytest.raises(WimError, match="but its parts reach to offset"):
        live_end(opened(variant("no-integrity")[:-1]))


def test_no_replacement_prepares_nothing() -> None:
    wim = opened(variant("small"))
    changes = prepare(wim, {(1, PATH): small_hive()}, CLOCK)
    assert not changes.contents
    assert not changes.metadata
    assert not changes.counts


def test_reading_back_notices_a_change_beyond_the_replacement() -> None:
    data = variant("small")
    new = {(1, PATH): edited(small_hive())}
    good = patched(data, new)
    confirm(opened(data), opened(good), digests(new))
    with pytest.raises(WimError, match="does not have its new contents"):
        confirm(opened(data), opened(good), {(1, PATH): digest(small_hive())})
    other = patched(data, {(1, r"Windows\System32\config\SYSTEM"): b"x" * 10, **new})
    with pytest.raises(WimError, match="the metadata of image 1 differs at offset"):
        confirm(opened(data), opened(other), digests(new))
    both = patched(data, {(2, PATH): edited(small_hive()), **new})
    with pytest.raises(WimError, match="image 2 has other metadata"):
        confirm(opened(data), opened(both), digests(new))


def test_reading_back_notices_contents_under_a_wrong_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    data, hive = variant("small"), edited(small_hive())
    new = {(1, PATH): hive}
    with monkeypatch.context() as patch:
        patch.setattr(changes, "sha1", lambda plain: digest(b"another" if plain == hive else plain))
        wrong = patched(data, new)
    assert opened(wrong).contents(opened(wrong).directory(1).find_file(PATH), "hive").read_all() == hive
    with pytest.raises(WimError, match="does not have its new contents"):
        confirm(opened(data), opened(wrong), digests(new))


def test_what_was_read_back_is_handed_on() -> None:
    data = variant("small")
    new = {(1, PATH): edited(small_hive())}
    known = prepare(opened(data), new, CLOCK).digests
    assert known == digests(new)
    found: list[tuple[int, dict[str, bytes]]] = []

    def note(index: int, contents: Mapping[str, bytes]) -> None:
        found.append((index, dict(contents)))

    confirm(opened(data), opened(patched(data, new)), known, note)
    assert found == [(1, {PATH: new[1, PATH]})]


def test_an_image_is_changed_once() -> None:
    wim = opened(variant("small"))
    changes = prepare(wim, {(1, PATH): edited(small_hive())}, CLOCK)
    with pytest.raises(ValueError, match="image 1 has its changes already"):
        change_image(wim, changes, 1, {PATH: small_hive()}, CLOCK)


def test_a_compact_copy_leaves_dead_contents_out_and_counts_names() -> None:
    new = {(1, PATH): edited(small_hive()), (2, PATH): edited(small_hive())}
    once = patched(variant("low-counts"), new)
    wim = opened(once)
    copy = b"".join(compact(wim, prepare(wim, {}, CLOCK)).pieces())
    after = opened(copy)
    assert after.lookup_table.find(digest(small_hive())) is None
    assert count_of(after, edited(small_hive())) == 2
    assert len(copy) < len(once)
    assert live_end(after) == len(copy)
    for index in (1, 2):
        assert after.read_file(index, PATH) == edited(small_hive())
    table = after.integrity_table()
    assert table is not None
    table.verify(after.read_at, "x")


def test_a_copy_does_not_launder_damage_that_the_integrity_table_knows() -> None:
    data = bytearray(variant("small"))
    data[HEADER_SIZE + 100] ^= 1
    wim = opened(bytes(data))
    with pytest.raises(WimError, match="do not fit their integrity digest"):
        compact(wim, prepare(wim, {}, CLOCK))


def test_the_header_given_stands_in_for_the_one_on_disk() -> None:
    data = variant("small")
    appendix = append(opened(data), prepare(opened(data), {(1, PATH): edited(small_hive())}, CLOCK))
    on_disk = data[: appendix.start] + b"".join(appendix.payload)
    assert opened(on_disk).read_file(1, PATH) == small_hive()
    through = WimFile(io.BytesIO(on_disk), "boot.wim", header=Header(appendix.header.raw))
    assert through.read_file(1, PATH) == edited(small_hive())


def test_a_wide_chunk_table_is_read() -> None:
    """Above 4 GiB offsets take eight bytes; a table that claims so much with few chunks is refused."""
    wim = opened(variant("small"))
    entry = wim.lookup_table.find(digest(small_hive()))
    assert entry is not None
    raw = bytearray(wim.lookup_table.raw)
    struct.pack_into("<Q", raw, entry.number * 50 + 16, 1 << 33)
    at = wim.header.lookup_table.offset
    data = bytearray(variant("small"))
    data[at : at + len(raw)] = raw
    with pytest.raises(WimError, match="can be meant"):
        opened(bytes(data)).read_file(1, PATH)


def test_images_that_share_their_metadata_are_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an image had been appended once more; the counts are those of all."""
    data = bytearray(variant("small"))
    header = opened(bytes(data)).header
    table = opened(bytes(data)).lookup_table
    metadata = table.metadata()[0]
    own = table.raw[metadata.number * 50 : metadata.number * 50 + 50]
    made = own + table.raw
    place = ResourceHeader(len(made), header.lookup_table.flags, len(data), len(made))
    data[LOOKUP_TABLE_AT : LOOKUP_TABLE_AT + 24] = place.pack()
    data[INTEGRITY_AT : INTEGRITY_AT + 24] = bytes(24)
    struct.pack_into("<I", data, IMAGE_COUNT_AT, header.image_count + 1)
    wim = opened(bytes(data) + made)
    calls = []
    read = WimFile.metadata_bytes

    def counted(self: WimFile, index: int) -> bytes:
        calls.append(index)
        return read(self, index)

    monkeypatch.setattr(WimFile, "metadata_bytes", counted)
    copy = b"".join(compact(wim, prepare(wim, {}, CLOCK)).pieces())
    assert calls == [1, *range(3, header.image_count + 2)]
    names = sum(
        stream.hash == digest(small_hive())
        for index in range(1, header.image_count + 2)
        for _, entry in wim.directory(index).walk()
        for stream in entry.streams
    )
    assert count_of(opened(copy), small_hive()) == names > 1


def test_a_resource_that_is_nearly_all_empty_is_refused() -> None:
    wim = opened(variant("boot"))
    most = ALWAYS_READ + MOST_EXPANSION * 1000
    with pytest.raises(WimError, match="nearly all of them empty"):
        wim.resource(ResourceHeader(1000, 4, 208, most + 1), "x", 1 << 40)
    with pytest.raises(WimError, match="need 2050 chunks"):
        wim.resource(ResourceHeader(1000, 4, 208, most), "x", 1 << 40)
