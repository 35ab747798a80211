from __future__ import annotations

import re
import struct

import pytest

from tests.unit.regf.builder import Key, build
from winpe_certs.errors import HiveError
from winpe_certs.regf.base import checksum
from winpe_certs.regf.reading import Hive

TREE = Key(
    keys={
        "Microsoft": Key(
            keys={"Beta": Key(), "alpha": Key(values={"": (1, b"x\0"), "Blob": (3, bytes(range(200)))})},
            values={"Four": (4, b"\1\2\3\4"), "None": (0, b"")},
        ),
        "Policies": Key(class_name=b"c\0l\0"),
    }
)
HIVE = build(TREE)
ALPHA = ("microsoft", "ALPHA")


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def test_finds_keys_and_values_without_case() -> None:
    hive = Hive(HIVE.data)
    assert hive.key_exists(())
    assert hive.key_exists(ALPHA)
    assert not hive.key_exists(("Microsoft", "Gamma"))
    assert hive.value(ALPHA, "BLOB") == (3, bytes(range(200)))
    assert hive.value(ALPHA, "") == (1, b"x\0")
    assert hive.value(ALPHA, "Missing") is None
    assert hive.value(("Nowhere",), "Blob") is None


def test_lists_subkeys_and_values_in_stored_order() -> None:
    hive = Hive(HIVE.data)
    assert hive.subkeys(("Microsoft",)) == ["alpha", "Beta"]
    assert hive.values(("Microsoft",)) == {"Four": (4, b"\1\2\3\4"), "None": (0, b"")}
    assert hive.subkeys(("x",)) is None
    assert hive.values(("x",)) is None


@pytest.mark.parametrize(("kind", "length"), [(b"lf", 100), (b"lh", 3), (b"li", 4)])
def test_reads_every_kind_of_list(kind: bytes, length: int) -> None:
    names = [f"key{number:03}" for number in range(20)]
    built = build(Key(keys={name: Key() for name in names}), leaf_kind=kind, leaf_length=length)
    assert Hive(built.data).subkeys(()) == names


def test_reads_big_data_in_segments_and_old_hives_in_one_cell() -> None:
    data = bytes(range(256)) * 200
    old = build(Key(values={"Blob": (3, data)}), minor=3)
    assert Hive(old.data).value((), "Blob") == (3, data)
    without_record = build(Key(values={"Blob": (3, data)}), minor=5)
    with pytest.raises(HiveError, match="big data record"):
        Hive(without_record.data).value((), "Blob")


@pytest.mark.parametrize(
    ("flag", "what"), [(0x30, "symbolic link"), (0x60, "predefined handle")], ids=["link", "handle"]
)
def test_refuses_a_path_through_a_key_that_stands_for_another(flag: int, what: str) -> None:
    built = build(Key(keys={"Link": Key(keys={"Below": Key()}, flags=flag)}))
    with pytest.raises(HiveError, match=what):
        Hive(built.data).key_exists(("Link", "Below"))


def test_refuses_a_path_through_a_tombstone_only_in_differencing_hives() -> None:
    for minor in (5, 6):
        built = build(Key(keys={"Gone": Key()}), minor=minor)
        data = built.patched(built.position("Gone") + 13, b"\1")
        if minor == 5:
            assert Hive(data).key_exists(("Gone",))
        else:
            with pytest.raises(HiveError, match="deletion mark"):
                Hive(data).key_exists(("Gone",))
            assert Hive(data).subkeys(()) == []


ROOT = HIVE.position()
MICROSOFT = HIVE.position("Microsoft")
NODE = HIVE.position(*("Microsoft", "alpha"))
LEAF = 4096 + HIVE.u32(MICROSOFT + 28) + 4
VALUE_LIST = 4096 + HIVE.u32(NODE + 40) + 4
BLOB = 4096 + HIVE.values[("Microsoft", "alpha"), "Blob"] + 4
BETA = HIVE.nodes["Microsoft", "Beta"]


