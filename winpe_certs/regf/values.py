"""Setting and deleting the values of one key.

Follows M. Suhanov, "Windows registry file format specification", sections "Key values list", "Key value" and
"Big data". Up to four bytes stand in the value itself; up to 16344 bytes in one cell; more in segments behind
a big data record, or in hives before version 1.4 in one cell of any size. A segment is 16344 bytes of data
and four that mean nothing; Windows gives the last one such a cell as well, however little data is left for
it, and readers that take all but the last four bytes of a cell for data depend on it.
"""

from __future__ import annotations

from winpe_certs.regf import layout
from winpe_certs.regf.cells import CellStore
from winpe_certs.regf.names import encode_name, unit_count
from winpe_certs.regf.nodes import KeyNode, ValueNode, read_data, read_segments, read_values, uses_big_data
from winpe_certs.regf.reading import find_value


def set_value(store: CellStore, key: KeyNode, name: str, kind: int, data: bytes) -> bool:
    """Make a value have this type and data; tell whether anything had to change."""
    values, index = find_value(store, key, name)
    if index is None:
        _add_value(store, key, values, name, kind, data)
    elif not _change_value(store, values[index], kind, data):
        return False
    _raise_to(store, key.start + layout.KEY_LONGEST_VALUE_NAME, 2 * unit_count(name))
    _raise_to(store, key.start + layout.KEY_LONGEST_VALUE_DATA, len(data))
    return True


def delete_value(store: CellStore, key: KeyNode, name: str) -> bool:
    """Make a value not exist; tell whether anything had to change."""
    values, index = find_value(store, key, name)
    if index is None or values[index].is_tombstone:
        return False
    _free_value(store, values.pop(index))
    _write_list(store, key, [value.offset for value in values])
    return True


def free_values(store: CellStore, key: KeyNode) -> None:
    """Free all values of a key and their list, for a key that is about to go."""
    values = read_values(store, key)
    for value in values:
        _free_value(store, value)
    if values:
        store.free(key.value_list, "value list")


def room_for_value(minor: int, name: str, data: bytes) -> int:
    """Estimate the cells that a new value takes, in bytes."""
    total = layout.cell_size(layout.VALUE_NAME + len(encode_name(name)[0]))
    size = len(data)
    if uses_big_data(minor, size):
        count = -(-size // layout.BIG_DATA_SEGMENT)
        total += count * layout.cell_size(layout.BIG_DATA_SEGMENT) + layout.cell_size(4 * count)
        return total + layout.cell_size(layout.BIG_DATA.size)
    return total + (layout.cell_size(size) if size > layout.INLINE_LIMIT else 0)


def _add_value(
    store: CellStore, key: KeyNode, values: list[ValueNode], name: str, kind: int, data: bytes
) -> None:
    stored, one_byte = encode_name(name)
    flags = layout.VALUE_NAME_IS_ONE_BYTE if one_byte and stored else 0
    size_field, data_offset = _store_data(store, data)
    node = layout.VALUE_NODE.pack(
        layout.VALUE_SIGNATURE, len(stored), size_field, data_offset, kind, flags, 0
    )
    offset = store.allocate(node + stored)
    _write_list(store, key, [*(value.offset for value in values), offset])


def _change_value(store: CellStore, value: ValueNode, kind: int, data: bytes) -> bool:
    same_data = not value.is_tombstone and value.size == len(data) and read_data(store, value) == data
    if same_data and value.type == kind:
        return False
    size_field, data_offset = value.size_field, value.data_offset
    if not same_data:
        if _has_own_cell(store, value) and _fits_exactly(store, value, data):
            data_offset = store.replace(value.data_offset, data, "value data")
            size_field = len(data)
        else:
            _free_data(store, value)
            size_field, data_offset = _store_data(store, data)
    store.put_u32(value.start + layout.VALUE_DATA_SIZE, size_field)
    store.put_u32(value.start + layout.VALUE_DATA_OFFSET, data_offset)
    store.put_u32(value.start + layout.VALUE_TYPE, kind)
    flags = value.flags & ~layout.VALUE_TOMBSTONE
    store.write(value.start + layout.VALUE_FLAGS, layout.U16.pack(flags))
    return True


def _has_own_cell(store: CellStore, value: ValueNode) -> bool:
    return not value.is_inline and value.size > 0 and not uses_big_data(store.minor, value.size)


def _fits_exactly(store: CellStore, value: ValueNode, data: bytes) -> bool:
    """Tell whether new data takes a cell of just the size that the value has."""
    if len(data) <= layout.INLINE_LIMIT or uses_big_data(store.minor, len(data)):
        return False
    start, end = store.content(value.data_offset, "value data", value.size)
    return layout.cell_size(len(data)) == end - start + layout.CELL_SIZE_FIELD


def _store_data(store: CellStore, data: bytes) -> tuple[int, int]:
    """Store data where its size wants it; give the value's size and offset fields."""
    if len(data) <= layout.INLINE_LIMIT:
        return layout.DATA_IS_INLINE | len(data), int.from_bytes(data, "little")
    if not uses_big_data(store.minor, len(data)):
        return len(data), store.allocate(data)
    step = layout.BIG_DATA_SEGMENT
    parts = [data[start : start + step] for start in range(0, len(data), step)]
    segments = [store.allocate(part.ljust(step, b"\0")) for part in parts]
    list_offset = store.allocate(b"".join(map(layout.U32.pack, segments)))
    record = layout.BIG_DATA.pack(layout.BIG_DATA_SIGNATURE, len(segments), list_offset)
    return len(data), store.allocate(record)


def _free_data(store: CellStore, value: ValueNode) -> None:
    if value.is_inline or value.size == 0:
        return
    if uses_big_data(store.minor, value.size):
        list_offset, segments = read_segments(store, value)
        for segment in segments:
            store.free(segment, "big data segment")
        store.free(list_offset, "big data segment list")
        store.free(value.data_offset, "big data record")
    else:
        store.content(value.data_offset, "value data", value.size)
        store.free(value.data_offset, "value data")


def _free_value(store: CellStore, value: ValueNode) -> None:
    _free_data(store, value)
    store.free(value.offset, "key value")


def _write_list(store: CellStore, key: KeyNode, offsets: list[int]) -> None:
    if not offsets:
        store.free(key.value_list, "value list")
        list_offset = layout.NONE
    else:
        content = b"".join(map(layout.U32.pack, offsets))
        if key.value_count:
            list_offset = store.replace(key.value_list, content, "value list")
        else:
            list_offset = store.allocate(content)
    store.put_u32(key.start + layout.KEY_VALUE_COUNT, len(offsets))
    store.put_u32(key.start + layout.KEY_VALUE_LIST, list_offset)


def _raise_to(store: CellStore, position: int, least: int) -> None:
    if store.u32(position) < least:
        store.put_u32(position, least)
