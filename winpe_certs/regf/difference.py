"""What differs between two hives, key by key and value by value, wherever their cells lie.

Both trees are walked in full. Names compare as Windows compares them; times, security descriptors and the
order of values are no part of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from winpe_certs.edits import KeyPath
from winpe_certs.regf import layout
from winpe_certs.regf.base import read_base_block
from winpe_certs.regf.lists import read_subkey_list
from winpe_certs.regf.nodes import KeyNode, ValueNode, read_data, read_key, read_values
from winpe_certs.regf.reading import read_child
from winpe_certs.regf.view import CellView
from winpe_certs.shown import shown_text
from winpe_certs.uppercase import upper

TypedData: TypeAlias = tuple[int, bytes]
"""The number of a value's type, and its data."""


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """A value that differs; None where there is no such value."""

    path: KeyPath
    name: str
    before: TypedData | None
    after: TypedData | None


@dataclass(slots=True)
class Difference:
    """Everything that differs, in the order of the walk; of keys that came or went, also their values."""

    keys_added: list[KeyPath] = field(default_factory=list)
    keys_removed: list[KeyPath] = field(default_factory=list)
    values: list[ValueDifference] = field(default_factory=list)


def difference(old: bytes, new: bytes, origin: str) -> Difference:
    """Compare two hives; raises `HiveError` when one is damaged. A dirty old one is read as it is."""
    before = _Tree(CellView(old, read_base_block(old, origin, allow_dirty=True), origin))
    after = _Tree(CellView(new, read_base_block(new, origin), origin))
    found = Difference()
    pending: list[tuple[KeyPath, KeyNode | None, KeyNode | None]] = [((), before.root(), after.root())]
    while pending:
        path, left, right = pending.pop()
        if left is None:
            found.keys_added.append(path)
        elif right is None:
            found.keys_removed.append(path)
        found.values += _compare_values(path, before.values(left), after.values(right))
        children, others = before.children(left), after.children(right)
        for name in sorted(children.keys() | others.keys(), reverse=True):
            known = others[name] if name in others else children[name]
            pending.append(((*path, known.name), children.get(name), others.get(name)))
    return found


def _compare_values(
    path: KeyPath, before: dict[str, tuple[str, TypedData]], after: dict[str, tuple[str, TypedData]]
) -> Iterator[ValueDifference]:
    if before == after:
        return
    for key in sorted(before.keys() | after.keys()):
        name, left = before.get(key, ("", None))
        name, right = after.get(key, (name, None))
        if left != right:
            yield ValueDifference(path, name, left, right)


class _Tree:
    """The keys of one hive, each of which may be met only once."""

    def __init__(self, view: CellView) -> None:
        self._view = view
        self._met: set[int] = set()
        self._room = view.bins_size

    def root(self) -> KeyNode:
        return self._meet(read_key(self._view, self._view.root))

    def children(self, key: KeyNode | None) -> dict[str, KeyNode]:
        if key is None:
            return {}
        found: dict[str, KeyNode] = {}
        for offset in read_subkey_list(self._view, key).children():
            child = self._meet(read_child(self._view, offset, key))
            if found.setdefault(upper(child.name), child) is not child:
                raise self._view.damaged(
                    "subkey list", key.subkey_list, f"It has two subkeys named {shown_text(child.name)}."
                )
        return found

    def values(self, key: KeyNode | None) -> dict[str, tuple[str, TypedData]]:
        if key is None or key.flags & layout.KEY_PREDEFINED_HANDLE:
            return {}
        found: dict[str, tuple[str, TypedData]] = {}
        for value in read_values(self._view, key):
            self._count(key, value)
            entry = (value.name, (value.type, read_data(self._view, value)))
            if found.setdefault(upper(value.name), entry) is not entry:
                raise self._view.damaged(
                    "value list", key.value_list, f"It has two values named {shown_text(value.name)}."
                )
        return found

    def _meet(self, key: KeyNode) -> KeyNode:
        if key.offset in self._met:
            raise self._view.damaged("key node", key.offset, "It stands in more than one place of the tree.")
        self._met.add(key.offset)
        return key

    def _count(self, key: KeyNode, value: ValueNode) -> None:
        """Refuse more data than the hive has bytes: some of it would have to belong to several values."""
        self._room -= 0 if value.is_inline else value.size
        if self._room < 0:
            raise self._view.damaged("key node", key.offset, "Values share their data with others.")
