"""What is wrong or risky about a certificate for a boot image, with advice for an OSD engineer.

Codes are a contract: ``--allow CODE`` lets a refused certificate through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import BASIC_CONSTRAINTS, NAMES
from winpe_certs.certs.keys import RSA, RSA_PSS
from winpe_certs.certs.usages import ServerUse, deciding_list, server_use
from winpe_certs.findings import Finding, Severity

EXPIRES_SOON = timedelta(days=90)
SMALLEST_RSA_KEY = 2048
WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1"})
_MODULAR_KEYS = frozenset({RSA, RSA_PSS, "DSA"})


def examine(certificate: Certificate, at: datetime) -> tuple[Finding, ...]:
    """Look a certificate over as it is at a moment (an aware datetime); errors come first."""
    if certificate.fault:
        return (_unreadable(certificate),)
    found = [
        *_role(certificate),
        *_signature(certificate),
        *_validity(certificate, at),
        *_strength(certificate),
        *_limits(certificate),
        *_encoding(certificate),
        *certificate.remarks,
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.ERROR))


def refusals(findings: Iterable[Finding], allowed: Collection[str]) -> tuple[Finding, ...]:
    """The findings that refuse injection: errors whose code has not been allowed."""
    return tuple(
        finding for finding in findings if finding.severity is Severity.ERROR and finding.code not in allowed
    )


def _unreadable(certificate: Certificate) -> Finding:
    return Finding(
        "unreadable",
        Severity.ERROR,
        f"It cannot be read as an X.509 certificate: {certificate.fault}.",
        "Windows stores a certificate by its bytes and their SHA-1. Compare the thumbprint with the one the "
        "PKI team publishes before you let it in.",
    )


def _role(certificate: Certificate) -> Iterator[Finding]:
    if not certificate.is_ca:
        # Unreadable basic constraints say neither yes nor no; a remark names them.
        if NAMES[BASIC_CONSTRAINTS] not in certificate.unread_parts:
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
    elif lacks_basic_constraints(certificate):
        yield Finding(
            "no-basic-constraints",
            Severity.WARNING,
            "It is a root of version 3 without basic constraints, so nothing in it says that it is a CA.",
            "Windows builds chains below such roots (Microsoft Root Authority is one); other systems refuse "
            "them. Ask for basic constraints when the root is renewed.",
        )
    if certificate.is_ca and not certificate.is_self_signed and not certificate.has_broken_signature:
        why = "signed by another key under the same name" if certificate.is_self_issued else "an intermediate"
        yield Finding(
            "not-self-signed",
            Severity.WARNING,
            f"This is no root: it is {why} (issuer {certificate.issuer or 'without name'}).",
            "It belongs in the store CA; in a root store it breaks HTTPS. Windows PE needs its root as well.",
        )


def lacks_basic_constraints(certificate: Certificate) -> bool:
    """Whether nothing in a root of version 3 says that it is a CA, neither constraints nor key usage."""
    return (
        certificate.is_self_signed
        and certificate.version == 3
        and not certificate.has_basic_constraints
        and certificate.extensions.key_uses is None
    )


def _signature(certificate: Certificate) -> Iterator[Finding]:
    if certificate.has_odd_signature:
        yield Finding(
            "programme-signature",
            Severity.WARNING,
            "Its own signature does not verify, but its bytes are those of a root in Microsoft's list.",
            "Windows knows a root by its bytes. Compare the thumbprint with Microsoft's list.",
        )


def _broken_signature(certificate: Certificate, *, is_over: bool) -> Iterator[Finding]:
    if not certificate.has_broken_signature:
        return
    if is_over:
        yield Finding(
            "broken-signature",
            Severity.WARNING,
            "Its own signature does not verify.",
            "It has expired as well. Take the renewed root.",
        )
    else:
        yield Finding(
            "broken-signature",
            Severity.ERROR,
            "Its signature does not fit its content: the certificate is damaged or forged.",
            "Export it again from the CA, and compare the thumbprint with the one the PKI team publishes.",
        )


def _validity(certificate: Certificate, at: datetime) -> Iterator[Finding]:
    begins, ends = certificate.not_before, certificate.not_after
    if begins is None or ends is None:
        yield from _broken_signature(certificate, is_over=False)
        return
    yield from _broken_signature(certificate, is_over=ends < at)
    if ends < at:
        yield Finding(
            "expired",
            Severity.ERROR,
            f"It expired on {ends:%Y-%m-%d}.",
            "Take the renewed root. Windows PE would end with CERT_DATE_INVALID or INVALID_CA in smsts.log.",
        )
    elif ends - at <= EXPIRES_SOON:
        yield Finding(
            "expires-soon",
            Severity.WARNING,
            f"It expires on {ends:%Y-%m-%d}, in {(ends - at).days} days.",
            "Boot media made with it stop working that day: plan new media, or add the renewed root"
            " beside it.",
        )
    if at < begins:
        yield Finding(
            "not-yet-valid",
            Severity.WARNING,
            f"It is valid only from {begins:%Y-%m-%d}.",
            "Check this computer's clock. Windows PE starts with the firmware's clock, which may be"
            " behind as well.",
        )


def _encoding(certificate: Certificate) -> Iterator[Finding]:
    """A root whose two names are the same only when their encoding is not looked at."""
    if certificate.is_self_issued and certificate.subject_name.der != certificate.issuer_name.der:
        yield Finding(
            "name-encoding-differs",
            Severity.WARNING,
            "Its issuer and its subject are one name in two encodings (string type, case or blanks).",
            "Windows compares names byte for byte in places. Have it issued again with one encoding.",
        )


def _strength(certificate: Certificate) -> Iterator[Finding]:
    bits = certificate.key_bits
    if certificate.key_kind in _MODULAR_KEYS and bits is not None and bits < SMALLEST_RSA_KEY:
        yield Finding(
            "weak-key",
            Severity.WARNING,
            f"Its {certificate.key_kind} key has only {bits} bits.",
            "Windows refuses RSA keys below 1024 bits, and policies may refuse those below 2048:"
            " renew the CA.",
        )
    if certificate.key_kind == RSA_PSS or (certificate.key.curve or "").startswith("brainpool"):
        yield Finding(
            "undocumented-key",
            Severity.WARNING,
            f"Its key is of the kind {certificate.key_words}. Whether TLS in Windows takes chains with such "
            "a key is not documented.",
            "Ask the PKI team for a CA with an RSA key, or an EC key on P-256 or P-384.",
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
    if server_use(certificate.extensions) is ServerUse.NO:
        yield Finding(
            "no-server-auth",
            Severity.WARNING,
            f"Its {deciding_list(certificate.extensions)} do not include server authentication.",
            "HTTPS below it fails with CERT_WRONG_USAGE: ask the PKI team for the CA that issues"
            " server certificates.",
        )
