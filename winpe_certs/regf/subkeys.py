"""Inserting into and deleting from the subkey list of a key, with the thresholds of the Windows kernel.

Follows M. Suhanov, "Windows registry file format specification", section "Subkeys list". Names stand in
strictly ascending order of their upper-cased form over all leaves. An lf leaf that would hold more than 507
keys becomes li; lh and li leaves that would hold more than 1012 are split in two below an ri. A list is read
and judged as a whole before it is changed: wrong order, hashes or hints, and children that name another
parent are refused.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.cells import CellStore
from winpe_certs.regf.lists import Leaf, read_subkey_list, require_findable, tag_of
from winpe_certs.regf.nodes import KeyNode
from winpe_certs.regf.reading import read_child
from winpe_certs.shown import shown_text
from winpe_certs.uppercase import upper


class SubkeyIndex:
    """The subkeys of one key by name, kept in step with the list in the hive."""

    def __init__(self, store: CellStore, key: KeyNode) -> None:
        self._store = store
        self._key = key
        read = read_subkey_list(store, key)
        self._root, self._leaves = read.root, read.leaves
        self._count = key.subkey_count
        self._list_offset = key.subkey_list
        self._securities: Counter[int] = Counter()
        previous = ""
        for leaf in self._leaves:
            for index, offset in enumerate(leaf.children()):
                child = read_child(store, offset, key)
                uppercased = upper(child.name)
                require_findable(store, leaf, index, child.name, uppercased, previous)
                leaf.names.append(uppercased)
                self._securities[child.security] += 1
                previous = uppercased

    @property
    def new_key_security(self) -> int:
        """The descriptor that most subkeys use, in doubt the one that the key itself uses."""
        own, uses = self._key.security, self._securities
        return max(uses, key=lambda offset: (uses[offset], offset == own), default=own)

    def find(self, name: str) -> int | None:
        """Give the offset of the subkey with this name."""
        uppercased = upper(name)
        if not self._leaves:
            return None
        leaf, index = self._place(uppercased)
        if index == len(leaf.names) or leaf.names[index] != uppercased:
            return None
        return leaf.children()[index]

    def insert(self, name: str, offset: int, security: int) -> None:
        """Enter a new subkey, which must not be there yet, and count it."""
        uppercased = upper(name)
        if not self._leaves:
            has_hashes = self._store.minor >= layout.MINOR_WITH_HASH_LEAF
            kind = layout.HASH_LEAF if has_hashes else layout.FAST_LEAF
            content = layout.LIST_HEADER.pack(kind, 0)
            self._leaves.append(Leaf(self._store.allocate(content.ljust(12, b"\0")), kind, bytearray()))
            self._list_offset = self._leaves[0].offset
        leaf, index = self._place(uppercased)
        if len(leaf.names) >= leaf.limit:
            if leaf.kind == layout.FAST_LEAF:
                leaf.entries = bytearray(b"".join(map(layout.U32.pack, leaf.children())))
                leaf.kind = layout.INDEX_LEAF
            else:
                self._split(leaf)
                leaf, index = self._place(uppercased)
        position = index * leaf.width
        entry = layout.U32.pack(offset) + tag_of(leaf.kind, name, uppercased)
        leaf.entries[position:position] = entry
        leaf.names.insert(index, uppercased)
        self._securities[security] += 1
        self._count += 1
        self._write_leaf(leaf)
        self._write_key()

    def remove(self, name: str, security: int) -> None:
        """Take a subkey, which must be there, out of the list."""
        self._securities[security] -= 1
        if not self._securities[security]:
            # The descriptor may have gone with its last key.
            del self._securities[security]
        leaf, index = self._place(upper(name))
        del leaf.entries[index * leaf.width : (index + 1) * leaf.width]
        del leaf.names[index]
        self._count -= 1
        if leaf.names:
            self._write_leaf(leaf)
        else:
            self._store.free(leaf.offset, "subkey list")
            self._leaves.remove(leaf)
            if self._root is not None:
                self._write_root()
            else:
                self._list_offset = layout.NONE
        self._write_key()

    def _place(self, uppercased: str) -> tuple[Leaf, int]:
        """Give the leaf and the index in it where this name is, or belongs."""
        leaf = next(
            (leaf for leaf in self._leaves if leaf.names and leaf.names[-1] >= uppercased), self._leaves[-1]
        )
        return leaf, bisect_left(leaf.names, uppercased)

    def _split(self, leaf: Leaf) -> None:
        if len(self._leaves) >= layout.INDEX_ROOT_LIMIT:
            raise HiveError(
                f"{self._store.origin}: the key {shown_text(self._key.name)} cannot take more subkeys",
                details=f"Its subkey list has {len(self._leaves)} leaves, as many as the format can count.",
                resolution="Use fewer keys.",
            )
        half = len(leaf.names) // 2
        entries, names = leaf.entries[half * leaf.width :], leaf.names[half:]
        del leaf.entries[half * leaf.width :]
        del leaf.names[half:]
        self._write_leaf(leaf, shrink=True)
        offset = self._store.allocate(layout.LIST_HEADER.pack(leaf.kind, len(names)) + entries)
        self._leaves.insert(self._leaves.index(leaf) + 1, Leaf(offset, leaf.kind, entries, names))
        if self._root is None:
            self._root = self._store.allocate(bytes(layout.LIST_HEADER.size + 4 * len(self._leaves)))
        self._write_root()

    def _write_leaf(self, leaf: Leaf, *, shrink: bool = False) -> None:
        content = layout.LIST_HEADER.pack(leaf.kind, len(leaf.names)) + leaf.entries
        before = leaf.offset
        if shrink:
            self._store.free(before, "subkey list")
            leaf.offset = self._store.allocate(content)
        else:
            leaf.offset = self._store.replace(before, content, "subkey list")
        if self._root is None:
            self._list_offset = leaf.offset
        elif leaf.offset != before:
            self._write_root()

    def _write_root(self) -> None:
        assert self._root is not None  # noqa: S101 - callers have seen it
        if not self._leaves:
            self._store.free(self._root, "subkey list")
            self._root, self._list_offset = None, layout.NONE
            return
        offsets = b"".join(layout.U32.pack(leaf.offset) for leaf in self._leaves)
        content = layout.LIST_HEADER.pack(layout.INDEX_ROOT, len(self._leaves)) + offsets
        self._root = self._list_offset = self._store.replace(self._root, content, "subkey list")

    def _write_key(self) -> None:
        self._store.put_u32(self._key.start + layout.KEY_SUBKEY_COUNT, self._count)
        self._store.put_u32(self._key.start + layout.KEY_SUBKEY_LIST, self._list_offset)
