"""What is wrong or risky about a certificate for a boot image, with advice for an OSD engineer.

Codes are a contract: ``--allow CODE`` lets a refused certificate through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.usages import covers_servers
from winpe_certs.findings import Finding, Severity

EXPIRES_SOON = timedelta(days=90)
SMALLEST_RSA_KEY = 2048
WEAK_HASHES = frozenset({"md5", "sha1"})


def examine(certificate: Certificate, at: datetime) -> tuple[Finding, ...]:
    """Look a certificate over as it stands at a moment (an aware datetime); errors come first."""
    found = [
        *_role(certificate),
        *_validity(certificate, at),
        *_strength(certificate),
        *_limits(certificate),
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.ERROR))


def refusals(findings: Iterable[Finding], allowed: Collection[str]) -> tuple[Finding, ...]:
    """The findings that refuse injection: errors whose code has not been allowed."""
    return tuple(
        finding for finding in findings if finding.severity is Severity.ERROR and finding.code not in allowed
    )


def _role(certificate: Certificate) -> Iterator[Finding]:
    if not certificate.is_ca:
        yield Finding(
            "not-a-ca",
            Severity.ERROR,
            "This is not a certificate authority: Windows builds no chain below it.",
            "Give the root at the top of the server's chain (Certification Path tab), not the"
            " server's certificate.",
        )
    elif certificate.key_usage_cert_sign is False:
        yield Finding(
            "no-cert-sign",
            Severity.WARNING,
            "Its key usage does not include certificate signing, although it calls itself a CA.",
            "Check with the PKI team that this is the certificate which signs the chain.",
        )
    if certificate.has_broken_signature:
        yield Finding(
            "broken-signature",
            Severity.ERROR,
            "Its signature does not fit its content: the certificate is damaged or forged.",
            "Export it again from the CA, and compare the thumbprint with the one the PKI team publishes.",
        )
    elif certificate.is_ca and not certificate.is_self_signed:
        why = "signed by another key under the same name" if certificate.is_self_issued else "an intermediate"
        yield Finding(
            "not-self-signed",
            Severity.WARNING,
            f"This is no root: it is {why} (issuer {certificate.issuer or 'without name'}).",
            "It belongs in the store CA; in a root store it breaks HTTPS. Windows PE needs its root as well.",
        )


def _validity(certificate: Certificate, at: datetime) -> Iterator[Finding]:
    if certificate.not_after < at:
        yield Finding(
            "expired",
            Severity.ERROR,
            f"It expired on {certificate.not_after:%Y-%m-%d}.",
            "Take the renewed root. Windows PE would end with CERT_DATE_INVALID or INVALID_CA in smsts.log.",
        )
    elif certificate.not_after - at <= EXPIRES_SOON:
        yield Finding(
            "expires-soon",
            Severity.WARNING,
            f"It expires on {certificate.not_after:%Y-%m-%d}, in {(certificate.not_after - at).days} days.",
            "Boot media made with it stop working that day: plan new media, or add the renewed root"
            " beside it.",
        )
    if at < certificate.not_before:
        yield Finding(
            "not-yet-valid",
            Severity.WARNING,
            f"It is valid only from {certificate.not_before:%Y-%m-%d}.",
            "Check this computer's clock. Windows PE starts with the firmware's clock, which may be"
            " behind as well.",
        )


def _strength(certificate: Certificate) -> Iterator[Finding]:
    bits = certificate.key_bits
    if certificate.key_kind in ("RSA", "DSA") and bits is not None and bits < SMALLEST_RSA_KEY:
        yield Finding(
            "weak-key",
            Severity.WARNING,
            f"Its {certificate.key_kind} key has only {bits} bits.",
            "Windows refuses RSA keys below 1024 bits, and policies may refuse those below 2048:"
            " renew the CA.",
        )
    if not certificate.is_self_signed and certificate.signature_hash in WEAK_HASHES:
        yield Finding(
            "weak-signature",
            Severity.WARNING,
            f"It is signed with {certificate.signature_hash.upper() if certificate.signature_hash else ''}.",
            "Windows refuses such signatures in TLS chains: have the CA's certificate renewed with SHA-256.",
        )


def _limits(certificate: Certificate) -> Iterator[Finding]:
    if certificate.critical_name_constraints:
        yield Finding(
            "critical-name-constraints",
            Severity.WARNING,
            "It is limited to certain names (critical name constraints).",
            "Make sure that the names of the CMG and the management points are among them.",
        )
    usages = certificate.extended_key_usage
    if usages is not None and not covers_servers(usages):
        yield Finding(
            "no-server-auth",
            Severity.WARNING,
            "Its extended key usage does not include server authentication.",
            "HTTPS below it fails with CERT_WRONG_USAGE: ask the PKI team for the CA that issues"
            " server certificates.",
        )
