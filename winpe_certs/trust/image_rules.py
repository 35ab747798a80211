"""What the image itself has to say of a chain: Disallowed, limiting properties, odd places."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from winpe_certs.certs.stores import Store
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.chain_rules import in_words
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.copies import counts
from winpe_certs.trust.limits import limit_reasons
from winpe_certs.trust.paths import CertificationPath
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.stores import Held, ImageStores
from winpe_certs.trust.words import listed, named

_ELSEWHERE: Final = (
    "This store is filled by group policy or the enterprise, or by hand: put it right there. This program "
    "changes only the machine's own stores."
)
_PUT_RIGHT: Final = "List the image's certificates to see it, and put it right where it is filled."


def image_reasons(
    path: CertificationPath,
    stores: ImageStores,
    at: datetime,
    remedies: Remedies,
    sent: Collection[bytes],
    comparisons: NameComparisons,
) -> tuple[Reason, ...]:
    """Everything that the stores of the image say of a chain as of a moment.

    `sent` and `comparisons` as in `judge_path`.
    """
    return (
        *_disallowed(path, stores, remedies),
        *_not_ruled_out(path, stores),
        *_damaged_copies(path, stores),
        *_limits(path, stores, at, remedies, comparisons),
        *_places(path, stores, remedies, sent),
    )


def _disallowed(path: CertificationPath, stores: ImageStores, remedies: Remedies) -> Iterator[Reason]:
    for certificate in path.certificates:
        by = stores.distrust.of(certificate)
        if by is None:
            continue
        yield Reason(
            "disallowed",
            Severity.ERROR,
            f"{in_words(path, certificate)} is in {by.place} of this image: Windows refuses it wherever else "
            "it is.",
            "If it was put there by mistake, take it out." if by.may_be_taken_out else _ELSEWHERE,
            command=remedies.remove(certificate, Store.DISALLOWED) if by.may_be_taken_out else (),
        )


def _not_ruled_out(path: CertificationPath, stores: ImageStores) -> Iterator[Reason]:
    """What cannot be read and may distrust a certificate of the chain."""
    places = dict.fromkeys(place for each in path.certificates for place in stores.distrust.doubts(each))
    if places:
        yield Reason(
            "disallowed-unread",
            Severity.WARNING,
            f"This may distrust a certificate of the chain, and cannot be read: {listed(list(places))}. What "
            "Windows makes of it is not documented.",
            _PUT_RIGHT,
            undocumented=True,
        )


def _damaged_copies(path: CertificationPath, stores: ImageStores) -> Iterator[Reason]:
    """Copies that may be the ones that Windows takes, and do not hold what they should."""
    for certificate in path.certificates[1:]:
        is_root = certificate is path.anchor
        for each in stores.damaged_copies_of(certificate):
            if counts(each.store, each.location, is_root=is_root):
                yield Reason(
                    "damaged",
                    Severity.WARNING,
                    f"{in_words(path, certificate)} has another copy in {each.store_place}, which is "
                    "damaged. What Windows makes of that is not documented.",
                    _PUT_RIGHT,
                    undocumented=True,
                )
        for held in stores.copies_of(certificate):
            if held.has_wrong_hash and counts(held.store, held.location, is_root=is_root):
                yield Reason(
                    "wrong-cached-hash",
                    Severity.WARNING,
                    f"{in_words(path, certificate)} is in {held.place} with a wrong SHA-1 among its "
                    "properties. What Windows makes of that is not documented.",
                    "Inject the certificate file itself: that replaces the stored Blob.",
                    undocumented=True,
                )


def limited(path: CertificationPath, stores: ImageStores) -> Iterator[Held]:
    """The places that count for the chain's certificates and hold properties against them.

    Which of several copies Windows takes is not documented, so every one is held against the chain.
    """
    for certificate in path.certificates:
        is_anchor = certificate is path.anchor
        for held in stores.copies_of(certificate):
            is_used = held.is_anchor if is_anchor else held.is_issuer
            if is_used and not held.limits.is_empty:
                yield held


def _limits(
    path: CertificationPath,
    stores: ImageStores,
    at: datetime,
    remedies: Remedies,
    comparisons: NameComparisons,
) -> Iterator[Reason]:
    for held in limited(path, stores):
        role = "root" if held.is_anchor else "intermediate"
        where = f"The {role} {named(held.certificate)} in {held.place}"
        for reason in limit_reasons(held.limits, where, path.leaf, at, comparisons):
            if held.is_the_machines:
                yield remedies.put_in(reason, held.certificate, held.store)
            else:
                yield replace(reason, advice=_ELSEWHERE)


def _places(
    path: CertificationPath, stores: ImageStores, remedies: Remedies, sent: Collection[bytes]
) -> Iterator[Reason]:
    for certificate in path.certificates[1:]:
        is_anchor = certificate is path.anchor
        places = stores.places_of(certificate)
        used = [held for held in places if (held.is_anchor if is_anchor else held.is_issuer)]
        is_needed = is_anchor or certificate.der not in sent
        if used and is_needed and not any(held.is_the_machines for held in used):
            reason = Reason(
                "policy-store",
                Severity.WARNING,
                f"{in_words(path, certificate)} is only in {' and '.join(held.place for held in used)}. "
                "Windows looks there as well; whether Windows PE does so is not documented.",
                "Put it into the machine's own store, as in Microsoft's procedure.",
            )
            yield remedies.put_in(reason, certificate)
        misplaced = [] if is_anchor else [held for held in places if held.is_in_root_store]
        if misplaced:
            is_ours = misplaced[0].is_the_machines
            yield Reason(
                "intermediate-in-root-store",
                Severity.WARNING,
                f"{in_words(path, certificate)} is also in the root store {misplaced[0].place}; "
                "intermediates there are known to break HTTPS.",
                "Take it out of there; it belongs in CA." if is_ours else _ELSEWHERE,
                command=remedies.remove(certificate, misplaced[0].store) if is_ours else (),
            )
