"""The value `Blob` of a certificate's registry key: a plain run of properties, the certificate among them.

Layout: MS-GPEF section 2.2.1.1.1.1 and MS-OSHARED section 2.3.2.5. Each element is a 32-bit identifier, a
32-bit word that is 1, a 32-bit length (all little-endian) and that many bytes; there is no head, padding or
end mark. Identifiers are those of CertGetCertificateContextProperty; element 0x20 is the DER certificate.

Unknown identifiers are kept byte for byte. Refused: a cut element, a second word other than 1, a Blob
without element 0x20. Taken, because CryptoAPI takes them: properties behind element 0x20, a second element
0x20 (the first counts), and one empty end element as serialized stores have it. What is taken is written
back unchanged.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from winpe_certs.certs.der import DerError, identifier_list
from winpe_certs.certs.object_identifiers import with_name
from winpe_certs.certs.usages import covers_servers
from winpe_certs.errors import BlobError
from winpe_certs.findings import Finding, Severity

HEADER = struct.Struct("<III")
RESERVED = 1
END_ELEMENTS = (HEADER.pack(0, 0, 0), HEADER.pack(0, RESERVED, 0))
FILETIME = struct.Struct("<Q")
FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class PropertyId(IntEnum):
    """Property identifiers under their names in wincrypt.h (CERT_..._PROP_ID)."""

    KEY_PROV_INFO = 0x02
    SHA1_HASH = 0x03
    MD5_HASH = 0x04
    ENHKEY_USAGE = 0x09
    FRIENDLY_NAME = 0x0B
    DESCRIPTION = 0x0D
    SIGNATURE_HASH = 0x0F
    ARCHIVED = 0x13
    KEY_IDENTIFIER = 0x14
    ISSUER_PUBLIC_KEY_MD5_HASH = 0x18
    SUBJECT_PUBLIC_KEY_MD5_HASH = 0x19
    ISSUER_SERIAL_NUMBER_MD5_HASH = 0x1C
    SUBJECT_NAME_MD5_HASH = 0x1D
    CERTIFICATE = 0x20
    TRUST_LIST = 0x22
    REQUEST_ORIGINATOR = 0x47
    OCSP_CACHE_PREFIX = 0x4B
    ROOT_PROGRAM_CERT_POLICIES = 0x53
    ROOT_PROGRAM_NAME_CONSTRAINTS = 0x54
    SIGN_HASH_CNG_ALG = 0x59
    SUBJECT_PUB_KEY_BIT_LENGTH = 0x5C
    AUTH_ROOT_SHA256_HASH = 0x62
    DISALLOWED_FILETIME = 0x68
    ROOT_PROGRAM_CHAIN_POLICIES = 0x69
    SHA256_HASH = 0x6B
    DISALLOWED_ENHKEY_USAGE = 0x7A
    NOT_BEFORE_FILETIME = 0x7E
    NOT_BEFORE_ENHKEY_USAGE = 0x7F


@dataclass(frozen=True, slots=True)
class Property:
    """One property: any 32-bit identifier, and its bytes."""

    id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Blob:
    """A certificate with its properties in their order; `end` is an end element, if there is one."""

    properties: tuple[Property, ...]
    end: bytes = b""

    @property
    def certificate_der(self) -> bytes:
        """The certificate: the content of the first element 0x20."""
        der = self.get(PropertyId.CERTIFICATE)
        if der is None:
            raise BlobError("a certificate Blob without a certificate (element 0x20)")
        return der

    def get(self, property_id: int) -> bytes | None:
        """The bytes of the first property with this identifier."""
        return next((item.data for item in self.properties if item.id == property_id), None)

    def all(self, property_id: int) -> tuple[bytes, ...]:
        """The bytes of every property with this identifier."""
        return tuple(item.data for item in self.properties if item.id == property_id)

    def to_bytes(self) -> bytes:
        """Write the Blob as it stands in the registry."""
        pieces = []
        for item in self.properties:
            pieces += [HEADER.pack(item.id, RESERVED, len(item.data)), item.data]
        return b"".join([*pieces, self.end])


def parse(data: bytes, origin: str) -> Blob:
    """Read a Blob, or raise `BlobError` that names `origin` and the offset."""
    blob = parse_properties(data, origin)
    if blob.get(PropertyId.CERTIFICATE) is None:
        raise _refusal(origin, len(data), "there is no certificate in it (element 0x20)")
    return blob


def parse_properties(data: bytes, origin: str) -> Blob:
    """Read the elements of a Blob that may have no certificate, as a trust list's or a bare hash's.

    Raises `BlobError` as `parse` does for everything else.
    """
    if not data:
        raise _refusal(origin, 0, "it is empty")
    if data[:1] == b"\x30" and data[1:2] >= b"\x80":
        raise _refusal(origin, 0, "it is a bare DER certificate; the registry keeps it inside element 0x20")
    properties: list[Property] = []
    has_certificate = False
    offset = 0
    while offset < len(data):
        rest = len(data) - offset
        if has_certificate and rest == HEADER.size and data[offset:] in END_ELEMENTS:
            return Blob(tuple(properties), data[offset:])
        if rest < HEADER.size:
            raise _refusal(origin, offset, f"{rest} bytes are left, too few for an element")
        property_id, reserved, length = HEADER.unpack_from(data, offset)
        if reserved != RESERVED:
            raise _refusal(
                origin, offset, f"element 0x{property_id:02X} has encoding 0x{reserved:X} instead of 1"
            )
        if length > rest - HEADER.size:
            raise _refusal(
                origin,
                offset,
                f"element 0x{property_id:02X} claims {length} bytes, only {rest - HEADER.size} are there",
            )
        start = offset + HEADER.size
        offset = start + length
        properties.append(Property(property_id, bytes(data[start:offset])))
        has_certificate = has_certificate or property_id == PropertyId.CERTIFICATE
    return Blob(tuple(properties))


def narrowing(blob: Blob) -> tuple[Finding, ...]:
    """Find the properties that narrow the trust in a root or take it away."""
    return tuple(_narrowing(blob))


def cached_hash_errors(blob: Blob) -> tuple[Finding, ...]:
    """Find the stored hashes of the certificate (SHA-1, MD5, SHA-256) that are not its hashes."""
    der = blob.certificate_der
    right = {
        PropertyId.SHA1_HASH: hashlib.sha1(der, usedforsecurity=False).digest(),
        PropertyId.MD5_HASH: hashlib.md5(der, usedforsecurity=False).digest(),
        PropertyId.SHA256_HASH: hashlib.sha256(der).digest(),
    }
    return tuple(
        Finding(
            "wrong-cached-hash",
            Severity.ERROR if property_id is PropertyId.SHA1_HASH else Severity.WARNING,
            f"Property 0x{property_id:02X} ({property_id.name}) is {stored.hex().upper() or 'empty'},"
            f" the certificate's is {digest.hex().upper()}.",
            "The Blob was put together by hand or damaged: inject the certificate file itself instead.",
        )
        for property_id, digest in right.items()
        for stored in blob.all(property_id)
        if stored != digest
    )


def _refusal(origin: str, offset: int, reason: str) -> BlobError:
    return BlobError(
        f"{origin}: not a certificate Blob: {reason}",
        details=f"at offset {offset} of the Blob (layout: MS-GPEF 2.2.1.1.1.1)",
        resolution="Export the key again on the donor computer, or start from the certificate file (.cer).",
    )


def _narrowing(blob: Blob) -> Iterator[Finding]:
    replace = "Start from the certificate file (.cer): it carries no such property."
    for data in blob.all(PropertyId.ENHKEY_USAGE):
        usages = _usages(data)
        if usages is None or not covers_servers(usages):
            yield Finding(
                "narrowed-eku",
                Severity.ERROR,
                f"Property 0x09 limits this root to {_list(usages)}: servers below it are not trusted.",
                replace,
            )
    for _ in blob.all(PropertyId.ROOT_PROGRAM_NAME_CONSTRAINTS):
        yield Finding(
            "narrowed-names",
            Severity.ERROR,
            "Property 0x54 limits this root to certain names.",
            f"Names outside are not trusted. {replace}",
        )
    for data in blob.all(PropertyId.DISALLOWED_FILETIME):
        yield Finding(
            "narrowed-disabled",
            Severity.ERROR,
            f"Property 0x68 disables this root from {_moment(data)}.",
            replace,
        )
    for data in blob.all(PropertyId.DISALLOWED_ENHKEY_USAGE):
        usages = _usages(data)
        if usages is None or covers_servers(usages):
            yield Finding(
                "narrowed-disallowed-eku",
                Severity.ERROR,
                f"Property 0x7A takes uses away from this root: {_list(usages)}.",
                replace,
            )
    yield from _narrowed_by_date(blob, replace)
    for _ in blob.all(PropertyId.ARCHIVED):
        yield Finding(
            "narrowed-archived",
            Severity.ERROR,
            "Property 0x13 marks this certificate as archived: Windows skips it.",
            replace,
        )


def _narrowed_by_date(blob: Blob, advice: str) -> Iterator[Finding]:
    """Property 0x7E is the date, 0x7F the uses it is about; without 0x7F it is about all of them."""
    dates = blob.all(PropertyId.NOT_BEFORE_FILETIME)
    lists = [_usages(data) for data in blob.all(PropertyId.NOT_BEFORE_ENHKEY_USAGE)]
    if not dates and not lists:
        return
    harmless = not dates or (
        bool(lists) and all(usages is not None and not covers_servers(usages) for usages in lists)
    )
    since = f"issued after {_moment(dates[0])}" if dates else "issued after an unknown date"
    uses = f" for {_list(lists[0])}" if lists else ""
    yield Finding(
        "narrowed-not-before",
        Severity.WARNING if harmless else Severity.ERROR,
        f"Properties 0x7E/0x7F take trust from certificates {since}{uses}.",
        advice,
    )


def _usages(data: bytes) -> tuple[str, ...] | None:
    try:
        return identifier_list(data)
    except DerError:
        return None


def _list(usages: tuple[str, ...] | None) -> str:
    if usages is None:
        return "an unreadable list of uses"
    return ", ".join(map(with_name, usages)) or "no use at all"


def _moment(data: bytes) -> str:
    if len(data) != FILETIME.size:
        return "an unreadable date"
    ticks: int = FILETIME.unpack(data)[0]
    try:
        return f"{FILETIME_EPOCH + timedelta(microseconds=ticks // 10):%Y-%m-%d}"
    except OverflowError:
        return "an unreadable date"
