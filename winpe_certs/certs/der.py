"""Reads the tag-length-value elements of DER (ITU-T X.690), with every length checked before it is used.

Only what X.509 and PKCS#7 need: single-byte tags and definite lengths. Indefinite lengths (BER) are refused.
Lengths longer than necessary are taken, because old certificates have them. Nothing here recurses.
"""

from __future__ import annotations

from dataclasses import dataclass

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

LONGEST_IDENTIFIER = 128


class DerError(ValueError):
    """Bytes are not the DER that was expected; `offset` counts from the start of the whole input."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Element:
    """One element: where it stands in `source`, and where its content begins and ends."""

    source: bytes
    tag: int
    start: int
    content: int
    end: int

    @property
    def encoded(self) -> bytes:
        """The element with tag and length."""
        return self.source[self.start : self.end]

    @property
    def value(self) -> bytes:
        """The content without tag and length."""
        return self.source[self.content : self.end]

    def inner(self, skipped: int = 0) -> Element:
        """The element that the content begins with, behind so many bytes."""
        return read_element(self.source, self.content + skipped, self.end)

    def children(self) -> list[Element]:
        """The elements that the content is made of, without gap or rest."""
        elements = []
        offset = self.content
        while offset < self.end:
            element = read_element(self.source, offset, self.end)
            elements.append(element)
            offset = element.end
        return elements


def read_element(data: bytes, offset: int = 0, end: int | None = None) -> Element:
    """Read the element that begins at `offset` and must not go beyond `end`."""
    limit = len(data) if end is None else end
    if limit - offset < 2:
        raise DerError(offset, "an element is cut off")
    tag = data[offset]
    if tag & 0x1F == 0x1F:
        raise DerError(offset, f"unexpected tag 0x{tag:02X}")
    length = data[offset + 1]
    content = offset + 2
    if length == 0x80:
        raise DerError(offset, "an element of indefinite length (BER, not DER)")
    if length > 0x80:
        count = length - 0x80
        if count > 8 or limit - content < count:
            raise DerError(offset, "the length of an element is cut off or out of range")
        length = int.from_bytes(data[content : content + count], "big")
        content += count
    if length > limit - content:
        raise DerError(offset, f"an element claims {length} bytes, only {limit - content} are there")
    return Element(data, tag, offset, content, content + length)


def expect(element: Element, tag: int, what: str) -> Element:
    """Give the element back if it has this tag."""
    if element.tag != tag:
        raise DerError(element.start, f"{what} has tag 0x{element.tag:02X}, not 0x{tag:02X}")
    return element


def identifier_text(element: Element, what: str = "an object identifier") -> str:
    """Read an OBJECT IDENTIFIER in its dotted form."""
    content = expect(element, OBJECT_IDENTIFIER, what).value
    if not content or len(content) > LONGEST_IDENTIFIER or content[-1] & 0x80:
        raise DerError(element.start, f"{what} is empty, cut off or too long")
    arcs: list[int] = []
    arc = 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def boolean(element: Element, what: str) -> bool:
    """Read a BOOLEAN; any non-zero byte counts as true, as old encoders have it."""
    content = expect(element, BOOLEAN, what).value
    if len(content) != 1:
        raise DerError(element.start, f"{what} is a BOOLEAN of {len(content)} bytes")
    return content != b"\0"


def integer(element: Element, what: str) -> int:
    """Read a signed INTEGER."""
    content = expect(element, INTEGER, what).value
    if not content:
        raise DerError(element.start, f"{what} is an INTEGER without content")
    return int.from_bytes(content, "big", signed=True)


def bit_string(element: Element, what: str) -> bytes:
    """Read the bytes of a BIT STRING, without the byte that counts unused bits."""
    content = expect(element, BIT_STRING, what).value
    if not content or content[0] > (7 if len(content) > 1 else 0):
        raise DerError(element.start, f"{what} is a damaged BIT STRING")
    return content[1:]


def octets(element: Element, what: str) -> bytes:
    """Read a BIT STRING that carries whole bytes: a key or a signature."""
    content = bit_string(element, what)
    if element.value[0]:
        raise DerError(element.start, f"{what} is a BIT STRING with unused bits")
    return content


def identifier_list(data: bytes) -> tuple[str, ...]:
    """Read a DER SEQUENCE OF OBJECT IDENTIFIER, as extended key usages are kept."""
    sequence = read_element(data)
    if sequence.end != len(data):
        raise DerError(sequence.end, "bytes behind a list of object identifiers")
    return identifiers(sequence)


def identifiers(sequence: Element) -> tuple[str, ...]:
    """Read the members of a SEQUENCE OF OBJECT IDENTIFIER."""
    children = expect(sequence, SEQUENCE, "a list of object identifiers").children()
    return tuple(identifier_text(child) for child in children)
