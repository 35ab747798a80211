"""Reads the tag-length-value elements of DER (ITU-T X.690), with every length checked before it is used.

Single-byte tags and definite lengths; indefinite lengths (BER) are refused. What elements hold is read as
widely as BER allows where certificates in the field do not keep to DER: any non-zero octet is TRUE, numbers
may have more octets than they need. Nothing here recurses.
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


def read_whole(data: bytes, tag: int = SEQUENCE) -> Element:
    """Read the one element that all of the data must be."""
    element = read_element(data)
    if element.tag != tag:
        raise DerError(0, f"an element has tag 0x{element.tag:02X} instead of 0x{tag:02X}")
    if element.end != len(data):
        raise DerError(element.end, f"{len(data) - element.end} bytes after the element")
    return element


def expect(element: Element, tag: int, what: str) -> Element:
    """Give the element back if it has this tag; `what` names it in the error."""
    if element.tag != tag:
        raise DerError(element.start, f"{what} has tag 0x{element.tag:02X}")
    return element


def boolean(element: Element) -> bool:
    """Read a BOOLEAN (X.690 section 8.2); DER wants 0xFF for TRUE, BER any octet but zero."""
    if expect(element, BOOLEAN, "a boolean").end - element.content != 1:
        raise DerError(element.start, "a boolean is not one octet long")
    return element.value != b"\0"


def number(element: Element, longest: int = 8) -> int:
    """Read an INTEGER of at most so many octets (X.690 section 8.3), with octets that DER would leave out."""
    value = expect(element, INTEGER, "a number").value
    if not value or len(value) > longest:
        raise DerError(element.start, f"a number has {len(value)} octets")
    return int.from_bytes(value, "big", signed=True)


def bits(element: Element) -> bytes:
    """Read a BIT STRING (X.690 section 8.6): its octets, the unused bits at their end as they are."""
    value = expect(element, BIT_STRING, "a bit string").value
    if not value or value[0] > 7 or (value[0] and len(value) == 1):
        raise DerError(element.start, "a bit string is empty or has more unused bits than bits")
    return value[1:]


def identifier_list(data: bytes) -> tuple[str, ...]:
    """Read a DER SEQUENCE OF OBJECT IDENTIFIER, as extended key usages are kept, in dotted form."""
    sequence = read_element(data)
    if sequence.tag != SEQUENCE:
        raise DerError(0, f"a list of object identifiers has tag 0x{sequence.tag:02X}")
    if sequence.end != len(data):
        raise DerError(sequence.end, "bytes behind a list of object identifiers")
    return tuple(object_identifier(child) for child in sequence.children())


def object_identifier(element: Element) -> str:
    """Read an OBJECT IDENTIFIER (X.690 section 8.19) in dotted form."""
    content = element.value
    if element.tag != OBJECT_IDENTIFIER:
        raise DerError(element.start, f"an object identifier has tag 0x{element.tag:02X}")
    if not content or len(content) > LONGEST_IDENTIFIER or content[-1] & 0x80:
        raise DerError(element.start, "an object identifier is empty, cut off or too long")
    arcs: list[int] = []
    arc = 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
