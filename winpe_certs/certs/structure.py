"""A certificate taken apart (RFC 5280 section 4.1): its fields as elements, nothing decoded.

Each field can then be read for itself, so that a fault in one spoils no other. Only what makes the fields
impossible to tell apart is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.der import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    DerError,
    Element,
    bits,
    expect,
    number,
    read_whole,
)

_EXPLICIT_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
# Identifiers of issuer and subject: unused in practice; as they should be encoded, and as they are found.
_UNIQUE_IDENTIFIERS: Final = frozenset({0x81, 0x82, 0xA1, 0xA2})
_VERSIONS: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Structure:
    """The fields of a certificate. `signed` are the bytes that the signature is about; `version` is 1 to 3.

    `extensions` are the elements of their list, None when there is no list.
    """

    signed: bytes
    version: int
    serial: Element
    inner_algorithm: Element
    issuer: Element
    validity: Element
    subject: Element
    key: Element
    extensions: tuple[Element, ...] | None
    algorithm: Element
    signature: bytes


def take_apart(der: bytes) -> Structure:
    """Find the fields of a certificate; raises `DerError` when they cannot be found."""
    parts = read_whole(der).children()
    if len(parts) != 3:
        raise DerError(0, f"a certificate has 3 parts, this {len(parts)}")
    signed = expect(parts[0], SEQUENCE, "the signed part")
    fields = signed.children()
    version = 1
    if fields and fields[0].tag == _EXPLICIT_VERSION:
        version = _version(fields.pop(0))
    if len(fields) < 6:
        raise DerError(signed.start, f"the signed part has {len(fields)} fields, it needs 6")
    serial, inner_algorithm, issuer, validity, subject, key, *rest = fields
    expect(serial, INTEGER, "the serial number")
    expect(key, SEQUENCE, "the public key")
    return Structure(
        signed=signed.encoded,
        version=version,
        serial=serial,
        inner_algorithm=inner_algorithm,
        issuer=issuer,
        validity=validity,
        subject=subject,
        key=key,
        extensions=_extensions(rest),
        algorithm=expect(parts[1], SEQUENCE, "the signature algorithm"),
        signature=bits(expect(parts[2], BIT_STRING, "the signature")),
    )


def _version(element: Element) -> int:
    (inner, *rest) = element.children() or [element]
    version = number(inner) + 1
    if rest or version not in _VERSIONS:
        raise DerError(element.start, f"there is no version {version} of certificates")
    return version


def _extensions(rest: list[Element]) -> tuple[Element, ...] | None:
    found = None
    for each in rest:
        if each.tag == _EXTENSIONS and found is None:
            (inner, *more) = each.children() or [each]
            if more:
                raise DerError(each.start, "there are two lists of extensions")
            found = tuple(expect(inner, SEQUENCE, "the list of extensions").children())
        elif each.tag not in _UNIQUE_IDENTIFIERS:
            raise DerError(each.start, f"an unknown field with tag 0x{each.tag:02X} after the public key")
    return found
