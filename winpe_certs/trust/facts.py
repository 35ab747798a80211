"""What the trust rules need to know of a certificate, taken out of it once, as plain values.

The rules themselves (names, constraints, revocation, uses) then work without an X.509 library.
Source: RFC 5280 section 4.2; the library `cryptography` reads the extensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, TypeVar

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.library import reading_certificate

if TYPE_CHECKING:
    from cryptography import x509

    Value = TypeVar("Value", bound=x509.ExtensionType)

_CACHED: Final = 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """The extensions of one certificate, as far as trust depends on them.

    `subject_key` is the raw DER of the subject's name and `issuer_key` that of the issuer's: equal bytes are
    one name. `dns_names` are the DNS names of the subject alternative name as they are spelled there;
    `has_alternative_name` says whether there is such an extension at all. `key_uses` is None without a key
    usage, otherwise the names of RFC 5280 in snake case (``digital_signature``). The lists of addresses are
    URIs as they are spelled; `issuer_urls` are those of CA certificates (AIA, caIssuers).
    `constraints` is None for a certificate without name constraints. `extended_uses` are dotted identifiers,
    None without such an extension. `curve` is the library's name of the key's elliptic curve, None for keys
    of other kinds and those that cannot be read.
    """

    subject_key: bytes
    issuer_key: bytes
    subject_key_identifier: bytes | None
    authority_key_identifier: bytes | None
    has_alternative_name: bool
    dns_names: tuple[str, ...]
    addresses: tuple[IPv4Address | IPv6Address, ...]
    key_uses: frozenset[str] | None
    extended_uses: tuple[str, ...] | None
    has_revocation_list: bool
    revocation_list_urls: tuple[str, ...]
    responder_urls: tuple[str, ...]
    issuer_urls: tuple[str, ...]
    constraints: x509.NameConstraints | None
    alternative_names: tuple[x509.GeneralName, ...]
    subject: x509.Name
    curve: str | None


@lru_cache(_CACHED)
def facts_of(certificate: Certificate) -> Facts:
    """Take the facts out of a certificate; raises `CertificateError` if an extension cannot be read."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    with reading_certificate(certificate.der, certificate.subject) as loaded:
        found = loaded.extensions
        names = _value(found, x509.SubjectAlternativeName)
        subject_identifier = _value(found, x509.SubjectKeyIdentifier)
        authority_identifier = _value(found, x509.AuthorityKeyIdentifier)
        uses = _value(found, x509.KeyUsage)
        extended = _value(found, x509.ExtendedKeyUsage)
        lists = _value(found, x509.CRLDistributionPoints)
        access = _value(found, x509.AuthorityInformationAccess)
        return Facts(
            subject_key=loaded.subject.public_bytes(),
            issuer_key=loaded.issuer.public_bytes(),
            subject_key_identifier=subject_identifier.digest if subject_identifier else None,
            authority_key_identifier=authority_identifier.key_identifier if authority_identifier else None,
            has_alternative_name=names is not None,
            dns_names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
            addresses=_addresses(names),
            key_uses=_key_uses(uses),
            extended_uses=tuple(use.dotted_string for use in extended) if extended is not None else None,
            has_revocation_list=lists is not None,
            revocation_list_urls=_list_urls(lists),
            responder_urls=_access_urls(access, AuthorityInformationAccessOID.OCSP),
            issuer_urls=_access_urls(access, AuthorityInformationAccessOID.CA_ISSUERS),
            constraints=_value(found, x509.NameConstraints),
            alternative_names=tuple(names or ()),
            subject=loaded.subject,
            curve=_curve(loaded),
        )


def _curve(loaded: x509.Certificate) -> str | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    try:
        key = loaded.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None
    return key.curve.name if isinstance(key, EllipticCurvePublicKey) else None


def _value(found: x509.Extensions, kind: type[Value]) -> Value | None:
    from cryptography import x509

    try:
        return found.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _addresses(names: x509.SubjectAlternativeName | None) -> tuple[IPv4Address | IPv6Address, ...]:
    from cryptography import x509

    found = names.get_values_for_type(x509.IPAddress) if names else []
    return tuple(address for address in found if isinstance(address, IPv4Address | IPv6Address))


def _key_uses(uses: x509.KeyUsage | None) -> frozenset[str] | None:
    if uses is None:
        return None
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    ]
    return frozenset(name for name in names if getattr(uses, name))


def _list_urls(lists: x509.CRLDistributionPoints | None) -> tuple[str, ...]:
    from cryptography import x509

    return tuple(
        name.value
        for point in lists or ()
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    )


def _access_urls(
    access: x509.AuthorityInformationAccess | None, method: x509.ObjectIdentifier
) -> tuple[str, ...]:
    from cryptography import x509

    return tuple(
        description.access_location.value
        for description in access or ()
        if description.access_method == method
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    )
