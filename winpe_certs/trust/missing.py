"""Why no chain could be built: how far it goes, and what is missing there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.facts import facts_of
from winpe_certs.trust.paths import Issuers, has_issuer_name, is_issuer
from winpe_certs.trust.remedies import Remedies, file_name
from winpe_certs.trust.rules import INVALID_CA
from winpe_certs.trust.stores import Held, ImageStores
from winpe_certs.trust.words import common_name, named, shortened

_LONGEST: Final = 100


def partial_chain(leaf: Certificate, pool: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The chain as far as it goes, the server's certificate first."""
    chain = [leaf]
    seen = {leaf.der}
    issuers = Issuers(pool)
    while not chain[-1].is_self_signed and len(chain) < _LONGEST:
        found = next((each for each in issuers.of(chain[-1]) if each.der not in seen), None)
        if found is None:
            break
        chain.append(found)
        seen.add(found.der)
    return tuple(chain)


def missing_reasons(
    chain: Sequence[Certificate], stores: ImageStores, remedies: Remedies
) -> tuple[Reason, ...]:
    """What to say of the place at which a chain ends without reaching a root of the image."""
    top = chain[-1]
    distrusted = [held for held in stores.distrusted if is_issuer(held.certificate, top)]
    if distrusted and not top.is_self_signed:
        return (_distrusted(distrusted[0], top, remedies),)
    if top.is_self_signed:
        return (_root_missing(top, stores, remedies),)
    return (_issuer_missing(top, stores, remedies),)


def _distrusted(held: Held, child: Certificate, remedies: Remedies) -> Reason:
    return Reason(
        "disallowed",
        Severity.ERROR,
        f"The issuer of {named(child)}, {named(held.certificate)}, stands in {held.place} of this image: "
        "Windows refuses it wherever else it is.",
        "If it was put there by mistake, take it out, and put it into the store for its kind.",
        command=remedies.remove(held.certificate, held.store) if held.is_the_machines else (),
    )


def _root_missing(root: Certificate, stores: ImageStores, remedies: Remedies) -> Reason:
    places = stores.places_of(root)
    if places:
        return _wrong_store(root, places, remedies)
    older = [held for held in stores.held if held.is_anchor and has_issuer_name(held.certificate, root)]
    renewed = (
        f" The image has a root of that name with the thumbprint {older[0].certificate.thumbprint}: another "
        "certificate of the same CA, before or after a renewal."
        if older
        else ""
    )
    return Reason(
        "root-not-in-image",
        Severity.ERROR,
        f"The root {named(root)} ({root.thumbprint}) is not in this image.{renewed}",
        "Put it there, and check the thumbprint with the PKI team.",
        INVALID_CA,
        remedies.inject(root),
    )


def _issuer_missing(top: Certificate, stores: ImageStores, remedies: Remedies) -> Reason:
    issuer = shortened(top.issuer) or "without a name"
    misplaced = [held for held in stores.held if is_issuer(held.certificate, top)]
    if misplaced:
        return _wrong_store(misplaced[0].certificate, misplaced, remedies)
    file = file_name(common_name(top.issuer) or issuer)
    namesakes = [held for held in stores.held if has_issuer_name(held.certificate, top)]
    if namesakes:
        held = namesakes[0]
        return Reason(
            "issuer-has-other-key",
            Severity.ERROR,
            f"The image has a certificate {named(held.certificate)} in {held.place} "
            f"({held.certificate.thumbprint}), but {named(top)} was issued with another key of that CA.",
            "The CA was renewed: put its other certificate into the image as well.",
            INVALID_CA,
            remedies.inject_file(file),
        )
    urls = [url for url in facts_of(top).issuer_urls if url.lower().startswith("http")]
    where = f" {named(top)} names a place to get it: {shortened(urls[0])}" if urls else ""
    return Reason(
        "issuer-missing",
        Severity.ERROR,
        f"The issuer of {named(top)} is not in this image, and the server does not send it: {issuer}.",
        f"Put it into the image; an intermediate should be sent by the server.{where}",
        INVALID_CA,
        remedies.inject_file(file),
    )


def _wrong_store(certificate: Certificate, places: Sequence[Held], remedies: Remedies) -> Reason:
    where = " and ".join(held.place for held in places)
    if certificate.has_broken_signature:
        return Reason(
            "broken-signature",
            Severity.ERROR,
            f"The root {named(certificate)} ({certificate.thumbprint}) in {where} is damaged or forged: its "
            "signature does not fit.",
            "Take it out, and put the right one in; compare the thumbprint with the PKI team's.",
            INVALID_CA,
            remedies.remove(certificate, places[0].store) if places[0].is_the_machines else (),
        )
    kind = "root" if certificate.is_self_signed else "intermediate"
    return Reason(
        "issuer-in-wrong-store",
        Severity.ERROR,
        f"The {kind} {named(certificate)} ({certificate.thumbprint}) stands in {where}: Windows takes no "
        f"{kind}s from there.",
        "Put it into the store for its kind: AuthRoot for a root, CA for an intermediate.",
        INVALID_CA,
        remedies.inject(certificate),
    )
