"""Takes a DER certificate apart into the fields of RFC 5280 section 4.1, and judges nothing.

Certificates of version 1, with a negative serial number, with time stamps without seconds and with strings of
any kind are read: roots of the nineties have them. Damage anywhere in this outer structure raises `DerError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from winpe_certs.certs.der import (
    GENERALIZED_TIME,
    OCTET_STRING,
    SEQUENCE,
    SET,
    UTC_TIME,
    DerError,
    Element,
    boolean,
    expect,
    identifier_text,
    integer,
    octets,
    read_element,
)

VERSION = 0xA0
ISSUER_UNIQUE_ID = (0x81, 0xA1)
SUBJECT_UNIQUE_ID = (0x82, 0xA2)
EXTENSIONS = 0xA3

SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
BASIC_CONSTRAINTS = "2.5.29.19"
NAME_CONSTRAINTS = "2.5.29.30"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"

ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1"

TIMES = {
    UTC_TIME: re.compile(rb"(\d{10})(\d\d)?(Z|[+-]\d{4})?"),
    GENERALIZED_TIME: re.compile(rb"(\d{12})(\d\d)?(?:[.,]\d+)?(Z|[+-]\d{4})?"),
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An AlgorithmIdentifier: dotted object identifier, and the parameters as they stand."""

    identifier: str
    parameters: Element | None


@dataclass(frozen=True, slots=True)
class Extension:
    """One certificate extension; its value is the element inside `octets`, an OCTET STRING."""

    critical: bool
    octets: Element


@dataclass(frozen=True, slots=True)
class CertificateParts:
    """The fields of a certificate, as bytes where their meaning is somebody else's business.

    `algorithms_agree` says that the signature algorithm inside the signed part is the one outside.
    """

    signed_part: bytes
    version: int
    serial: int
    issuer: Element
    not_before: datetime
    not_after: datetime
    subject: Element
    public_key_info: bytes
    public_key_algorithm: Algorithm
    public_key_field: Element
    extensions: dict[str, Extension]
    signature_algorithm: Algorithm
    signature: bytes
    algorithms_agree: bool

    @property
    def public_key(self) -> bytes:
        """The content of the subjectPublicKey BIT STRING."""
        return self.public_key_field.value[1:]


def split_certificate(data: bytes) -> CertificateParts:
    """Take a certificate apart, or raise `DerError` with the offset of the damage."""
    certificate = expect(read_element(data), SEQUENCE, "a certificate")
    if certificate.end != len(data):
        raise DerError(certificate.end, f"{len(data) - certificate.end} bytes behind the certificate")
    parts = certificate.children()
    if len(parts) != 3:
        raise DerError(certificate.start, f"a certificate of {len(parts)} parts instead of 3")
    signed_part = expect(parts[0], SEQUENCE, "the signed part")
    fields = signed_part.children()

    version = 0
    if fields and fields[0].tag == VERSION:
        version_field = fields.pop(0)
        version = integer(_only_child(version_field, "the version"), "the version")
        if version not in (0, 1, 2):
            raise DerError(version_field.start, f"unknown certificate version {version + 1}")
    if len(fields) < 6:
        raise DerError(signed_part.end, "the signed part ends before the public key")
    serial, inner_algorithm, issuer, validity, subject, key_info, *rest = fields
    times = expect(validity, SEQUENCE, "the validity").children()
    if len(times) != 2:
        raise DerError(validity.start, "the validity is not two times")
    key_parts = expect(key_info, SEQUENCE, "the public key").children()
    if len(key_parts) != 2:
        raise DerError(key_info.start, "the public key is not an algorithm and a key")
    octets(key_parts[1], "the public key")
    _check_name(issuer, "the issuer")
    _check_name(subject, "the subject")
    return CertificateParts(
        signed_part=signed_part.encoded,
        version=version,
        serial=integer(serial, "the serial number"),
        issuer=issuer,
        not_before=_time(times[0]),
        not_after=_time(times[1]),
        subject=subject,
        public_key_info=key_info.encoded,
        public_key_algorithm=read_algorithm(key_parts[0], "the public key's algorithm"),
        public_key_field=key_parts[1],
        extensions=_extensions(rest),
        signature_algorithm=read_algorithm(parts[1], "the signature algorithm"),
        signature=octets(parts[2], "the signature"),
        algorithms_agree=inner_algorithm.encoded == parts[1].encoded,
    )


