"""A bounds-checked view of a hive's cells: the one way from an offset to bytes.

Follows M. Suhanov, "Windows registry file format specification", section "Cell". Refuses offsets that are
unaligned, outside the hive bins, or that name a free cell or one that does not fit.
"""

from __future__ import annotations

import struct
from typing import Protocol

from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.base import BaseBlock, damaged


class Pages(Protocol):
    """A hive whose bytes arrive as they are needed: as long as the hive, zeros where nothing has arrived."""

    @property
    def data(self) -> bytearray:
        """The bytes."""

    def need(self, start: int, size: int) -> None:
        """Make sure that these bytes have arrived."""


class CellView:
    """Cells of one hive, by offset. `data` may be bytes or a buffer that is being edited."""

    def __init__(self, data: bytes | bytearray, base: BaseBlock, origin: str) -> None:
        self.data = data
        self.origin = origin
        self.minor = base.minor
        self.root = base.root
        self.bins_size = base.bins_size

    def content(self, offset: int, structure: str, minimum: int = 0) -> tuple[int, int]:
        """Give the file positions where an allocated cell's content starts and ends.

        `structure` names what the cell should hold, for the message; `minimum` is the content it must have.
        """
        if offset % layout.CELL_ALIGNMENT or not layout.BIN_HEADER_SIZE <= offset < self.bins_size:
            raise self.damaged(structure, offset, "The offset lies outside the hive bins or is not a cell's.")
        position = layout.BASE_BLOCK_SIZE + offset
        size = -layout.I32.unpack_from(self.data, position)[0]
        if size < layout.CELL_ALIGNMENT or size % layout.CELL_ALIGNMENT or size > self.bins_size - offset:
            raise self.damaged(structure, offset, f"The cell is free or has an impossible size ({-size}).")
        if size < minimum + layout.CELL_SIZE_FIELD:
            raise self.damaged(
                structure, offset, f"The cell has {size - 4} bytes of content where {minimum} are needed."
            )
        return position + layout.CELL_SIZE_FIELD, position + size

    def u32(self, position: int) -> int:
        """Read a dword at a file position that `content` has vouched for."""
        value: int = layout.U32.unpack_from(self.data, position)[0]
        return value

    def offsets(self, position: int, count: int) -> list[int]:
        """Read so many offsets at a file position that `content` has vouched for."""
        return list(struct.unpack_from(f"<{count}I", self.data, position))

    def damaged(self, structure: str, offset: int, why: str) -> HiveError:
        """Build the error for a damaged structure of this hive."""
        return damaged(self.origin, structure, offset, why)


class PagedCellView(CellView):
    """Cells of a hive whose bytes arrive as they are needed: every way to them leads through `content`."""

    def __init__(self, pages: Pages, base: BaseBlock, origin: str) -> None:
        super().__init__(pages.data, base, origin)
        self._pages = pages

    def content(self, offset: int, structure: str, minimum: int = 0) -> tuple[int, int]:
        """Like `CellView.content`, with all of the cell there."""
        if 0 <= offset < self.bins_size:
            self._pages.need(layout.BASE_BLOCK_SIZE + offset, layout.CELL_SIZE_FIELD)
        start, end = super().content(offset, structure, minimum)
        self._pages.need(start, end - start)
        return start, end
