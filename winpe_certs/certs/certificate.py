"""One X.509 certificate (RFC 5280), with what this program needs to know about it.

The structure is read by this package, so that old roots load whatever the installed `cryptography` thinks of
them; `cryptography` only checks the signature of a certificate that names itself as its issuer.
Refused: anything that is not exactly one DER certificate, bytes behind it included.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from winpe_certs.certs.algorithms import key_bits, key_kind, signature_hash
from winpe_certs.certs.der import (
    SEQUENCE,
    DerError,
    Element,
    bit_string,
    boolean,
    expect,
    identifiers,
)
from winpe_certs.certs.names import readable_name
from winpe_certs.certs.signatures import verify_own_signature
from winpe_certs.certs.x509 import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    CertificateParts,
    authority_key_identifier,
    split_certificate,
    subject_key_identifier,
)
from winpe_certs.errors import CertificateError

KEY_CERT_SIGN = 0x04
VERSION_3 = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its facts.

    `thumbprint` is the upper-case SHA-1 of the DER, the name of its registry key; `sha256` is upper-case
    too. `is_self_issued` says that issuer and subject are the same name, `is_self_signed` that its own key
    signed it as well. `has_broken_signature` marks a certificate that claims to be signed by its own key
    and is not. `key_usage_cert_sign` is None when there is no key usage, `extended_key_usage` when there is
    no such extension.
    """

    der: bytes
    thumbprint: str
    sha256: str
    subject: str
    issuer: str
    serial: str
    version: int
    not_before: datetime
    not_after: datetime
    is_ca: bool
    is_self_issued: bool
    is_self_signed: bool
    has_broken_signature: bool
    key_kind: str
    key_bits: int | None
    signature_hash: str | None
    key_usage_cert_sign: bool | None
    extended_key_usage: tuple[str, ...] | None
    critical_name_constraints: bool

    @classmethod
    def from_der(cls, der: bytes, origin: str) -> Certificate:
        """Read a certificate, or raise `CertificateError` that names `origin`.

        A self-signed certificate of version 1 or 2 has no basic constraints and counts as a CA, as Windows
        takes it when it stands in a root store. A version 3 certificate is a CA only if it says so.
        """
        try:
            return cls._from_parts(bytes(der), split_certificate(bytes(der)))
        except DerError as error:
            raise CertificateError(
                f"{origin}: not a readable X.509 certificate",
                details=f"{error.reason} at offset {error.offset} of {len(der)} bytes",
                resolution="Export the certificate again (DER or Base-64 encoded X.509) and try once more.",
            ) from error

    @classmethod
    def _from_parts(cls, der: bytes, parts: CertificateParts) -> Certificate:
        self_issued = parts.issuer.value == parts.subject.value
        self_signed = broken = False
        hash_name = signature_hash(parts.signature_algorithm)
        bits = key_bits(parts)
        if self_issued:
            verified = verify_own_signature(parts, hash_name, bits)
            own_key = _names_its_own_key(parts)
            self_signed = verified if verified is not None else own_key
            broken = verified is False and own_key
        is_ca = _basic_constraints_ca(parts) if parts.version >= VERSION_3 else self_signed
        usage = parts.extensions.get(KEY_USAGE)
        extended = parts.extensions.get(EXTENDED_KEY_USAGE)
        constraints = parts.extensions.get(NAME_CONSTRAINTS)
        return cls(
            der=der,
            thumbprint=hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
            sha256=hashlib.sha256(der).hexdigest().upper(),
            subject=readable_name(parts.subject),
            issuer=readable_name(parts.issuer),
            serial=_serial_text(parts.serial),
            version=parts.version + 1,
            not_before=parts.not_before,
            not_after=parts.not_after,
            is_ca=is_ca,
            is_self_issued=self_issued,
            is_self_signed=self_signed,
            has_broken_signature=broken,
            key_kind=key_kind(parts),
            key_bits=bits,
            signature_hash=hash_name,
            key_usage_cert_sign=None if usage is None else _may_sign_certificates(usage.octets.inner()),
            extended_key_usage=None if extended is None else identifiers(extended.octets.inner()),
            critical_name_constraints=constraints is not None and constraints.critical,
        )


def _serial_text(serial: int) -> str:
    digits = f"{abs(serial):X}"
    return ("-" if serial < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _names_its_own_key(parts: CertificateParts) -> bool:
    """Whether the authority key identifier, if there is one, does not point at another key."""
    authority = authority_key_identifier(parts)
    subject = subject_key_identifier(parts)
    return authority is None or subject is None or authority == subject


def _basic_constraints_ca(parts: CertificateParts) -> bool:
    extension = parts.extensions.get(BASIC_CONSTRAINTS)
    if extension is None:
        return False
    fields = expect(extension.octets.inner(), SEQUENCE, "the basic constraints").children()
    return bool(fields) and fields[0].tag == 0x01 and boolean(fields[0], "the CA mark")


def _may_sign_certificates(usage: Element) -> bool:
    bits = bit_string(usage, "the key usage")
    return bool(bits) and bool(bits[0] & KEY_CERT_SIGN)
