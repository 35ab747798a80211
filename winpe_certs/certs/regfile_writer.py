"""Writes .reg files byte for byte as regedit exports them (version 5.00).

UTF-16LE with byte order mark, CRLF, an empty line behind each key. Binary data is wrapped as regedit wraps
it: a line is broken behind the comma that takes it beyond column 76, and continued with two blanks.

One deviation, for the sake of the data: text that a quoted string cannot carry (a line break, a NUL inside,
no NUL at the end) is written as ``hex(1):``; regedit writes such strings raw and does not read them back.
Refused are names and paths that no .reg file can hold, because they contain a line break or NUL.
"""

from __future__ import annotations

from collections.abc import Sequence

from winpe_certs.certs.regfile_layout import HEADER_5, RegKey, RegValue, is_root
from winpe_certs.certs.text_encoding import UTF16LE_MARK
from winpe_certs.edits import ValueType
from winpe_certs.errors import RegFileError
from winpe_certs.shown import shown_text

LINE_END = "\r\n"
INDENT = "  "
WRAP_COLUMN = 76
BYTE_WIDTH = 3
IMPOSSIBLE = ("\r", "\n", "\0")


def write_reg(keys: Sequence[RegKey]) -> bytes:
    """Write keys and values in the order given."""
    lines = [HEADER_5, ""]
    for key in keys:
        lines.append(f"[{'-' if key.is_deletion else ''}{_checked_path(key.path)}]")
        lines.extend(_value_text(value) for value in key.values)
        lines.append("")
    return UTF16LE_MARK + (LINE_END.join(lines) + LINE_END).encode("utf-16-le", "surrogatepass")


def _checked_path(path: str) -> str:
    if not is_root(path.split("\\", 1)[0]):
        raise RegFileError(
            f"cannot write the registry key {shown_text(path, 300)}: it does not begin with a root's name"
        )
    if path.endswith("\\") or any(character in path for character in IMPOSSIBLE):
        raise RegFileError(
            f"cannot write the registry key {shown_text(path, 300)}: a .reg file cannot hold this name"
        )
    return path


def _value_text(value: RegValue) -> str:
    if any(character in value.name for character in IMPOSSIBLE):
        raise RegFileError(
            f"cannot write the registry value {shown_text(value.name)}: a .reg file cannot hold this name"
        )
    name = f'"{_escape(value.name)}"' if value.name else "@"
    if value.type == ValueType.SZ and (text := _quotable(value.data)) is not None:
        return f'{name}="{_escape(text)}"'
    if value.type == ValueType.DWORD and len(value.data) == 4:
        return f"{name}=dword:{int.from_bytes(value.data, 'little'):08x}"
    kind = "hex:" if value.type == ValueType.BINARY else f"hex({value.type:x}):"
    return _wrapped(f"{name}={kind}", value.data)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quotable(data: bytes) -> str | None:
    """The text of a REG_SZ if a quoted string gives these bytes back."""
    if len(data) % 2 or not data.endswith(b"\0\0"):
        return None
    text = data[:-2].decode("utf-16-le", "surrogatepass")
    return None if any(character in text for character in IMPOSSIBLE) else text


def _wrapped(prefix: str, data: bytes) -> str:
    """Lay out all bytes but the last; that one follows without a comma, alone if the line is full."""
    if not data:
        return prefix
    column = len(prefix.encode("utf-16-le", "surrogatepass")) // 2
    body, last = data[:-1], data[-1:]
    pieces = [prefix]
    start = 0
    while start < len(body):
        count = max(1, (WRAP_COLUMN - column) // BYTE_WIDTH + 1)
        chunk = body[start : start + count]
        pieces.append(chunk.hex(",") + ",")
        if len(chunk) == count:
            pieces.append("\\" + LINE_END + INDENT)
        start += count
        column = len(INDENT)
    return "".join([*pieces, last.hex()])
