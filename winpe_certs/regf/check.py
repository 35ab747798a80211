"""The structure check of a whole hive: every invariant of the format, every place that breaks it.

Follows M. Suhanov, "Windows registry file format specification". This module judges the base block, the
bins and the tiling of cells, and reports what nothing refers to; `check_keys` walks the keys. It never raises
for a damaged hive and shares only the layout and the rules for names with the editor, so that it can
judge it.
"""

from __future__ import annotations

import struct
from functools import reduce
from operator import xor
from typing import Final

from winpe_certs.regf import layout
from winpe_certs.regf.check_cells import ALLOCATED, FREE, Cells, Violation
from winpe_certs.regf.check_keys import walk_keys
from winpe_certs.shown import shown_bytes

HARMLESS: Final = {
    "leak": "allocated cells that nothing refers to, as Windows' own recovery leaves them",
    "free-neighbours": "free cells next to each other, as hivex leaves them",
    "root-flag": "a root key without the hive entry flag, as offreg.dll writes it",
    "lh-version": "lh lists although the version has none, as hivex writes them",
    "sk-refcount-low": "security descriptors whose count of keys is too low, as reged leaves it",
}
"""What other programs leave that breaks an invariant, and that keeps no edit from being right."""


def check(data: bytes) -> tuple[Violation, ...]:
    """List every broken invariant of a hive, in the order of the walk."""
    cells = _check_base_block(data)
    if cells.bins_size:
        _check_bins(cells)
        walk_keys(cells)
        _report_leaks(cells)
    return tuple(cells.violations)


def _check_base_block(data: bytes) -> Cells:
    cells = Cells(data, 0, bytearray())
    if len(data) < layout.BASE_BLOCK_SIZE or data[:4] != layout.BASE_SIGNATURE:
        cells.report("base-sig", 0, "The file has no base block with the signature regf.")
        return cells

    def field_at(position: int) -> int:
        return int(layout.U32.unpack_from(data, position)[0])

    def require(condition: bool, invariant: str, position: int, message: str) -> None:
        if not condition:
            cells.report(invariant, position, message)

    require(
        field_at(layout.BASE_MAJOR) == layout.MAJOR_VERSION
        and field_at(layout.BASE_MINOR) in layout.MINOR_VERSIONS,
        "version",
        layout.BASE_MAJOR,
        "The version is not 1.3 to 1.6.",
    )
    require(
        field_at(layout.BASE_FILE_TYPE) == layout.FILE_TYPE_PRIMARY,
        "file-type",
        layout.BASE_FILE_TYPE,
        "The file type is not 0, a hive.",
    )
    require(
        field_at(layout.BASE_FILE_FORMAT) == layout.FILE_FORMAT_DIRECT,
        "file-format",
        layout.BASE_FILE_FORMAT,
        "The file format is not 1.",
    )
    require(
        field_at(layout.BASE_CLUSTER) == layout.CLUSTER,
        "cluster",
        layout.BASE_CLUSTER,
        "The cluster factor is not 1.",
    )
    require(
        field_at(layout.BASE_PRIMARY_SEQUENCE) == field_at(layout.BASE_SECONDARY_SEQUENCE),
        "dirty",
        layout.BASE_PRIMARY_SEQUENCE,
        "The sequence numbers differ.",
    )
    folded = reduce(xor, struct.unpack_from("<127I", data))
    expected = 0xFFFFFFFE if folded == 0xFFFFFFFF else folded or 1
    require(
        field_at(layout.BASE_CHECKSUM) == expected,
        "checksum",
        layout.BASE_CHECKSUM,
        f"The checksum should be 0x{expected:08X}.",
    )
    size = field_at(layout.BASE_BINS_SIZE)
    room = len(data) - layout.BASE_BLOCK_SIZE
    require(
        0 < size <= room and size % layout.BIN_ALIGNMENT == 0,
        "hbins-size",
        layout.BASE_BINS_SIZE,
        f"The bins are said to take {size} bytes; the file has {room} for them.",
    )
    cells.bins_size = min(size, room) // layout.BIN_ALIGNMENT * layout.BIN_ALIGNMENT
    cells.marks = bytearray(cells.bins_size // layout.CELL_ALIGNMENT)
    return cells


def _check_bins(cells: Cells) -> None:
    offset = 0
    while offset < cells.bins_size:
        signature, own_offset, size = layout.BIN_HEADER.unpack_from(
            cells.data, layout.BASE_BLOCK_SIZE + offset
        )
        if signature != layout.BIN_SIGNATURE:
            cells.report("hbin-sig", offset, f"The bin starts with {shown_bytes(signature)}.")
            offset += layout.BIN_ALIGNMENT
            continue
        if own_offset != offset:
            cells.report("hbin-offset", offset, f"The bin says it lies at 0x{own_offset:X}.")
        if size < layout.BIN_ALIGNMENT or size % layout.BIN_ALIGNMENT:
            cells.report("hbin-size", offset, f"The bin's size of {size} bytes is impossible.")
            offset += layout.BIN_ALIGNMENT
            continue
        if offset + size > cells.bins_size:
            cells.report("hbins-size", offset, "The bin reaches over the end of the hive bins.")
            size = cells.bins_size - offset
        _check_cells(cells, offset + layout.BIN_HEADER_SIZE, offset + size)
        offset += size


def _check_cells(cells: Cells, offset: int, end: int) -> None:
    read = layout.I32.unpack_from
    data, marks, base = cells.data, cells.marks, layout.BASE_BLOCK_SIZE
    was_free = False
    while offset < end:
        (size,) = read(data, base + offset)
        length = -size if size < 0 else size
        if length == 0 or length & 7 or offset + length > end:
            cells.report("cell-size", offset, f"The cell's size of {size} bytes is impossible.")
            return
        if size < 0:
            marks[offset >> 3] = ALLOCATED
            was_free = False
        else:
            marks[offset >> 3] = FREE
            if was_free:
                cells.report("free-neighbours", offset, "A free cell follows a free cell in the same bin.")
            was_free = True
        offset += length


def _report_leaks(cells: Cells) -> None:
    slot = cells.marks.find(ALLOCATED)
    while slot >= 0:
        cells.report("leak", slot << 3, "Nothing refers to this allocated cell.")
        slot = cells.marks.find(ALLOCATED, slot + 1)
