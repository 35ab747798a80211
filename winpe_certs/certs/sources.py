"""Reads the certificates out of any file that a person may give: the door for ``--cert``.

Told apart by content, never by name: DER, PEM with one certificate or many, PKCS#7 (.p7b), base64 without
markers, and .reg exports. Private keys and PKCS#12 stores are refused before anything else is read from the
file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError, read_element
from winpe_certs.certs.file_kinds import (
    GIVE_CERTIFICATE,
    KIND_WORDS,
    DerKind,
    der_kind,
    refuse_by_content,
    refuse_der_kind,
    refuse_private_key_text,
)
from winpe_certs.certs.pkcs7 import pkcs7_certificates
from winpe_certs.errors import CertificateError
from winpe_certs.shown import shown_text

if TYPE_CHECKING:
    from winpe_certs.certs.pem import PemBlock

LARGEST_FILE = 64 * 1024 * 1024
CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
TRUSTED_LABEL = "TRUSTED CERTIFICATE"
PKCS7_LABELS = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
LABEL_KINDS = {
    "CERTIFICATE REQUEST": DerKind.REQUEST,
    "NEW CERTIFICATE REQUEST": DerKind.REQUEST,
    "X509 CRL": DerKind.REVOCATION_LIST,
    "PUBLIC KEY": DerKind.PUBLIC_KEY,
    "RSA PUBLIC KEY": DerKind.PUBLIC_KEY,
}
REG_STARTS = ("regedit", "windows registry editor")


@dataclass(frozen=True, slots=True)
class SourceCertificate:
    """A certificate and where it came from; Blob and store only when it came from a .reg export."""

    certificate: Certificate
    blob: Blob | None
    store: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """The certificates of one file, each once, and what a person should know about the rest of it."""

    entries: tuple[SourceCertificate, ...]
    warnings: tuple[str, ...]


def read_certificates(data: bytes, origin: str) -> CertificateFile:
    """Read all certificates of a file, or raise an error that says what the file is instead.

    Raises `CertificateError`, `PrivateKeyError`, and for .reg exports `RegFileError` and `BlobError`.
    """
    if len(data) > LARGEST_FILE:
        raise CertificateError(
            f"{origin}: more than {LARGEST_FILE} bytes are too many for a certificate file",
            resolution=GIVE_CERTIFICATE,
        )
    refuse_by_content(data, origin)
    if data[:1] == b"\x30" and not data.isascii():
        return _without_duplicates(_from_der(data, origin), [])
    return _from_text(data, origin)


def _from_text(data: bytes, origin: str) -> CertificateFile:
    # Most files are DER and need none of these.
    from winpe_certs.certs.pem import decode_base64, has_pem_block
    from winpe_certs.certs.text_encoding import decode_text

    text = decode_text(data).text
    refuse_private_key_text(text, origin)
    if text.lstrip().casefold().startswith(REG_STARTS):
        from winpe_certs.certs.regfile_certificates import reg_certificates

        found, warnings = reg_certificates(data, origin)
        entries = [SourceCertificate(item.certificate, item.blob, item.store, item.origin) for item in found]
        return _without_duplicates(entries, warnings)
    if has_pem_block(text):
        return _from_pem(text, origin)
    decoded = decode_base64(text)
    if decoded is not None and decoded[:1] == b"\x30":
        return _without_duplicates(_from_der(decoded, origin), [])
    raise CertificateError(f"{origin}: this is no certificate file", resolution=GIVE_CERTIFICATE)


def _from_der(data: bytes, origin: str) -> list[SourceCertificate]:
    kind = der_kind(data)
    refuse_der_kind(kind, origin)
    if kind is DerKind.PKCS7:
        return _numbered(pkcs7_certificates(data, origin), origin)
    return _numbered([data], origin)


def _numbered(certificates: list[bytes], origin: str) -> list[SourceCertificate]:
    if len(certificates) == 1:
        places = [origin]
    else:
        places = [f"{origin}, certificate {number}" for number in range(1, len(certificates) + 1)]
    return [
        SourceCertificate(Certificate.from_der(der, place), None, None, place)
        for der, place in zip(certificates, places, strict=True)
    ]


def _from_pem(text: str, origin: str) -> CertificateFile:
    from winpe_certs.certs.pem import pem_blocks

    certificates: list[bytes] = []
    warnings: list[str] = []
    ignored: list[PemBlock] = []
    for block in pem_blocks(text, origin):
        place = f"{origin}, line {block.line}"
        if block.label in CERTIFICATE_LABELS:
            refuse_der_kind(_kind_in_certificate_block(block.data), place)
            certificates.append(block.data)
        elif block.label == TRUSTED_LABEL:
            certificates.append(_without_trust_settings(block.data, place))
            warnings.append(
                f"{place}: the trust settings of OpenSSL behind the certificate are not carried over"
            )
        elif block.label in PKCS7_LABELS:
            refuse_der_kind(_kind_in_certificate_block(block.data), place)
            certificates.extend(pkcs7_certificates(block.data, place))
        else:
            ignored.append(block)
            warnings.append(f"{place}: a block {shown_text(block.label)} is ignored")
    if not certificates:
        words = KIND_WORDS[LABEL_KINDS.get(ignored[0].label, DerKind.UNKNOWN)] if ignored else ""
        reason = f"this is {words}" if words else "there is no certificate in this file"
        raise CertificateError(
            f"{origin}: {reason}", details="\n".join(warnings), resolution=GIVE_CERTIFICATE
        )
    return _without_duplicates(_numbered(certificates, origin), warnings)


def _kind_in_certificate_block(data: bytes) -> DerKind:
    """A label can lie: a private key is refused under any; the certificate reader judges the rest."""
    kind = der_kind(data)
    return kind if kind in (DerKind.PRIVATE_KEY, DerKind.PKCS12) else DerKind.CERTIFICATE


def _without_trust_settings(data: bytes, place: str) -> bytes:
    """OpenSSL's "trusted certificate" is a certificate with one more element behind it."""
    try:
        return read_element(data).encoded
    except DerError as error:
        raise CertificateError(
            f"{place}: the trusted certificate is damaged",
            details=f"{error.reason} at offset {error.offset}",
            resolution="Turn it into a plain one with OpenSSL's x509 command.",
        ) from error


def _without_duplicates(entries: list[SourceCertificate], warnings: list[str]) -> CertificateFile:
    first: dict[bytes, SourceCertificate] = {}
    notes = list(warnings)
    for entry in entries:
        known = first.setdefault(entry.certificate.der, entry)
        if known is not entry:
            notes.append(f"{entry.origin}: the same certificate as {known.origin}: ignored")
    return CertificateFile(tuple(first.values()), tuple(notes))
