"""Allocation of cells in a hive that is being edited: reuse, split, merge, and new bins at the end.

Follows M. Suhanov, "Windows registry file format specification", sections "Hive bin" and "Cell". A hive often
lies in an image in compressed chunks of 32 KiB, and every chunk that changes has to be stored again. Free
cells are therefore taken first (best fit) from chunks that this edit has changed already, then from anywhere,
and only then is a bin added. Nothing that stays is ever moved.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.base import BaseBlock
from winpe_certs.regf.references import ALLOCATED, FREE
from winpe_certs.regf.scan import Scan, scan
from winpe_certs.regf.view import CellView

_WINDOW_SHIFT = 15
_OFFSET_BITS = 32
_OFFSET_MASK = 0xFFFFFFFF
_LARGEST_TOGETHER = 0x10000


class CellStore(CellView):
    """A private copy of a hive whose cells can be allocated, freed and written."""

    data: bytearray

    def __init__(self, data: bytes, base: BaseBlock, origin: str) -> None:
        found: Scan = scan(data, base, origin)
        super().__init__(bytearray(data), base, origin)
        self.security_uses = found.references.security_uses
        self._marks = found.marks
        self._shared = found.references.shared
        # Free cells as numbers, size above offset, so that sorting them is sorting by size.
        self._near: list[int] = []
        self._withheld = found.references.dangling
        self._far = sorted(
            size << _OFFSET_BITS | offset
            for offset, size in found.free.items()
            if not self._is_withheld(offset, size)
        )
        self._ends = {offset + size: offset for offset, size in found.free.items()}
        self._far_by_window: dict[int, set[int]] = {}
        for entry in self._far:
            self._far_by_window.setdefault(self._window(entry & _OFFSET_MASK), set()).add(entry)
        self._touched: set[int] = set()
        self._together = 0
        # The base block is written by every edit, so its chunk is the first that costs nothing more.
        self._touch(0, layout.BASE_BLOCK_SIZE)

    def content(self, offset: int, structure: str, minimum: int = 0) -> tuple[int, int]:
        """Give the file positions of a cell's content; refuse what is no cell, or belongs to two owners."""
        start, end = super().content(offset, structure, minimum)
        if self._marks[offset // layout.CELL_ALIGNMENT] != ALLOCATED:
            raise self.damaged(structure, offset, "The offset points into another cell or at a freed one.")
        if offset in self._shared:
            raise self.damaged(
                structure, offset, "Two structures refer to this cell, which only one may own."
            )
        return start, end

    def write(self, position: int, content: bytes | bytearray) -> None:
        """Overwrite bytes at a file position."""
        self.data[position : position + len(content)] = content
        self._touch(position, len(content))

    def put_u32(self, position: int, value: int) -> None:
        """Overwrite a dword at a file position."""
        self.write(position, layout.U32.pack(value))

    def together(self, size: int) -> None:
        """Announce the cells about to be allocated, so that room for all of them is preferred."""
        self._together = min(size, _LARGEST_TOGETHER)

    def allocate(self, content: bytes | bytearray) -> int:
        """Store this content in a new cell, its slack zeroed, and give the cell's offset."""
        size = layout.cell_size(len(content))
        entry = self._take(size)
        offset, rest = entry & _OFFSET_MASK, (entry >> _OFFSET_BITS) - size
        self._together = max(0, self._together - size)
        if rest:
            self._release(offset + size, rest)
        self._marks[offset // layout.CELL_ALIGNMENT] = ALLOCATED
        stored = layout.I32.pack(-size) + content
        self.write(layout.BASE_BLOCK_SIZE + offset, stored.ljust(size, b"\0"))
        return offset

    def free(self, offset: int, structure: str) -> None:
        """Free a cell and merge it with free neighbours in its bin. What it held is wiped."""
        start, end = self.content(offset, structure)
        self.write(start, bytes(end - start))
        self._release(offset, end - start + layout.CELL_SIZE_FIELD)

    def replace(self, offset: int, content: bytes | bytearray, structure: str) -> int:
        """Give a cell new content: in place when it has room, else larger in place, else somewhere else."""
        start, end = self.content(offset, structure)
        room = end - start
        needed = layout.cell_size(len(content)) - layout.CELL_SIZE_FIELD
        if room < needed:
            room = self._extend(offset, room, needed)
        if room < needed:
            self.write(start, bytes(end - start))
            self._release(offset, room + layout.CELL_SIZE_FIELD)
            return self.allocate(content)
        self.write(start, bytes(content).ljust(room, b"\0"))
        return offset

    def _extend(self, offset: int, room: int, needed: int) -> int:
        """Take in the free neighbour behind a cell when it is large enough; give the new room."""
        following = offset + layout.CELL_SIZE_FIELD + room
        if not self._is_free(following):
            return room
        extra = layout.I32.unpack_from(self.data, layout.BASE_BLOCK_SIZE + following)[0]
        if room + extra < needed:
            return room
        self._forget(following, extra)
        rest = room + extra - needed
        self.write(layout.BASE_BLOCK_SIZE + offset, layout.I32.pack(-(needed + layout.CELL_SIZE_FIELD)))
        if rest:
            self._release(following + extra - rest, rest)
        return needed

    def _take(self, size: int) -> int:
        """Choose free room for a cell of this size and take it out of the books."""
        wanted = size << _OFFSET_BITS
        index = bisect_left(self._near, wanted)
        if index < len(self._near):
            entry = self._near[index]
        else:
            index = bisect_left(self._far, max(size, self._together) << _OFFSET_BITS)
            if index == len(self._far):
                index = bisect_left(self._far, wanted)
            entry = self._far[index] if index < len(self._far) else self._add_bin(max(size, self._together))
        self._forget(entry & _OFFSET_MASK, entry >> _OFFSET_BITS)
        return entry

    def _add_bin(self, size: int) -> int:
        """Add a bin with room for this cell behind the last one; give its one free cell."""
        offset = self.bins_size
        length = -(-(size + layout.BIN_HEADER_SIZE) // layout.BIN_ALIGNMENT) * layout.BIN_ALIGNMENT
        if offset + length > layout.MAXIMUM_BINS_SIZE:
            raise HiveError(
                f"{self.origin}: the hive cannot grow by {length} bytes",
                details=f"Its bins take {offset} bytes; the format ends at 2 GiB.",
                resolution="Add less, or compact the hive first.",
            )
        if self._is_withheld(offset, length):
            raise HiveError(
                f"{self.origin}: the hive is damaged: a structure refers to what lies behind its end",
                details=f"A bin at hive offset 0x{offset:X} would come to life below it.",
                resolution="Take the file again from its original image.",
            )
        position = layout.BASE_BLOCK_SIZE + offset
        # Bytes behind the last bin mean nothing, but they must not show up inside a bin.
        self.data[position : position + length] = bytes(length)
        header = layout.BIN_HEADER.pack(layout.BIN_SIGNATURE, offset, length)
        self.write(position, header.ljust(layout.BIN_HEADER_SIZE, b"\0"))
        self.bins_size += length
        self._marks.extend(bytes(length // layout.CELL_ALIGNMENT))
        room = length - layout.BIN_HEADER_SIZE
        self._release(offset + layout.BIN_HEADER_SIZE, room)
        return room << _OFFSET_BITS | (offset + layout.BIN_HEADER_SIZE)

    def _is_free(self, offset: int) -> bool:
        slot = offset // layout.CELL_ALIGNMENT
        return slot < len(self._marks) and self._marks[slot] == FREE

    def _release(self, offset: int, size: int) -> None:
        """Enter free room in the books, merged with free neighbours. Bin headers end any merge."""
        self._marks[offset // layout.CELL_ALIGNMENT] = 0
        while self._is_free(offset + size):
            extra = layout.I32.unpack_from(self.data, layout.BASE_BLOCK_SIZE + offset + size)[0]
            self._forget(offset + size, extra)
            size += extra
        while (before := self._ends.get(offset)) is not None:
            extra = offset - before
            self._forget(before, extra)
            offset, size = before, size + extra
        self.write(layout.BASE_BLOCK_SIZE + offset, layout.I32.pack(size))
        self._marks[offset // layout.CELL_ALIGNMENT] = FREE
        self._ends[offset + size] = offset
        if not self._is_withheld(offset, size):
            insort(self._near, size << _OFFSET_BITS | offset)

    def _forget(self, offset: int, size: int) -> None:
        """Take a free cell out of the books."""
        self._marks[offset // layout.CELL_ALIGNMENT] = 0
        del self._ends[offset + size]
        if self._is_withheld(offset, size):
            return
        entry = size << _OFFSET_BITS | offset
        window = self._window(offset)
        if window in self._touched:
            del self._near[bisect_left(self._near, entry)]
        else:
            del self._far[bisect_left(self._far, entry)]
            self._far_by_window[window].remove(entry)

    def _is_withheld(self, offset: int, size: int) -> bool:
        """Tell whether a damaged structure refers into this free room, which must then stay free."""
        index = bisect_left(self._withheld, offset)
        return index < len(self._withheld) and self._withheld[index] < offset + size

    @staticmethod
    def _window(offset: int) -> int:
        return (layout.BASE_BLOCK_SIZE + offset) >> _WINDOW_SHIFT

    def _touch(self, position: int, length: int) -> None:
        """Remember which chunks change; their free cells are the ones to use first."""
        for window in range(position >> _WINDOW_SHIFT, ((position + length - 1) >> _WINDOW_SHIFT) + 1):
            if window in self._touched:
                continue
            self._touched.add(window)
            for entry in self._far_by_window.pop(window, ()):
                del self._far[bisect_left(self._far, entry)]
                insort(self._near, entry)
