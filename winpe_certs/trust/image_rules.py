"""What the image itself has to say of a chain: Disallowed, limiting properties, odd places."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.chain_rules import in_words
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.limits import limit_reasons
from winpe_certs.trust.paths import CertificationPath
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.stores import Held, ImageStores
from winpe_certs.trust.words import named

_ELSEWHERE: Final = (
    "This store is filled by group policy or the enterprise, or by hand: put it right there. This program "
    "changes only the machine's own stores."
)


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
        *_limits(path, stores, at, remedies, comparisons),
        *_places(path, stores, remedies, sent),
    )


def _disallowed(path: CertificationPath, stores: ImageStores, remedies: Remedies) -> Iterator[Reason]:
    for certificate in path.certificates:
        if certificate.thumbprint not in stores.disallowed:
            continue
        key_name, location = stores.disallowed[certificate.thumbprint]
        is_ours = location is Location.MACHINE and key_name.upper() == certificate.thumbprint
        yield Reason(
            "disallowed",
            Severity.ERROR,
            f"{in_words(path, certificate)} is in {place_in_words(Store.DISALLOWED, location)} of this "
            f"image (key {key_name}): Windows refuses it wherever else it is.",
            "If it was put there by mistake, take it out." if is_ours else _ELSEWHERE,
            command=remedies.remove(certificate, Store.DISALLOWED) if is_ours else (),
        )


def limited(path: CertificationPath, stores: ImageStores) -> Iterator[Held]:
    """The places that count for the chain's certificates and hold properties against them.

    Which of several copies Windows takes is not documented, so every one is held against the chain.
    """
    for certificate in path.certificates:
        is_anchor = certificate is path.anchor
        for held in stores.places_of(certificate):
            counts = held.is_anchor if is_anchor else held.is_issuer
            if counts and not held.limits.is_empty:
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
