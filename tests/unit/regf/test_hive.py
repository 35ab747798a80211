from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import DESCRIPTOR, Built, Key, build, seal
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import DirtyHiveError, HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply, edit_hive
from winpe_certs.regf.reading import Hive

NOW = 133_000_000_000_000_000
CERTIFICATES = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates")
THUMBPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
TREE = Key(
    keys={
        "Classes": Key(keys={"x": Key(values={"": (1, bytes(64))})}),
        "Microsoft": Key(
            keys={
                "SystemCertificates": Key(keys={"CA": Key(), "ROOT": Key(keys={"Certificates": Key()})}),
                "Windows": Key(values={"Version": (1, b"1\0")}, class_name=b"class name"),
            }
        ),
    },
)
HIVE = build(TREE)


def edited(data: bytes, *edits: Edit) -> bytes:
    result = apply(data, edits, now=NOW)
    assert check(result) == ()
    return result


def time_of(data: bytes, built: Built, *path: str) -> int:
    return int(struct.unpack_from("<Q", data, built.position(*path) + 4)[0])


def references(data: bytes, built: Built) -> int:
    return int(struct.unpack_from("<I", data, 4096 + built.security + 4 + 12)[0])


@pytest.mark.parametrize("minor", [3, 4, 5, 6])
def test_a_certificate_goes_in_and_comes_out_again(minor: int) -> None:
    built = build(TREE, minor=minor)
    path = (*CERTIFICATES, THUMBPRINT)
    blob = bytes(range(250)) * 6
    data = edited(built.data, SetValue(path, "Blob", 3, blob))
    assert Hive(data).value(path, "Blob") == (3, blob)
    assert data[20:28] == built.data[20:28]
    gone = edited(data, DeleteKey(CERTIFICATES[:3]))
    assert not Hive(gone).key_exists(CERTIFICATES[:3])
    assert references(gone, built) == references(built.data, built)


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [CreateKey(())],
        [CreateKey(("MICROSOFT", "windows"))],
        [SetValue(("Microsoft", "Windows"), "VERSION", 1, b"1\0")],
        [DeleteValue(("Microsoft", "Windows"), "Missing"), DeleteValue(("No", "Such"), "Key")],
        [DeleteKey(("Microsoft", "Missing")), DeleteKey(("No", "Such", "Key"))],
    ],
)
def test_what_is_so_already_gives_the_same_object_back(edits: list[Edit]) -> None:
    assert apply(HIVE.data, edits, now=NOW) is HIVE.data


def test_the_same_edits_again_change_nothing() -> None:
    edits: list[Edit] = [
        SetValue((*CERTIFICATES, THUMBPRINT), "Blob", 3, bytes(1500)),
        DeleteKey(("Classes",)),
        DeleteValue(("Microsoft", "Windows"), "Version"),
    ]
    data = edited(HIVE.data, *edits)
    assert apply(data, edits, now=NOW + 1) is data


def test_sequence_numbers_go_up_once_and_the_input_stays() -> None:
    before = bytes(bytearray(HIVE.data))
    data = edited(HIVE.data, CreateKey(("A",)), CreateKey(("B",)))
    assert struct.unpack_from("<II", data, 4) == (8, 8)
    assert data[12:20] == HIVE.data[12:20]
    assert HIVE.data == before


def test_only_the_changed_keys_get_the_time() -> None:
    data = edited(HIVE.data, SetValue(("Microsoft", "SystemCertificates", "New"), "v", 4, b"1234"))
    assert time_of(data, HIVE, "Microsoft", "SystemCertificates") == NOW
    for path in HIVE.nodes:
        if path != ("Microsoft", "SystemCertificates"):
            assert time_of(data, HIVE, *path) == 1
    data = edited(HIVE.data, DeleteValue(("Microsoft", "Windows"), "Version"))
    assert time_of(data, HIVE, "Microsoft", "Windows") == NOW
    assert time_of(data, HIVE, "Microsoft") == 1


