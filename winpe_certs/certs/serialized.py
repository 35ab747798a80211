r"""Reads serialized certificate stores (.sst) and single serialized certificates, properties included.

Layout: MS-OSHARED section 2.3.9.1 (DocSigSerializedCertStore) with 2.3.2.5.1 to 2.3.2.5.4. A store begins
with a version of 0 and the letters ``CERT``, then come elements of the shape that a registry Blob has (see
`blob`), and an end element of twelve zero bytes. The properties of a certificate precede its element 0x20, so
a certificate with its properties is exactly the Blob of its registry key. CertSaveStore also writes
revocation lists (0x21) and certificate trust lists (0x22) that way; they are left out with a warning.

A single serialized certificate (``X509ContentType.SerializedCert`` of .NET, the files below
``%APPDATA%\Microsoft\SystemCertificates``) is such a Blob without head and end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.certs.blob import HEADER, RESERVED, Blob, Property, PropertyId, parse
from winpe_certs.certs.blob_remarks import blob_remarks
from winpe_certs.certs.entries import MOST_CERTIFICATES, Contents, FoundCertificate
from winpe_certs.errors import BlobError, CertificateError

STORE_START = b"\0\0\0\0CERT"
REVOCATION_LIST = 0x21
TRUST_LIST = 0x22

_MOST_ELEMENTS = 500_000
_LISTS = {REVOCATION_LIST: "certificate revocation list", TRUST_LIST: "certificate trust list"}
# Contexts are kept with their encoding type; a trust list is PKCS #7 as well as X.509 (wincrypt.h).
_ENCODINGS = (RESERVED, 0x10001)
_LARGEST_PROPERTY = 0xFFFF

SAVE_AGAIN = "Save the store again, or give its certificates as .cer or .p7b files."


def is_store(data: bytes) -> bool:
    """Whether a file begins as a serialized store does."""
    return data.startswith(STORE_START)


def is_serialized_certificate(data: bytes) -> bool:
    """Whether a file begins as a serialized certificate does: with an element of a plausible size."""
    if len(data) < HEADER.size:
        return False
    number, reserved, size = HEADER.unpack_from(data)
    fits: bool = size <= len(data) - HEADER.size
    return fits and reserved == RESERVED and 0 < number <= _LARGEST_PROPERTY


def serialized_certificate(data: bytes, origin: str) -> Contents:
    """The one certificate of such a file, with its properties; raises `BlobError`."""
    blob = parse(data, origin)
    found = FoundCertificate(blob.certificate_der, origin, blob)
    return Contents([found], blob_remarks(blob, origin))


def store_certificates(data: bytes, origin: str) -> Contents:
    """The certificates of a store in its order, each with its properties as its Blob.

    Raises `CertificateError` for a store without certificates.
    """
    contents = Contents()
    properties: list[Property] = []
    left_out = dict.fromkeys(_LISTS, 0)
    certificates = 0
    try:
        for element in _elements(data):
            if element.id == PropertyId.CERTIFICATE:
                certificates += 1
                _refuse_many(certificates, origin)
                place = f"{origin}, certificate {certificates}"
                blob = Blob((*properties, Property(element.id, element.data)))
                contents.found.append(FoundCertificate(element.data, place, blob))
                contents.warnings += blob_remarks(blob, place)
            elif element.id in _LISTS:
                left_out[element.id] += 1
            else:
                properties.append(Property(element.id, element.data))
                continue
            properties = []
    except BlobError as error:
        contents.damaged(
            f"{origin}: the store breaks off after {certificates} certificates",
            details=f"{error.message} {error.details}",
            resolution=SAVE_AGAIN,
        )
    else:
        if properties:
            contents.warnings.append(f"{origin}: {len(properties)} properties at the end belong to nothing")
    contents.warnings += [
        f"{origin}: {number} {_LISTS[kind]}{'s are' if number > 1 else ' is'} left out"
        for kind, number in left_out.items()
        if number
    ]
    if not contents.found:
        raise CertificateError(
            f"{origin}: there is no certificate in this serialized store",
            details="\n".join(contents.warnings),
            resolution="Save the store that holds the root.",
        )
    return contents


@dataclass(frozen=True, slots=True)
class _StoreElement:
    id: int
    data: bytes


def _elements(data: bytes) -> Iterator[_StoreElement]:
    """The elements between head and end; raises `BlobError` where they stop making sense."""
    offset = len(STORE_START)
    for _ in range(_MOST_ELEMENTS):
        rest = len(data) - offset
        if rest < HEADER.size:
            raise BlobError("The end element is missing", details=f"at offset {offset}.")
        number, encoding, size = HEADER.unpack_from(data, offset)
        if not number:
            _refuse_rest(data, offset, encoding, size)
            return
        is_context = number in {PropertyId.CERTIFICATE, *_LISTS}
        if encoding not in (_ENCODINGS if is_context else _ENCODINGS[:1]):
            raise BlobError(f"Element 0x{number:02X} has encoding 0x{encoding:X}", details=f"at {offset}.")
        if size > rest - HEADER.size:
            raise BlobError(
                f"Element 0x{number:02X} claims {size} bytes, only {rest - HEADER.size} are there",
                details=f"at offset {offset}.",
            )
        start = offset + HEADER.size
        offset = start + size
        yield _StoreElement(number, bytes(data[start:offset]))
    raise BlobError(f"There are more than {_MOST_ELEMENTS} elements", details=f"at offset {offset}.")


def _refuse_rest(data: bytes, offset: int, encoding: int, size: int) -> None:
    rest = data[offset + HEADER.size :]
    if encoding or size or rest.strip(b"\0"):
        raise BlobError("Something follows the end element", details=f"at offset {offset}.")


def _refuse_many(certificates: int, origin: str) -> None:
    if certificates > MOST_CERTIFICATES:
        raise CertificateError(
            f"{origin}: more than {MOST_CERTIFICATES} certificates are too many",
            resolution="Save only the certificates you want.",
        )
