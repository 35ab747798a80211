"""The answer: whether these stores would accept this server, under each of its names, at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.findings import Reason, Severity
from winpe_certs.results import ChainLink, ServerResult, Verdict
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.facts import facts_of
from winpe_certs.trust.missing import missing_reasons, partial_chain
from winpe_certs.trust.names import name_reasons
from winpe_certs.trust.paths import CertificationPath, build_paths
from winpe_certs.trust.public_roots import list_name, public_roots
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.rules import INVALID_CA, JudgedPath, judge_path
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.trust.words import named

_SHOWN: Final = 5
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def judge(
    chain: ServerChain, stores: ImageStores, at: datetime, image: tuple[str, ...]
) -> tuple[ServerResult, ...]:
    """One answer for each name of a server, at a moment (an aware datetime).

    `image` are the words that name the image in command lines. Raises `CertificateError` when the server's
    certificate cannot be judged at all.
    """
    answer = _judge_chain(chain, stores, at, Remedies(image))
    return tuple(
        _for_host(answer, host.text, name_reasons(facts_of(chain.leaf), host)) for host in chain.hosts
    )


def _for_host(answer: ServerResult, host: str, reasons: Sequence[Reason]) -> ServerResult:
    everything = sorted((*answer.reasons, *reasons), key=lambda reason: _ORDER[reason.severity])
    verdict = Verdict.NOT_TRUSTED if reasons else answer.verdict
    return replace(answer, server=host, verdict=verdict, reasons=tuple(everything))


def _judge_chain(chain: ServerChain, stores: ImageStores, at: datetime, remedies: Remedies) -> ServerResult:
    """The answer for the chain alone, whatever the server is called."""
    pool = (*chain.others, *stores.intermediates)
    sent = {each.der for each in (chain.leaf, *chain.others)}
    comparisons = NameComparisons()

    def judged(anchors: Sequence[Certificate]) -> list[JudgedPath]:
        paths = build_paths(chain.leaf, pool, anchors)
        return [judge_path(path, stores, at, remedies, sent, comparisons) for path in paths]

    best = _best(judged(stores.anchors))
    if best is not None and best.holds:
        return _result(chain, stores, best, Verdict.TRUSTED)
    public = _best(judged(_absent_public_roots(stores)))
    if public is not None and public.holds:
        reason = _not_in_image(public.path.anchor, remedies)
        return _result(
            chain, stores, replace(public, reasons=(reason, *public.reasons)), Verdict.UNDOCUMENTED
        )
    if best is not None:
        return _result(chain, stores, best, Verdict.NOT_TRUSTED)
    if public is not None:
        missing: tuple[Reason, ...] = (_not_in_image(public.path.anchor, remedies),)
        shown = public
    else:
        path = CertificationPath(partial_chain(chain.leaf, pool), is_complete=False)
        missing = missing_reasons(path.certificates, stores, remedies)
        shown = judge_path(path, stores, at, remedies, sent, comparisons)
    reasons = (*missing, *shown.reasons, *_unreadable(stores))
    return _result(chain, stores, replace(shown, reasons=reasons), Verdict.NOT_TRUSTED)


def _best(judged: Sequence[JudgedPath]) -> JudgedPath | None:
    """The chain with the fewest errors; among equals the one valid the longest, then the shortest."""
    return min(
        judged,
        key=lambda each: (each.errors, -each.valid_until.timestamp(), len(each.path.certificates)),
        default=None,
    )


def _absent_public_roots(stores: ImageStores) -> list[Certificate]:
    """The public roots that are no anchors of the image."""
    return [root for root in public_roots() if not any(held.is_anchor for held in stores.places_of(root))]


def _not_in_image(root: Certificate, remedies: Remedies) -> Reason:
    return Reason(
        "public-root-not-in-image",
        Severity.WARNING,
        f"The root {named(root)} ({root.thumbprint}) is in no store of this image that counts. It is a "
        f"public root ({list_name()}): full Windows would fetch it on demand; what Windows PE does is not "
        "documented.",
        "To be sure, get the root from its CA, compare the thumbprint, and put it into the image.",
        INVALID_CA,
        remedies.inject(root),
    )


def _unreadable(stores: ImageStores) -> tuple[Reason, ...]:
    """What was missed may stand among the certificates that could not be read."""
    if not stores.unreadable:
        return ()
    places = ", ".join(stores.unreadable[:_SHOWN])
    more = f" and {len(stores.unreadable) - _SHOWN} more" if len(stores.unreadable) > _SHOWN else ""
    return (
        Reason(
            "unreadable",
            Severity.INFO,
            f"Certificates of this image that could not be read are not considered: {places}{more}.",
        ),
    )


def _result(chain: ServerChain, stores: ImageStores, judged: JudgedPath, verdict: Verdict) -> ServerResult:
    is_ever_valid = judged.valid_from <= judged.valid_until
    return ServerResult(
        server=chain.server,
        source=chain.source,
        verdict=verdict,
        chain=tuple(_link(each, chain, stores) for each in judged.path.certificates),
        valid_from=judged.valid_from if is_ever_valid else None,
        valid_until=judged.valid_until if is_ever_valid else None,
        reasons=judged.reasons,
    )


def _link(certificate: Certificate, chain: ServerChain, stores: ImageStores) -> ChainLink:
    places = [held.place for held in stores.places_of(certificate)]
    sent = certificate.der in {each.der for each in (chain.leaf, *chain.others)}
    origin = ", ".join((["sent"] if sent else []) + places) or "not in the image"
    return ChainLink(
        thumbprint=certificate.thumbprint,
        sha256=certificate.sha256,
        subject=certificate.subject,
        origin=origin,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )
