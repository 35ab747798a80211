"""What an image has against a certificate that a copy of it would make present: the same for every command.

The rule is `winpe_certs.trust.copies`; here it becomes findings. An error means that the certificate is not
present beyond doubt, whatever the copy itself is like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from winpe_certs.certs.store_findings import concerning
from winpe_certs.certs.stores import Location
from winpe_certs.findings import Finding, Severity
from winpe_certs.trust.copies import Copy, CopyState, Standing
from winpe_certs.trust.distrust import DistrustedBy
from winpe_certs.trust.words import listed
from winpe_certs.verification.stored import StoredCertificate
from winpe_certs.workflows.describe import DISALLOWED, blob_findings, type_words

_WHICH: Final = "Which of several copies Windows takes is not documented."
_OURS: Final = "Take it out of that store with remove; what is right stays."
_ELSEWHERE: Final = (
    "This store is filled by group policy or the enterprise, or by hand: put it right there, or take every "
    "copy out with remove and --store all, and inject the certificate again."
)


def against(standing: Standing, but: StoredCertificate | None) -> tuple[Finding, ...]:
    """Everything against a certificate but what is wrong with the one copy that is already judged."""
    return (*distrust(standing), *rivals(standing, but))


def distrust(standing: Standing) -> tuple[Finding, ...]:
    """What distrusts the certificate, or may do so."""
    if standing.distrusted_by is not None:
        return (disallowed(standing.distrusted_by),)
    if not standing.doubts:
        return ()
    return (
        Finding(
            "disallowed-unread",
            Severity.ERROR,
            f"This may distrust it, and cannot be read: {listed(list(standing.doubts))}. What Windows makes "
            "of it is not documented.",
            "Put it right where it is filled, or take the image from its source again.",
        ),
    )


def disallowed(by: DistrustedBy) -> Finding:
    """The finding about a certificate that is distrusted."""
    if by.location is Location.MACHINE and by.may_be_taken_out:
        return DISALLOWED
    return replace(
        DISALLOWED,
        message=f"It is in {by.place} as well, so Windows refuses it wherever else it is.",
        advice="This is filled by group policy, the enterprise or an update of Windows, or by hand: put it "
        "right there.",
    )


def rivals(standing: Standing, but: StoredCertificate | None) -> Iterator[Finding]:
    """What is wrong with other copies in stores that count."""
    for copy in standing.counting():
        if copy.stored is not but:
            yield from _of_copy(copy)


def _of_copy(copy: Copy) -> Iterator[Finding]:
    advice = _OURS if copy.stored.location is Location.MACHINE else _ELSEWHERE
    where = f"The copy in {copy.place}"
    if copy.key.blob is None or copy.state is CopyState.DAMAGED:
        why = copy.key.fault or f"{copy.stored.key_name} holds another certificate"
        yield Finding("damaged", Severity.ERROR, f"{where} is damaged: {why}. {_WHICH}", advice)
        return
    limits = [
        found
        for found in concerning(blob_findings(copy.key.blob), copy.stored.store)
        if found.severity is Severity.ERROR
    ]
    for found in limits:
        yield replace(found, message=f"{where}: {found.message} {_WHICH}", advice=advice)
    if not limits:
        yield from oddities([copy])


def oddities(copies: Iterable[Copy]) -> Iterator[Finding]:
    """Remarks about copies that hold the certificate, but not as Windows stores it."""
    for copy in copies:
        if copy.state is CopyState.MISNAMED:
            yield Finding(
                "odd-key-name",
                Severity.WARNING,
                f"The key {copy.stored.key_name} in {copy.place} holds it under a name that is not its "
                "thumbprint. What Windows makes of that is not documented.",
                "Inject the certificate, so that it has a key of its own name.",
            )
        elif copy.state is CopyState.ODD_TYPE and copy.stored.odd_value is not None:
            yield Finding(
                "damaged",
                Severity.WARNING,
                f"The copy in {copy.place} is in a value of the type "
                f"{type_words(copy.stored.odd_value[0])}, not REG_BINARY. What Windows makes of that is not "
                "documented.",
                "Inject the certificate again.",
            )
