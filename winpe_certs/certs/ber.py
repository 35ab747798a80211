"""Reads the tag-length-value elements of BER (ITU-T X.690 8.1), as old programs write them.

More than `der` allows: indefinite lengths and tags of several bytes. Every length is checked before it is
used, nothing recurses, and an element is found in one pass over its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from winpe_certs.certs.der import DerError

INDEFINITE = 0x80
_LONG_TAG = 0x1F
_CONSTRUCTED = 0x20
_LONGEST_LENGTH = 8
_LONGEST_TAG = 6
# Half a second of work. Writers use indefinite lengths for the few outer elements, not for every small one.
_MOST_INSIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class BerElement:
    """One element: its first tag byte, and the places of its start, its content and its end.

    `content_end` is `end` less the two bytes that close an element of indefinite length.
    """

    source: bytes
    tag: int
    start: int
    content: int
    content_end: int
    end: int

    @property
    def encoded(self) -> bytes:
        """The bytes of the element as found, with tag and length."""
        return self.source[self.start : self.end]

    @property
    def value(self) -> bytes:
        """The content without tag, length and closing bytes."""
        return self.source[self.content : self.content_end]


def read_ber(data: bytes, offset: int, limit: int) -> BerElement:
    """Read the element that begins at `offset` and must not go beyond `limit`; raises `DerError`."""
    tag, content, length = _head(data, offset, limit)
    if length is None:
        end = _closing(data, offset, content, limit)
        return BerElement(data, tag, offset, content, end - 2, end)
    if length > limit - content:
        raise DerError(offset, f"an element claims {length} bytes, only {limit - content} are there")
    return BerElement(data, tag, offset, content, content + length, content + length)


def read_unclosed(data: bytes, offset: int, limit: int) -> BerElement:
    """Read the head of an element whose content may be cut off: what is there counts as its content."""
    tag, content, length = _head(data, offset, limit)
    end = limit if length is None else min(limit, content + length)
    return BerElement(data, tag, offset, content, end, end)


def _head(data: bytes, offset: int, limit: int) -> tuple[int, int, int | None]:
    """The tag byte, where the content begins, and its length; None when that is indefinite."""
    if limit - offset < 2:
        raise DerError(offset, "an element is cut off")
    tag = data[offset]
    at = offset + 1
    if tag & _LONG_TAG == _LONG_TAG:
        last = min(limit, at + _LONGEST_TAG)
        while at < last and data[at] & 0x80:
            at += 1
        at += 1
        if at >= limit or at > last:
            raise DerError(offset, "a tag is cut off or out of range")
    length = data[at]
    content = at + 1
    if length < INDEFINITE:
        return tag, content, length
    if length == INDEFINITE:
        if not tag & _CONSTRUCTED:
            raise DerError(offset, "a primitive element of indefinite length")
        return tag, content, None
    count = length - INDEFINITE
    if count > _LONGEST_LENGTH or limit - content < count:
        raise DerError(offset, "the length of an element is cut off or out of range")
    return tag, content + count, int.from_bytes(data[content : content + count], "big")


def _closing(data: bytes, start: int, offset: int, limit: int) -> int:
    """Where an element of indefinite length ends, after the two zero bytes that close it."""
    depth = 1
    for _ in range(_MOST_INSIDE):
        if not depth:
            return offset
        if data[offset : offset + 2] == b"\0\0" and limit - offset >= 2:
            depth -= 1
            offset += 2
            continue
        try:
            _, content, length = _head(data, offset, limit)
        except DerError:
            raise DerError(start, "an element of indefinite length is not closed") from None
        if length is None:
            depth += 1
            offset = content
        elif length > limit - content:
            raise DerError(offset, f"an element claims {length} bytes, only {limit - content} are there")
        else:
            offset = content + length
    raise DerError(start, f"an element of indefinite length has more than {_MOST_INSIDE} parts")
