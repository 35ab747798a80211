"""Recovery of a hive that was not closed cleanly: its log files are replayed, as Windows does on loading.

Follows M. Suhanov, "Windows registry file format specification", sections "Format of transaction log files",
"Dirty state of a hive" and "Multiple transaction log files". Two formats exist: a bitmap of dirty pages
(``DIRT``, up to Windows 8) and a journal of entries (``HvLE``, from Windows 8.1 on). Pure: bytes in, bytes
out; the caller checks the whole result.

Refused: hives whose base block itself is damaged, logs of another hive or of another moment, journals with a
gap between their files, logs beyond what the hive can need. Entries older than the hive are passed over, and
a journal ends at the first entry whose checksums are wrong: that is where the writing was cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.base import checksum, read_base_block
from winpe_certs.regf.marvin import marvin32

LARGEST_LOG: Final = 128 << 20
# The entries of one journal, beside twice the size of the hive. Each flush adds the pages that changed, and
# Windows turns to the other log long before they are so many; their checksum takes a second for 5 MB.
SMALL_JOURNAL: Final = 4 << 20
SECTOR: Final = 512
# Real entries end less than a page behind their last page (the tests' samples: 4048 bytes at most).
_MOST_PADDING: Final = 8192
_JOURNAL: Final = b"HvLE"
_BITMAP: Final = b"DIRT"
_ENTRY: Final = struct.Struct("<4sIIIIIQQ")
_PAGE: Final = struct.Struct("<II")
_JOURNAL_TYPE: Final = 6
_BITMAP_TYPES: Final = (1, 2)
_ELSEWHERE: Final = (
    "Boot the image (or load the hive) once in Windows so that it applies the log files itself, shut down "
    "and capture again; or take the image from its source."
)


@dataclass(frozen=True, slots=True)
class Log:
    """A log file: its name in messages, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Recovered:
    """The hive as it would have been closed, and the names of the log files that were replayed."""

    data: bytes
    logs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A step of a journal: what the pages at some offsets are from then on, and the size of the bins."""

    log: str
    sequence: int
    bins_size: int
    pages: tuple[tuple[int, bytes], ...]


def recover(hive: bytes, logs: Sequence[Log], origin: str) -> Recovered:
    """Replay the logs of a dirty hive; raises `HiveError` when they do not lead to a whole one."""
    if len(hive) >= layout.BASE_BLOCK_SIZE and _u32(hive, layout.BASE_CHECKSUM) != checksum(hive):
        raise _refusal(origin, "its base block is damaged", "The checksum of the base block is wrong.")
    read_base_block(hive, origin, allow_dirty=True)
    usable = [log for log in logs if _is_usable(log)]
    journals = [log for log in usable if log.data[SECTOR : SECTOR + 4] == _JOURNAL]
    bitmaps = [log for log in usable if log.data[SECTOR : SECTOR + 4] == _BITMAP]
    if journals:
        return _from_journals(hive, journals, origin)
    if bitmaps:
        return _from_bitmap(hive, bitmaps, origin)
    found = ", ".join(log.name for log in logs) or "none"
    raise _refusal(origin, "there is no usable log file beside it", f"Log files found: {found}.")


def _is_usable(log: Log) -> bool:
    """Whether a file is a log that was finished: right kind, right checksum, equal sequence numbers."""
    data = log.data
    if not layout.BASE_BLOCK_SIZE // 8 < len(data) <= LARGEST_LOG or data[:4] != layout.BASE_SIGNATURE:
        return False
    kind = _u32(data, layout.BASE_FILE_TYPE)
    wanted = (_JOURNAL_TYPE,) if data[SECTOR : SECTOR + 4] == _JOURNAL else _BITMAP_TYPES
    return (
        kind in wanted
        and _u32(data, layout.BASE_CHECKSUM) == checksum(data)
        and _u32(data, layout.BASE_PRIMARY_SEQUENCE) == _u32(data, layout.BASE_SECONDARY_SEQUENCE)
    )


def _from_journals(hive: bytes, logs: Sequence[Log], origin: str) -> Recovered:
    """Replay the entries from the hive's own sequence number on, in order, over all the files."""
    begin = _u32(hive, layout.BASE_SECONDARY_SEQUENCE)
    most = 2 * len(hive) + SMALL_JOURNAL
    runs = [[entry for entry in _entries(log, most, origin) if entry.sequence >= begin] for log in logs]
    steps = [entry for run in sorted((run for run in runs if run), key=_first) for entry in run]
    if not steps:
        raise _refusal(
            origin,
            "its log files are older than the hive",
            f"The hive needs entries from number {begin} on.",
        )
    for number, entry in enumerate(steps, start=steps[0].sequence):
        if entry.sequence != number:
            raise _refusal(
                origin,
                "entries of its log files are missing",
                f"Entry {number} is missing, {entry.log} goes on with {entry.sequence}.",
            )
    data = bytearray(hive)
    for entry in steps:
        _require_room(hive, logs, entry.bins_size, entry.log, origin)
        for offset, page in entry.pages:
            position = layout.BASE_BLOCK_SIZE + offset
            data.extend(bytes(max(0, position + len(page) - len(data))))
            data[position : position + len(page)] = page
    closed = _closed(data, steps[-1].bins_size, steps[-1].sequence + 1, origin)
    return Recovered(closed, tuple(dict.fromkeys(entry.log for entry in steps)))