def read_algorithm(element: Element, what: str) -> Algorithm:
    """Read an AlgorithmIdentifier."""
    parts = expect(element, SEQUENCE, what).children()
    if not 1 <= len(parts) <= 2:
        raise DerError(element.start, f"{what} has {len(parts)} parts")
    return Algorithm(identifier_text(parts[0], what), parts[1] if len(parts) == 2 else None)


def subject_key_identifier(parts: CertificateParts) -> bytes | None:
    """Read the content of the subject key identifier extension, if there is one."""
    extension = parts.extensions.get(SUBJECT_KEY_IDENTIFIER)
    if extension is None:
        return None
    return expect(extension.octets.inner(), OCTET_STRING, "the subject key identifier").value


def authority_key_identifier(parts: CertificateParts) -> bytes | None:
    """Read the key identifier ([0]) of the authority key identifier extension, if there is one."""
    extension = parts.extensions.get(AUTHORITY_KEY_IDENTIFIER)
    if extension is None:
        return None
    sequence = expect(extension.octets.inner(), SEQUENCE, "the authority key identifier")
    return next((child.value for child in sequence.children() if child.tag == 0x80), None)


def _only_child(element: Element, what: str) -> Element:
    children = element.children()
    if len(children) != 1:
        raise DerError(element.start, f"{what} has {len(children)} parts instead of 1")
    return children[0]


def _check_name(name: Element, what: str) -> None:
    """A Name is a SEQUENCE of SETs of type and value (RFC 5280 section 4.1.2.4)."""
    for part in expect(name, SEQUENCE, what).children():
        for attribute in expect(part, SET, what).children():
            pair = expect(attribute, SEQUENCE, what).children()
            if len(pair) != 2:
                raise DerError(attribute.start, f"{what} has an attribute that is not a type and a value")
            identifier_text(pair[0], what)


def _time(element: Element) -> datetime:
    """Read UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5), seconds or not, zone or not."""
    if element.tag not in TIMES:
        raise DerError(element.start, f"a time has tag 0x{element.tag:02X}")
    match = TIMES[element.tag].fullmatch(element.value)
    if match is None:
        raise DerError(element.start, f"an unreadable time {element.value[:24]!r}")
    digits = match[1].decode()
    if element.tag == UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M").replace(second=int(match[2] or 0), tzinfo=UTC)
        zone = (match[3] or b"Z").decode()
        if zone != "Z":
            shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
            moment = moment - shift if zone[0] == "+" else moment + shift
    except (ValueError, OverflowError) as error:
        raise DerError(element.start, f"an impossible time {element.value[:24]!r}") from error
    return moment


def _extensions(rest: list[Element]) -> dict[str, Extension]:
    extensions: dict[str, Extension] = {}
    allowed = {*ISSUER_UNIQUE_ID, *SUBJECT_UNIQUE_ID, EXTENSIONS}
    for field in rest:
        if field.tag not in allowed:
            raise DerError(field.start, f"an unexpected field with tag 0x{field.tag:02X}")
        if field.tag != EXTENSIONS:
            continue
        for element in expect(_only_child(field, "the extensions"), SEQUENCE, "the extensions").children():
            parts = expect(element, SEQUENCE, "an extension").children()
            if not 2 <= len(parts) <= 3:
                raise DerError(element.start, f"an extension of {len(parts)} parts")
            identifier = identifier_text(parts[0], "an extension")
            if identifier in extensions:
                raise DerError(element.start, f"the extension {identifier} is there twice")
            critical = len(parts) == 3 and boolean(parts[1], "the critical mark of an extension")
            content = expect(parts[-1], OCTET_STRING, f"the extension {identifier}")
            extensions[identifier] = Extension(critical, content)
    return extensions
