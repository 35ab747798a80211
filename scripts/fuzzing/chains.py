"""Certificates to begin with for the targets that judge servers: chains with every extension that counts.

All are signed by one key of the test PKI, so that `scripts.fuzzing.seals.seal_chain` can sign a changed one
again. Nothing in them comes from chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    CertificatePoliciesOID,
    ExtendedKeyUsageOID,
    NameOID,
)

from scripts.fuzzing.seals import CHAIN_KEY
from scripts.testdata import pki

Extension = tuple[x509.ExtensionType, bool]

_ROOT: Final = "Contoso Root"
_ISSUING: Final = "Contoso Issuing"
_SERVER: Final = "cmg.contoso.example"


@cache
def rich_leaf() -> bytes:
    """A server's certificate with a name of every kind, and places for revocation and for its issuer."""
    directory = _name("in a directory")
    names: list[x509.GeneralName] = [
        x509.DNSName(_SERVER),
        x509.DNSName("*.contoso.example"),
        x509.IPAddress(ip_address("192.0.2.10")),
        x509.IPAddress(ip_address("2001:db8::1")),
        x509.RFC822Name("pki@contoso.example"),
        x509.UniformResourceIdentifier("https://cmg.contoso.example/path"),
        x509.DirectoryName(directory),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
    ]
    lists = [
        x509.UniformResourceIdentifier("http://pki.contoso.example/issuing.crl"),
        x509.UniformResourceIdentifier("ldap:///CN=Contoso?certificateRevocationList"),
        x509.DirectoryName(directory),
    ]
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(f"http://pki.contoso.example/{path}"))
        for method, path in (
            (AuthorityInformationAccessOID.OCSP, "ocsp"),
            (AuthorityInformationAccessOID.CA_ISSUERS, "issuing.cer"),
        )
    ]
    return _made(
        _SERVER,
        _ISSUING,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            _uses("digital_signature", "key_encipherment"),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(names), False),
            (x509.CRLDistributionPoints([x509.DistributionPoint(lists, None, None, None)]), False),
            (x509.AuthorityInformationAccess(access), False),
            _policies(),
        ],
    )


@cache
def issuing_ca() -> bytes:
    """An intermediate that is limited to names of every kind."""
    permitted = [
        x509.DNSName("contoso.example"),
        x509.IPAddress(ip_network("192.0.2.0/24")),
        x509.IPAddress(ip_network("2001:db8::/32")),
        x509.RFC822Name("contoso.example"),
        x509.UniformResourceIdentifier(".contoso.example"),
        x509.DirectoryName(x509.Name([])),
    ]
    return _made(
        _ISSUING,
        _ROOT,
        [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            _uses("key_cert_sign", "crl_sign"),
            (x509.NameConstraints(permitted, [x509.DNSName("evil.contoso.example")]), True),
            _policies(),
            (x509.PolicyConstraints(1, 1), True),
            (x509.InhibitAnyPolicy(3), True),
        ],
    )


@cache
def root_ca() -> bytes:
    """A root."""
    return _made(
        _ROOT,
        _ROOT,
        [(x509.BasicConstraints(ca=True, path_length=2), True), _uses("key_cert_sign", "crl_sign")],
    )


@cache
def bare_constraints() -> tuple[bytes, ...]:
    """Name constraints alone, as property 0x54 holds them."""
    made = x509.load_der_x509_certificate(issuing_ca())
    full = made.extensions.get_extension_for_class(x509.NameConstraints).value
    some = x509.NameConstraints(None, [x509.DNSName(""), x509.IPAddress(ip_network("0.0.0.0/0"))])
    return full.public_bytes(), some.public_bytes()


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _uses(*names: str) -> Extension:
    everything = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{use: use in names for use in everything.split()}), True


def _policies() -> Extension:
    qualified = x509.PolicyInformation(
        x509.ObjectIdentifier("2.23.140.1.2.2"),
        ["http://pki.contoso.example/cps", x509.UserNotice(None, "a notice")],
    )
    return x509.CertificatePolicies(
        [x509.PolicyInformation(CertificatePoliciesOID.ANY_POLICY, None), qualified]
    ), False


def _made(subject: str, issuer: str, extensions: Sequence[Extension]) -> bytes:
    key = pki.private_key(CHAIN_KEY)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(len(subject) + 0x100)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2045, 1, 1, tzinfo=UTC))
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)
