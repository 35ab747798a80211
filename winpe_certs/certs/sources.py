"""Reads the certificates out of any file that a person may give: the door for ``--cert``.

Told apart by content, never by name: DER, PEM with one certificate or many, PKCS#7 (.p7b), base64 without
markers, serialized stores (.sst), .reg exports and policy files (Registry.pol). Private keys and PKCS#12
stores are refused before anything else is read from the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import SEQUENCE, DerError, read_element
from winpe_certs.certs.entries import (
    MOST_CERTIFICATES,
    Contents,
    DamagedEntry,
    FoundCertificate,
    refuse_damaged,
)
from winpe_certs.certs.file_kinds import (
    GIVE_CERTIFICATE,
    KIND_WORDS,
    DerKind,
    der_kind,
    refuse_by_content,
    refuse_der_kind,
    refuse_private_key_text,
)
from winpe_certs.certs.policy_file import is_policy_file
from winpe_certs.certs.serialized import is_serialized_certificate, is_store
from winpe_certs.errors import CertificateError, NoCertificateError
from winpe_certs.shown import shown_text

if TYPE_CHECKING:
    from winpe_certs.certs.pem import PemBlock

LARGEST_FILE = 64 * 1024 * 1024
CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
TRUSTED_LABEL = "TRUSTED CERTIFICATE"
PKCS7_LABELS = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
OWN_LABELS = frozenset({*CERTIFICATE_LABELS, TRUSTED_LABEL, *PKCS7_LABELS})
LABEL_KINDS = {
    "CERTIFICATE REQUEST": DerKind.REQUEST,
    "NEW CERTIFICATE REQUEST": DerKind.REQUEST,
    "X509 CRL": DerKind.REVOCATION_LIST,
    "PUBLIC KEY": DerKind.PUBLIC_KEY,
    "RSA PUBLIC KEY": DerKind.PUBLIC_KEY,
}
REG_STARTS = ("regedit", "windows registry editor")
BLANKS = b" \t\r\n\0"


@dataclass(frozen=True, slots=True)
class SourceCertificate:
    """A certificate and where it came from.

    `blob` is there when the file keeps properties (.reg, .sst, Registry.pol), `store` when it names stores.
    """

    certificate: Certificate
    blob: Blob | None
    store: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """The certificates of one file, each once, and what a person should know about the rest of it.

    `damaged` should be certificates and cannot be read.
    """

    entries: tuple[SourceCertificate, ...]
    warnings: tuple[str, ...]
    damaged: tuple[DamagedEntry, ...] = ()


def read_certificates(data: bytes, origin: str) -> CertificateFile:
    """Read a file all of whose certificates are readable, or raise an error that lists those that are not.

    Raises as `read_parts` does, and the error of what is damaged.
    """
    file = read_parts(data, origin)
    refuse_damaged(file.damaged, origin)
    return file


def read_parts(data: bytes, origin: str) -> CertificateFile:
    """Read all certificates of a file; those that are damaged do not hide the others.

    Raises `PrivateKeyError` for a file with a private key, `NoCertificateError` for one of another kind, and
    `CertificateError` or `RegFileError` for one that as a whole cannot be read.
    """
    if len(data) > LARGEST_FILE:
        raise NoCertificateError(
            f"{origin}: more than {LARGEST_FILE} bytes are too many for a certificate file",
            resolution=GIVE_CERTIFICATE,
        )
    contents = _contents(data, origin)
    if len(contents.found) > MOST_CERTIFICATES:
        raise _too_many(origin)
    return _read(contents, origin)


def _too_many(origin: str) -> CertificateError:
    return CertificateError(
        f"{origin}: more than {MOST_CERTIFICATES} certificates are too many",
        resolution="Give a file with only those you want.",
    )


def _contents(data: bytes, origin: str) -> Contents:
    """Take a file apart by the format that its first bytes show."""
    if is_store(data):
        from winpe_certs.certs.serialized import store_certificates

        return store_certificates(data, origin)
    refuse_by_content(data, origin)
    if is_policy_file(data):
        from winpe_certs.certs.policy_certificates import policy_certificates

        return policy_certificates(data, origin)
    if data[:1] == b"\x30" and not data.isascii():
        return _from_der(data, origin)
    if is_serialized_certificate(data):
        from winpe_certs.certs.serialized import serialized_certificate

        return serialized_certificate(data, origin)
    return _from_text(data, origin)


def _from_text(data: bytes, origin: str) -> Contents:
    # Most files are DER and need none of these.
    from winpe_certs.certs.pem import decode_base64, has_pem_block, joined_text
    from winpe_certs.certs.text_encoding import decode_text

    text = decode_text(data).text
    joined = joined_text(data, text)
    refuse_private_key_text(text, origin)
    if joined is not text:
        refuse_private_key_text(joined, origin)
    if text.lstrip().casefold().startswith(REG_STARTS):
        from winpe_certs.certs.regfile_certificates import reg_certificates

        return reg_certificates(data, origin)
    if has_pem_block(joined):
        return _from_pem(joined, origin)
    decoded = decode_base64(joined)
    if decoded is not None and decoded[:1] == b"\x30":
        return _from_der(decoded, origin)
    raise NoCertificateError(f"{origin}: this is no certificate file", resolution=GIVE_CERTIFICATE)


def _from_der(data: bytes, origin: str) -> Contents:
    kind = der_kind(data)
    refuse_der_kind(kind, origin)
    if kind is DerKind.PKCS7:
        from winpe_certs.certs.pkcs7 import pkcs7_certificates

        return pkcs7_certificates(data, origin)
    return _joined_der(data, origin)


def _joined_der(data: bytes, origin: str) -> Contents:
    """A certificate, or several that follow each other; blanks after the last one are no part of it."""
    contents = Contents()
    at = 0
    while at < len(data):
        try:
            end = read_element(data, at).end
        except DerError:
            end = len(data)
        blanks = 0
        if end < len(data) and data[end] != SEQUENCE:
            blanks = 0 if data[end:].strip(BLANKS) else len(data) - end
            end = len(data) - blanks
        found = data[at:end]
        refuse_der_kind(_secret_kind(found), origin)
        contents.found.append(FoundCertificate(found))
        if blanks:
            contents.warnings.append(f"{origin}: {blanks} blank bytes after the certificate are left out")
        if blanks or len(contents.found) > MOST_CERTIFICATES:
            break
        at = end
    return contents


def _from_pem(text: str, origin: str) -> Contents:
    from winpe_certs.certs.pem import PemBlock, pem_parts

    contents = Contents()
    ignored: list[str] = []
    for part in pem_parts(text, origin):
        if len(contents.found) + len(ignored) > MOST_CERTIFICATES:
            raise _too_many(origin)
        place = f"{origin}, line {part.line}"
        if not isinstance(part, PemBlock):
            if OWN_LABELS.isdisjoint(part.labels):
                ignored.append(part.labels[0])
                contents.warnings.append(f"{part.error.message}: ignored")
            else:
                contents.found.append(DamagedEntry(part.error))
            continue
        refuse_der_kind(_secret_kind(part.data), place)
        if part.label == TRUSTED_LABEL:
            _add_trusted(part.data, place, contents)
        elif part.label in OWN_LABELS:
            _add_block(part, place, contents)
        else:
            ignored.append(part.label)
            contents.warnings.append(f"{place}: a block {shown_text(part.label)} is ignored")
    if not contents.found:
        kind = LABEL_KINDS.get(ignored[0]) if ignored else None
        reason = f"this is {KIND_WORDS[kind]}" if kind else "there is no certificate in this file"
        raise NoCertificateError(
            f"{origin}: {reason}", details="\n".join(contents.warnings), resolution=GIVE_CERTIFICATE
        )
    return contents


def _add_block(block: PemBlock, place: str, contents: Contents) -> None:
    """Add what a block holds. Labels are mixed up: certutil -encode calls everything a certificate."""
    kind = der_kind(block.data)
    if kind is DerKind.PKCS7 or block.label in PKCS7_LABELS:
        from winpe_certs.certs.pkcs7 import pkcs7_certificates

        try:
            inner = pkcs7_certificates(block.data, place)
        except CertificateError as error:
            contents.found.append(DamagedEntry(error))
            return
        contents.found += inner.found
        contents.warnings += inner.warnings
    elif kind in KIND_WORDS and kind is not DerKind.UNKNOWN:
        contents.damaged(f"{place}: this block is {KIND_WORDS[kind]}", resolution=GIVE_CERTIFICATE)
    else:
        contents.found.append(FoundCertificate(block.data))


def _add_trusted(data: bytes, place: str, contents: Contents) -> None:
    """OpenSSL's "trusted certificate" is a certificate with one more element after it."""
    try:
        contents.found.append(FoundCertificate(read_element(data).encoded))
    except DerError as error:
        contents.damaged(
            f"{place}: the trusted certificate is damaged",
            details=f"{error.reason} at offset {error.offset}",
            resolution="Copy the file again, whole, from where it was made.",
        )
    else:
        contents.warnings.append(
            f"{place}: the trust settings of OpenSSL after the certificate are not carried over"
        )


