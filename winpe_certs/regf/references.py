"""Who refers to which cell, from the root key down, before a hive is edited.

Follows M. Suhanov, "Windows registry file format specification". A cell that two structures refer to must not
be moved, rewritten or freed on behalf of one of them, so such cells are listed. Key security cells are shared
by design; for them the key nodes that use them are counted instead. References to free room are listed too:
something new in that place would come to life below a damaged structure. Damage elsewhere is passed over
here; what an edit touches is judged when it is touched.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Final

from winpe_certs.regf import layout

ALLOCATED: Final = 1
FREE: Final = 2
_FOLLOWED: Final = 3

_KEY: Final = int.from_bytes(layout.KEY_SIGNATURE, "little")
_VALUE: Final = int.from_bytes(layout.VALUE_SIGNATURE, "little")
_BIG_DATA: Final = int.from_bytes(layout.BIG_DATA_SIGNATURE, "little")
_LEAF_STEPS: Final = {
    int.from_bytes(kind, "little"): width // 4 for kind, width in layout.LEAF_ENTRY_SIZES.items()
}
_ROOT: Final = int.from_bytes(layout.INDEX_ROOT, "little")
_KEY_SIZE: Final = layout.cell_size(layout.KEY_NAME)
_VALUE_SIZE: Final = layout.cell_size(layout.VALUE_NAME)
# Where fields stand, in dwords from the cell's size field.
_SUBKEY_COUNT: Final = 1 + layout.KEY_SUBKEY_COUNT // 4
_SUBKEY_LIST: Final = 1 + layout.KEY_SUBKEY_LIST // 4
_VALUE_COUNT: Final = 1 + layout.KEY_VALUE_COUNT // 4
_VALUE_LIST: Final = 1 + layout.KEY_VALUE_LIST // 4
_SECURITY: Final = 1 + layout.KEY_SECURITY // 4
_CLASS: Final = 1 + layout.KEY_CLASS // 4
_NAME_AND_CLASS_LENGTH: Final = 1 + layout.KEY_NAME_LENGTH // 4
_DATA_SIZE: Final = 1 + layout.VALUE_DATA_SIZE // 4
_DATA_OFFSET: Final = 1 + layout.VALUE_DATA_OFFSET // 4


@dataclass(frozen=True, slots=True)
class References:
    """Cells with two owners, references to what is no allocated cell, and uses of each security cell."""

    shared: frozenset[int]
    dangling: list[int]
    security_uses: Counter[int]


def collect_references(words: array[int], marks: bytearray, root: int, minor: int) -> References:
    """Walk all keys. `words` are the bins as signed dwords, `marks` tell where allocated cells start."""
    walk = _Walk(words, marks, minor)
    walk.run(root)
    uses = Counter(walk.security)
    for offset in uses:
        walk.follow(offset)
    return References(frozenset(walk.shared), sorted(walk.dangling), uses)


class _Walk:
    """Follows every reference once: the second one to a cell is odd, and so is one to no cell."""

    def __init__(self, words: array[int], marks: bytearray, minor: int) -> None:
        self.words = words
        self.state = bytearray(marks)
        self.end = len(marks) * layout.CELL_ALIGNMENT
        self.has_big_data = minor >= layout.MINOR_WITH_BIG_DATA
        self.shared: set[int] = set()
        self.dangling: set[int] = set()
        self.security: list[int] = []

    def run(self, root: int) -> None:
        words, state, end, security = self.words, self.state, self.end, self.security
        values = self.values
        pending = [root]
        while pending:
            offset = pending.pop()
            # This is `follow`, spelled out where it is called most.
            if offset & 7 or not 0 < offset < end or state[offset >> 3] != ALLOCATED:
                self.odd(offset)
                continue
            state[offset >> 3] = _FOLLOWED
            index = offset >> 2
            if words[index + 1] & 0xFFFF != _KEY or words[index] > -_KEY_SIZE:
                continue
            security.append(words[index + _SECURITY])
            if words[index + _SUBKEY_COUNT]:
                pending.extend(self.subkeys(words[index + _SUBKEY_LIST]))
            count = words[index + _VALUE_COUNT]
            if count and not (words[index + 1] >> 16) & layout.KEY_PREDEFINED_HANDLE:
                # And this is `follow` and `entries`.
                offset = words[index + _VALUE_LIST]
                if offset & 7 or not 0 < offset < end or state[offset >> 3] != ALLOCATED:
                    self.odd(offset)
                else:
                    state[offset >> 3] = _FOLLOWED
                    start = offset >> 2
                    if 0 < count < -(words[start] >> 2):
                        values(words[start + 1 : start + 1 + count])
            if words[index + _NAME_AND_CLASS_LENGTH] >> 16:
                self.follow(words[index + _CLASS])

    def follow(self, offset: int) -> int:
        """Give the index of the allocated cell at this offset, but only once; 0 stands for none."""
        if offset & 7 or not 0 < offset < self.end or self.state[offset >> 3] != ALLOCATED:
            self.odd(offset)
            return 0
        self.state[offset >> 3] = _FOLLOWED
        return offset >> 2

    def odd(self, offset: int) -> None:
        """Note a reference to a cell that has an owner already, or to what is no cell."""
        if offset <= 0:
            return
        # One behind the end counts as well: a bin may be added there.
        if offset < self.end and offset & 7 == 0 and self.state[offset >> 3] == _FOLLOWED:
            self.shared.add(offset)
        else:
            self.dangling.add(offset)

    def entries(self, index: int, skipped: int, count: int, step: int) -> array[int]:
        """Give so many offsets from a list's cell, none if they leave it."""
        start = index + skipped
        stop = start + count * step
        if not index or count < 0 or stop > index - (self.words[index] >> 2):
            return array("i")
        return self.words[start:stop:step]

    def subkeys(self, offset: int) -> array[int]:
        """Give the keys that a subkey list names."""
        index = self.follow(offset)
        if not index:
            return array("i")
        header = self.words[index + 1]
        if header & 0xFFFF != _ROOT:
            return self.leaf(index)
        children = array("i")
        for leaf in self.entries(index, 2, (header >> 16) & 0xFFFF, 1):
            children.extend(self.leaf(self.follow(leaf)))
        return children

    def leaf(self, index: int) -> array[int]:
        header = self.words[index + 1]
        step = _LEAF_STEPS.get(header & 0xFFFF)
        return array("i") if step is None else self.entries(index, 2, (header >> 16) & 0xFFFF, step)

    def values(self, offsets: array[int]) -> None:
        words, state, end = self.words, self.state, self.end
        for offset in offsets:
            # The same as `follow`, spelled out: most cells of a hive are values and their data.
            place = offset >> 3
            if offset & 7 or not 0 < offset < end or state[place] != ALLOCATED:
                self.odd(offset)
                continue
            state[place] = _FOLLOWED
            index = offset >> 2
            # Sizes of data kept in the value itself have their top bit set and are negative here.
            size = words[index + _DATA_SIZE]
            if size <= 0 or words[index + 1] & 0xFFFF != _VALUE or words[index] > -_VALUE_SIZE:
                continue
            data = words[index + _DATA_OFFSET]
            place = data >> 3
            if data & 7 or not 0 < data < end or state[place] != ALLOCATED:
                self.odd(data)
                continue
            state[place] = _FOLLOWED
            if size > layout.BIG_DATA_SEGMENT and self.has_big_data:
                self.big_data(data >> 2)

    def big_data(self, index: int) -> None:
        """Follow a big data record to its list and segments."""
        header = self.words[index + 1]
        if header & 0xFFFF == _BIG_DATA and self.words[index] <= -layout.cell_size(layout.BIG_DATA.size):
            list_index = self.follow(self.words[index + 2])
            for segment in self.entries(list_index, 1, (header >> 16) & 0xFFFF, 1):
                self.follow(segment)