def _first(run: Sequence[_Entry]) -> int:
    return run[0].sequence


def _require_room(hive: bytes, logs: Sequence[Log], bins_size: int, log: str, origin: str) -> None:
    """A hive grows by pages, and every new page is in the logs."""
    if bins_size > len(hive) + sum(len(each.data) for each in logs):
        raise _refusal(
            origin,
            f"its log file {log} makes it larger than the logs can fill",
            f"The log file gives {bins_size} bytes of hive bins.",
        )


def _entries(log: Log, most: int, origin: str) -> Iterator[_Entry]:
    """The entries of a journal up to the first that is damaged or out of order.

    Refused when they have more than `most` bytes.
    """
    position, expected = SECTOR, None
    while (size := _sound_size(log, position)) is not None:
        if position + size > SECTOR + most:
            raise _refusal(
                origin,
                f"its log file {log.name} holds more than the hive can need",
                f"The entries have at least {position + size - SECTOR} bytes; at most {most} can be meant.",
            )
        found = _entry(log, position, size)
        if found is None or (expected is not None and found.sequence != expected):
            return
        yield found
        position, expected = position + size, found.sequence + 1


def _sound_size(log: Log, position: int) -> int | None:
    """The size of an entry whose head is sound, which costs next to nothing to tell; None for any other."""
    data = log.data
    if position + _ENTRY.size > len(data):
        return None
    signature, size, _, _, bins_size, count, _, head_sum = _ENTRY.unpack_from(data, position)
    body = _ENTRY.size + count * _PAGE.size
    if signature != _JOURNAL or size % SECTOR or not body <= size <= len(data) - position:
        return None
    if bins_size % layout.BIN_ALIGNMENT or not 0 < bins_size <= layout.MAXIMUM_BINS_SIZE:
        return None
    if marvin32(data[position : position + 32]) != head_sum:
        return None
    return int(size)


def _entry(log: Log, position: int, size: int) -> _Entry | None:
    """One entry of this size, or None if it is not sound."""
    whole = log.data[position : position + size]
    _, _, _, sequence, bins_size, count, body_sum, _ = _ENTRY.unpack_from(whole)
    body = _ENTRY.size + count * _PAGE.size
    places = []
    for number in range(count):
        offset, length = _PAGE.unpack_from(whole, _ENTRY.size + number * _PAGE.size)
        if body + length > size or offset + length > bins_size:
            return None
        places.append((offset, body, body + length))
        body += length
    # Where the pages lie is looked at first, because the checksum is slow.
    if size - body > _MOST_PADDING or marvin32(whole[_ENTRY.size :]) != body_sum:
        return None
    pages = tuple((offset, whole[begin:end]) for offset, begin, end in places)
    return _Entry(log.name, sequence, bins_size, pages)


def _from_bitmap(hive: bytes, logs: Sequence[Log], origin: str) -> Recovered:
    """Copy the dirty pages of the one log that belongs to the interrupted write."""
    wanted = _u32(hive, layout.BASE_PRIMARY_SEQUENCE)
    log = next((each for each in logs if _u32(each.data, layout.BASE_PRIMARY_SEQUENCE) == wanted), None)
    if log is None:
        raise _refusal(
            origin, "its log files are of another moment", f"None of them has the sequence number {wanted}."
        )
    bins_size = _u32(log.data, layout.BASE_BINS_SIZE)
    _require_room(hive, (log,), bins_size, log.name, origin)
    sectors = bins_size // SECTOR
    start = SECTOR + len(_BITMAP)
    bitmap = log.data[start : start + (sectors + 7) // 8]
    position = (start + len(bitmap) + SECTOR - 1) // SECTOR * SECTOR
    dirty = [
        number for number in range(min(sectors, len(bitmap) * 8)) if bitmap[number >> 3] >> (number & 7) & 1
    ]
    if len(bitmap) * 8 < sectors or position + len(dirty) * SECTOR > len(log.data):
        raise _refusal(origin, f"its log file {log.name} is cut off", f"{len(dirty)} dirty pages are marked.")
    data = bytearray(hive)
    data.extend(bytes(max(0, layout.BASE_BLOCK_SIZE + bins_size - len(data))))
    for number in dirty:
        place = layout.BASE_BLOCK_SIZE + number * SECTOR
        data[place : place + SECTOR] = log.data[position : position + SECTOR]
        position += SECTOR
    return Recovered(_closed(data, bins_size, wanted, origin), (log.name,))


def _closed(data: bytearray, bins_size: int, sequence: int, origin: str) -> bytes:
    """Close the hive with a sequence number, as its writer would have done."""
    layout.U32.pack_into(data, layout.BASE_BINS_SIZE, bins_size)
    for position in (layout.BASE_PRIMARY_SEQUENCE, layout.BASE_SECONDARY_SEQUENCE):
        layout.U32.pack_into(data, position, sequence & 0xFFFFFFFF)
    layout.U32.pack_into(data, layout.BASE_CHECKSUM, checksum(data))
    read_base_block(data, f"{origin} after the recovery")
    return bytes(data)


def _u32(data: bytes | bytearray, position: int) -> int:
    return int(layout.U32.unpack_from(data, position)[0])


def _refusal(origin: str, why: str, details: str) -> HiveError:
    return HiveError(f"{origin}: the hive cannot be recovered: {why}", details=details, resolution=_ELSEWHERE)
