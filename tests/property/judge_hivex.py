"""hivex as a judge of hives, through the C interface of its library.

It is exact, and knows nothing of class names and security. Deletion marks of differencing hives are an error
to it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from functools import cache

from tests.property.hive_dump import Key, KeyPath, Unreadable, Value

_HANDLE = ctypes.c_void_p
_NODE = ctypes.c_size_t
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "hivex_open": (_HANDLE, [ctypes.c_char_p, ctypes.c_int]),
    "hivex_close": (ctypes.c_int, [_HANDLE]),
    "hivex_root": (_NODE, [_HANDLE]),
    "hivex_node_name": (_HANDLE, [_HANDLE, _NODE]),
    "hivex_node_name_len": (ctypes.c_size_t, [_HANDLE, _NODE]),
    "hivex_node_timestamp": (ctypes.c_int64, [_HANDLE, _NODE]),
    "hivex_node_children": (_HANDLE, [_HANDLE, _NODE]),
    "hivex_node_values": (_HANDLE, [_HANDLE, _NODE]),
    "hivex_value_key": (_HANDLE, [_HANDLE, _NODE]),
    "hivex_value_key_len": (ctypes.c_size_t, [_HANDLE, _NODE]),
    "hivex_value_value": (
        _HANDLE,
        [_HANDLE, _NODE, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_size_t)],
    ),
}


@cache
def _library() -> ctypes.CDLL:
    path = ctypes.util.find_library("hivex")
    if path is None:
        raise FileNotFoundError("libhivex is not installed")
    library = ctypes.CDLL(path, use_errno=True)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _free() -> ctypes._FuncPointer:
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, [_HANDLE]
    return free


def is_there() -> bool:
    """Tell whether the library is installed."""
    return ctypes.util.find_library("hivex") is not None


def read(path: str) -> Iterator[tuple[KeyPath, Key]]:
    """All keys of the hive in this file."""
    library = _library()
    hive = library.hivex_open(path.encode(), 0)
    if not hive:
        raise Unreadable(f"hivex_open: error {ctypes.get_errno()}")
    try:
        pending: list[tuple[KeyPath, int]] = [((), library.hivex_root(hive))]
        while pending:
            names, node = pending.pop()
            values = tuple(_value(hive, value) for value in _numbers(hive, "hivex_node_values", node))
            yield names, Key(values, library.hivex_node_timestamp(hive, node))
            children = _numbers(hive, "hivex_node_children", node)
            pending.extend(((*names, _text(hive, "hivex_node_name", child)), child) for child in children)
    finally:
        library.hivex_close(hive)


def _failed(function: str) -> Unreadable:
    return Unreadable(f"{function}: error {ctypes.get_errno()}")


def _numbers(hive: int, function: str, node: int) -> list[int]:
    """A list of nodes or values, which ends with a zero."""
    found = getattr(_library(), function)(hive, node)
    if not found:
        raise _failed(function)
    numbers = ctypes.cast(found, ctypes.POINTER(ctypes.c_size_t))
    length = 0
    while numbers[length]:
        length += 1
    copied = numbers[:length]
    _free()(found)
    return copied


def _text(hive: int, function: str, node: int) -> str:
    """A name; it may contain zero characters, so its length is asked for."""
    found = getattr(_library(), function)(hive, node)
    if not found:
        raise _failed(function)
    text = ctypes.string_at(found, getattr(_library(), function + "_len")(hive, node)).decode()
    _free()(found)
    return text


def _value(hive: int, value: int) -> Value:
    kind, size = ctypes.c_int(), ctypes.c_size_t()
    found = _library().hivex_value_value(hive, value, ctypes.byref(kind), ctypes.byref(size))
    if not found:
        raise _failed("hivex_value_value")
    data = ctypes.string_at(found, size.value)
    _free()(found)
    return Value(_text(hive, "hivex_value_key", value), kind.value & 0xFFFFFFFF, data)
