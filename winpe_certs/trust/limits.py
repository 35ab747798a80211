"""Properties of a stored certificate that narrow or remove the trust in it, applied to a server and a date.

`winpe_certs.certs.blob.narrowing` says only that they are there. What they mean: 0x09 and 0x54 narrow by use
and by name (seen on Windows by the tests of certinject); 0x68, 0x7A, 0x7E and 0x7F are the "disable", "EKU
removal" and "not before" of the Microsoft root program; 0x13 hides the certificate from enumerations
(CertGetCertificateContextProperty). What Windows makes of a property that cannot be read is not
documented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from winpe_certs.certs.blob import FILETIME, FILETIME_EPOCH, Blob, PropertyId
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError, identifier_list
from winpe_certs.certs.object_identifiers import with_name
from winpe_certs.certs.usages import covers_servers
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.words import listed

Uses = tuple[str, ...] | None

ADVICE = (
    "Start from the certificate file (.cer): it carries no such property, and injecting it replaces the"
    " stored Blob."
)
WRONG_USAGE = "CERT_WRONG_USAGE"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limiting properties of one Blob, each once for every time it occurs.

    A list of uses or a date is None where it cannot be read. `constraints` are the undecoded bytes.
    """

    uses: tuple[Uses, ...] = ()
    taken_uses: tuple[Uses, ...] = ()
    constraints: tuple[bytes, ...] = ()
    disabled_from: tuple[datetime | None, ...] = ()
    not_before: tuple[datetime | None, ...] = ()
    not_before_uses: tuple[Uses, ...] = ()
    is_archived: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no such property at all."""
        return self == Limits()

    @property
    def ends(self) -> datetime | None:
        """The first moment from which property 0x68 disables the certificate, of those that can be read."""
        return min((moment for moment in self.disabled_from if moment is not None), default=None)


def limits_of(blob: Blob) -> Limits:
    """Take the limiting properties out of a Blob."""
    return Limits(
        uses=tuple(map(_uses, blob.all(PropertyId.ENHKEY_USAGE))),
        taken_uses=tuple(map(_uses, blob.all(PropertyId.DISALLOWED_ENHKEY_USAGE))),
        constraints=blob.all(PropertyId.ROOT_PROGRAM_NAME_CONSTRAINTS),
        disabled_from=tuple(map(_moment, blob.all(PropertyId.DISALLOWED_FILETIME))),
        not_before=tuple(map(_moment, blob.all(PropertyId.NOT_BEFORE_FILETIME))),
        not_before_uses=tuple(map(_uses, blob.all(PropertyId.NOT_BEFORE_ENHKEY_USAGE))),
        is_archived=bool(blob.all(PropertyId.ARCHIVED)),
    )


def limit_reasons(
    limits: Limits, where: str, leaf: Certificate, at: datetime, comparisons: NameComparisons
) -> tuple[Reason, ...]:
    """Say which limits keep a server's certificate from being trusted at a moment (an aware datetime).

    `where` names the limited certificate and its store, to begin messages with.
    """
    return (
        *_by_use(limits, where),
        *_by_name(limits, where, leaf, comparisons),
        *_by_date(limits, where, at),
        *_by_date_of_issue(limits, where, leaf),
        *_by_archiving(limits, where),
    )


def _by_use(limits: Limits, where: str) -> Iterator[Reason]:
    for uses in limits.uses:
        if uses is None:
            yield _open("narrowed-eku", f"{where} is limited by property 0x09, which cannot be read.")
        elif not covers_servers(uses):
            yield _error(
                "narrowed-eku",
                f"{where} is limited by property 0x09 to {_list(uses)}: no TLS servers below it.",
                WRONG_USAGE,
            )
    for uses in limits.taken_uses:
        if uses is None:
            yield _open("narrowed-disallowed-eku", f"{where} has property 0x7A, which cannot be read.")
        elif covers_servers(uses):
            yield _error(
                "narrowed-disallowed-eku",
                f"{where} has lost uses by property 0x7A ({_list(uses)}): no TLS servers below it.",
                WRONG_USAGE,
            )


def _by_name(limits: Limits, where: str, leaf: Certificate, comparisons: NameComparisons) -> Iterator[Reason]:
    for der in limits.constraints:
        faults = comparisons.faults_by_property(der, leaf)
        certain = [fault.text for fault in faults if fault.is_certain]
        if certain:
            yield _error(
                "narrowed-names", f"{where} is limited to certain names (property 0x54): {listed(certain)}."
            )
        elif faults:
            texts = listed([fault.text for fault in faults])
            yield _open("narrowed-names", f"{where} is limited to certain names (property 0x54): {texts}.")


def _by_date(limits: Limits, where: str, at: datetime) -> Iterator[Reason]:
    if None in limits.disabled_from:
        yield _open("narrowed-disabled", f"{where} is disabled at an unreadable date (property 0x68).")
    ends = limits.ends
    if ends is None:
        return
    since = f"from {_shown(ends)}"
    if at >= ends:
        yield _error("narrowed-disabled", f"{where} is disabled {since} (property 0x68).")
    else:
        yield Reason(
            "narrowed-disabled",
            Severity.WARNING,
            f"{where} will be disabled {since} (property 0x68).",
            ADVICE,
        )


def _by_date_of_issue(limits: Limits, where: str, leaf: Certificate) -> Iterator[Reason]:
    """Property 0x7E is the date, 0x7F the uses that it is about; without 0x7F it is about all of them."""
    lists = limits.not_before_uses
    if lists and all(uses is not None and not covers_servers(uses) for uses in lists):
        return
    issued = leaf.not_before
    for moment in limits.not_before:
        if moment is None or issued is None or None in lists:
            yield _open(
                "narrowed-not-before",
                f"{where} is not trusted for certificates issued after a date (properties 0x7E and "
                "0x7F), and a date or list of uses cannot be read.",
            )
        elif issued > moment:
            yield _error(
                "narrowed-not-before",
                f"{where} is not trusted for certificates issued after {_shown(moment)} (properties 0x7E and"
                f" 0x7F); the server's is valid from {_shown(issued)}.",
            )


def _by_archiving(limits: Limits, where: str) -> Iterator[Reason]:
    if limits.is_archived:
        yield _error("narrowed-archived", f"{where} is marked as archived (property 0x13): Windows skips it.")


def _error(code: str, message: str, winhttp: str = "") -> Reason:
    return Reason(code, Severity.ERROR, message, ADVICE, winhttp=winhttp)


def _open(code: str, message: str) -> Reason:
    """A limit that cannot be read: what Windows makes of it is not documented."""
    text = f"{message} What Windows makes of that is not documented."
    return Reason(code, Severity.WARNING, text, ADVICE, undocumented=True)


def _uses(data: bytes) -> Uses:
    try:
        return identifier_list(data)
    except DerError:
        return None


def _moment(data: bytes) -> datetime | None:
    """A FILETIME: hundreds of nanoseconds since 1601; None beyond the year 9999 too."""
    if len(data) != FILETIME.size:
        return None
    ticks: int = FILETIME.unpack(data)[0]
    try:
        return FILETIME_EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _list(uses: Uses) -> str:
    if uses is None:
        return "an unreadable list of uses"
    return listed([with_name(each) for each in uses]) or "no use at all"
