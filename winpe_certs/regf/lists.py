"""Subkey lists as they stand in a hive: lf, lh and li leaves, and the ri root above them.

Follows M. Suhanov, "Windows registry file format specification", section "Subkeys list". Refuses unknown and
nested lists, empty leaves, a leaf named twice, entries that leave their cell and counts that do not add up.

Windows searches these lists: by binary search, for which names must ascend by their upper-cased form over all
leaves, and by the hash or hint beside each entry (same document; ReactOS, cmlib). Readers that walk a list
from its beginning also find a key that such a search misses, so whoever relies on a list asks
`require_findable` of each entry.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from winpe_certs.regf import layout
from winpe_certs.regf.names import hash_of, hint_of
from winpe_certs.regf.nodes import KeyNode
from winpe_certs.regf.view import CellView
from winpe_certs.shown import shown_bytes, shown_text


@dataclass(slots=True)
class Leaf:
    """One leaf: where it is, its kind, its stored entries, and (when indexed) the upper-cased names."""

    offset: int
    kind: bytes
    entries: bytearray
    names: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """How many bytes one entry takes."""
        return layout.LEAF_ENTRY_SIZES[self.kind]

    @property
    def limit(self) -> int:
        """How many keys this kind of leaf may hold."""
        return layout.FAST_LEAF_LIMIT if self.kind == layout.FAST_LEAF else layout.LEAF_LIMIT

    def children(self) -> tuple[int, ...]:
        """Give the offsets of the leaf's keys."""
        dwords = struct.unpack(f"<{len(self.entries) // 4}I", self.entries)
        return dwords[:: self.width // 4]


@dataclass(slots=True)
class SubkeyList:
    """All leaves of one key's subkey list, and the offset of the ri root if there is one."""

    root: int | None
    leaves: list[Leaf]

    def children(self) -> list[int]:
        """Give the offsets of all keys, in the order of the list."""
        return [child for leaf in self.leaves for child in leaf.children()]


def _header(view: CellView, offset: int) -> tuple[bytes, int, int, int]:
    start, end = view.content(offset, "subkey list", layout.LIST_HEADER.size)
    kind, count = layout.LIST_HEADER.unpack_from(view.data, start)
    return kind, count, start + layout.LIST_HEADER.size, end


def _read_leaf(view: CellView, offset: int) -> Leaf:
    kind, count, start, end = _header(view, offset)
    width = layout.LEAF_ENTRY_SIZES.get(kind)
    if width is None:
        why = f"A leaf must be lf, lh or li; this list starts with {shown_bytes(kind)} (roots do not nest)."
        raise view.damaged("subkey list", offset, why)
    if count == 0 or start + count * width > end:
        raise view.damaged("subkey list", offset, f"Its {count} entries are none, or leave the cell.")
    return Leaf(offset, kind, bytearray(view.data[start : start + count * width]))


def read_subkey_list(view: CellView, key: KeyNode) -> SubkeyList:
    """Read the subkey list of a key; a key without subkeys has a list without leaves."""
    if key.subkey_count == 0:
        return SubkeyList(None, [])
    kind, count, start, end = _header(view, key.subkey_list)
    if kind == layout.INDEX_ROOT:
        if count == 0 or start + 4 * count > end:
            why = f"Its {count} leaves are none, or leave the cell."
            raise view.damaged("subkey list", key.subkey_list, why)
        offsets = view.offsets(start, count)
        if len(set(offsets)) != count:
            raise view.damaged("subkey list", key.subkey_list, "It names the same leaf twice.")
        result = SubkeyList(key.subkey_list, [_read_leaf(view, offset) for offset in offsets])
    else:
        result = SubkeyList(None, [_read_leaf(view, key.subkey_list)])
    total = sum(len(leaf.entries) // leaf.width for leaf in result.leaves)
    if total != key.subkey_count:
        why = f"It holds {total} keys, but the key node counts {key.subkey_count}."
        raise view.damaged("subkey list", key.subkey_list, why)
    return result


def tag_of(kind: bytes, name: str, uppercased: str) -> bytes:
    """Give what a leaf of this kind stores beside a key's offset: its hash, its hint, or nothing."""
    if kind == layout.HASH_LEAF:
        return layout.U32.pack(hash_of(uppercased))
    return hint_of(name) if kind == layout.FAST_LEAF else b""


def require_findable(
    view: CellView, leaf: Leaf, index: int, name: str, uppercased: str, previous: str
) -> None:
    """Refuse an entry that Windows would not find: out of order, or beside a wrong hash or hint.

    `index` counts in the leaf, `uppercased` has gone through `upper`, and so has `previous`, the name before
    it in the whole list ("" for the first). Raises `HiveError`.
    """
    if uppercased <= previous:
        why = f"The subkey {shown_text(name)} is out of order, so Windows would not find it."
        raise view.damaged("subkey list", leaf.offset, why)
    position = index * leaf.width + 4
    if leaf.entries[position : position + leaf.width - 4] != tag_of(leaf.kind, name, uppercased):
        why = f"The hash or hint of the subkey {shown_text(name)} is wrong; Windows would not find it."
        raise view.damaged("subkey list", leaf.offset, why)
