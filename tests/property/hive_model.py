"""A hive as a plain dictionary: what edits must make of it, key by key, and which of them must be refused.

Nothing here comes from the package but the edits themselves. Names are found as Windows finds them and keep
the spelling that they have; values keep their order; the times of changed keys, and of keys that gain or lose
a subkey, are those of the edit.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache

from scripts.testdata.hive_writer import sort_key
from tests.property.hive_dump import Dump, Key, KeyPath, Value
from tests.unit.regf.dump import RawKeys
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue

_NO_DELETE, _SYMLINK, _HANDLE = 0x08, 0x10, 0x40
_TOMBSTONE_KEY, _TOMBSTONE_VALUE = 1, 2
_MINOR_WITH_TOMBSTONES = 6
_MINOR_POSITION = 24
_SECURITY_POSITION = 44
_DESCRIPTOR_SIZE, _DESCRIPTOR = 16, 20


class Refused(Exception):  # noqa: N818 - the right answer to some edits
    """The editor must refuse this edit."""


folded = cache(sort_key)
"""The form in which names compare."""


@dataclass(frozen=True)
class Marks:
    """What the dictionary cannot say of keys and values: where an edit must be refused or finds a gap."""

    not_through: frozenset[KeyPath]
    not_deleted: frozenset[KeyPath]
    deleted_values: frozenset[tuple[KeyPath, str]]


def marks_of(data: bytes) -> Marks:
    """Find symbolic links, predefined handles, keys not to be deleted, and marks of deletion."""
    has_tombstones = data[_MINOR_POSITION] >= _MINOR_WITH_TOMBSTONES
    not_through, not_deleted, values = set(), set(), set()
    for path, (_, node, owned) in RawKeys(data).keys.items():
        flags, layer = struct.unpack_from("<H", node, 2)[0], node[13] & 3
        if flags & (_SYMLINK | _HANDLE) or (has_tombstones and layer == _TOMBSTONE_KEY):
            not_through.add(path)
        if flags & (_NO_DELETE | _HANDLE):
            not_deleted.add(path)
        for cell in owned.values():
            if has_tombstones and cell[:2] == b"vk" and cell[16] & _TOMBSTONE_VALUE:
                length = struct.unpack_from("<H", cell, 2)[0]
                name = cell[20 : 20 + length].decode("latin-1" if cell[16] & 1 else "utf-16-le")
                values.add((path, name))
    return Marks(frozenset(not_through), frozenset(not_deleted), frozenset(values))


def descriptor_of(cells: RawKeys, path: KeyPath) -> bytes:
    """The security descriptor of a key, from the cells."""
    node = cells.keys[path][1]
    cell = cells.cell(struct.unpack_from("<I", node, _SECURITY_POSITION)[0])
    size = struct.unpack_from("<I", cell, _DESCRIPTOR_SIZE)[0]
    return cell[_DESCRIPTOR : _DESCRIPTOR + size]


@dataclass
class Model:
    """Keys by path.

    `touched` collects the keys that an edit had to change, since it was last emptied. `unsettled` has the new
    keys, with the security descriptors one of which each must have.
    """

    keys: Dump
    marks: Marks
    places: dict[tuple[bytes, ...], KeyPath] = field(default_factory=dict)
    touched: set[KeyPath] = field(default_factory=set)
    unsettled: dict[KeyPath, frozenset[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.places:
            self.places = {tuple(map(folded, path)): path for path in self.keys}
            assert len(self.places) == len(self.keys), "two keys have names that compare equal"

    def copy(self) -> Model:
        """A model that can be edited apart from this one."""
        return Model(dict(self.keys), self.marks, dict(self.places))

    def find(self, path: KeyPath) -> KeyPath | None:
        """The path as spelled in the hive, or None when there is no such key."""
        return self.places.get(tuple(map(folded, path)))

    def carry_out(self, edit: Edit, now: int) -> bool:
        """Do what the edit says; tell whether that is a change. Raises `Refused`."""
        self._walk(edit.path)
        match edit:
            case CreateKey(path):
                return self._create(path, now)[1]
            case SetValue(path, name, kind, data):
                return self._set(path, Value(name, kind, data), now)
            case DeleteValue(path, name):
                return self._unset(path, name, now)
            case DeleteKey(path):
                return self._delete(path, now)

    def _walk(self, path: KeyPath) -> None:
        """Refuse a path through a key that stands for something else."""
        for depth in range(len(path) + 1):
            place = self.find(path[:depth])
            if place is None:
                return
            if place in self.marks.not_through:
                raise Refused(f"{place} is no plain key")

    def _change(self, path: KeyPath, key: Key, now: int) -> None:
        self.keys[path] = key._replace(written=now)
        self.touched.add(path)

    def _create(self, path: KeyPath, now: int) -> tuple[KeyPath, bool]:
        place: KeyPath = ()
        changed = False
        for depth, name in enumerate(path, 1):
            found = self.find(path[:depth])
            if found is None:
                self._change(place, self.keys[place], now)
                found = (*place, name)
                self.unsettled[found] = self._descriptors_around(place)
                self.places[tuple(map(folded, found))] = found
                self._change(found, Key((), now, b"", None), now)
                changed = True
            place = found
        return place, changed

    def _descriptors_around(self, parent: KeyPath) -> frozenset[bytes]:
        """The descriptors of a key and its subkeys, one of which a new subkey must have."""
        depth = len(parent) + 1
        around = [path for path in self.keys if len(path) == depth and path[:-1] == parent]
        found: set[bytes] = set()
        for path in (parent, *around):
            security = self.keys[path].security
            found |= self.unsettled[path] if security is None else {security}
        return frozenset(found)

    def _set(self, path: KeyPath, value: Value, now: int) -> bool:
        place, changed = self._create(path, now)
        values = list(self.keys[place].values)
        index = self._index(place, value.name)
        if index is None:
            values.append(value)
        else:
            before = values[index]
            gone = (place, before.name) in self.marks.deleted_values
            if before[1:] == value[1:] and not gone:
                return changed
            values[index] = before._replace(kind=value.kind, data=value.data)
            self._forget_marks(place, before.name)
        self._change(place, self.keys[place]._replace(values=tuple(values)), now)
        return True

    def _unset(self, path: KeyPath, name: str, now: int) -> bool:
        place = self.find(path)
        index = None if place is None else self._index(place, name)
        if place is None or index is None:
            return False
        values = list(self.keys[place].values)
        if (place, values[index].name) in self.marks.deleted_values:
            return False
        del values[index]
        self._change(place, self.keys[place]._replace(values=tuple(values)), now)
        return True

    def _delete(self, path: KeyPath, now: int) -> bool:
        place = self.find(path)
        if place is None:
            return False
        gone = [key for key in self.keys if key[: len(place)] == place]
        if not self.marks.not_deleted.isdisjoint(gone):
            raise Refused(f"{place} or a key below it is not to be deleted")
        for key in gone:
            del self.keys[key]
            del self.places[tuple(map(folded, key))]
        self.touched.update(gone)
        self._change(place[:-1], self.keys[place[:-1]], now)
        self._forget_marks(place)
        return True

    def _index(self, place: KeyPath, name: str) -> int | None:
        wanted = folded(name)
        names = [folded(value.name) for value in self.keys[place].values]
        return names.index(wanted) if wanted in names else None

    def _forget_marks(self, place: KeyPath, name: str | None = None) -> None:
        """What is new in place of a marked key or value has no marks."""
        old = self.marks
        if name is not None:
            self.marks = Marks(old.not_through, old.not_deleted, old.deleted_values - {(place, name)})
            return
        depth = len(place)
        self.marks = Marks(
            frozenset(path for path in old.not_through if path[:depth] != place),
            old.not_deleted,
            frozenset(mark for mark in old.deleted_values if mark[0][:depth] != place),
        )

    def settle_security(self, cells: RawKeys) -> None:
        """Give new keys the descriptors that they have, after a look whether they may have them."""
        for path, choice in self.unsettled.items():
            if path in self.keys:
                security = descriptor_of(cells, path)
                assert security in choice, f"the new key {path} has a descriptor from nowhere"
                self.keys[path] = self.keys[path]._replace(security=security)
        self.unsettled.clear()
