from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Built, Key, build
from winpe_certs.edits import CreateKey, DeleteKey, Edit
from winpe_certs.errors import HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive

NOW = 133_000_000_000_000_000


def names(count: int) -> list[str]:
    return [f"K{number:05}" for number in range(0, 2 * count, 2)]


def with_keys(count: int, minor: int = 5, kind: bytes | None = None, leaf_length: int = 10_000) -> Built:
    keys = {name: Key() for name in names(count)}
    return build(Key(keys=keys), minor=minor, leaf_kind=kind, leaf_length=leaf_length)


def shape(data: bytes) -> list[tuple[bytes, int]]:
    """Kind and count of the root key's subkey list, then of its leaves, read from the stored bytes."""
    (offset,) = struct.unpack_from("<I", data, 4096 + 32 + 4 + 28)
    if offset == 0xFFFFFFFF:
        return []
    kind, count = struct.unpack_from("<2sH", data, 4096 + offset + 4)
    if kind != b"ri":
        return [(kind, count)]
    leaves = struct.unpack_from(f"<{count}I", data, 4096 + offset + 8)
    return [(kind, count), *(struct.unpack_from("<2sH", data, 4096 + leaf + 4) for leaf in leaves)]


def edited(data: bytes, *edits: Edit) -> bytes:
    result = apply(data, edits, now=NOW)
    assert check(result) == ()
    return result


@pytest.mark.parametrize(("minor", "kind"), [(3, b"lf"), (4, b"lf"), (5, b"lh"), (6, b"lh")])
def test_a_first_subkey_gets_the_list_of_the_hives_version(minor: int, kind: bytes) -> None:
    assert shape(edited(build(Key(), minor=minor).data, CreateKey(("New",)))) == [(kind, 1)]


@pytest.mark.parametrize(
    ("minor", "kind", "count", "expected"),
    [
        (3, b"lf", 506, [(b"lf", 507)]),
        (3, b"lf", 507, [(b"li", 508)]),
        (3, b"li", 1011, [(b"li", 1012)]),
        (3, b"li", 1012, [(b"ri", 2), (b"li", 506), (b"li", 507)]),
        (5, b"lh", 1011, [(b"lh", 1012)]),
        (5, b"lh", 1012, [(b"ri", 2), (b"lh", 506), (b"lh", 507)]),
        (5, b"lf", 10, [(b"lf", 11)]),
        (5, b"lh", 2000, [(b"ri", 2), (b"lh", 1000), (b"lh", 1001)]),
    ],
)
def test_lists_change_their_kind_at_the_thresholds(
    minor: int, kind: bytes, count: int, expected: list[tuple[bytes, int]]
) -> None:
    built = with_keys(count, minor, kind)
    result = edited(built.data, CreateKey(("L",)))
    assert shape(result) == expected
    assert Hive(result).subkeys(()) == [*names(count), "L"]


def test_a_full_leaf_below_a_root_is_split_in_place() -> None:
    built = with_keys(3036, leaf_length=1012)
    result = edited(built.data, CreateKey(("K02501",)))
    assert shape(result) == [(b"ri", 4), (b"lh", 1012), (b"lh", 506), (b"lh", 507), (b"lh", 1012)] or shape(
        result
    ) == [(b"ri", 4), (b"lh", 1012), (b"lh", 507), (b"lh", 506), (b"lh", 1012)]
    assert Hive(result).subkeys(()) == sorted([*names(3036), "K02501"])


@pytest.mark.parametrize("name", ["A", "K00001", "K00019", "K00021", "K00039", "Z"])
def test_a_subkey_goes_where_its_name_belongs(name: str) -> None:
    built = with_keys(20, leaf_length=5)
    result = edited(built.data, CreateKey((name,)))
    assert Hive(result).subkeys(()) == sorted([*names(20), name])
    assert shape(result)[0] == (b"ri", 4)


def test_a_leaf_without_keys_is_freed_and_so_is_a_root_without_leaves() -> None:
    built = with_keys(4, leaf_length=2)
    first, second, third, fourth = names(4)
    data = edited(built.data, DeleteKey((first,)))
    assert shape(data) == [(b"ri", 2), (b"lh", 1), (b"lh", 2)]
    data = edited(data, DeleteKey((second,)))
    assert shape(data) == [(b"ri", 1), (b"lh", 2)]
    data = edited(data, DeleteKey((third,)), DeleteKey((fourth,)))
    assert shape(data) == []
    assert struct.unpack_from("<I", data, 4096 + 36 + 20) == (0,)


def test_the_list_stays_where_it_is_when_it_has_room() -> None:
    data = edited(with_keys(10).data, DeleteKey(("K00004",)))
    before = struct.unpack_from("<I", data, 4096 + 36 + 28)
    data = edited(data, CreateKey(("K00005",)))
    assert struct.unpack_from("<I", data, 4096 + 36 + 28) == before


def leaf_patched(built: Built, position: int, new: bytes) -> bytes:
    return built.patched(4096 + built.u32(4096 + 36 + 28) + 4 + position, new)


@pytest.mark.parametrize("kind", [b"lh", b"lf"])
def test_a_list_with_a_wrong_hash_or_hint_takes_no_key(kind: bytes) -> None:
    data = leaf_patched(with_keys(3, kind=kind), 16, b"bad!")
    with pytest.raises(HiveError, match="subkey list") as caught:
        apply(data, [CreateKey(("New",))], now=NOW)
    assert "hash or hint" in caught.value.details


def test_a_list_out_of_order_takes_no_key() -> None:
    built = with_keys(3, kind=b"li")
    first, second = (struct.pack("<I", built.nodes[name,]) for name in names(3)[:2])
    data = leaf_patched(built, 4, second + first)
    with pytest.raises(HiveError, match="subkey list") as caught:
        apply(data, [CreateKey(("New",))], now=NOW)
    assert "out of order" in caught.value.details


def test_a_root_that_names_a_leaf_twice_is_refused() -> None:
    built = with_keys(4, leaf_length=2)
    root_list = 4096 + built.u32(4096 + 36 + 28) + 4
    data = built.patched(root_list + 8, built.data[root_list + 4 : root_list + 8])
    with pytest.raises(HiveError, match="subkey list") as caught:
        Hive(data).subkeys(())
    assert "leaf twice" in caught.value.details