def _secret_kind(data: bytes) -> DerKind:
    """A label can lie: a private key is refused under any; the certificate reader judges the rest."""
    kind = der_kind(data)
    return kind if kind in (DerKind.PRIVATE_KEY, DerKind.PKCS12) else DerKind.CERTIFICATE


def _read(contents: Contents, origin: str) -> CertificateFile:
    """Read each certificate once, in order; one whose place has no name of its own is numbered."""
    unnamed = sum(isinstance(each, FoundCertificate) and not each.origin for each in contents.found)
    is_alone = unnamed == len(contents.found) == 1
    warnings = list(contents.warnings)
    damaged: list[DamagedEntry] = []
    read: dict[bytes, SourceCertificate] = {}
    number = 0
    for each in contents.found:
        if isinstance(each, DamagedEntry):
            damaged.append(each)
            continue
        number += not each.origin
        place = each.origin or (origin if is_alone else f"{origin}, certificate {number}")
        known = read.get(each.der)
        if known is not None:
            warnings.append(f"{place}: the same certificate as {known.origin}: ignored")
            continue
        try:
            certificate = Certificate.from_der(each.der, place)
        except CertificateError as error:
            damaged.append(DamagedEntry(error))
            continue
        read[each.der] = SourceCertificate(certificate, each.blob, each.store, place)
    return CertificateFile(tuple(read.values()), tuple(warnings), tuple(damaged))
