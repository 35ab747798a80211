"""The editor of a hive: bytes and edits in, bytes out.

Follows M. Suhanov, "Windows registry file format specification". A hive that needs no change comes back as
the very same object. Refuses hives that were not closed cleanly, log files, unknown versions, and damage in
anything that an edit has to touch; the given bytes are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.base import close_base_block, read_base_block
from winpe_certs.regf.cells import CellStore
from winpe_certs.regf.lists import read_subkey_list
from winpe_certs.regf.names import encode_name, unit_count
from winpe_certs.regf.nodes import KeyNode, read_key
from winpe_certs.regf.reading import Hive, read_child, require_plain_key
from winpe_certs.regf.security import acquire, raise_low_counts, release
from winpe_certs.regf.subkeys import SubkeyIndex
from winpe_certs.regf.values import delete_value, free_values, room_for_value, set_value
from winpe_certs.shown import shown_text


@dataclass(frozen=True, slots=True)
class Edited:
    """An edited hive, and how many reference counts of security descriptors had to be raised to the truth."""

    data: bytes
    raised_counts: int = 0


def apply(data: bytes, edits: Sequence[Edit], *, now: int, origin: str = "hive") -> bytes:
    """Carry out edits, in order, and give the edited hive; see `edit_hive`."""
    return edit_hive(data, edits, now=now, origin=origin).data


def edit_hive(data: bytes, edits: Sequence[Edit], *, now: int, origin: str = "hive") -> Edited:
    """Carry out edits, in order; `now` is a FILETIME.

    Raises `DirtyHiveError` or `HiveError` when the hive cannot be edited safely, or an edit is impossible.
    """
    for edit in edits:
        _require_sensible(edit, origin)
    hive = Hive(data, origin)
    first = next((index for index, edit in enumerate(edits) if _is_needed(hive, edit)), None)
    if first is None:
        return Edited(data)
    del hive
    editor = _Editor(data, now, origin)
    raised = editor.raise_low_counts()
    for edit in edits[first:]:
        editor.carry_out(edit)
    return Edited(editor.finish(), raised)


def _is_needed(hive: Hive, edit: Edit) -> bool:
    match edit:
        case CreateKey(path):
            return not hive.key_exists(path)
        case SetValue(path, name, kind, data):
            return hive.value(path, name) != (kind, data)
        case DeleteValue(path, name):
            return hive.value(path, name) is not None
        case DeleteKey(path):
            return hive.key_exists(path)
    assert_never(edit)


def _require_sensible(edit: Edit, origin: str) -> None:
    """Refuse what no hive can hold, before anything is read."""

    def refuse(why: str) -> HiveError:
        path = "\\".join(edit.path)
        return HiveError(
            f"{origin}: the edit of {shown_text(path, 300)} cannot be carried out",
            details=why,
            resolution="Correct the key path or the value.",
        )

    if isinstance(edit, DeleteKey) and not edit.path:
        raise refuse("The root key of a hive cannot be deleted.")
    if len(edit.path) >= layout.MAXIMUM_LEVELS:
        raise refuse(f"Keys may lie at most {layout.MAXIMUM_LEVELS} levels deep.")
    for name in edit.path:
        if not name or "\\" in name or unit_count(name) > layout.MAXIMUM_KEY_NAME:
            raise refuse(
                f"{shown_text(name, 40)} is not a key name: empty, with a backslash, or over 255 characters."
            )
    if isinstance(edit, SetValue | DeleteValue) and unit_count(edit.name) > layout.MAXIMUM_VALUE_NAME:
        raise refuse(f"The value name has more than {layout.MAXIMUM_VALUE_NAME} characters.")
    if isinstance(edit, SetValue):
        if not 0 <= edit.type <= 0xFFFFFFFF:
            raise refuse(f"{edit.type} is not a 32-bit value type.")
        if len(edit.data) > layout.MAXIMUM_VALUE_DATA:
            raise refuse(f"The data has {len(edit.data)} bytes, more than a value can hold.")


class _Editor:
    def __init__(self, data: bytes, now: int, origin: str) -> None:
        base = read_base_block(data, origin)
        self._now = now
        self._sequence = base.sequence
        self._store = CellStore(data, base, origin)
        self._indexes: dict[int, SubkeyIndex] = {}

    def carry_out(self, edit: Edit) -> None:
        match edit:
            case CreateKey(path):
                self._create(path, 0)
            case SetValue(path, name, kind, data):
                room = room_for_value(self._store.minor, name, data)
                key = self._create(path, room + layout.cell_size(4))
                self._store.together(room + layout.cell_size(4))
                if set_value(self._store, key, name, kind, data):
                    self._stamp(key)
            case DeleteValue(path, name):
                found = self._walk(path)
                if found is not None and delete_value(self._store, found, name):
                    self._stamp(found)
            case DeleteKey(path):
                self._delete(path)
            case _:
                assert_never(edit)
        self._store.together(0)

    def raise_low_counts(self) -> int:
        return raise_low_counts(self._store)

    def finish(self) -> bytes:
        close_base_block(self._store.data, self._store.bins_size, self._sequence)
        return bytes(self._store.data)

    def _walk(self, path: KeyPath) -> KeyNode | None:
        """Give the key at a path, or None when it or one of its parents is missing."""
        key = read_key(self._store, self._store.root)
        require_plain_key(self._store, key)
        for name in path:
            offset = self._index(key).find(name)
            if offset is None:
                return None
            key = read_child(self._store, offset, key)
            require_plain_key(self._store, key)
        return key

    def _index(self, key: KeyNode) -> SubkeyIndex:
        index = self._indexes.get(key.offset)
        if index is None:
            index = self._indexes[key.offset] = SubkeyIndex(self._store, key)
        return index

    def _stamp(self, key: KeyNode) -> None:
        self._store.write(key.start + layout.KEY_TIME, layout.U64.pack(self._now))

    def _create(self, path: KeyPath, value_room: int) -> KeyNode:
        """Give the key at a path, created with its parents if missing; room for a value is kept near."""
        key = read_key(self._store, self._store.root)
        require_plain_key(self._store, key)
        for depth, name in enumerate(path):
            offset = self._index(key).find(name)
            if offset is None:
                missing = sum(
                    layout.cell_size(layout.KEY_NAME + len(encode_name(n)[0])) for n in path[depth:]
                )
                self._store.together(missing + value_room)
                offset = self._add_key(key, name)
            key = read_child(self._store, offset, key)
            require_plain_key(self._store, key)
        return key

    def _add_key(self, parent: KeyNode, name: str) -> int:
        store = self._store
        index = self._index(parent)
        security = index.new_key_security
        self._stamp(parent)
        acquire(store, security)
        stored, one_byte = encode_name(name)
        node = layout.KEY_NODE.pack(
            layout.KEY_SIGNATURE,
            layout.KEY_NAME_IS_ONE_BYTE if one_byte else 0,
            self._now,
            0,
            parent.offset,
            *(0, 0, layout.NONE, layout.NONE),
            *(0, layout.NONE, security, layout.NONE),
            *(0, 0, 0, 0, 0),
            len(stored),
            0,
        )
        offset = store.allocate(node + stored)
        index.insert(name, offset, security)
        position = parent.start + layout.KEY_LONGEST_SUBKEY_NAME
        longest, length = store.u32(position), 2 * unit_count(name)
        if longest & layout.LONGEST_NAME_MASK < length:
            store.put_u32(position, longest & ~layout.LONGEST_NAME_MASK | length)
        return offset

    def _delete(self, path: KeyPath) -> None:
        key = self._walk(path)
        parent = self._walk(path[:-1])
        if key is None or parent is None:
            return
        doomed = self._subtree(key, len(path))
        index = self._index(parent)
        for offset in reversed(doomed):
            self._indexes.pop(offset, None)
            self._free_key(offset)
        index.remove(path[-1], key.security)
        self._stamp(parent)

    def _subtree(self, key: KeyNode, depth: int) -> list[int]:
        """Give the offsets of a key and everything below it, parents first."""
        found: list[int] = []
        levels = [key]
        seen = {key.offset}
        while levels:
            if depth >= layout.MAXIMUM_LEVELS:
                why = f"Keys below it lie more than {layout.MAXIMUM_LEVELS} levels deep."
                raise self._store.damaged("key node", key.offset, why)
            below: list[KeyNode] = []
            for each in levels:
                if each.flags & layout.KEY_NO_DELETE:
                    raise HiveError(
                        f"{self._store.origin}: the key {shown_text(each.name, 60)} may not be deleted",
                        details=f"Its key node at hive offset 0x{each.offset:X} has the flag.",
                        resolution="Delete other keys only.",
                    )
                found.append(each.offset)
                for offset in read_subkey_list(self._store, each).children():
                    if offset in seen:
                        raise self._store.damaged(
                            "key node", offset, "It stands in more than one subkey list."
                        )
                    seen.add(offset)
                    below.append(read_child(self._store, offset, each))
            levels = below
            depth += 1
        return found

    def _free_key(self, offset: int) -> None:
        store = self._store
        key = read_key(store, offset)
        free_values(store, key)
        subkeys = read_subkey_list(store, key)
        for leaf in subkeys.leaves:
            store.free(leaf.offset, "subkey list")
        if subkeys.root is not None:
            store.free(subkeys.root, "subkey list")
        if key.class_length:
            store.content(key.class_offset, "class name", key.class_length)
            store.free(key.class_offset, "class name")
        release(store, key.security)
        store.free(offset, "key node")
