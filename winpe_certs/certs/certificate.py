"""One X.509 certificate (RFC 5280), with what this program needs to know about it.

The library `cryptography` reads it and checks its signature. Refused: what the library cannot read, damaged
extensions among it, and bytes behind the certificate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from winpe_certs.certs.library import reading_certificate
from winpe_certs.errors import CertificateError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    Value = TypeVar("Value", bound=x509.ExtensionType)

KEY_KINDS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": "EC",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}

# Beyond those of RFC 4514, under the names that OpenSSL shows.
LARGEST = 1 << 20
"""Bytes of one certificate: real ones have a few thousand, and a million already takes seconds to read."""

_LINE_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")

ATTRIBUTE_NAMES = {
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.4.5": "serialNumber",
    "2.5.4.97": "organizationIdentifier",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its facts.

    `thumbprint` is the upper-case SHA-1 of the DER, the name of its registry key; `sha256` is upper-case
    too. `is_self_issued` says that issuer and subject are the same name, `is_self_signed` that its own key
    signed it as well. `has_broken_signature` marks a certificate that claims to be signed by its own key
    and is not. `key_kind` is the object identifier of a kind without a name here. `key_bits` and
    `signature_hash` are None where there is none or the library cannot tell, `key_usage_cert_sign` when there
    is no key usage, `extended_key_usage` when there is no such extension.
    """

    der: bytes
    thumbprint: str
    sha256: str
    subject: str
    issuer: str
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

        A self-signed certificate of version 1 has no basic constraints and counts as a CA, as Windows takes
        it when it stands in a root store. A version 3 certificate is a CA only if it says so.
        """
        if len(der) > LARGEST:
            raise CertificateError(
                f"{origin}: {len(der)} bytes are too many for a certificate",
                resolution="Give the certificate alone.",
            )
        with reading_certificate(bytes(der), origin) as loaded:
            return cls._from_loaded(bytes(der), loaded)

    @classmethod
    def _from_loaded(cls, der: bytes, loaded: x509.Certificate) -> Certificate:
        from cryptography import x509

        key = _public_key(loaded)
        self_issued = loaded.issuer.public_bytes() == loaded.subject.public_bytes()
        self_signed = broken = False
        if self_issued:
            verified = _verifies_with_own_key(loaded, key)
            own_key = _names_its_own_key(loaded.extensions)
            self_signed = verified if verified is not None else own_key
            broken = verified is False and own_key
        basic = _extension(loaded.extensions, x509.BasicConstraints)
        key_usage = _extension(loaded.extensions, x509.KeyUsage)
        extended = _extension(loaded.extensions, x509.ExtendedKeyUsage)
        constraints = _extension(loaded.extensions, x509.NameConstraints)
        signature_hash = signature_hash_of(loaded)
        algorithm = loaded.public_key_algorithm_oid.dotted_string
        return cls(
            der=der,
            thumbprint=hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
            sha256=hashlib.sha256(der).hexdigest().upper(),
            subject=_readable(loaded.subject),
            issuer=_readable(loaded.issuer),
            not_before=loaded.not_valid_before_utc,
            not_after=loaded.not_valid_after_utc,
            is_ca=self_signed if loaded.version is x509.Version.v1 else bool(basic and basic.value.ca),
            is_self_issued=self_issued,
            is_self_signed=self_signed,
            has_broken_signature=broken,
            key_kind=KEY_KINDS.get(algorithm, algorithm),
            key_bits=getattr(key, "key_size", None),
            signature_hash=signature_hash.name if signature_hash else None,
            key_usage_cert_sign=key_usage.value.key_cert_sign if key_usage else None,
            extended_key_usage=tuple(use.dotted_string for use in extended.value) if extended else None,
            critical_name_constraints=bool(constraints and constraints.critical),
        )


def signature_hash_of(loaded: x509.Certificate) -> HashAlgorithm | None:
    """The hash of a certificate's own signature; None without one (Ed25519) or if it is unknown (MD2)."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return loaded.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None


def _public_key(loaded: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """None for a key that the library does not take: of an unknown kind or curve, or damaged.

    Every Windows has one of these in its store CA: "Root Agency", whose modulus lacks the zero byte in front.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return loaded.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None


def _verifies_with_own_key(loaded: x509.Certificate, key: CertificatePublicKeyTypes | None) -> bool | None:
    """Say whether the signature fits the certificate's own key; None when the library cannot check it.

    Its check of issuers has given up SHA-1 and MD5, which old roots are signed with; its RSA keys have not.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import MD5, SHA1

    if key is None:
        return None
    try:
        used_hash = loaded.signature_hash_algorithm
        if not isinstance(used_hash, MD5 | SHA1):
            loaded.verify_directly_issued_by(loaded)
        elif isinstance(key, RSAPublicKey):
            named = loaded.signature_algorithm_parameters
            padding = named if isinstance(named, PSS) else PKCS1v15()
            key.verify(loaded.signature, loaded.tbs_certificate_bytes, padding, used_hash)
        else:
            return None
    except (UnsupportedAlgorithm, TypeError):
        return None
    except (InvalidSignature, ValueError):
        return False
    return True


def _names_its_own_key(extensions: x509.Extensions) -> bool:
    """Whether the authority key identifier, if there is one, does not point at another key."""
    from cryptography import x509

    authority = _extension(extensions, x509.AuthorityKeyIdentifier)
    subject = _extension(extensions, x509.SubjectKeyIdentifier)
    if authority is None or authority.value.key_identifier is None or subject is None:
        return True
    return authority.value.key_identifier == subject.value.digest


def _extension(extensions: x509.Extensions, kind: type[Value]) -> x509.Extension[Value] | None:
    from cryptography import x509

    try:
        return extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _readable(name: x509.Name) -> str:
    """Render a name as Windows does: most specific part first, parts joined by a comma and a blank."""
    from cryptography.x509 import ObjectIdentifier

    attributes = {ObjectIdentifier(number): text for number, text in ATTRIBUTE_NAMES.items()}
    text = ", ".join(part.rfc4514_string(attributes) for part in reversed(name.rdns))
    # A line break in a name must not become one in a message.
    return "".join(_escaped(each) if each in _LINE_BREAKS else each for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
