"""Why no chain could be built: how far it goes, and what is missing there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import AUTHORITY_ACCESS, NAMES
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.certificate_rules import INVALID_CA
from winpe_certs.trust.issuers import Issuers, Match, has_issuer_name, is_issuer, match
from winpe_certs.trust.paths import Signatures
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.rules import Judgement
from winpe_certs.trust.stores import Held, ImageStores, has_name_of_issuer
from winpe_certs.trust.words import named, shortened

_LONGEST_CHAIN: Final = 2_000


def partial_chain(leaf: Certificate, issuers: Issuers, signatures: Signatures) -> tuple[Certificate, ...]:
    """The chain as far as it goes, the server's certificate first, with sound signatures where it can."""
    chain = [leaf]
    seen = {leaf.der}
    while not chain[-1].is_self_signed and len(chain) < _LONGEST_CHAIN:
        child = chain[-1]
        found = [each for each in issuers.of(child) if each.der not in seen]
        if not found:
            break
        best = next((each for each in found if signatures.holds(child, each)), found[0])
        chain.append(best)
        seen.add(best.der)
    return tuple(chain)


def missing_reasons(
    chain: Sequence[Certificate],
    issuers: Issuers,
    judgement: Judgement,
    unread_sent: Sequence[Certificate],
) -> tuple[Reason, ...]:
    """Say why a chain ends without reaching a root of the image.

    `issuers` are those that it was built with, `unread_sent` what the server sends and nobody can read.
    """
    top, stores, remedies = chain[-1], judgement.stores, judgement.remedies
    distrusted = [held for held in stores.distrusted if is_issuer(held.certificate, top)]
    if distrusted and not top.is_self_signed:
        return (_distrusted(distrusted[0], top, remedies),)
    unread = [each.place for each in stores.unreadable if each.may_be_issuer_of(top)]
    unread += [f"{each.thumbprint}, sent" for each in unread_sent if has_name_of_issuer(each.der, top)]
    if unread and not top.is_self_signed:
        return (_unreadable_issuer(top, unread[0]),)
    if top.is_self_signed:
        is_sound = all(judgement.signatures.holds(*link) is not False for link in itertools.pairwise(chain))
        return (_root_missing(top, stores, remedies, is_sound=is_sound),)
    if issuers.of(top):
        return (_circle(top),)
    return _issuer_missing(top, issuers, judgement)


def _unreadable_issuer(child: Certificate, place: str) -> Reason:
    return Reason(
        "judged-unreadable",
        Severity.WARNING,
        f"There is a certificate with the name of the issuer of {named(child)} ({shortened(child.issuer)}), "
        f"but it cannot be read: {place}. Windows may read it.",
        "Ask the PKI team for a certificate of this CA that follows the rules of X.509.",
        INVALID_CA,
        undocumented=True,
    )


def _circle(top: Certificate) -> Reason:
    return Reason(
        "issuer-missing",
        Severity.ERROR,
        f"Every issuer of {named(top)} that is sent or in this image leads back into the chain: there is no "
        "root above it.",
        "Get the root of this PKI from the PKI team and inject it.",
        INVALID_CA,
    )


def _distrusted(held: Held, child: Certificate, remedies: Remedies) -> Reason:
    return Reason(
        "disallowed",
        Severity.ERROR,
        f"The issuer of {named(child)}, {named(held.certificate)}, is in {held.place} of this image: "
        "Windows refuses it wherever else it is.",
        "If it was put there by mistake, take it out, and put it into the store for its kind.",
        command=remedies.remove(held.certificate, held.store) if held.is_the_machines else (),
    )


def _root_missing(root: Certificate, stores: ImageStores, remedies: Remedies, *, is_sound: bool) -> Reason:
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
    reason = Reason(
        "root-not-in-image",
        Severity.ERROR,
        f"The root {named(root)} ({root.thumbprint}) is not in this image.{renewed}",
        "Put it there, and check the thumbprint with the PKI team."
        if is_sound
        else "A signature of the chain does not fit, so nothing shows that this is the server's root: have "
        "the chain checked before any root goes into the image.",
        INVALID_CA,
    )
    return remedies.put_in(reason, root) if is_sound else reason


def _issuer_missing(top: Certificate, issuers: Issuers, judgement: Judgement) -> tuple[Reason, ...]:
    stores, remedies = judgement.stores, judgement.remedies
    urls = fetched_from(top)
    misplaced = [held for held in stores.held if is_issuer(held.certificate, top)]
    if misplaced:
        found = _wrong_store(misplaced[0].certificate, misplaced, remedies)
        if not urls or misplaced[0].certificate.is_self_signed:
            return (found,)
        return _can_be_fetched(top, urls[0]), replace(found, severity=Severity.WARNING)
    namesakes = [
        (held.certificate, f"The image has a certificate {named(held.certificate)} in {held.place}")
        for held in stores.held
        if has_issuer_name(held.certificate, top)
    ]
    namesakes += [(each, f"The server sends a certificate {named(each)}") for each in issuers.named(top)]
    if urls:
        return (_can_be_fetched(top, urls[0]),)
    if has_unread_places(top):
        return (_may_be_fetched(top),)
    if namesakes:
        return (_other_issuer(*namesakes[0], top, judgement.signatures),)
    issuer = shortened(top.issuer) or "without a name"
    reason = Reason(
        "issuer-missing",
        Severity.ERROR,
        f"The issuer of {named(top)} is not in this image, and the server does not send it: {issuer}.",
        "If it is an intermediate, have the server send it. If it is the root, get its certificate from the "
        "PKI team and inject that.",
        INVALID_CA,
    )
    return (reason,)


