"""Decodes the text of .reg and PEM files: UTF-16 and UTF-8 with or without a byte order mark, or ANSI.

ANSI is Windows code page 1252. Lone surrogates, which registry text may hold, survive. Decoding never fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

UTF16LE_MARK = b"\xff\xfe"
UTF16BE_MARK = b"\xfe\xff"
UTF8_MARK = b"\xef\xbb\xbf"


class Encoding(Enum):
    """How a text file was encoded, in words for a message."""

    UTF16LE = "UTF-16LE"
    UTF16LE_UNMARKED = "UTF-16LE without a byte order mark"
    UTF16BE = "UTF-16BE"
    UTF8_MARKED = "UTF-8 with a byte order mark"
    UTF8 = "UTF-8"
    ASCII = "ASCII"
    ANSI = "ANSI"


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text without byte order mark; `cut` says that half a UTF-16 character was left at the end."""

    text: str
    encoding: Encoding
    cut: bool = False


def decode_text(data: bytes) -> DecodedText:
    """Find out the encoding by byte order mark and content, and decode."""
    if data.startswith(UTF16LE_MARK):
        return _utf16(data[2:], "little", Encoding.UTF16LE)
    if data.startswith(UTF16BE_MARK):
        return _utf16(data[2:], "big", Encoding.UTF16BE)
    if len(data) >= 4 and data[0] and data[2] and not data[1] and not data[3]:
        return _utf16(data, "little", Encoding.UTF16LE_UNMARKED)
    if len(data) >= 4 and data[1] and data[3] and not data[0] and not data[2]:
        return _utf16(data, "big", Encoding.UTF16BE)
    if data.isascii():
        return DecodedText(data.decode("ascii"), Encoding.ASCII)
    marked = data.startswith(UTF8_MARK)
    body = data[3:] if marked else data
    try:
        return DecodedText(body.decode("utf-8"), Encoding.UTF8_MARKED if marked else Encoding.UTF8)
    except UnicodeDecodeError:
        return DecodedText(decode_ansi(body), Encoding.ANSI)


def decode_ansi(data: bytes) -> str:
    """Decode Windows-1252; text with one of its five undefined bytes is taken as Latin-1."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _utf16(data: bytes, order: str, encoding: Encoding) -> DecodedText:
    cut = len(data) % 2 == 1
    codec = "utf-16-le" if order == "little" else "utf-16-be"
    return DecodedText((data[:-1] if cut else data).decode(codec, "surrogatepass"), encoding, cut)
