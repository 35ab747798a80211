"""What an audit requires of every image, and what can be said of it before any image is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine
from winpe_certs.findings import Finding, Severity
from winpe_certs.trust.server import ServerChain
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.inputs import Wanted

_ADVICE: Final = {"expired": "Take the new root.", "not-yet-valid": "Check the date of the audit."}
FAILING_DATES: Final = frozenset({*_ADVICE, "expiring"})


@dataclass(frozen=True, slots=True)
class RequiredRoot:
    """A certificate that every image must have; `dates` are findings about its own, all of them errors."""

    wanted: Wanted
    dates: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What every image must meet at a moment: roots that last for so many days, servers that are trusted.

    `codec` is what chunks are decoded with.
    """

    roots: tuple[RequiredRoot, ...]
    servers: tuple[ServerChain, ...]
    days: int
    moment: Moment
    codec: str = "auto"

    def __bool__(self) -> bool:
        """Whether anything is required at all."""
        return bool(self.roots or self.servers)


def required_root(wanted: Wanted, days: int, at: datetime) -> RequiredRoot:
    """The requirement that a certificate is there and lasts for so many days from `at` on."""
    dates = () if wanted.certificate is None else tuple(_dates(wanted.certificate, days, at))
    return RequiredRoot(wanted, dates)


def ends_within(days: int, until: datetime, at: datetime) -> bool:
    """Whether what is valid at a moment is so no longer when the days are over."""
    return timedelta(0) <= until - at < timedelta(days=days)


def _dates(certificate: Certificate, days: int, at: datetime) -> Iterator[Finding]:
    until = certificate.not_after
    if until is not None and ends_within(days, until, at):
        message = f"It expires on {until:%Y-%m-%d}, in {(until - at).days} days; {days} are asked for."
        yield Finding("expiring", Severity.ERROR, message, "Add the new root beside it.")
    for finding in examine(certificate, at):
        if finding.code in _ADVICE:
            yield replace(finding, severity=Severity.ERROR, advice=_ADVICE[finding.code])
