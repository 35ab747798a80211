"""One chain held against every rule: everything that is against it, not only the first thing.

Names of failures are WinHTTP's, as smsts.log shows them, where they are known; otherwise none is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.findings import Reason, Severity
from winpe_certs.results import Verdict
from winpe_certs.trust.certificate_rules import DATE_INVALID, Role, certificate_reasons
from winpe_certs.trust.chain_rules import chain_reasons, maps_policies, role_of
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.image_rules import image_reasons, limited
from winpe_certs.trust.paths import ERROR_COST, CertificationPath, Signatures
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.revocation import revocation_reasons
from winpe_certs.trust.stores import ImageStores

_SHORT: Final = timedelta(days=365)
_ALWAYS: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class JudgedPath:
    """A chain with everything that is known about it; `valid_from` may be after `valid_until`."""

    path: CertificationPath
    reasons: tuple[Reason, ...]
    valid_from: datetime
    valid_until: datetime

    @property
    def errors(self) -> int:
        """How many reasons speak against it."""
        return sum(reason.severity is Severity.ERROR for reason in self.reasons)

    @property
    def verdict(self) -> Verdict:
        """Whether Windows would accept it."""
        return verdict_of(self.reasons)


def verdict_of(reasons: Collection[Reason]) -> Verdict:
    """The verdict that reasons lead to: one error is a no, and without one what is not documented is open."""
    if any(reason.severity is Severity.ERROR for reason in reasons):
        return Verdict.NOT_TRUSTED
    return Verdict.UNDOCUMENTED if any(each.undocumented for each in reasons) else Verdict.TRUSTED


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all chains of one server are held against, and what was found out for one and serves the others.

    `leaf` is the server's own certificate, `at` an aware datetime, `sent` are the certificates (DER) that the
    server sends.
    """

    leaf: Certificate
    stores: ImageStores
    at: datetime
    remedies: Remedies
    sent: frozenset[bytes]
    comparisons: NameComparisons = field(default_factory=NameComparisons)
    signatures: Signatures = field(default_factory=Signatures)
    costs: dict[bytes, int] = field(default_factory=dict)

    def cost(self, certificate: Certificate) -> int:
        """What speaks against a certificate, whatever chain of this server it is in."""
        known = self.costs.get(certificate.der)
        if known is None:
            known = self.costs[certificate.der] = self._cost(certificate)
        return known

    def _cost(self, certificate: Certificate) -> int:
        role = Role.ROOT if certificate.is_self_signed else Role.INTERMEDIATE
        if certificate is self.leaf:
            role = Role.SERVER
        reasons = [*certificate_reasons(certificate, role, self.at)]
        errors = sum(reason.severity is Severity.ERROR for reason in reasons)
        errors += self.stores.distrust.of(certificate) is not None
        faults = self.comparisons.faults_below(certificate, self.leaf)
        errors += any(fault.is_certain for fault in faults)
        return errors * ERROR_COST + sum(reason.undocumented for reason in reasons) + bool(faults)

    def costs_much(self, certificate: Certificate) -> bool:
        """Whether an error speaks against a certificate, whatever chain of this server it is in."""
        return self.cost(certificate) >= ERROR_COST

    def is_damaged(self, child: Certificate, issuer: Certificate) -> bool:
        """Whether a signature does not fit although the child names the very key that the issuer has."""
        named_key, own_key = child.extensions.authority_key, issuer.extensions.subject_key
        is_named = named_key is not None and own_key is not None and named_key.key == own_key
        return is_named and self.signatures.holds(child, issuer) is False

    def why_no_issuer(self, child: Certificate, issuer: Certificate) -> str:
        """Why a certificate of the right name cannot have issued another, or no longer counts; "" if it can.

        A root at hand has no successor that could be fetched: only its key is looked at.
        """
        if self.signatures.holds(child, issuer) is False:
            return "its key has not signed that"
        if issuer.is_self_signed or not self.costs_much(issuer):
            return ""
        reasons = certificate_reasons(issuer, Role.INTERMEDIATE, self.at)
        return next((each.code for each in reasons if each.severity is Severity.ERROR), "")

    def judge(self, path: CertificationPath) -> JudgedPath:
        """Hold a chain against every rule."""
        begins, expires = _window(path)
        ends = min([expires, *self._disabled(path)])
        own = (
            reason
            for each in path.certificates
            for reason in certificate_reasons(each, role_of(path, each), self.at)
        )
        reasons = [
            *(map(_with_mappings, own) if maps_policies(path) else own),
            *chain_reasons(path, self.signatures, self.comparisons),
            *image_reasons(path, self.stores, self.at, self.remedies, self.sent, self.comparisons),
            *_never_valid(begins, expires),
            *_short_window(begins, ends, self.at),
        ]
        for certificate in path.certificates[:-1]:
            reasons += revocation_reasons(certificate)
        return JudgedPath(path, tuple(reasons), begins, ends)

    def _disabled(self, path: CertificationPath) -> Iterator[datetime]:
        for held in limited(path, self.stores):
            if held.limits.ends is not None:
                yield held.limits.ends


def _with_mappings(reason: Reason) -> Reason:
    """A missing use below a CA that maps application policies: what comes of it is not documented."""
    if reason.code != "no-server-auth" or reason.severity is not Severity.ERROR:
        return reason
    mapped = "A CA of the chain maps application policies; what Windows makes of that is not documented."
    message = f"{reason.message} {mapped}"
    return replace(reason, severity=Severity.WARNING, message=message, undocumented=True)


def _window(path: CertificationPath) -> tuple[datetime, datetime]:
    """From when to when all certificates are valid whose dates can be read."""
    begins = [each.not_before for each in path.certificates if each.not_before is not None]
    ends = [each.not_after for each in path.certificates if each.not_after is not None]
    return max(begins, default=_ALWAYS[0]), min(ends, default=_ALWAYS[1])


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
