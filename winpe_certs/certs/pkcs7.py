"""Takes the certificates out of a PKCS#7 file (.p7b, .p7c): SignedData of RFC 5652 section 5.1, DER.

Only the list of certificates is read, each byte for byte; signatures, if any, mean nothing for what is in
the list.
"""

from __future__ import annotations

from winpe_certs.certs.der import SEQUENCE, DerError, expect, identifier_text, integer, read_element
from winpe_certs.errors import CertificateError

SIGNED_DATA = "1.2.840.113549.1.7.2"
EXPLICIT_CONTENT = 0xA0
CERTIFICATES = 0xA0


def pkcs7_certificates(data: bytes, origin: str) -> list[bytes]:
    """The DER of every certificate in the file, in its order."""
    try:
        certificates = _certificates(data)
    except DerError as error:
        raise CertificateError(
            f"{origin}: the PKCS#7 file cannot be read",
            details=f"{error.reason} at offset {error.offset} of {len(data)} bytes",
            resolution="Turn it into PEM and give that: openssl pkcs7 -inform DER -in FILE"
            " -print_certs -out chain.pem",
        ) from error
    if not certificates:
        raise CertificateError(
            f"{origin}: there is no certificate in this PKCS#7 file",
            resolution="Export the chain again, with 'Include all certificates in the certification path'.",
        )
    return certificates


def _certificates(data: bytes) -> list[bytes]:
    content_info = expect(read_element(data), SEQUENCE, "the content info")
    if content_info.end != len(data):
        raise DerError(content_info.end, f"{len(data) - content_info.end} bytes behind the PKCS#7 structure")
    parts = content_info.children()
    if len(parts) != 2 or identifier_text(parts[0]) != SIGNED_DATA:
        raise DerError(content_info.start, "this is PKCS#7, but not signed data")
    content = expect(parts[1], EXPLICIT_CONTENT, "the content").children()
    if len(content) != 1:
        raise DerError(parts[1].start, "the content is not one structure")
    fields = expect(content[0], SEQUENCE, "the signed data").children()
    if len(fields) < 4:
        raise DerError(content[0].start, f"signed data of {len(fields)} parts")
    integer(fields[0], "the version")
    return [
        certificate.encoded
        for field in fields[3:]
        if field.tag == CERTIFICATES
        for certificate in field.children()
        if certificate.tag == SEQUENCE
    ]
