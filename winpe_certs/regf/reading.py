"""Look-ups in a hive for planning: which keys and values are there, reading only what is asked for.

Follows M. Suhanov, "Windows registry file format specification". Everything on the way is judged before it is
believed. Keys that stand for something else (symbolic links, predefined handles, tombstones of a differencing
hive) are refused, because a path through them means another key than the one stored here.

Every cell has one owner, so what is read of a sound hive is never more than the hive. Cells that overlap or
that many keys share would make it more, for this reader and for those that come after it: that is refused.

Each list on the way must be one that Windows can search. Otherwise a key that is there would be called
present although Windows misses it, and so would the absence of one that a list hides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from winpe_certs.edits import KeyPath
from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.base import read_base_block
from winpe_certs.regf.lists import Leaf, read_subkey_list, require_findable
from winpe_certs.regf.nodes import (
    KeyNode,
    ValueNode,
    is_key_tombstone,
    least_size,
    read_data,
    read_key,
    read_values,
)
from winpe_certs.regf.view import CellView, PagedCellView, Pages
from winpe_certs.shown import shown_text
from winpe_certs.uppercase import upper


def require_plain_key(view: CellView, key: KeyNode) -> None:
    """Refuse a key through which a path must not be followed."""
    if key.flags & layout.KEY_SYMLINK:
        kind = "a symbolic link to another key"
    elif key.flags & layout.KEY_PREDEFINED_HANDLE:
        kind = "a predefined handle"
    elif is_key_tombstone(view, key):
        kind = "a deletion mark of a differencing hive"
    else:
        return
    raise HiveError(
        f"{view.origin}: the key {shown_text(key.name)} at hive offset 0x{key.offset:X} is {kind}",
        details="A path through it does not mean the keys stored below it.",
        resolution="Name the key that it stands for, or use a hive without such a key on the path.",
    )


def read_child(view: CellView, offset: int, parent: KeyNode) -> KeyNode:
    """Read a key that a subkey list names, and make sure that it calls that list's key its parent."""
    key = read_key(view, offset)
    if key.parent != parent.offset:
        why = f"It names 0x{key.parent:X} as its parent, but stands in the list of 0x{parent.offset:X}."
        raise view.damaged("key node", offset, why)
    return key


def find_value(view: CellView, key: KeyNode, name: str) -> tuple[list[ValueNode], int | None]:
    """Give a key's values and the index of the one with this name, if there is one."""
    values = read_values(view, key)
    wanted = upper(name)
    found = [index for index, value in enumerate(values) if upper(value.name) == wanted]
    if len(found) > 1:
        raise view.damaged(
            "value list", key.value_list, f"It has {len(found)} values named {shown_text(name)}."
        )
    return values, found[0] if found else None


def _view(data: bytes | Pages, origin: str, *, allow_dirty: bool) -> CellView:
    if isinstance(data, bytes):
        return CellView(data, read_base_block(data, origin, allow_dirty=allow_dirty), origin)
    data.need(0, layout.BASE_BLOCK_SIZE)
    return PagedCellView(data, read_base_block(data.data, origin, allow_dirty=allow_dirty), origin)


class Hive:
    """A hive to look things up in. Dirty hives are refused unless `allow_dirty` is set."""

    def __init__(self, data: bytes | Pages, origin: str = "hive", *, allow_dirty: bool = False) -> None:
        self._view = _view(data, origin, allow_dirty=allow_dirty)
        self._children: dict[int, dict[str, KeyNode]] = {}
        self._uncounted = self._view.bins_size
        self._counted: set[tuple[int, int]] = set()

    def key_exists(self, path: KeyPath) -> bool:
        """Tell whether there is such a key."""
        return self._find(path) is not None

    def subkeys(self, path: KeyPath) -> list[str] | None:
        """Give the names of a key's subkeys in stored order, or None when there is no such key."""
        key = self._find(path)
        if key is None:
            return None
        children = self._children_of(key).values()
        return [child.name for child in children if not is_key_tombstone(self._view, child)]

    def value(self, path: KeyPath, name: str) -> tuple[int, bytes] | None:
        """Give the type and data of a value, or None when there is no such value or no such key."""
        key = self._find(path)
        if key is None:
            return None
        values, index = find_value(self._view, key, name)
        self._count_nodes(key, values)
        if index is None or values[index].is_tombstone:
            return None
        return values[index].type, self._data(key, values[index])

    def values(self, path: KeyPath) -> dict[str, tuple[int, bytes]] | None:
        """Give all values of a key by name in stored order, or None when there is no such key."""
        key = self._find(path)
        if key is None:
            return None
        values = read_values(self._view, key)
        self._count_nodes(key, values)
        found = [value for value in values if not value.is_tombstone]
        if len({upper(value.name) for value in found}) != len(found):
            raise self._view.damaged("value list", key.value_list, "It has two values of the same name.")
        return {value.name: (value.type, self._data(key, value)) for value in found}

    def _data(self, key: KeyNode, value: ValueNode) -> bytes:
        data = read_data(self._view, value)
        if not value.is_inline:
            self._count(key, value.offset, len(data))
        return data

    def _count_nodes(self, key: KeyNode, values: Sequence[ValueNode]) -> None:
        if values:
            self._count(key, key.value_list, sum(map(least_size, values)))

    def _count(self, key: KeyNode, cell: int, size: int) -> None:
        """Count the bytes that a key has in some cell, each once; refuse more than there can be."""
        if (key.offset, cell) in self._counted:
            return
        self._counted.add((key.offset, cell))
        self._uncounted -= size
        if self._uncounted < 0:
            why = "What keys have in their cells is more than the whole hive: cells overlap, or are shared."
            raise self._view.damaged("key node", key.offset, why)

    def _find(self, path: KeyPath) -> KeyNode | None:
        key = read_key(self._view, self._view.root)
        require_plain_key(self._view, key)
        for name in path:
            child = self._children_of(key).get(upper(name))
            if child is None:
                return None
            require_plain_key(self._view, child)
            key = child
        return key

    def _children_of(self, key: KeyNode) -> dict[str, KeyNode]:
        children = self._children.get(key.offset)
        if children is None:
            children = {}
            leaves = read_subkey_list(self._view, key).leaves
            for offset in (offset for leaf in leaves for offset in leaf.children()):
                child = read_child(self._view, offset, key)
                self._count(child, layout.NONE, layout.KEY_NAME + len(child.name))
                if children.setdefault(upper(child.name), child) is not child:
                    why = f"It has two subkeys named {shown_text(child.name)}."
                    raise self._view.damaged("subkey list", key.subkey_list, why)
            self._require_findable(leaves, children)
            self._children[key.offset] = children
        return children

    def _require_findable(self, leaves: Sequence[Leaf], children: Mapping[str, KeyNode]) -> None:
        """Refuse a list in which Windows would miss a key; `children` are in the order of the list."""
        places = ((leaf, index) for leaf in leaves for index in range(len(leaf.children())))
        previous = ""
        for (leaf, index), (uppercased, child) in zip(places, children.items(), strict=True):
            require_findable(self._view, leaf, index, child.name, uppercased, previous)
            previous = uppercased
