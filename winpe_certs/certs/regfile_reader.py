"""Reads .reg files by the grammar that regedit was measured to follow, lenience and strictness included.

A line that regedit skips is skipped here too, but never in silence: it becomes a warning with its line
number. Three things differ on purpose, because this program converts files which may have gone through an
editor: encodings from which regedit imports nothing (UTF-8 with a byte order mark, UTF-16BE, UTF-16LE
without one) are read, with a warning; 8-bit text that is valid UTF-8 is taken as UTF-8; and values below a
key line that is not valid are dropped, never set in the key before it. Refused: a first line that is not
exactly one of the two headers.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from winpe_certs.certs.regfile_layout import (
    ABBREVIATED_ROOTS,
    HEADER_4,
    HEADER_5,
    CreateRegKey,
    DeleteRegKey,
    DeleteRegValue,
    RegFile,
    RegOperation,
    RegWarning,
    SetRegValue,
    is_root,
)
from winpe_certs.certs.text_encoding import DecodedText, Encoding, decode_ansi, decode_text
from winpe_certs.edits import ValueType
from winpe_certs.errors import RegFileError
from winpe_certs.shown import shown_text

LARGEST_FILE = 64 * 1024 * 1024
# Enough for 5 MB of Blobs, which is more than all stores of a computer; some seconds of work at most.
MOST_LINES = 200_000
MOST_WARNINGS = 1000
EXPORT_LESS = "Export only the key of the certificate, not the whole hive."
BLANKS = " \t"
NUL = b"\0\0"

HEX_CHARACTERS = re.compile("[0-9A-Fa-f,]*")
BYTE = re.compile("[0-9A-Fa-f]{1,2}")
DWORD = re.compile("[0-9A-Fa-f]{1,8}")
HEX_PREFIX = re.compile(r"hex(?:\(([0-9A-Fa-f]{1,8})\))?:")
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
TEXT_TYPES = (ValueType.SZ, ValueType.EXPAND_SZ, ValueType.MULTI_SZ)
TERMINATED_TYPES = (ValueType.EXPAND_SZ, ValueType.MULTI_SZ)

ENCODING_WARNINGS = {
    Encoding.UTF16LE_UNMARKED: "regedit itself refuses this file",
    Encoding.UTF16BE: "regedit itself imports nothing from this file",
    Encoding.UTF8_MARKED: "regedit itself imports nothing from this file",
    Encoding.UTF8: "regedit itself would read its letters beyond ASCII as ANSI",
}


class _IgnoredLine(Exception):  # noqa: N818 - a signal inside this module, never an error for anybody
    """A line that regedit skips; the text says why."""


def parse_reg(data: bytes, origin: str) -> RegFile:
    """Read a .reg file, or raise `RegFileError` if regedit would import nothing of it for its first line."""
    if len(data) > LARGEST_FILE:
        raise RegFileError(
            f"{origin}: {len(data)} bytes are too many for a .reg file with certificates",
            resolution=EXPORT_LESS,
        )
    decoded = decode_text(data)
    lines = max(decoded.text.count("\n"), decoded.text.count("\r"))
    if lines > MOST_LINES:
        raise RegFileError(
            f"{origin}: {lines} lines are too many for a .reg file with certificates",
            details=f"At most {MOST_LINES} lines are read.",
            resolution=EXPORT_LESS,
        )
    return _Reader(decoded, origin).read()


class _Reader:
    """Goes through the lines once, with the current key as its state."""

    def __init__(self, decoded: DecodedText, origin: str) -> None:
        self._origin = origin
        self._decoded = decoded
        self._lines = self._numbered(decoded.text)
        self._operations: list[RegOperation] = []
        self._warnings: list[RegWarning] = []
        self._suppressed = 0
        self._ansi_data = False
        self._key: str | None = None
        self._why_no_key = "it stands before the first key"

    @staticmethod
    def _numbered(text: str) -> Iterator[tuple[int, str]]:
        """Lines end in CRLF, LF or CR; a last line without an end counts."""
        for number, line in enumerate(io.StringIO(text, newline=None), start=1):
            yield number, line.removesuffix("\n")

    def read(self) -> RegFile:
        self._read_header()
        note = ENCODING_WARNINGS.get(self._decoded.encoding)
        if note:
            self._warn(0, f"this is {self._decoded.encoding.value}; {note}")
        if self._decoded.cut:
            self._warn(0, "the file ends in the middle of a character")
        for number, line in self._lines:
            try:
                self._read_line(number, line.lstrip(BLANKS))
            except _IgnoredLine as reason:
                self._warn(number, f"ignored: {reason}")
        if self._suppressed:
            self._warnings.append(RegWarning(self._origin, 0, f"{self._suppressed} more lines were ignored"))
        return RegFile(tuple(self._operations), tuple(self._warnings))

    def _warn(self, line: int, message: str) -> None:
        if len(self._warnings) < MOST_WARNINGS:
            self._warnings.append(RegWarning(self._origin, line, message))
        else:
            self._suppressed += 1

    def _read_header(self) -> None:
        _, first = next(self._lines, (0, ""))
        header = first.lstrip(BLANKS)
        if header in (HEADER_4, HEADER_5):
            self._ansi_data = header == HEADER_4
            return
        reason = "the first line is not the header of a .reg file"
        if not header:
            reason = "the first line is empty"
        elif header.rstrip(BLANKS) in (HEADER_4, HEADER_5):
            reason = "there are blanks behind the header, so that regedit imports nothing"
        elif header.upper().startswith(("REGEDIT", "WINDOWS REGISTRY EDITOR")):
            reason = f"unknown header {shown_text(header)}, from which regedit imports nothing"
        raise RegFileError(
            f"{self._origin}, line 1: {reason}",
            details=f"The first line must be {shown_text(HEADER_5)} or {shown_text(HEADER_4)}, exactly so.",
            resolution="Export the key again with regedit, or correct the first line.",
        )

    def _read_line(self, number: int, line: str) -> None:
        if not line or line.startswith(";"):
            return
        if line.startswith("["):
            self._read_key(number, line)
        elif line.startswith(("@", '"')):
            self._read_value(number, line)
        else:
            raise _IgnoredLine(f"neither a key nor a value: {_shown(line)}")

    def _read_key(self, number: int, line: str) -> None:
        self._key = None
        self._why_no_key = f"the key in line {number} was ignored"
        end = line.rfind("]")
        if end < 0:
            raise _IgnoredLine("a key without a closing bracket")
        delete = line.startswith("[-")
        start = 2 if delete else 1
        if line[start : start + 1] in (" ", "\t"):
            raise _IgnoredLine("a blank in front of the key's name")
        path = line[start:end].rstrip("\\")
        root = path.split("\\", 1)[0]
        if not is_root(root):
            full = ABBREVIATED_ROOTS.get(root.upper())
            hint = f" (regedit wants {full})" if full else ""
            raise _IgnoredLine(f"unknown registry root {_shown(root)}{hint}")
        if delete:
            self._why_no_key = f"the key is deleted in line {number}"
            self._operations.append(DeleteRegKey(path, number))
        else:
            self._key = path
            self._operations.append(CreateRegKey(path, number))

    def _read_value(self, number: int, line: str) -> None:
        name, rest = self._read_name(line)
        shown = _shown(name) if name else "the default value"
        try:
            operation = self._read_data(number, name, rest)
        except _IgnoredLine as reason:
            raise _IgnoredLine(f"{shown}: {reason}") from None
        if self._key is None or operation is None:
            raise _IgnoredLine(f"{shown}: {self._why_no_key}")
        self._operations.append(operation)

    @staticmethod
    def _read_name(line: str) -> tuple[str, str]:
        """The name, and what stands behind the equals sign and the blanks around it."""
        if line.startswith("@"):
            name, rest = "", line[1:]
        else:
            name, rest = _quoted(line, "the name of a value")
        rest = rest.lstrip(BLANKS)
        if not rest.startswith("="):
            raise _IgnoredLine(f"no equals sign behind the name of a value: {_shown(line)}")
        return name, rest[1:].lstrip(BLANKS)

    def _read_data(self, number: int, name: str, text: str) -> RegOperation | None:
        key = self._key or ""
        if text.startswith("-"):
            _nothing_behind(text[1:])
            return DeleteRegValue(key, name, number)
        if text.startswith('"'):
            string, rest = _quoted(text, "the text")
            _nothing_behind(rest)
            data = string.encode("utf-16-le", "surrogatepass") + NUL
            return SetRegValue(key, name, ValueType.SZ, data, number)
        if text.startswith("dword:"):
            digits = text[6:].split(";", 1)[0].rstrip(BLANKS)
            if not DWORD.fullmatch(digits):
                raise _IgnoredLine("dword: wants 1 to 8 hexadecimal digits")
            return SetRegValue(key, name, ValueType.DWORD, int(digits, 16).to_bytes(4, "little"), number)
        prefix = HEX_PREFIX.match(text)
        if prefix is None:
            raise _IgnoredLine(f"unknown kind of data {_shown(text)}")
        kind = int(prefix[1], 16) if prefix[1] else int(ValueType.BINARY)
        return SetRegValue(key, name, kind, self._finish(kind, self._read_hex(text[prefix.end() :])), number)

    def _read_hex(self, text: str) -> bytes:
        """Bytes of this line and of those it continues in."""
        pieces: list[bytes] = []
        while True:
            piece, continued = _hex_line(text, first=not pieces)
            pieces.append(piece)
            if not continued:
                return b"".join(pieces)
            for _, following in self._lines:
                text = following.lstrip(BLANKS)
                if text and not text.startswith(";"):
                    break
            else:
                return b"".join(pieces)

    def _finish(self, kind: int, data: bytes) -> bytes:
        """Text in a REGEDIT4 file is ANSI; a missing NUL is added to REG_EXPAND_SZ and REG_MULTI_SZ."""
        if self._ansi_data and kind in TEXT_TYPES:
            data = decode_ansi(data).encode("utf-16-le")
        if data and kind in TERMINATED_TYPES and not data.endswith(NUL):
            data += NUL
        return data


def _hex_line(text: str, *, first: bool) -> tuple[bytes, bool]:
    """The bytes of one line, and whether the value goes on in the next."""
    text = text.split(";", 1)[0].rstrip(BLANKS)
    continued = text.endswith("\\")
    if continued:
        text = text[:-1].rstrip(BLANKS)
        if not text.endswith(","):
            raise _IgnoredLine("no comma in front of the backslash")
    if not HEX_CHARACTERS.fullmatch(text):
        raise _IgnoredLine(f"not hexadecimal bytes: {_shown(text)}")
    if not text:
        if first:
            return b"", continued
        raise _IgnoredLine("a continuation line without bytes")
    commas = text[2::3]
    if len(text) % 3 != 1 and text.count(",") == len(commas) == commas.count(","):
        return bytes.fromhex(text.replace(",", "")), continued
    digits = text.removesuffix(",").split(",")
    for part in digits:
        if not BYTE.fullmatch(part):
            raise _IgnoredLine(f"{_shown(part)} is not a byte" if part else "two commas without a byte")
    return bytes(int(part, 16) for part in digits), continued


def _quoted(text: str, what: str) -> tuple[str, str]:
    """The quoted string at the start of a text, unescaped, and the rest behind it."""
    end = text.find('"', 1)
    while end > 0:
        run = end
        while text[run - 1] == "\\":
            run -= 1
        if (end - run) % 2 == 0:
            break
        end = text.find('"', end + 1)
    if end < 0:
        raise _IgnoredLine(f"no closing quotation mark behind {what}")
    content = text[1:end]
    if "\\" in content:
        if any(match[1] == "0" for match in ESCAPE.finditer(content)):
            raise _IgnoredLine(f"a NUL (\\0) in {what}")
        content = ESCAPE.sub(r"\1", content)
    return content, text[end + 1 :]


def _nothing_behind(text: str) -> None:
    rest = text.lstrip(BLANKS)
    if rest and not rest.startswith(";"):
        raise _IgnoredLine(f"unexpected text behind the data: {_shown(rest)}")


def _shown(text: str) -> str:
    """A text for a message: short, and without anything that would disturb a terminal."""
    return shown_text(text, 60)
