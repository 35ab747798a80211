"""Key nodes and key values, parsed and judged one at a time.

Follows M. Suhanov, "Windows registry file format specification", sections "Key node", "Key value" and "Big
data". Refuses wrong signatures, names that do not fit their cell, counts without a list and data that does
not fit its cell.
"""

from __future__ import annotations

from dataclasses import dataclass

from winpe_certs.regf import layout
from winpe_certs.regf.names import decode_name
from winpe_certs.regf.view import CellView
from winpe_certs.shown import shown_bytes


@dataclass(frozen=True, slots=True)
class KeyNode:
    """One key as its node describes it. `start` is the file position of the node's content."""

    offset: int
    start: int
    flags: int
    layer_bits: int
    parent: int
    subkey_count: int
    subkey_list: int
    value_count: int
    value_list: int
    security: int
    class_offset: int
    class_length: int
    name: str


@dataclass(frozen=True, slots=True)
class ValueNode:
    """One value as its node describes it. `start` is the file position of the node's content."""

    offset: int
    start: int
    end: int
    size_field: int
    data_offset: int
    type: int
    flags: int
    name: str

    @property
    def is_inline(self) -> bool:
        """Whether the data stands in the data offset field itself."""
        return bool(self.size_field & layout.DATA_IS_INLINE)

    @property
    def size(self) -> int:
        """How many bytes of data the value has."""
        return self.size_field & ~layout.DATA_IS_INLINE

    @property
    def is_tombstone(self) -> bool:
        """Whether the value only says, in a differencing hive, that the value below it is deleted."""
        return bool(self.flags & layout.VALUE_TOMBSTONE)


def read_key(view: CellView, offset: int) -> KeyNode:
    """Read the key node at this offset."""
    start, end = view.content(offset, "key node", layout.KEY_NAME)
    (
        signature, flags, _time, access, parent, subkey_count, _volatile_count, subkey_list, _volatile_list,
        value_count, value_list, security, class_offset, _, _, _, _, _, name_length, class_length,
    ) = layout.KEY_NODE.unpack_from(view.data, start)  # fmt: skip
    if signature != layout.KEY_SIGNATURE:
        raise view.damaged("key node", offset, f"It starts with {shown_bytes(signature)}, not 'nk'.")
    name_start = start + layout.KEY_NAME
    if not name_length or name_start + name_length > end:
        raise view.damaged(
            "key node", offset, f"Its name of {name_length} bytes is empty or leaves its cell."
        )
    if subkey_count and subkey_list == layout.NONE:
        raise view.damaged("key node", offset, f"It counts {subkey_count} subkeys but has no list of them.")
    if not subkey_count and subkey_list != layout.NONE:
        _require_empty_list(view, offset, subkey_list)
        subkey_list = layout.NONE
    if not flags & layout.KEY_PREDEFINED_HANDLE and (value_count == 0) != (value_list == layout.NONE):
        why = f"It counts {value_count} values but its value list is 0x{value_list:X}."
        raise view.damaged("key node", offset, why)
    return KeyNode(
        offset, start, flags, (access >> 8) & 0xFF, parent, subkey_count, subkey_list, value_count,
        value_list, security, class_offset, class_length,
        decode_name(
            bytes(view.data[name_start : name_start + name_length]),
            one_byte=bool(flags & layout.KEY_NAME_IS_ONE_BYTE),
        ),
    )  # fmt: skip


def _require_empty_list(view: CellView, key: int, subkey_list: int) -> None:
    """Accept the list without entries that hivex leaves to a key whose last subkey it has deleted."""
    start, _ = view.content(subkey_list, "subkey list", layout.LIST_HEADER.size)
    kind, count = layout.LIST_HEADER.unpack_from(view.data, start)
    if kind not in layout.LEAF_ENTRY_SIZES or count:
        raise view.damaged("key node", key, f"It counts 0 subkeys but its subkey list is 0x{subkey_list:X}.")


def is_key_tombstone(view: CellView, key: KeyNode) -> bool:
    """Tell whether a key of a differencing hive only says that the key below it is deleted."""
    layer = key.layer_bits & layout.LAYER_SEMANTICS_MASK
    return view.minor >= layout.MINOR_WITH_LAYERS and layer == layout.LAYER_TOMBSTONE