def fetched_from(certificate: Certificate) -> list[str]:
    """Where full Windows would fetch a certificate's issuer over HTTP."""
    return [url for url in certificate.extensions.issuer_urls if url.lower().startswith("http:")]


def has_unread_places(certificate: Certificate) -> bool:
    """Whether an address of the issuer may be among what cannot be read of a certificate."""
    return NAMES[AUTHORITY_ACCESS] in certificate.unread_parts


def instead_of(issuer: Certificate, child: Certificate, why: str) -> Reason:
    """An issuer that is at hand and will not do, where full Windows would look for another one."""
    return Reason(
        "issuer-not-sent",
        Severity.WARNING,
        f"The certificate {named(issuer)} ({issuer.thumbprint}) cannot be the issuer of {named(child)}: "
        f"{why}. Full Windows would fetch another one from {shortened(fetched_from(child)[0])}; what Windows "
        "PE does is not documented.",
        "Have the server send the right certificate of its issuer, or get the file from that address and "
        "inject it.",
        INVALID_CA,
        undocumented=True,
    )


def _may_be_fetched(top: Certificate) -> Reason:
    return Reason(
        "issuer-not-sent",
        Severity.WARNING,
        f"The issuer of {named(top)} is not in this image, and the server does not send it: "
        f"{shortened(top.issuer) or 'without a name'}. Where it can be fetched from cannot be read; what "
        "Windows makes of that is not documented.",
        "If it is an intermediate, have the server send it. If it is the root, get its certificate from the "
        "PKI team and inject that.",
        INVALID_CA,
        undocumented=True,
    )


def _can_be_fetched(top: Certificate, url: str) -> Reason:
    return Reason(
        "issuer-not-sent",
        Severity.WARNING,
        f"The issuer of {named(top)} is not in this image, and the server does not send it: "
        f"{shortened(top.issuer) or 'without a name'}. Full Windows would fetch it from {shortened(url)}; "
        "what Windows PE does is not documented.",
        "If it is an intermediate, have the server send it, or get the file from that address and inject it. "
        "If it is the root, inject it: a root is never trusted because it was fetched or sent.",
        INVALID_CA,
        undocumented=True,
    )


def _other_issuer(certificate: Certificate, found: str, child: Certificate, signatures: Signatures) -> Reason:
    """A CA of the right name that the child's identifiers do not lead to; `found` says where it is."""
    where = f"{found} ({certificate.thumbprint})"
    if match(certificate, child) is Match.OTHER_CERTIFICATE:
        named_key = child.extensions.authority_key
        serial = named_key.serial if named_key is not None else None
        key = "The key is the same" if signatures.holds(child, certificate) else "It may have another key"
        return Reason(
            "issuer-other-certificate",
            Severity.ERROR,
            f"{where} with the serial number {certificate.serial}, but {named(child)} names another "
            f"certificate of that CA as its issuer (serial number {shortened(serial or 'unknown')}). {key}; "
            "Windows takes only the certificate that is named.",
            f"Put the certificate of the CA with that serial number into the image, or have {named(child)} "
            "issued again.",
            INVALID_CA,
        )
    if signatures.holds(child, certificate):
        return Reason(
            "issuer-has-other-key",
            Severity.ERROR,
            f"{where} whose key has signed {named(child)}, but {named(child)} names another key identifier"
            f"{_keys(certificate, child)}. Windows looks for the certificate that has it.",
            f"Have {named(child)} issued again by a CA that writes its own key identifier.",
            INVALID_CA,
        )
    return Reason(
        "issuer-has-other-key",
        Severity.ERROR,
        f"{where}, but {named(child)} was issued with another key of that CA{_keys(certificate, child)}.",
        "The CA was renewed: get its other certificate from the PKI team and inject that as well.",
        INVALID_CA,
    )


def _keys(certificate: Certificate, child: Certificate) -> str:
    """Which key a certificate has, and which one its child names; empty where one of them does not say."""
    own, named_key = certificate.extensions.subject_key, child.extensions.authority_key
    if own is None or named_key is None or named_key.key is None:
        return ""
    wanted, held = (shortened(each.hex().upper()) or "of no length" for each in (named_key.key, own))
    return f" (key identifier {wanted}; that one has {held})"


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
    reason = Reason(
        "issuer-in-wrong-store",
        Severity.ERROR,
        f"The {kind} {named(certificate)} ({certificate.thumbprint}) is in {where}: Windows takes no "
        f"{kind}s from there.",
        "Put it into the store for its kind: AuthRoot for a root, CA for an intermediate.",
        INVALID_CA,
    )
    return remedies.put_in(reason, certificate)