def test_a_new_key_raises_the_longest_name_and_keeps_the_flags_above_it() -> None:
    position = HIVE.position() + 52
    flagged = HIVE.patched(position, struct.pack("<I", 0x00A10012))
    data = edited(flagged, CreateKey((THUMBPRINT,)))
    assert struct.unpack_from("<I", data, position) == (0x00A10050,)
    data = edited(data, DeleteKey((THUMBPRINT,)), CreateKey(("x",)))
    assert struct.unpack_from("<I", data, position) == (0x00A10050,)


def test_keys_added_and_deleted_are_counted_in_their_security() -> None:
    keys = len(HIVE.nodes)
    data = edited(HIVE.data, CreateKey(("A", "B", "C")))
    assert references(data, HIVE) == keys + 3
    data = edited(data, DeleteKey(("A",)), DeleteKey(("Classes",)))
    assert references(data, HIVE) == keys - 2


def with_two_descriptors() -> Built:
    """`Classes` and `x` use a second security cell, which is linked in the ring."""
    built = build(TREE)
    other = (
        struct.pack("<2sHIIII", b"sk", 0, built.security, built.security, 2, 24) + DESCRIPTOR + b"\1\0\0\0"
    )
    data = bytearray(built.data)
    # The last bin ends with a free cell; its start becomes the second security cell.
    position = 4096
    while position < len(data):
        size = struct.unpack_from("<i", data, position)[0] if position > 4096 else -32
        if size > 0:
            break
        position += -size
    struct.pack_into("<i", data, position, -48)
    data[position + 4 : position + 48] = other
    struct.pack_into("<i", data, position + 48, size - 48)
    second = position - 4096
    for path in (("Classes",), ("Classes", "x")):
        struct.pack_into("<I", data, built.position(*path) + 44, second)
    first = 4096 + built.security + 4
    struct.pack_into("<III", data, first + 4, second, second, len(built.nodes) - 2)
    return Built(seal(bytes(data)), built.nodes, built.values, second)


def test_a_new_key_takes_its_siblings_security_and_a_first_one_its_parents() -> None:
    built = with_two_descriptors()
    assert check(built.data) == ()
    assert references(edited(built.data, CreateKey(("Classes", "x", "first"))), built) == 3
    assert references(edited(built.data, CreateKey(("Classes", "sibling"))), built) == 3
    assert references(edited(built.data, CreateKey(("New",))), built) == 2


def test_security_that_no_key_uses_any_more_leaves_the_ring() -> None:
    built = with_two_descriptors()
    data = edited(built.data, DeleteKey(("Classes",)))
    assert struct.unpack_from("<i", data, 4096 + built.security)[0] != -48


def test_a_descriptor_that_went_with_the_last_sibling_is_not_given_to_a_new_key() -> None:
    built = with_two_descriptors()
    data = edited(built.data, DeleteKey(("Microsoft",)))
    data = edited(data, DeleteKey(("Classes",)), CreateKey(("New",)))
    assert Hive(data).subkeys(()) == ["New"]


@pytest.mark.parametrize("count", [0, 1, len(HIVE.nodes) - 1])
def test_a_reference_count_that_is_too_low_is_raised_to_the_truth(count: int) -> None:
    low = HIVE.patched(4096 + HIVE.security + 16, struct.pack("<I", count))
    for change in (CreateKey(("New",)), DeleteKey(("Classes",))):
        done = edit_hive(low, [change], now=NOW)
        assert done.raised_counts == 1
        assert check(done.data) == ()
        assert done.data == apply(HIVE.data, [change], now=NOW)


def test_names_with_wide_characters_are_stored_in_two_bytes() -> None:
    data = edited(HIVE.data, CreateKey(("Ключ", "\U0001f512")), CreateKey(("Ärger",)))
    hive = Hive(data)
    assert hive.key_exists(("КЛЮЧ", "\U0001f512"))
    assert hive.key_exists(("äRGER",))