def read_value(view: CellView, offset: int) -> ValueNode:
    """Read the key value at this offset, without its data."""
    start, end = view.content(offset, "key value", layout.VALUE_NAME)
    signature, name_length, size_field, data_offset, kind, flags, _ = layout.VALUE_NODE.unpack_from(
        view.data, start
    )
    if signature != layout.VALUE_SIGNATURE:
        raise view.damaged("key value", offset, f"It starts with {shown_bytes(signature)}, not 'vk'.")
    name_start = start + layout.VALUE_NAME
    if name_start + name_length > end:
        raise view.damaged("key value", offset, f"Its name of {name_length} bytes leaves its cell.")
    stored = bytes(view.data[name_start : name_start + name_length])
    name = decode_name(stored, one_byte=bool(flags & layout.VALUE_NAME_IS_ONE_BYTE))
    return ValueNode(offset, start, end, size_field, data_offset, kind, flags, name)


def read_values(view: CellView, key: KeyNode) -> list[ValueNode]:
    """Read all value nodes of a key, in the order of its value list; together they must fit into the hive."""
    if key.flags & layout.KEY_PREDEFINED_HANDLE:
        raise view.damaged("key node", key.offset, "It is a predefined handle, which has no value list.")
    if key.value_count == 0:
        return []
    if 4 * key.value_count > view.bins_size:
        raise view.damaged("key node", key.offset, f"Its count of values, {key.value_count}, is impossible.")
    start, _ = view.content(key.value_list, "value list", 4 * key.value_count)
    offsets = view.offsets(start, key.value_count)
    if len(set(offsets)) != len(offsets):
        raise view.damaged("value list", key.value_list, "It names the same key value twice.")
    values = []
    room = view.bins_size
    for offset in offsets:
        values.append(read_value(view, offset))
        room -= least_size(values[-1])
        if room < 0:
            why = "Its values have more bytes than the whole hive: they overlap."
            raise view.damaged("value list", key.value_list, why)
    return values


def least_size(value: ValueNode) -> int:
    """How many bytes a value takes at least, without its data: its entry in the list, its node and name."""
    return 4 + layout.VALUE_NAME + len(value.name)


def read_segments(view: CellView, value: ValueNode) -> tuple[int, list[int]]:
    """Give the segment list and the segments of a value whose data is in a big data record."""
    start, _ = view.content(value.data_offset, "big data record", layout.BIG_DATA.size)
    signature, count, list_offset = layout.BIG_DATA.unpack_from(view.data, start)
    if signature != layout.BIG_DATA_SIGNATURE:
        found = shown_bytes(signature)
        why = f"A value of {value.size} bytes must have a big data record, but it starts with {found}."
        raise view.damaged("big data record", value.data_offset, why)
    if count != -(-value.size // layout.BIG_DATA_SEGMENT):
        why = f"It has {count} segments, which does not go with a value of {value.size} bytes."
        raise view.damaged("big data record", value.data_offset, why)
    start, _ = view.content(list_offset, "big data segment list", 4 * count)
    segments = view.offsets(start, count)
    if len(set(segments)) != count:
        raise view.damaged("big data segment list", list_offset, "It names the same segment twice.")
    return list_offset, segments


def uses_big_data(minor: int, size: int) -> bool:
    """Tell whether a value of this size is kept in segments in a hive of this minor version."""
    return minor >= layout.MINOR_WITH_BIG_DATA and size > layout.BIG_DATA_SEGMENT


def read_data(view: CellView, value: ValueNode) -> bytes:
    """Read a value's data, wherever it is kept."""
    size = value.size
    if value.is_inline:
        if size > layout.INLINE_LIMIT:
            raise view.damaged("key value", value.offset, f"It claims {size} bytes in a field of four.")
        start = value.start + layout.VALUE_DATA_OFFSET
        return bytes(view.data[start : start + size])
    if size == 0:
        return b""
    if size > view.bins_size:
        raise view.damaged("key value", value.offset, f"Its data size, {size}, is larger than the hive.")
    if not uses_big_data(view.minor, size):
        start, _ = view.content(value.data_offset, "value data", size)
        return bytes(view.data[start : start + size])
    parts = []
    _, segments = read_segments(view, value)
    for segment in segments:
        length = min(layout.BIG_DATA_SEGMENT, size)
        start, _ = view.content(segment, "big data segment", length)
        parts.append(bytes(view.data[start : start + length]))
        size -= length
    return b"".join(parts)
