"""ASN.1 elements as bytes (X.690), well-formed or not: no text is checked against the type of its string.

Contents go in as they are given, in that order. What breaks DER on purpose has a function of its own: lengths
in a longer form than needed, and indefinite ones.
"""

from __future__ import annotations

from collections.abc import Iterable

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 1, 2, 3, 4, 5, 6
UTF8_STRING, NUMERIC_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING = 12, 18, 19, 20, 22
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 23, 24, 26, 28, 30
SEQUENCE, SET = 0x30, 0x31

_ENCODINGS = {UNIVERSAL_STRING: "utf-32-be", BMP_STRING: "utf-16-be", TELETEX_STRING: "latin-1"}


def element(tag: int, *contents: bytes) -> bytes:
    """Give an element with its length in the shortest form."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def long_sequence(*contents: bytes) -> bytes:
    """Give a SEQUENCE whose length takes four octets, which DER forbids for all but huge ones."""
    content = b"".join(contents)
    return bytes([SEQUENCE, 0x84]) + len(content).to_bytes(4) + content


def endless_sequence(*contents: bytes) -> bytes:
    """Give a SEQUENCE of indefinite length, which BER allows and DER forbids."""
    return bytes([SEQUENCE, 0x80]) + b"".join(contents) + b"\0\0"


def sequence(*contents: bytes) -> bytes:
    """Give a SEQUENCE."""
    return element(SEQUENCE, *contents)


def set_of(*contents: bytes) -> bytes:
    """Give a SET; DER wants its contents sorted, and they are left as they come."""
    return element(SET, *contents)


def tagged(number: int, *contents: bytes, constructed: bool = True) -> bytes:
    """Give a context-specific element."""
    return element((0xA0 if constructed else 0x80) | number, *contents)


def integer(value: int) -> bytes:
    """Give an INTEGER in two's complement, as short as can be."""
    bits = (value if value >= 0 else ~value).bit_length()
    return element(INTEGER, value.to_bytes(bits // 8 + 1, signed=True))


def boolean(octet: int = 0xFF) -> bytes:
    """Give a BOOLEAN; DER knows 0x00 and 0xFF, BER takes all but zero for true."""
    return element(BOOLEAN, bytes([octet]))


def octets(*contents: bytes) -> bytes:
    """Give an OCTET STRING."""
    return element(OCTET_STRING, *contents)


def bits(content: bytes, unused: int = 0) -> bytes:
    """Give a BIT STRING whose last octet has so many unused bits, as it claims."""
    return element(BIT_STRING, bytes([unused]), content)


def null() -> bytes:
    """Give a NULL."""
    return element(NULL)


def identifier(dotted: str) -> bytes:
    """Give an OBJECT IDENTIFIER."""
    first, second, *others = map(int, dotted.split("."))
    return element(OBJECT_IDENTIFIER, b"".join(map(_base128, [first * 40 + second, *others])))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return bytes(reversed(digits))


def string(kind: int, text: str | bytes) -> bytes:
    """Give a string of a kind, such as `BMP_STRING`; bytes go in as they are."""
    if isinstance(text, str):
        text = text.encode(_ENCODINGS.get(kind, "utf-8"))
    return element(kind, text)


def utf8(text: str) -> bytes:
    """Give a UTF8String."""
    return string(UTF8_STRING, text)


def time(text: str) -> bytes:
    """Give a UTCTime, or a GeneralizedTime when the year has four digits."""
    return string(UTC_TIME if len(text) == len("YYMMDDhhmmssZ") else GENERALIZED_TIME, text)


def attribute(kind: str, value: bytes) -> bytes:
    """Give one attribute of a name."""
    return sequence(identifier(kind), value)


def name(*attributes: bytes) -> bytes:
    """Give a distinguished name with one attribute in each part, the most general first."""
    return name_of_parts(*([each] for each in attributes))


def name_of_parts(*parts: Iterable[bytes]) -> bytes:
    """Give a distinguished name; a part is a set of attributes, and may be empty."""
    return sequence(*(set_of(*part) for part in parts))


def content_of(encoded: bytes) -> bytes:
    """Give the content of an element that `element` made."""
    return encoded[2 + (encoded[1] & 0x7F if encoded[1] & 0x80 else 0) :]
