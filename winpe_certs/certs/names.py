"""Renders a certificate's distinguished name for a person, after RFC 4514.

Most specific part first, parts joined by a comma and a blank: ``CN=Contoso Root CA, O=Contoso, C=US``.
Control and invisible format characters are escaped, so that a name cannot redraw the terminal it is shown on.
"""

from __future__ import annotations

import unicodedata

from winpe_certs.certs.der import Element, identifier_text

SEPARATOR = ", "
ESCAPED = frozenset('"+,;<>\\')
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}

STRING_ENCODINGS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


def readable_name(name: Element) -> str:
    """Render a Name whose structure has been checked."""
    parts = []
    for relative in reversed(name.children()):
        attributes = []
        for attribute in relative.children():
            kind, value = attribute.children()
            identifier = identifier_text(kind)
            attributes.append(f"{ATTRIBUTES.get(identifier, identifier)}={_text(value)}")
        parts.append("+".join(attributes))
    return SEPARATOR.join(parts)


def _text(value: Element) -> str:
    """A string that is not in the encoding its tag promises is shown byte by byte (Latin-1)."""
    encoding = STRING_ENCODINGS.get(value.tag)
    if encoding is None:
        return f"#{value.encoded.hex()}"
    try:
        text = value.value.decode(encoding)
    except UnicodeDecodeError:
        text = value.value.decode("latin-1")
    shown = "".join(map(_escape, text))
    if shown[:1] in ("#", " "):
        shown = "\\" + shown
    if len(text) > 1 and text.endswith(" "):
        shown = shown[:-1] + "\\ "
    return shown


def _escape(character: str) -> str:
    if character in ESCAPED:
        return "\\" + character
    if unicodedata.category(character) in INVISIBLE:
        return "".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
    return character
