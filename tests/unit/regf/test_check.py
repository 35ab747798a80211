from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Key, build, seal
from winpe_certs.regf.check import check

HIVE = build(
    Key(
        keys={
            "A": Key(values={"Blob": (3, bytes(100)), "B": (4, b"1234")}, class_name=b"c\0"),
            "B": Key(),
            "C": Key(keys={"D": Key(keys={"longest": Key()})}),
        }
    )
)
ROOT, A, B, C, D = (HIVE.position(*path) for path in ((), "A", "B", "C", ("C", "D")))
LEAF = 4096 + HIVE.u32(ROOT + 28) + 4
BLOB = 4096 + HIVE.values[("A",), "Blob"] + 4
SECURITY = 4096 + HIVE.security + 4


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def broken(data: bytes) -> set[str]:
    return {violation.invariant for violation in check(data)}


@pytest.mark.parametrize("minor", [3, 4, 5, 6])
@pytest.mark.parametrize("leaf_length", [1, 2, 1000])
def test_a_sound_hive_has_no_violations(minor: int, leaf_length: int) -> None:
    keys = {f"k{number}": Key(values={"v": (1, bytes(number))}) for number in range(30)}
    assert check(build(Key(keys=keys), minor=minor, leaf_length=leaf_length, tail=b"junk").data) == ()
    assert check(build(Key(keys=keys), leaf_kind=b"li", spare_bin=8192).data) == ()


@pytest.mark.parametrize("data", [b"", b"regf", bytes(4096), b"regf" + bytes(4092), b"regf" + bytes(9000)])
def test_what_is_no_hive_is_reported_not_raised(data: bytes) -> None:
    assert check(data)


@pytest.mark.parametrize(
    ("position", "new", "invariant"),
    [
        (0, b"REGF", "base-sig"),
        (20, u32(2), "version"),
        (24, u32(9), "version"),
        (28, u32(1), "file-type"),
        (32, u32(0), "file-format"),
        (44, u32(2), "cluster"),
        (4, u32(1), "dirty"),
        (36, u32(40), "root-cell"),
        (40, u32(4100), "hbins-size"),
        (40, u32(8192), "hbins-size"),
        (4096, b"HBIN", "hbin-sig"),
        (4100, u32(8), "hbin-offset"),
        (4104, u32(12), "hbin-size"),
        (4104, u32(8192), "hbins-size"),
        (A - 4, struct.pack("<i", -1), "cell-size"),
        (A - 4, struct.pack("<i", 88), "nk-cell"),
        (A, b"xx", "nk-sig"),
        (A + 72, b"\0\0", "nk-name"),
        (A + 72, b"\0\1", "nk-name"),
        (A + 2, b"\x21\0", "nk-flags"),
        (A + 2, b"\x24\0", "nk-flags"),
        (ROOT + 2, b"\x20\0", "root-flag"),
        (A + 2, b"\0\0", "nk-name"),
        (A + 16, u32(HIVE.nodes["B",]), "nk-parent"),
        (ROOT + 20, u32(4), "subkey-count"),
        (B + 28, u32(32), "subkey-count"),
        (B + 20, u32(1), "subkey-count"),
        (C + 20, u32(0), "subkey-count"),
        (C + 28, u32(0x123450), "sublist-cell"),
        (C + 28, u32(HIVE.u32(ROOT + 28)), "shared-cell"),
        (B + 36, u32(1), "value-count"),
        (A + 36, u32(1000), "vallist-cell"),
        (A + 40, u32(0x7FFFFFF8), "vallist-cell"),
        (A + 44, u32(HIVE.nodes["B",]), "shared-cell"),
        (A + 44, u32(0xFFFFFFFF), "sk-cell"),
        (A + 44, u32(0xFFFFFFFF), "sk-refcount"),
        (A + 48, u32(0x7FFFFFF8), "class-cell"),
        (B + 48, u32(0x20), "class-cell"),
        (D + 52, u32(0x00F00002), "longest-subkey-name"),
        (ROOT + 56, u32(1), "longest-subkey-class"),
        (A + 60, u32(6), "longest-value-name"),
        (A + 64, u32(99), "longest-value-data"),
        (LEAF, b"xy", "list-sig"),
        (LEAF + 2, b"\0\1", "list-size"),
        (LEAF + 4, u32(HIVE.nodes["B",]), "dup-subkey"),
        (LEAF + 4, u32(HIVE.nodes["C",]), "sort-order"),
        (LEAF + 8, u32(1), "lh-hash"),
        (BLOB, b"xx", "vk-sig"),
        (BLOB + 2, b"\xff\0", "vk-name"),
        (BLOB + 4, u32(0), "data-size"),
        (BLOB + 4, u32(0x80000005), "data-size"),
        (BLOB + 4, u32(200), "data-size"),
        (BLOB + 4, u32(20000), "bigdata"),
        (BLOB + 8, u32(0x7FFFFFF8), "data-cell"),
        (BLOB + 8, u32(HIVE.values[("A",), "B"]), "shared-cell"),
        (BLOB + 16, b"\0\0", "name-encoding"),
        (SECURITY, b"xx", "sk-sig"),
        (SECURITY + 4, u32(32), "sk-ring"),
        (SECURITY + 8, u32(32), "sk-ring"),
        (SECURITY + 12, u32(5), "sk-refcount-low"),
        (SECURITY + 12, u32(50), "sk-refcount"),
        (SECURITY + 16, u32(4), "sk-descriptor"),
        (SECURITY + 20, b"\2", "sk-descriptor"),
    ],
)
def test_each_broken_invariant_is_found(position: int, new: bytes, invariant: str) -> None:
    data = HIVE.patched(position, new)
    if invariant == "name-encoding":
        data = seal(data[: BLOB + 20] + b"l\0o\0" + data[BLOB + 24 :])
    assert invariant in broken(data)


