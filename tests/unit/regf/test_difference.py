"""The comparison of two hives, against trees that a builder of its own has written."""

from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Key, build
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import HiveError
from winpe_certs.regf.difference import Difference, ValueDifference, difference
from winpe_certs.regf.hive import apply

SZ, BINARY = 1, 3
BIG = bytes(range(256)) * 200


def tree(**more: Key) -> Key:
    return Key(
        keys={
            "Alpha": Key(values={"one": (SZ, b"1\0"), "": (BINARY, b"default")}),
            "Beta": Key(keys={"Inner": Key(values={"deep": (BINARY, bytes(900))})}),
            **more,
        },
        values={"top": (4, b"\1\0\0\0")},
    )


def compare(old: Key, new: Key, *, old_leaf: int = 500, new_leaf: int = 500) -> Difference:
    return difference(build(old, leaf_length=old_leaf).data, build(new, leaf_length=new_leaf).data, "hive")


def test_equal_trees_do_not_differ_wherever_their_cells_lie() -> None:
    many = {f"key{number:03}": Key(values={"v": (BINARY, bytes([number]))}) for number in range(40)}
    old, new = tree(Zeta=Key(keys=many)), tree(Zeta=Key(keys=many))
    assert compare(old, new) == Difference()
    assert compare(old, new, new_leaf=7) == Difference()


def test_a_new_key_comes_with_what_is_below_it() -> None:
    new = tree(Gamma=Key(keys={"Sub": Key(values={"v": (SZ, b"x\0")})}))
    value = ValueDifference(("Gamma", "Sub"), "v", None, (SZ, b"x\0"))
    assert compare(tree(), new) == Difference([("Gamma",), ("Gamma", "Sub")], [], [value])
    gone = ValueDifference(("Gamma", "Sub"), "v", (SZ, b"x\0"), None)
    assert compare(new, tree()) == Difference([], [("Gamma",), ("Gamma", "Sub")], [gone])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((SZ, b"1\0"), (SZ, b"2\0")),
        ((SZ, b"1\0"), (BINARY, b"1\0")),
        ((SZ, b"1\0"), (SZ, b"1\0\0\0")),
        ((SZ, b""), (SZ, b"1234")),
        ((SZ, b"1234"), (SZ, b"12345")),
        ((BINARY, bytes(5000)), (BINARY, bytes(4999) + b"\1")),
    ],
)
def test_type_and_data_count_to_the_last_byte(before: tuple[int, bytes], after: tuple[int, bytes]) -> None:
    found = compare(tree(X=Key(values={"v": before})), tree(X=Key(values={"v": after})))
    assert found == Difference([], [], [ValueDifference(("X",), "v", before, after)])


def test_names_compare_without_case_and_order_is_nothing() -> None:
    old = tree(Key=Key(values={"a": (SZ, b"1"), "B": (SZ, b"2")}))
    new = tree(KEY=Key(values={"b": (SZ, b"2"), "A": (SZ, b"1")}))
    assert compare(old, new) == Difference()


def test_the_default_value_has_an_empty_name() -> None:
    old = tree(Named=Key(values={"": (BINARY, b"default")}))
    found = compare(old, tree(Named=Key(values={"extra": (SZ, b"")})))
    assert [(each.name, each.before, each.after) for each in found.values] == [
        ("", (BINARY, b"default"), None),
        ("extra", None, (SZ, b"")),
    ]


def test_it_finds_what_the_editor_did_and_nothing_else() -> None:
    old = build(tree()).data
    edits: list[Edit] = [
        CreateKey(("New", "Below")),
        SetValue(("Beta", "Inner"), "big", BINARY, BIG),
        SetValue(("Alpha",), "ONE", SZ, b"other"),
        DeleteValue(("Alpha",), ""),
        DeleteKey(("Nowhere",)),
    ]
    new = apply(old, edits, now=1 << 60)
    found = difference(old, new, "hive")
    assert (found.keys_added, found.keys_removed) == ([("New",), ("New", "Below")], [])
    assert [(each.path, each.name.lower()) for each in found.values] == [
        (("Alpha",), ""),
        (("Alpha",), "one"),
        (("Beta", "Inner"), "big"),
    ]
    assert found.values[-1].after == (BINARY, BIG)
    back = difference(new, old, "hive")
    assert (back.keys_added, back.keys_removed) == ([], found.keys_added)


def test_a_change_of_data_alone_in_the_very_same_cell_is_seen() -> None:
    built = build(tree())
    at = built.data.index(b"default")
    new = built.patched(at, b"DEFAULT")
    (value,) = difference(built.data, new, "hive").values
    assert (value.before, value.after) == ((BINARY, b"default"), (BINARY, b"DEFAULT"))


@pytest.mark.parametrize("side", ["both", "old", "new"])
@pytest.mark.parametrize("what", ["key", "value", "data", "list", "value list", "loop"])
def test_damage_is_refused_on_either_side_and_on_both(what: str, side: str) -> None:
    """On both sides alike too: equal bytes are no reason to pass over them."""
    built = build(tree())
    node = built.position("Beta", "Inner")
    deep = 4096 + built.values[("Beta", "Inner"), "deep"] + 4
    subkeys = 4096 + built.u32(built.position("Beta") + 28) + 4
    spoiled = {
        "key": lambda: built.patched(node, b"xx"),
        "value": lambda: built.patched(deep, b"xx"),
        "data": lambda: built.patched(deep + 8, struct.pack("<I", 0x7FFFFFF0)),
        "list": lambda: built.patched(subkeys, b"xx"),
        "value list": lambda: built.patched(node + 40, struct.pack("<I", 0x7FFFFFF0)),
        "loop": lambda: built.patched(subkeys + 4, struct.pack("<I", built.nodes["Beta",])),
    }[what]()
    old, new = {
        "both": (spoiled, spoiled[:]),
        "old": (spoiled, built.data),
        "new": (built.data, spoiled),
    }[side]
    with pytest.raises(HiveError):
        difference(old, new, "hive")


def test_two_values_of_one_name_are_refused() -> None:
    built = build(tree(X=Key(values={"aa": (SZ, b"1"), "ab": (SZ, b"2")})))
    node = 4096 + built.values[("X",), "ab"] + 4
    spoiled = built.patched(node + 20, b"AA")
    for pair in ((spoiled, spoiled[:]), (built.data, spoiled), (spoiled, built.data)):
        with pytest.raises(HiveError) as refused:
            difference(*pair, "hive")
        assert "It has two values named 'AA'." in refused.value.details
