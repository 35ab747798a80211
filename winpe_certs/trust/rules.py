"""The rules for one chain: everything that is against it, not only the first thing.

Signatures and the like are judged by a library (`winpe_certs.trust.paths`); here is what Windows adds or sees
otherwise: nested extended key usages, key sizes, hashes, dates of roots too, properties, Disallowed.
Names of failures are WinHTTP's, as smsts.log shows them, where they are known; otherwise none is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from winpe_certs.certs.usages import covers_servers
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.facts import facts_of
from winpe_certs.trust.image_rules import image_reasons, limited, role_of
from winpe_certs.trust.paths import CertificationPath, fault_of
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.revocation import revocation_reasons
from winpe_certs.trust.stores import ImageStores
from winpe_certs.trust.words import listed, named

INVALID_CA: Final = "INVALID_CA"
DATE_INVALID: Final = "CERT_DATE_INVALID"
WRONG_USAGE: Final = "CERT_WRONG_USAGE"

_SHORT: Final = timedelta(days=365)
_REFUSED_RSA: Final = 1024
_WEAK_RSA: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_BROKEN_HASHES: Final = frozenset({"md5", "md4", "md2"})
_SERVER_USES: Final = frozenset({"digital_signature", "key_encipherment", "key_agreement"})


@dataclass(frozen=True, slots=True)
class JudgedPath:
    """A chain with all that there is to say of it; `valid_from` may lie behind `valid_until`."""

    path: CertificationPath
    reasons: tuple[Reason, ...]
    valid_from: datetime
    valid_until: datetime

    @property
    def errors(self) -> int:
        """How many reasons speak against it."""
        return sum(reason.severity is Severity.ERROR for reason in self.reasons)

    @property
    def holds(self) -> bool:
        """Whether Windows would accept it."""
        return not self.errors


def judge_path(
    path: CertificationPath,
    stores: ImageStores,
    at: datetime,
    remedies: Remedies,
    sent: Collection[bytes],
    comparisons: NameComparisons,
) -> JudgedPath:
    """Hold a chain against every rule, as of a moment (an aware datetime).

    `sent` are the certificates (DER) that the server sends; `comparisons` are those of all its chains.
    """
    begins = max(each.not_before for each in path.certificates)
    expires = min(each.not_after for each in path.certificates)
    disabled = [end for held in limited(path, stores) if (end := held.limits.ends) is not None]
    ends = min([expires, *disabled])
    reasons = [
        *_dates(path, at),
        *_structure(path),
        *_uses(path),
        *_strength(path),
        *_constraints(path, comparisons),
        *image_reasons(path, stores, at, remedies, sent, comparisons),
        *_never_valid(begins, expires),
        *_short_window(begins, ends, at),
    ]
    for certificate in path.certificates[:-1]:
        reasons += revocation_reasons(certificate, facts_of(certificate))
    return JudgedPath(path, tuple(reasons), begins, ends)


def _dates(path: CertificationPath, at: datetime) -> Iterator[Reason]:
    for certificate in path.certificates:
        who = role_of(path, certificate)
        if certificate.not_after < at:
            yield Reason(
                "expired",
                Severity.ERROR,
                f"{who} expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
                "Have it renewed; if this date is not the real one, correct the clock of the computer.",
                DATE_INVALID,
            )
        elif at < certificate.not_before:
            yield Reason(
                "not-yet-valid",
                Severity.ERROR,
                f"{who} is valid only from {certificate.not_before:%Y-%m-%d %H:%M} UTC.",
                "Windows PE starts with the clock of the firmware: set it right (in Windows PE: date, time).",
                DATE_INVALID,
            )


def _structure(path: CertificationPath) -> Iterator[Reason]:
    for certificate in path.certificates[1:]:
        who = role_of(path, certificate)
        if not certificate.is_ca:
            yield Reason(
                "not-a-ca",
                Severity.ERROR,
                f"{who} is no certificate authority (basic constraints), yet it issued another one.",
                "Have the PKI team check the chain.",
                INVALID_CA,
            )
        elif certificate.key_usage_cert_sign is False:
            yield Reason(
                "no-cert-sign",
                Severity.ERROR,
                f"{who} may not sign certificates: its key usage lacks it.",
                "Have the PKI team check the chain.",
            )
    fault = fault_of(path)
    if fault is not None:
        yield Reason(
            "invalid-chain",
            Severity.ERROR,
            f"The chain does not hold: {fault}",
            "Have the PKI team check the chain; save it again from the server if the file may be damaged.",
        )


def _uses(path: CertificationPath) -> Iterator[Reason]:
    """Windows nests extended key usages: a use must be allowed by every certificate of the chain."""
    for certificate in path.certificates:
        uses = certificate.extended_key_usage
        if uses is not None and not covers_servers(uses):
            yield Reason(
                "no-server-auth",
                Severity.ERROR,
                f"{role_of(path, certificate)} is not for server authentication (extended key usage).",
                "Have it issued from a template with server authentication (1.3.6.1.5.5.7.3.1).",
                WRONG_USAGE,
            )
    key_uses = facts_of(path.leaf).key_uses
    if key_uses is not None and not key_uses & _SERVER_USES:
        yield Reason(
            "wrong-key-usage",
            Severity.ERROR,
            f"{role_of(path, path.leaf)} has a key usage that no TLS server can work with.",
            "Have it issued with digital signature and key encipherment.",
            WRONG_USAGE,
        )


def _strength(path: CertificationPath) -> Iterator[Reason]:
    for certificate in path.certificates:
        who = role_of(path, certificate)
        bits, curve = certificate.key_bits, facts_of(certificate).curve
        if certificate.key_kind == "RSA" and bits is not None:
            if bits < _WEAK_RSA:
                yield Reason(
                    "weak-key",
                    Severity.ERROR if bits < _REFUSED_RSA else Severity.WARNING,
                    f"{who} has a key of only {bits} bits.",
                    "Windows refuses RSA keys below 1024 bits (KB 2661254); renew it with 2048 or more.",
                )
        elif curve not in _CURVES:
            what = f"of the kind {certificate.key_kind}{f', {curve}' if curve else ''}"
            yield Reason(
                "unknown-key",
                Severity.ERROR,
                f"{who} has a key {what}. TLS in Windows is known to work with RSA and with EC on P-256, "
                "P-384 and P-521.",
                "Have it issued with one of these.",
            )
    for certificate in path.certificates[:-1]:
        used_hash = certificate.signature_hash
        if used_hash in _BROKEN_HASHES:
            yield Reason(
                "weak-signature",
                Severity.ERROR,
                f"{role_of(path, certificate)} is signed with {used_hash.upper()}, which can be forged.",
                "Have it issued again with SHA-256.",
            )
        elif used_hash == "sha1":
            yield Reason(
                "weak-signature",
                Severity.WARNING,
                f"{role_of(path, certificate)} is signed with SHA-1. By Microsoft's plan Windows refuses "
                "that below public roots only; Configuration Manager's documentation calls it not trusted.",
                "Have it issued again with SHA-256.",
            )


def _constraints(path: CertificationPath, comparisons: NameComparisons) -> Iterator[Reason]:
    """A CA's name constraints hold for everything below it but self-issued CAs (RFC 5280 section 6.1.4)."""
    for position, authority in enumerate(path.certificates[1:], start=1):
        for certificate in path.certificates[:position]:
            if certificate.is_self_issued and certificate is not path.leaf:
                continue
            faults = comparisons.faults_below(authority, certificate)
            if faults:
                yield Reason(
                    "name-constraints",
                    Severity.ERROR,
                    f"{role_of(path, authority)} may not issue for names of {named(certificate)}: "
                    + listed(faults),
                    "Use a server name that the CA is allowed to issue for, or another CA.",
                )


def _never_valid(begins: datetime, ends: datetime) -> Iterator[Reason]:
    if begins > ends:
        yield Reason(
            "never-valid",
            Severity.ERROR,
            f"At no time is the whole chain valid: a part begins on {begins:%Y-%m-%d}, another ends on "
            f"{ends:%Y-%m-%d}.",
            "Have the expired part renewed.",
            DATE_INVALID,
        )


def _short_window(begins: datetime, ends: datetime, at: datetime) -> Iterator[Reason]:
    if begins <= at <= ends and ends - at < _SHORT:
        yield Reason(
            "validity-short",
            Severity.WARNING,
            f"The whole chain is valid only until {ends:%Y-%m-%d}, {(ends - at).days} days after "
            f"{at:%Y-%m-%d}.",
            "Renew in time; a computer whose firmware has another year starts Windows PE outside of it.",
            DATE_INVALID,
        )