@pytest.mark.parametrize(
    ("position", "new", "message"),
    [
        pytest.param(36, u32(0x7FFFFFF8), "key node at hive offset 0x7FFFFFF8", id="root outside"),
        pytest.param(36, u32(36), "key node at hive offset 0x24", id="root unaligned"),
        pytest.param(NODE - 4, u32(88), "free or has an impossible size", id="key cell free"),
        pytest.param(NODE - 4, u32(2**32 - 8), "content where 76 are needed", id="key cell too small"),
        pytest.param(NODE - 4, u32(0x80000000), "impossible size", id="key cell of 2 GiB"),
        pytest.param(NODE, b"kn", "not 'nk'", id="key signature"),
        pytest.param(NODE + 72, b"\xff\xff", "leaves its cell", id="key name too long"),
        pytest.param(NODE + 72, b"\0\0", "is empty", id="key name empty"),
        pytest.param(NODE + 16, u32(32), "as its parent", id="wrong parent"),
        pytest.param(MICROSOFT + 20, u32(3), "holds 2 keys", id="subkeys counted too high"),
        pytest.param(MICROSOFT + 20, u32(0), "counts 0 subkeys", id="list without a count"),
        pytest.param(MICROSOFT + 28, u32(0xFFFFFFFF), "counts 2 subkeys", id="count without a list"),
        pytest.param(LEAF, b"lx", "must be lf, lh or li", id="list signature"),
        pytest.param(LEAF, b"ri", "must be lf, lh or li|twice", id="key taken for a leaf"),
        pytest.param(LEAF + 2, b"\0\0", "are none", id="empty leaf"),
        pytest.param(LEAF + 2, b"\xff\xff", "leave the cell", id="leaf too long"),
        pytest.param(LEAF + 4, u32(BETA), "two subkeys", id="subkey twice"),
        pytest.param(NODE + 36, u32(0xFFFFFF), "impossible|needed", id="values counted too high"),
        pytest.param(NODE + 36, u32(0), "counts 0 values", id="value list without a count"),
        pytest.param(VALUE_LIST, u32(HIVE.values[("Microsoft", "alpha"), "Blob"]), "twice", id="value twice"),
        pytest.param(BLOB, b"kv", "not 'vk'", id="value signature"),
        pytest.param(BLOB + 2, b"\xff\xff", "leaves its cell", id="value name too long"),
        pytest.param(BLOB + 4, u32(300), "needed", id="data leaves its cell"),
        pytest.param(BLOB + 4, u32(0x7FFFFFFF), "larger than the hive", id="data larger than the hive"),
        pytest.param(BLOB + 4, u32(0x80000005), "field of four", id="five bytes in a field of four"),
        pytest.param(BLOB + 4, u32(17000), "larger than the hive|big data", id="no big data record"),
    ],
)
def test_damage_on_the_way_is_refused_with_its_place(position: int, new: bytes, message: str) -> None:
    data = HIVE.patched(position, new)
    with pytest.raises(HiveError) as caught:
        Hive(data, "SOFTWARE").value(("Microsoft", "alpha"), "Blob")
    text = f"{caught.value.message} {caught.value.details}"
    assert re.search(message, text), text
    assert "SOFTWARE" in text
    assert "hive offset 0x" in text
    assert caught.value.resolution


def test_damage_elsewhere_is_not_looked_at() -> None:
    damaged = HIVE.patched(HIVE.position("Microsoft", "Beta") + 28, u32(0x123))
    assert Hive(damaged).value((), "x") is None
    assert Hive(HIVE.patched(BLOB, b"kv")).key_exists(ALPHA)


def test_two_values_of_one_name_are_refused() -> None:
    built = build(Key(values={"a": (1, b""), "A": (1, b"")}))
    with pytest.raises(HiveError, match="value list"):
        Hive(built.data).value((), "a")
    with pytest.raises(HiveError, match="value list"):
        Hive(built.data).values(())


def test_keys_that_share_their_data_are_refused() -> None:
    large = bytes(range(256)) * 60
    data = bytearray(
        build(Key(keys={"a": Key(values={"x": (3, large)}), "b": Key(values={"x": (3, b"12345678")})})).data
    )
    sound = Hive(bytes(data))
    for _ in range(3):
        assert [sound.value((name,), "x") for name in "ab"] == [(3, large), (3, b"12345678")]
    one, other = sorted(
        (at for at in range(4096, len(data), 8) if data[at + 4 : at + 6] == b"vk"),
        key=lambda at: data[at + 8 : at + 12] != u32(len(large)),
    )
    data[other + 8 : other + 16] = data[one + 8 : one + 16]
    for first, second in ("ab", "ba"):
        shared = Hive(bytes(data))
        assert shared.value((first,), "x") == (3, large)
        assert shared.values((first,)) == {"x": (3, large)}
        with pytest.raises(HiveError, match=r"key node .* is damaged") as raised:
            shared.values((second,))
        assert "shared" in raised.value.details


def test_values_whose_names_overlap_are_refused() -> None:
    """Each node takes 24 bytes, and names of thousands that go on over the nodes behind it."""
    count, length = 400, 3000
    node = struct.pack("<i2sHIIIHH", -(length + 32), b"vk", length, 0x80000000, 0, 3, 1, 0)
    data = bytearray(build(Key(values={"a": (3, bytes(4) + node * (count + length // 24 + 8))})).data)
    first = data.find(node)
    root = data.find(b"nk") - 4
    start = first - 4096
    offsets = struct.pack(f"<{count}I", *range(start, start + 24 * count, 24))
    listed = len(data) - 4096  # in a bin of its own behind the others
    data += struct.pack("<4sII20x", b"hbin", listed, 4096) + struct.pack("<i", -4064) + offsets
    data += bytes(-len(data) % 4096)
    struct.pack_into("<II", data, root + 4 + 36, count, listed + 32)
    struct.pack_into("<I", data, 40, len(data) - 4096)
    struct.pack_into("<I", data, 508, checksum(data))
    with pytest.raises(HiveError, match="value list") as raised:
        Hive(bytes(data)).values(())
    assert "overlap" in raised.value.details
