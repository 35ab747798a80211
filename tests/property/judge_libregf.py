"""libregf as a judge of hives, through the C interface of its library.

Beside values it tells times, class names and security descriptors. Names end for it at a zero character.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from functools import cache

from tests.property.hive_dump import Key, KeyPath, Unreadable, Value

_HANDLE = ctypes.c_void_p
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t
_READ = 1
_STRINGS = (1, 2)
_SEGMENT = 16344
_MINOR_MISTAKEN = 4


@cache
def _library() -> ctypes.CDLL:
    path = ctypes.util.find_library("regf")
    if path is None:
        raise FileNotFoundError("libregf is not installed")
    return ctypes.CDLL(path)


def is_there() -> bool:
    """Tell whether the library is installed."""
    return ctypes.util.find_library("regf") is not None


def _call(name: str, *arguments: object) -> int:
    """Call a function whose last argument is an error that we do not ask for; -1 is a failure."""
    result = int(getattr(_library(), f"libregf_{name}")(*arguments, None))
    if result < 0:
        raise Unreadable(f"libregf_{name}")
    return result


def read(path: str) -> Iterator[tuple[KeyPath, Key]]:
    """All keys of the hive in this file."""
    hive = _HANDLE()
    _call("file_initialize", ctypes.byref(hive))
    try:
        _call("file_open", hive, path.encode(), _READ)
        root = _HANDLE()
        _call("file_get_root_key", hive, ctypes.byref(root))
        yield from _keys((), root)
    finally:
        _call("file_free", ctypes.byref(hive))


def _keys(path: KeyPath, root: ctypes.c_void_p) -> Iterator[tuple[KeyPath, Key]]:
    pending = [(path, root)]
    try:
        while pending:
            names, key = pending.pop()
            try:
                yield names, _key(key)
                for index in range(_number("key_get_number_of_sub_keys", key)):
                    child = _HANDLE()
                    _call("key_get_sub_key", key, index, ctypes.byref(child))
                    pending.append(((*names, _text("key_get_utf8_name", child)), child))
            finally:
                _call("key_free", ctypes.byref(key))
    finally:
        for _, key in pending:
            _call("key_free", ctypes.byref(key))


def _key(key: ctypes.c_void_p) -> Key:
    written = ctypes.c_uint64()
    _call("key_get_last_written_time", key, ctypes.byref(written))
    values = []
    for index in range(_number("key_get_number_of_values", key)):
        value = _HANDLE()
        _call("key_get_value", key, index, ctypes.byref(value))
        kind = ctypes.c_uint32()
        _call("value_get_value_type", value, ctypes.byref(kind))
        name = _text("value_get_utf8_name", value)
        values.append(Value(name, kind.value, _bytes("value_get_value_data", value)))
        _call("value_free", ctypes.byref(value))
    class_name = _bytes("key_get_class_name", key)
    return Key(tuple(values), written.value, class_name, _bytes("key_get_security_descriptor", key))


def _number(function: str, handle: ctypes.c_void_p) -> int:
    number = _INT()
    _call(function, handle, ctypes.byref(number))
    return number.value


def _bytes(function: str, handle: ctypes.c_void_p) -> bytes:
    """Bytes whose size is asked for first; none when there are none."""
    size = _SIZE()
    if not _call(f"{function}_size", handle, ctypes.byref(size)) or not size.value:
        return b""
    buffer = ctypes.create_string_buffer(size.value)
    _call(function, handle, buffer, size)
    return buffer.raw


def _text(function: str, handle: ctypes.c_void_p) -> str:
    """A name in UTF-8 with a closing zero."""
    return _bytes(function, handle)[:-1].decode()


def may_say(said: Value, stored: Value, minor: int) -> bool:
    """Tell whether it says this of a value because of its known ways, and not because of what is stored.

    Names end for it at a NUL. It takes data of one to three bytes from the wrong end of their field. Strings
    in one cell end for it at their first zero, and without one reach into the cell's slack. It knows segments
    only from version 1.5 on.
    """
    if (said.name, said.kind) != (stored.name.split("\0")[0], stored.kind):
        return False
    size = len(stored.data)
    if 1 <= size <= 3 or (size > _SEGMENT and minor == _MINOR_MISTAKEN):
        return True
    if size > _SEGMENT and minor > _MINOR_MISTAKEN:
        return said.data == stored.data
    if said.kind in _STRINGS:
        length = min(_length_to_zero(stored.data), size)
        return len(said.data) >= length and said.data[:length] == stored.data[:length]
    return said.data == stored.data


def _length_to_zero(data: bytes) -> int:
    """The length up to the first zero of UTF-16, which counts."""
    at = 0
    while at + 2 <= len(data):
        at += 2
        if data[at - 2 : at] == b"\0\0":
            break
    return at