def test_a_wrong_checksum_is_found() -> None:
    assert broken(HIVE.data[:508] + b"abcd" + HIVE.data[512:]) == {"checksum"}


def test_two_values_of_one_name_are_found() -> None:
    assert broken(build(Key(values={"a": (1, b""), "A": (1, b"")})).data) == {"dup-value"}


def test_a_wrong_hint_is_found() -> None:
    built = build(Key(keys={"Abcdef": Key()}), leaf_kind=b"lf")
    assert broken(built.patched(4096 + built.u32(4096 + 36 + 28) + 12, b"abcd")) == {"lf-hint"}


def test_hash_lists_in_an_old_hive_are_found() -> None:
    assert broken(build(Key(keys={"A": Key()}), minor=3, leaf_kind=b"lh").data) == {"lh-version"}


def test_nested_roots_and_empty_leaves_are_found() -> None:
    built = build(Key(keys={"A": Key(), "B": Key()}), leaf_length=1)
    position = 4096 + built.u32(4096 + 36 + 28) + 4
    leaf = 4096 + built.u32(position + 4) + 4
    assert "empty-leaf" in broken(built.patched(leaf + 2, b"\0\0"))
    own = struct.pack("<I", position - 4 - 4096)
    assert {"nested-ri", "shared-cell"} <= broken(built.patched(position + 4, own))


def test_what_nothing_refers_to_is_a_leak_and_free_neighbours_are_found() -> None:
    built = build(Key())
    data = built.data
    position = 4096
    free = data.index(struct.pack("<i", len(data) - 4096 - 32 - 88 - 48)) - position
    size = struct.unpack_from("<i", data, 4096 + free)[0]
    leaking = built.patched(4096 + free, struct.pack("<i", -size))
    assert broken(leaking) == {"leak"}
    split = built.patched(4096 + free, struct.pack("<i", 64))
    split = seal(split[: 4096 + free + 64] + struct.pack("<i", size - 64) + split[4096 + free + 68 :])
    assert broken(split) == {"free-neighbours"}
