"""Reads the tag-length-value elements of DER (ITU-T X.690), with every length checked before it is used.

Only what the Blob needs, and what telling files apart needs: single-byte tags and definite lengths.
Indefinite lengths (BER) are refused. Nothing here recurses. Certificates are read by the library.
"""

from __future__ import annotations

from dataclasses import dataclass

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


def identifier_list(data: bytes) -> tuple[str, ...]:
    """Read a DER SEQUENCE OF OBJECT IDENTIFIER, as extended key usages are kept, in dotted form."""
    sequence = read_element(data)
    if sequence.tag != SEQUENCE:
        raise DerError(0, f"a list of object identifiers has tag 0x{sequence.tag:02X}")
    if sequence.end != len(data):
        raise DerError(sequence.end, "bytes behind a list of object identifiers")
    return tuple(_dotted(child) for child in sequence.children())


def _dotted(element: Element) -> str:
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
