"""Random edits of hives against a plain dictionary, read back by python-registry and judged by the check."""

from __future__ import annotations

import random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.regf.builder import Built, Key, build
from tests.unit.regf.dump import dump
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive

NOW = 133_000_000_000_000_000
Model: TypeAlias = dict[KeyPath, dict[str, tuple[int, bytes]]]

NAMES = st.sampled_from(["a", "B", "b_", "bZ", "Ключ", "Ä", "long name of a key", "\U0001f512x", "\ufb00"])
PATHS = st.lists(NAMES, max_size=3).map(tuple)
SIZES = st.sampled_from([0, 1, 4, 5, 20, 300, 1500, 4060, 5000, 16344, 16345, 40_000])
VALUES = st.sampled_from(["", "Blob", "bLOB2", "Ж", "x" * 60])
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(CreateKey, PATHS),
    st.builds(
        SetValue,
        PATHS,
        VALUES,
        st.sampled_from([0, 1, 3, 7, 0xFFFF0001]),
        st.builds(lambda size, fill: bytes([fill]) * size, SIZES, st.integers(0, 255)),
    ),
    st.builds(DeleteValue, PATHS, VALUES),
    st.builds(DeleteKey, PATHS.filter(bool)),
)


def folded(path: KeyPath) -> KeyPath:
    # All names above are their own upper case or plain pairs, which `upper` of str gets right;
    # the ligature, which Windows leaves alone, is the exception.
    return tuple(name if name == "\ufb00" else name.upper() for name in path)


def carry_out(model: Model, edit: Edit) -> None:
    path = folded(edit.path)
    match edit:
        case CreateKey():
            for depth in range(len(path) + 1):
                model.setdefault(path[:depth], {})
        case SetValue():
            carry_out(model, CreateKey(edit.path))
            model[path][edit.name.upper()] = edit.type, edit.data
        case DeleteValue():
            model.get(path, {}).pop(edit.name.upper(), None)
        case DeleteKey():
            for key in [key for key in model if key[: len(path)] == path]:
                del model[key]


def seen(data: bytes) -> Model:
    """The hive as a model: read by the package, which oracle tests compare with other readers."""
    hive = Hive(data)
    found: Model = {}
    pending: list[KeyPath] = [()]
    while pending:
        path = pending.pop()
        values = hive.values(path) or {}
        found[folded(path)] = {name.upper(): value for name, value in values.items()}
        pending.extend((*path, name) for name in hive.subkeys(path) or [])
    return found


def seen_by_python_registry(data: bytes) -> Model:
    found = {
        folded(path): {name.upper(): value for name, value in values.items()}
        for path, values in dump(data).items()
    }
    return simplified(found)


def simplified(model: Model) -> Model:
    """Without what python-registry reads in its own ways: data of up to four bytes, types beyond 16 bits."""
    return {
        path: {name: (kind & 0xFFFF, data if len(data) > 4 else b"") for name, (kind, data) in values.items()}
        for path, values in model.items()
    }


BASES: list[Built] = [
    build(Key(), minor=3),
    build(Key(keys={"A": Key(keys={"b": Key(values={"Blob": (3, bytes(1500))})}, class_name=b"c\0")})),
    build(Key(keys={f"k{n}": Key(values={"v": (3, bytes(n * 9))}) for n in range(60)}, flags=0x2C), minor=4),
    build(Key(keys={f"k{n}": Key() for n in range(60)}), leaf_length=20, tail=b"junk" * 3000, minor=6),
]


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(range(len(BASES))), st.lists(st.lists(EDITS, min_size=1, max_size=5), max_size=8))
def test_any_edits_leave_a_sound_hive_that_says_what_a_dictionary_says(
    base: int, batches: list[list[Edit]]
) -> None:
    data = BASES[base].data
    model = seen(data)
    for batch in batches:
        before = bytes(bytearray(data))
        result = apply(data, batch, now=NOW)
        assert data == before
        for edit in batch:
            carry_out(model, edit)
        assert check(result) == ()
        assert seen(result) == model
        assert apply(result, [], now=NOW) is result
        data = result
    assert seen_by_python_registry(data) == simplified(model)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.lists(EDITS, max_size=8))
def test_edits_together_and_one_by_one_say_the_same(edits: list[Edit]) -> None:
    together = apply(BASES[1].data, edits, now=NOW)
    one_by_one = BASES[1].data
    for edit in edits:
        one_by_one = apply(one_by_one, [edit], now=NOW)
    assert seen(together) == seen(one_by_one)


@pytest.mark.parametrize("minor", [3, 5])
def test_thousands_of_keys_come_and_go_over_all_thresholds(minor: int) -> None:
    source = random.Random(minor)
    base = build(Key(keys={"Other": Key(values={"v": (3, bytes(100))})}), minor=minor)
    names = [f"{source.getrandbits(160):040X}" for _ in range(3000)]
    data = base.data
    alive: list[str] = []
    for start in range(0, len(names), 500):
        batch = names[start : start + 500]
        data = apply(data, [SetValue(("Store", name), "Blob", 3, bytes(30)) for name in batch], now=NOW)
        alive += batch
        assert check(data) == ()
        assert Hive(data).subkeys(("Store",)) == sorted(alive)
    largest = len(data)
    source.shuffle(alive)
    while alive:
        gone, alive = alive[:600], alive[600:]
        data = apply(data, [DeleteKey(("store", name)) for name in gone], now=NOW)
        assert check(data) == ()
        assert Hive(data).subkeys(("Store",)) == sorted(alive)
    assert len(data) == largest
    assert dump(data) == {**dump(base.data), ("Store",): {}}
    again = apply(data, [SetValue(("Store", name), "Blob", 3, bytes(30)) for name in names], now=NOW)
    assert len(again) <= largest + 4096 * 10, "freed room is used again"


@pytest.mark.parametrize("seed", range(3))
def test_free_room_never_leaks_away(seed: int) -> None:
    """Values of changing sizes in a few keys: what is stored stays right and room is found again."""
    source = random.Random(seed)
    data = BASES[1].data
    model = seen(data)
    for _ in range(60):
        edits: list[Edit] = [
            SetValue(
                (source.choice("xyz"),),
                source.choice("vw"),
                3,
                source.randbytes(source.choice([3, 9, 900, 17_000])),
            )
            for _ in range(4)
        ]
        data = apply(data, edits, now=NOW)
        for edit in edits:
            carry_out(model, edit)
    assert check(data) == ()
    assert seen(data) == model
    assert len(data) < 400_000
