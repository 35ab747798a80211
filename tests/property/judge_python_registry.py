"""python-registry as a judge of hives: what its records say, and their raw data.

Names come from its records' bytes: it takes those of one byte a character for Windows-1252, which Windows
itself does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from Registry import Registry

from tests.property.hive_dump import Key, KeyPath, Unreadable, Value, name_of

_KEY_TIME, _KEY_NAME_LENGTH, _KEY_NAME = 4, 72, 76
_VALUE_NAME_LENGTH, _VALUE_NAME = 2, 20
_TYPE_MASK = 0xFFF
_INLINE = 4
_SEGMENT = 16344


def read(path: str) -> Iterator[tuple[KeyPath, Key]]:
    """All keys of the hive in this file; of class names and security it gives no bytes."""
    try:
        pending: list[tuple[KeyPath, Any]] = [((), Registry.Registry(path).root()._nkrecord)]
        while pending:
            names, record = pending.pop()
            values = record.values_list().values() if record.values_number() else ()
            yield names, Key(tuple(map(_value, values)), record.unpack_qword(_KEY_TIME))
            if record.subkey_number():
                children = record.subkey_list().keys()
                pending.extend(((*names, _name(child)), child) for child in children)
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _name(record: Any) -> str:
    stored = record.unpack_string(_KEY_NAME, record.unpack_word(_KEY_NAME_LENGTH))
    return name_of(stored, one_byte=record.has_ascii_name())


def _value(record: Any) -> Value:
    stored = record.unpack_string(_VALUE_NAME, record.unpack_word(_VALUE_NAME_LENGTH))
    name = name_of(stored, one_byte=record.has_ascii_name())
    # Short data comes as the whole field of four bytes that it stands in.
    return Value(name, record.data_type(), bytes(record.raw_data())[: record.data_length()])


def may_say(said: Value, stored: Value, minor: int) -> bool:
    """Tell whether it says this of a value because of its known ways, and not because of what is stored.

    It knows types by their low twelve bits. A DWORD is always in the field for short data and a QWORD never;
    a short MULTI_SZ is empty. Numbers of other sizes than their own, and FILETIMEs in segments, are misread.
    """
    if (said.name, said.kind) != (stored.name, stored.kind & _TYPE_MASK):
        return False
    size = len(stored.data)
    short = size <= _INLINE
    match said.kind:
        case Registry.RegDWord if not short:
            return True
        case Registry.RegBigEndian | Registry.RegQWord:
            width = 4 if said.kind == Registry.RegBigEndian else 8
            return short or size > _SEGMENT or said.data[:width] == stored.data[:width]
        case Registry.RegMultiSZ if short:
            return said.data == b""
        case Registry.RegFileTime if short or (size > _SEGMENT and minor >= 4):
            return True
    return said.data == stored.data
