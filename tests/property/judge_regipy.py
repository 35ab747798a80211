"""regipy as a judge of hives: its structures, down to the stored bytes.

Its own `iter_values` turns data into strings, dates and lists, drops some types and reads short values of
others from the wrong place. So values are taken one step earlier, as regipy has parsed them. The same goes
for names, in which it replaces all that is not ASCII. Taken like that, it is exact, and tells all there is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regipy.registry import NKRecord, RegistryHive
from regipy.structs import REGF_HEADER, REGF_HEADER_SIZE, VALUE_KEY, SECURITY_KEY_v1_1

from tests.property.hive_dump import Key, KeyPath, Unreadable, Value, name_of

_INLINE = 0x80000000
_SEGMENT = 16344
_MINOR_WITH_SEGMENTS = 4
_NONE = 0xFFFFFFFF
_CELL_HEADER = 4


class _HiveInMemory(RegistryHive):  # type: ignore[misc] # regipy is untyped
    """Without the guess at the kind of hive, which fails for some of their names."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self.header = REGF_HEADER.parse_stream(self._stream)
        cell = next(self.get_hbin_at_offset().iter_cells(self._stream))
        self.root = NKRecord(cell, self._stream)


def read(path: str) -> Iterator[tuple[KeyPath, Key]]:
    """All keys of the hive in this file."""
    try:
        hive = _HiveInMemory(Path(path).read_bytes())
        pending: list[tuple[KeyPath, Any]] = [((), hive.root)]
        while pending:
            names, record = pending.pop()
            yield names, _key(record, hive.header.minor_version)
            pending.extend(((*names, _name(child)), child) for child in record.iter_subkeys())
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _name(record: Any) -> str:
    header = record.header
    return name_of(header.key_name_string, one_byte=header.flags.KEY_COMP_NAME)


def _key(record: Any, minor: int) -> Key:
    header, stream = record.header, record._stream
    stream.seek(REGF_HEADER_SIZE + header.security_key_offset)
    security = SECURITY_KEY_v1_1.parse_stream(stream).security_descriptor
    class_name = b""
    if header.class_name_size:
        stream.seek(REGF_HEADER_SIZE + header.class_name_offset + _CELL_HEADER)
        class_name = stream.read(header.class_name_size)
    values = []
    if header.values_count and header.values_list_offset != _NONE:
        stream.seek(REGF_HEADER_SIZE + header.values_list_offset + _CELL_HEADER)
        places = stream.read(4 * header.values_count)
        if len(places) != 4 * header.values_count:
            raise Unreadable(f"a list of {header.values_count} values leaves the file")
        offsets = [int.from_bytes(places[at : at + 4], "little") for at in range(0, len(places), 4)]
        values = [_value(stream, offset, minor) for offset in offsets]
    return Key(tuple(values), header.last_modified, class_name, security)


def _value(stream: Any, offset: int, minor: int) -> Value:
    stream.seek(REGF_HEADER_SIZE + offset + _CELL_HEADER)
    node = VALUE_KEY.parse_stream(stream)
    name = name_of(node.name, one_byte=node.flags.VALUE_COMP_NAME)
    if node.data_size >= _INLINE:
        data = node.data_offset.to_bytes(4, "little")[: node.data_size - _INLINE]
    else:
        record = NKRecord.read_value(node, stream)
        in_segments = minor >= _MINOR_WITH_SEGMENTS and node.data_size > _SEGMENT
        data = NKRecord._parse_indirect_block(stream, record) if in_segments else record.value
    return Value(name, int(node.data_type), data)
