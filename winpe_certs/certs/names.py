"""Distinguished names (RFC 5280 section 4.1.2.4): read, shown, and compared.

Names in the field break the rules of their string types, and Windows takes them all the same: ``&`` and
``_`` in a PrintableString, Latin-1 letters in a TeletexString. So each value is decoded by what its type is
used for, and one that cannot be decoded is kept as bytes and shown with escapes (RFC 4514 section 2.4).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

from winpe_certs.certs.der import SEQUENCE, DerError, Element, expect, object_identifier, read_whole

COMMON_NAME: Final = "2.5.4.3"
MAIL: Final = "1.2.840.113549.1.9.1"

_SET: Final = 0x31
# How the string types of X.520 are decoded. Visible, numeric, printable and IA5 strings are ASCII by their
# rules. A TeletexString is read as Latin-1, which is what software writes into it, not as T.61.
_ENCODINGS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
# RFC 4514 section 3, and names that OpenSSL shows.
_SHORT_NAMES: Final = {
    COMMON_NAME: "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    MAIL: "emailAddress",
}
_ESCAPED: Final = frozenset('\\"+,;<>')
_LINE_BREAKS: Final = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")

ComparableName: TypeAlias = tuple[frozenset[tuple[str, str | bytes]], ...] | bytes
"""A form of a name that is equal for equal names; the undecoded bytes of one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a name: its type in dotted form, and its value as the element that it is."""

    type: str
    value: Element

    @property
    def text(self) -> str | None:
        """The value as text; None when it is no string, or not one of its kind."""
        encoding = _ENCODINGS.get(self.value.tag)
        if encoding is None:
            return None
        try:
            return self.value.value.decode(encoding)
        except UnicodeDecodeError:
            return None

    @property
    def letters(self) -> tuple[str, str | bytes]:
        """Type and value without letter case and number of blanks, each letter for itself."""
        text = self.text
        if text is None:
            return self.type, self.value.encoded
        return self.type, " ".join(unicodedata.normalize("NFC", text).casefold().split())

    @property
    def comparable(self) -> tuple[str, str | bytes]:
        """Type and value without letter case, width and number of blanks (RFC 5280 section 7.1)."""
        text = self.text
        if text is None:
            return self.type, self.value.encoded
        return self.type, " ".join(unicodedata.normalize("NFKC", text).casefold().split())

    def __str__(self) -> str:
        text = self.text
        if text is not None:
            shown = _escaped(text)
        elif self.value.tag in _ENCODINGS:
            shown = "".join(map(_escaped_byte, self.value.value))
        else:
            shown = f"#{self.value.encoded.hex().upper()}"
        return f"{_SHORT_NAMES.get(self.type, self.type)}={shown}"


@dataclass(frozen=True)
class Name:
    """A distinguished name: its DER, and its relative names, each of one attribute or more.

    `parts` is None for a name that breaks the structure of a name.
    """

    der: bytes
    parts: tuple[tuple[Attribute, ...], ...] | None = field(compare=False)

    @cached_property
    def comparable(self) -> ComparableName:
        """The same for two names that differ in encoding only: string type, letter case, blanks."""
        if self.parts is None:
            return self.der
        return tuple(frozenset(each.comparable for each in part) for part in self.parts)

    def has_same_letters(self, other: Name) -> bool:
        """Whether a name that compares as equal has the same letters, not only compatible ones."""
        if self.der == other.der or self.parts is None or other.parts is None:
            return True
        return [frozenset(each.letters for each in part) for part in self.parts] == [
            frozenset(each.letters for each in part) for part in other.parts
        ]

    @property
    def is_empty(self) -> bool:
        """Whether the name has no part at all."""
        return self.parts == ()

    def texts(self, attribute_type: str) -> tuple[str, ...]:
        """The readable values of one type of attribute, in their order."""
        return tuple(
            text
            for each in self._attributes()
            if each.type == attribute_type
            if (text := each.text) is not None
        )

    def has_unread(self, attribute_type: str) -> bool:
        """Whether there is a value of one type of attribute that cannot be read, or may be one."""
        return self.parts is None or any(
            each.type == attribute_type and each.text is None for each in self._attributes()
        )

    def is_readable(self) -> bool:
        """Whether the name and all of its values can be read."""
        return self.parts is not None and all(each.text is not None for each in self._attributes())

    def _attributes(self) -> Iterator[Attribute]:
        for part in self.parts or ():
            yield from part

    def __str__(self) -> str:
        return self._shown

    @cached_property
    def _shown(self) -> str:
        """The name as Windows shows it: the most specific part first, a comma and a blank between."""
        if self.parts is None:
            return f"#{self.der.hex().upper()}"
        return ", ".join("+".join(map(str, part)) for part in reversed(self.parts) if part)


def read_name(element: Element) -> Name:
    """Read a name; one that breaks the structure keeps its bytes and has no parts."""
    try:
        parts = tuple(_relative_name(each) for each in expect(element, SEQUENCE, "a name").children())
    except DerError:
        return Name(element.encoded, None)
    return Name(element.encoded, parts)


def name_from_der(der: bytes) -> Name:
    """Read the name that some bytes are; raises `DerError` when they are not one whole element."""
    return read_name(read_whole(der))


def _relative_name(element: Element) -> tuple[Attribute, ...]:
    attributes = []
    for each in expect(element, _SET, "a relative name").children():
        pair = expect(each, SEQUENCE, "an attribute").children()
        if len(pair) != 2:
            raise DerError(each.start, f"an attribute has {len(pair)} parts")
        attributes.append(Attribute(object_identifier(pair[0]), pair[1]))
    return tuple(attributes)


def _escaped(text: str) -> str:
    """Escape a value as RFC 4514 section 2.4 asks; a line break must not become one in a message."""
    last = len(text) - 1
    pieces = []
    for position, letter in enumerate(text):
        if (
            letter in _ESCAPED
            or (letter == " " and position in (0, last))
            or (letter == "#" and position == 0)
        ):
            pieces.append(f"\\{letter}")
        elif letter == "\0":
            pieces.append("\\00")
        elif letter in _LINE_BREAKS:
            pieces.append(letter.encode("unicode_escape").decode())
        else:
            pieces.append(letter)
    return "".join(pieces)


def _escaped_byte(byte: int) -> str:
    letter = chr(byte)
    return letter if letter.isascii() and letter.isprintable() and letter not in _ESCAPED else f"\\{byte:02X}"