@pytest.mark.parametrize(
    "edit",
    [
        DeleteKey(()),
        CreateKey(("a", "")),
        CreateKey(("a\\b",)),
        CreateKey(("x" * 256,)),
        CreateKey(("\U0001f512" * 128,)),
        CreateKey(tuple("x" * 512)),
        SetValue((), "x" * 16384, 1, b""),
        SetValue((), "x", -1, b""),
        SetValue((), "x", 2**32, b""),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_edits_that_no_hive_can_hold_are_refused(edit: Edit) -> None:
    with pytest.raises(HiveError, match="cannot be carried out") as caught:
        apply(HIVE.data, [CreateKey(("First",)), edit], now=NOW)
    assert caught.value.details


def test_the_deepest_level_can_be_created_and_deleted() -> None:
    data = edited(HIVE.data, CreateKey(tuple("x" * 511)))
    assert check(edited(data, DeleteKey(("x",)))) == ()


@pytest.mark.parametrize("flags", [0x30, 0x60])
def test_keys_that_stand_for_others_are_not_edited(flags: int) -> None:
    built = build(Key(keys={"Link": Key(flags=flags)}))
    for edit in (CreateKey(("Link", "New")), SetValue(("Link",), "v", 1, b""), DeleteKey(("Link",))):
        with pytest.raises(HiveError, match=r"symbolic link|predefined handle"):
            apply(built.data, [edit], now=NOW)


def test_a_key_marked_against_deletion_is_kept() -> None:
    built = build(Key(keys={"A": Key(keys={"B": Key(flags=0x28)})}))
    with pytest.raises(HiveError, match="may not be deleted"):
        apply(built.data, [DeleteKey(("A",))], now=NOW)


def test_a_dirty_hive_is_refused_even_when_nothing_would_change() -> None:
    dirty = HIVE.patched(4, struct.pack("<I", 9))
    with pytest.raises(DirtyHiveError):
        apply(dirty, [], now=NOW)


def test_a_child_that_names_another_parent_stops_the_edit() -> None:
    damaged = HIVE.patched(HIVE.position("Classes") + 16, struct.pack("<I", HIVE.nodes["Microsoft",]))
    for edit in (CreateKey(("New",)), DeleteKey(("Classes",)), DeleteKey(("Microsoft",))):
        with pytest.raises(HiveError, match="key node"):
            apply(damaged, [edit], now=NOW)


def test_a_list_that_two_keys_share_is_not_freed() -> None:
    windows = HIVE.position("Microsoft", "Windows")
    root_list = HIVE.u32(HIVE.position("Microsoft") + 28)
    damaged = HIVE.patched(windows + 20, struct.pack("<III", 2, 0, root_list))
    with pytest.raises(HiveError, match="subkey list") as caught:
        apply(damaged, [CreateKey(("Microsoft", "New"))], now=NOW)
    assert "Two structures" in caught.value.details


def test_nothing_but_the_named_places_changes() -> None:
    """Every byte that differs lies in the base block, the parent, security, lists or former free room."""
    path = ("Microsoft", "SystemCertificates", "CA", THUMBPRINT)
    data = edited(HIVE.data, SetValue(path, "Blob", 3, b"B" * 300))
    allowed = {*range(4, 12), *range(40, 44), *range(508, 512)}
    parent = HIVE.position(*path[:3])
    allowed |= {parent + at for at in (*range(4, 12), *range(20, 24), *range(28, 32), *range(52, 54))}
    allowed |= {4096 + HIVE.security + 4 + at for at in range(12, 16)}
    position, bin_end = 4096, 4096
    while position < len(HIVE.data):
        if position == bin_end:
            bin_end += HIVE.u32(position + 8)
            position += 32
        size = struct.unpack_from("<i", HIVE.data, position)[0]
        if size > 0:
            allowed |= set(range(position, position + size))
        position += abs(size)
    changed = {at for at in range(len(data)) if data[at : at + 1] != HIVE.data[at : at + 1]}
    assert changed <= allowed
