"""Certificates for the trust rules, with just the names, constraints and addresses that a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests.unit.certs import making
from winpe_certs.certs.certificate import Certificate

dns = x509.DNSName
mail = x509.RFC822Name._init_without_validation  # the constructor refuses what certificates may hold
uri = x509.UniformResourceIdentifier


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_address(text))


def network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_network(text))


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """A distinguished name of single-valued parts, the most general first."""
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def common(text: str) -> x509.Name:
    return name((NameOID.COMMON_NAME, text)) if text else x509.Name([])


def make(
    subject: str | x509.Name = "cmg.contoso.com",
    issuer: str | x509.Name | None = None,
    *,
    names: Sequence[str | x509.GeneralName] | None = None,
    lists: Sequence[str | x509.DistributionPoint] | None = None,
    responders: Sequence[str] = (),
    constraints: x509.NameConstraints | None = None,
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    signer: ec.EllipticCurvePrivateKey | None = None,
    begin: datetime = making.BEGIN,
    end: datetime = making.END,
    serial: int = 0x0ABCDEF,
) -> Certificate:
    """A certificate; text stands for a common name, a DNS name or the URL of a distribution point.

    Without `names` or `lists` (None) there is no such extension. Self-signed unless an issuer is given.
    """
    own = key or making.ec_key()
    subject_name = common(subject) if isinstance(subject, str) else subject
    issuer_name = common(issuer) if isinstance(issuer, str) else issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(issuer_name or subject_name)
        .public_key(own.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names is not None:
        general = [x509.DNSName(each) if isinstance(each, str) else each for each in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    if lists is not None:
        points = [point(url) if isinstance(url, str) else url for url in lists]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    if responders:
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
            for url in responders
        ]
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    made = builder.sign(signer or own, hashes.SHA256())
    return Certificate.from_der(made.public_bytes(serialization.Encoding.DER), "test.cer")


def point(*urls: str) -> x509.DistributionPoint:
    """One distribution point with its URLs."""
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url) for url in urls], None, None, None)


def permitting(*bases: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(list(bases), None)


def excluding(*bases: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(None, list(bases))
