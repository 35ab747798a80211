"""Key and value names as Windows compares, stores and hashes them.

Follows M. Suhanov, "Windows registry file format specification", sections on key nodes, key values and
subkey lists. How names compare is in `uppercase`.
"""

from __future__ import annotations

from typing import Final

from winpe_certs.uppercase import in_code_units

_HASH_MASK: Final = 0xFFFFFFFF


def unit_count(name: str) -> int:
    """Tell how many UTF-16 code units a name has."""
    return len(name) if name.isascii() else len(name.encode("utf-16-le", "surrogatepass")) // 2


def encode_name(name: str) -> tuple[bytes, bool]:
    """Give a name's stored bytes, and whether they are one byte per character."""
    try:
        return name.encode("latin-1"), True
    except UnicodeEncodeError:
        return name.encode("utf-16-le", "surrogatepass"), False


def decode_name(stored: bytes, *, one_byte: bool) -> str:
    """Read a stored name; an odd last byte of a two-byte name is left out."""
    if one_byte:
        return stored.decode("latin-1")
    return stored[: len(stored) & ~1].decode("utf-16-le", "surrogatepass")


def hash_of(uppercased: str) -> int:
    """Give the hash that an lh list stores for a name, which must have gone through `upper`."""
    total = 0
    for character in uppercased:
        total = total * 37 + ord(character)
    return total & _HASH_MASK


def hint_of(name: str) -> bytes:
    """Give the four bytes that an lf list stores for a name: its first characters, or a zero first byte."""
    try:
        return in_code_units(name)[:4].encode("latin-1").ljust(4, b"\0")
    except UnicodeEncodeError:
        return bytes(4)
