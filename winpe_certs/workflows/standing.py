"""What an image has against a certificate that a copy of it would make present: the same for every command.

The rule is `winpe_certs.trust.copies`; here it becomes findings. An error means that the certificate is not
present beyond doubt, whatever the copy itself is like.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from winpe_certs.certs.store_findings import concerning
from winpe_certs.certs.stores import Location, Store
from winpe_certs.command_lines import PROGRAM
from winpe_certs.findings import Finding, Severity
from winpe_certs.trust.copies import Copy, CopyState, Standing
from winpe_certs.trust.distrust import DistrustedBy
from winpe_certs.trust.words import listed
from winpe_certs.verification.stored import StoredCertificate
from winpe_certs.workflows.describe import DISALLOWED, blob_findings, type_words

_WHICH: Final = "Which of several copies Windows takes is not documented."
_ELSEWHERE: Final = (
    "This store is filled by group policy or the enterprise, or by hand: put it right there, or take every "
    "copy out with remove and --store all, and inject the certificate again."
)


@dataclass(frozen=True, slots=True)
class Ways:
    """Makes command lines that take a certificate out of stores of an image; `image` are the words for it.

    Without words there are no command lines: an image in an .iso is changed by none.
    """

    image: tuple[str, ...] = ()

    def out_of(self, store: str, standing: Standing) -> tuple[str, ...]:
        """The command that takes it out of one store of the machine."""
        if not self.image:
            return ()
        return (PROGRAM, "remove", *self.image, "--thumbprint", standing.thumbprint, "--store", str(store))


def distrust(standing: Standing, ways: Ways) -> tuple[Finding, ...]:
    """What distrusts the certificate, or may do so."""
    by = standing.distrusted_by
    if by is not None:
        command = ways.out_of(Store.DISALLOWED, standing) if by.may_be_taken_out else ()
        return (replace(disallowed(by), command=command),)
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
    if by.may_be_taken_out:
        return DISALLOWED
    return replace(
        DISALLOWED,
        message=f"It is in {by.place} as well, so Windows refuses it wherever else it is.",
        advice="This is filled by group policy, the enterprise or an update of Windows, or by hand: put it "
        "right there.",
    )


def rivals(standing: Standing, but: Collection[StoredCertificate], ways: Ways) -> Iterator[Finding]:
    """What is wrong with copies in stores that count, but for some that are judged elsewhere."""
    judged = {id(each) for each in but}
    for copy in standing.counting():
        if id(copy.stored) not in judged:
            yield from _of_copy(copy, standing, ways)


def _of_copy(copy: Copy, standing: Standing, ways: Ways) -> Iterator[Finding]:
    store = copy.stored.store
    is_ours = copy.stored.location is Location.MACHINE
    advice = f"Take it out with remove and --store {store}, then inject the certificate again."
    advice = advice if is_ours else _ELSEWHERE
    command = ways.out_of(store, standing) if is_ours else ()
    where = f"The copy in {copy.place}"
    if copy.key.blob is None or copy.state is CopyState.DAMAGED:
        why = copy.key.fault or f"{copy.stored.key_name} holds another certificate"
        message = f"{where} is damaged: {why}. {_WHICH}"
        yield Finding("damaged", Severity.ERROR, message, advice, command)
        return
    limits = [
        found for found in concerning(blob_findings(copy.key.blob), store) if found.severity is Severity.ERROR
    ]
    for found in limits:
        yield replace(found, message=f"{where}: {found.message} {_WHICH}", advice=advice, command=command)
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
