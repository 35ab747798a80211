"""Recognises what a file is that was given as a certificate, by its content, and words the refusals.

Formats: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 keys (RFC 5915), PKCS#12 (RFC 7292), PKCS#10 (RFC
2986), certificate revocation lists (RFC 5280 section 5), and the first bytes of files that are often picked
by mistake.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from winpe_certs.certs.der import (
    BIT_STRING,
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    UTC_TIME,
    DerError,
    Element,
    read_element,
)
from winpe_certs.errors import NoCertificateError, PrivateKeyError

PRIVATE_KEY_MARK = re.compile(r"BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|^PuTTY-User-Key-File-", re.MULTILINE)
PRIVATE_KEY_WORDS = ("PRIVATE KEY", "PuTTY-User-Key-File-")
PKCS12_START = b"\x02\x01\x03\x30"
PKCS7_START = bytes.fromhex("06092a864886f70d0107")
ENCRYPTION_IDENTIFIERS = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
ISO_MARK_OFFSET = 0x8001
EXPLICIT_VERSION = 0xA0

GIVE_CERTIFICATE = "Give the root's certificate as a .cer, .pem, .p7b, .sst or .reg file."
WITHOUT_KEY = (
    "Export the certificate without its private key (certificate viewer, Details, Copy to File: 'No,"
    " do not export"
    " the private key'), or with OpenSSL's pkcs12 command and its options -nokeys -cacerts."
)

MAGIC = (
    (b"MSWIM\0\0\0", "a Windows image (.wim), not a certificate"),
    (b"regf", "a registry hive, not a certificate"),
    (b"MZ", "a Windows program, not a certificate"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"MSCF", "a cabinet file: unpack it first"),
    (b"%PDF", "a PDF document, not a certificate"),
    (b"\xfe\xed\xfe\xed", "a Java key store: export the certificate with keytool -exportcert"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer: fetch the file itself with 'git lfs pull'"),
)


class DerKind(Enum):
    """What a file of DER holds."""

    CERTIFICATE = auto()
    PKCS7 = auto()
    PKCS12 = auto()
    PRIVATE_KEY = auto()
    REQUEST = auto()
    REVOCATION_LIST = auto()
    PUBLIC_KEY = auto()
    UNKNOWN = auto()


KIND_WORDS = {
    DerKind.REQUEST: "a certificate request (CSR): the CA turns it into a certificate",
    DerKind.REVOCATION_LIST: "a certificate revocation list (CRL), not a certificate",
    DerKind.PUBLIC_KEY: "a bare public key, not a certificate",
    DerKind.UNKNOWN: "a DER file of another kind, not a certificate",
}


def refuse_by_content(data: bytes, origin: str) -> None:
    """Raise `NoCertificateError` for a file that is plainly something else."""
    if not data.strip(b" \t\r\n\0"):
        raise NoCertificateError(f"{origin}: the file is empty", resolution=GIVE_CERTIFICATE)
    for magic, words in MAGIC:
        if data.startswith(magic):
            raise NoCertificateError(f"{origin}: this is {words}", resolution=GIVE_CERTIFICATE)
    if data[ISO_MARK_OFFSET : ISO_MARK_OFFSET + 5] == b"CD001":
        raise NoCertificateError(
            f"{origin}: this is a disc image (.iso), not a certificate", resolution=GIVE_CERTIFICATE
        )


def refuse_private_key_text(text: str, origin: str) -> None:
    """Raise `PrivateKeyError` for any text with a private key in it, whatever else it holds."""
    if not any(words in text for words in PRIVATE_KEY_WORDS):
        return
    match = PRIVATE_KEY_MARK.search(text)
    if match:
        line = text.count("\n", 0, match.start()) + 1
        raise private_key_error(f"{origin}, line {line}", "a private key")


def private_key_error(origin: str, what: str) -> PrivateKeyError:
    """The error for a file that holds a private key, or may."""
    return PrivateKeyError(
        f"{origin}: {what} is in this file",
        details="A private key has no place in boot media, and this program does not want to have read it.",
        resolution=WITHOUT_KEY,
    )


def der_kind(data: bytes) -> DerKind:
    """Tell DER files apart by their first elements."""
    if data[:1] != b"\x30":
        return DerKind.UNKNOWN
    content = _outer_content(data)
    if content.startswith(PKCS12_START):
        return DerKind.PKCS12
    if content.startswith(PKCS7_START):
        return DerKind.PKCS7
    try:
        parts = _first_parts(read_element(data), 4)
    except DerError:
        return DerKind.CERTIFICATE
    tags = [part.tag for part in parts]
    if tags[:1] == [INTEGER] and len(tags) > 1 and tags[1] in (INTEGER, OCTET_STRING, SEQUENCE):
        return DerKind.PRIVATE_KEY if len(tags) > 2 or tags[1] == OCTET_STRING else DerKind.UNKNOWN
    if tags == [SEQUENCE, OCTET_STRING] and _is_encryption(parts[0]):
        return DerKind.PRIVATE_KEY
    if tags == [SEQUENCE, BIT_STRING]:
        return DerKind.PUBLIC_KEY
    if tags == [SEQUENCE, SEQUENCE, BIT_STRING]:
        return _signed_kind(parts[0])
    return DerKind.CERTIFICATE if tags[:1] == [SEQUENCE] and _is_to_be_signed(parts[0]) else DerKind.UNKNOWN


def refuse_der_kind(kind: DerKind, origin: str) -> None:
    """Raise for every kind of DER that holds no certificates this program takes."""
    if kind is DerKind.PKCS12:
        raise private_key_error(origin, "a PKCS#12 store (.pfx, .p12), which is made to carry a private key,")
    if kind is DerKind.PRIVATE_KEY:
        raise private_key_error(origin, "a private key")
    words = KIND_WORDS.get(kind)
    if words:
        raise NoCertificateError(f"{origin}: this is {words}", resolution=GIVE_CERTIFICATE)


def _outer_content(data: bytes) -> bytes:
    """The start of the content of the outer element, its length being of any form, BER included."""
    length = data[1] if len(data) > 1 else 0
    start = 2 + (length - 0x80 if length > 0x80 else 0)
    return data[start : start + 16]


def _first_parts(element: Element, most: int) -> list[Element]:
    """The first few elements inside another; damage behind them does not matter here."""
    parts: list[Element] = []
    offset = element.content
    while offset < element.end and len(parts) < most:
        part = read_element(element.source, offset, element.end)
        parts.append(part)
        offset = part.end
    return parts


def _is_encryption(algorithm: Element) -> bool:
    identifier = algorithm.value[2:] if algorithm.value[:1] == bytes([OBJECT_IDENTIFIER]) else b""
    return identifier.startswith(ENCRYPTION_IDENTIFIERS)


def _is_to_be_signed(part: Element) -> bool:
    """Whether something begins as the signed part of a certificate; what follows it may be damaged."""
    try:
        tags = [each.tag for each in _first_parts(part, 6)]
    except DerError:
        return False
    without_version = tags[1:] if tags[:1] == [EXPLICIT_VERSION] else tags
    return without_version[:5] == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]


def _signed_kind(signed: Element) -> DerKind:
    """Certificates, requests and revocation lists are all signed; their signed parts begin differently."""
    try:
        tags = [part.tag for part in _first_parts(signed, 5)]
    except DerError:
        return DerKind.CERTIFICATE
    if tags in ([INTEGER, SEQUENCE, SEQUENCE, 0xA0], [INTEGER, SEQUENCE, SEQUENCE]):
        return DerKind.REQUEST
    times = (UTC_TIME, GENERALIZED_TIME)
    without_version = tags[1:] if tags[:1] == [INTEGER] else tags
    if (
        without_version[:2] == [SEQUENCE, SEQUENCE]
        and len(without_version) > 2
        and without_version[2] in times
    ):
        return DerKind.REVOCATION_LIST
    return DerKind.CERTIFICATE
