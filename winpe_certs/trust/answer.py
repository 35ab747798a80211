"""The answer: whether these stores would accept this server, under each of its names, at that moment."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.findings import Reason, Severity
from winpe_certs.results import ChainLink, ServerResult, Verdict
from winpe_certs.trust.certificate_rules import INVALID_CA
from winpe_certs.trust.issuers import Issuers, is_issuer
from winpe_certs.trust.missing import fetched_from, instead_of, missing_reasons, partial_chain
from winpe_certs.trust.names import name_reasons
from winpe_certs.trust.paths import ERROR_COST, CertificationPath, cheapest_path, find_paths
from winpe_certs.trust.public_roots import list_name, public_roots
from winpe_certs.trust.remedies import Remedies
from winpe_certs.trust.rules import JudgedPath, Judgement, verdict_of
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.trust.words import named

_SHOWN: Final = 5
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_VERDICTS: Final = (Verdict.TRUSTED, Verdict.UNDOCUMENTED, Verdict.NOT_TRUSTED)


def judge(
    chain: ServerChain, stores: ImageStores, at: datetime, image: tuple[str, ...]
) -> tuple[ServerResult, ...]:
    """One answer for each name of a server, at a moment (an aware datetime).

    `image` are the words that name the image in command lines.
    """
    everything = (chain.leaf, *chain.others)
    held = frozenset(each.certificate.der for each in stores.held)
    remedies = Remedies(image, chain.file, everything, held, at)
    judgement = Judgement(chain.leaf, stores, at, remedies, frozenset(each.der for each in everything))
    if chain.leaf.fault:
        return tuple(_unreadable_server(chain, stores, host.text) for host in chain.hosts)
    answer = _judge_chain(chain, judgement)
    return tuple(_for_host(answer, host.text, name_reasons(chain.leaf, host)) for host in chain.hosts)


def _for_host(answer: ServerResult, host: str, reasons: Sequence[Reason]) -> ServerResult:
    each_once = dict.fromkeys((*answer.reasons, *reasons))
    everything = sorted(each_once, key=lambda reason: _ORDER[reason.severity])
    verdict = max(answer.verdict, verdict_of(reasons), key=_VERDICTS.index)
    return replace(answer, server=host, verdict=verdict, reasons=tuple(everything))


def _judge_chain(chain: ServerChain, judgement: Judgement) -> ServerResult:
    """The answer for the chain, whatever the server is called."""
    stores = judgement.stores
    best, is_sure = _best_way(chain, judgement, stores.anchors)
    if best is not None and best.verdict is Verdict.TRUSTED:
        return _result(chain, stores, best)
    public, _ = _best_way(chain, judgement, _absent_public_roots(stores))
    if public is not None:
        absent = _not_in_image(public.path.anchor, judgement.remedies)
        public = replace(public, reasons=(absent, *public.reasons))
        if public.verdict is Verdict.UNDOCUMENTED and (best is None or best.verdict is Verdict.NOT_TRUSTED):
            return _result(chain, stores, public)
    # With the bound on signatures met, what seems undocumented may only be unchecked.
    is_sure = is_sure and not judgement.signatures.is_spent
    if is_sure and best is not None and best.verdict is Verdict.UNDOCUMENTED:
        return _result(chain, stores, best)
    if not is_sure:
        return _result(chain, stores, _search_ended(best or _as_far_as_it_goes(chain, judgement)))
    shown = best or public or _as_far_as_it_goes(chain, judgement)
    return _result(chain, stores, _with_another_issuer(shown, judgement) or _renewed(shown, chain, judgement))


def _best_way(
    chain: ServerChain, judgement: Judgement, anchors: Sequence[Certificate]
) -> tuple[JudgedPath | None, bool]:
    """The best chain to one of these anchors, and whether it is sure that there is none better.

    Every chain whose signatures hold is tried as far as a bound allows. If none of them will do, the chain
    with the fewest faults is looked for: that search sees all certificates at once, so it either finds a
    better chain or shows that each has a fault.
    """
    issuers = Issuers((*chain.others, *judgement.stores.intermediates, *anchors))
    ends = frozenset(each.der for each in anchors)
    found = find_paths(chain.leaf, issuers, ends, judgement.cost, judgement.signatures)
    best = _best([judgement.judge(path) for path in found.paths])
    if best is not None and (best.verdict is Verdict.TRUSTED or found.are_all):
        return best, True
    path, cost = cheapest_path(chain.leaf, issuers, ends, judgement.cost, judgement.signatures)
    if path is not None:
        best = _best([judgement.judge(path), *([best] if best else [])])
    is_sure = found.are_all or (cost is not None and (path is None or cost >= ERROR_COST))
    return best, is_sure


def _best(judged: Sequence[JudgedPath]) -> JudgedPath | None:
    """The chain with the best verdict and the fewest errors; then the longest valid, then the shortest."""
    return min(
        judged,
        key=lambda each: (
            _VERDICTS.index(each.verdict),
            each.errors,
            -each.valid_until.timestamp(),
            len(each.path.certificates),
        ),
        default=None,
    )


def _as_far_as_it_goes(chain: ServerChain, judgement: Judgement) -> JudgedPath:
    """The chain without a root of the image, with what is missing there."""
    issuers = Issuers((*chain.others, *judgement.stores.intermediates))
    certificates = partial_chain(chain.leaf, issuers, judgement.signatures)
    unread = [each for each in chain.others if each.fault]
    missing = missing_reasons(certificates, issuers, judgement, unread)
    shown = judgement.judge(CertificationPath(certificates, is_complete=False))
    return replace(shown, reasons=(*missing, *shown.reasons, *_unreadable(judgement.stores)))


def _with_another_issuer(judged: JudgedPath, judgement: Judgement) -> JudgedPath | None:
    """The chain up to a certificate whose issuer is at hand and will not do, but may be fetched.

    None when what is below speaks against the server already, or when there is no such certificate.
    """
    for place, (child, issuer) in enumerate(itertools.pairwise(judged.path.certificates)):
        why = judgement.why_no_issuer(child, issuer)
        if not why:
            continue
        if not fetched_from(child) or judgement.is_damaged(child, issuer):
            return None
        below = judged.path.certificates[: place + 1]
        shown = judgement.judge(CertificationPath(below, is_complete=False))
        if shown.verdict is Verdict.NOT_TRUSTED:
            return None
        return replace(shown, reasons=(instead_of(issuer, child, why), *shown.reasons))
    return None


def _renewed(judged: JudgedPath, chain: ServerChain, judgement: Judgement) -> JudgedPath:
    """A chain whose root in the image has expired, with the command for the renewed one that is sent."""
    root = judged.path.anchor
    expired = next((each for each in judged.reasons if each.code == "expired"), None)
    if expired is None or not root.is_self_signed or len(judged.path.certificates) < 2:
        return judged
    child = judged.path.certificates[-2]
    for sent in chain.others:
        if sent.is_self_signed and sent.der != root.der and judgement.signatures.holds(child, sent):
            if not is_issuer(sent, child) or judgement.costs_much(sent):
                continue
            reason = Reason(
                "root-not-in-image",
                Severity.ERROR,
                f"The server sends a renewed root {named(sent)} ({sent.thumbprint}), which is not in this "
                "image.",
                "Put it there, and check the thumbprint with the PKI team.",
                INVALID_CA,
            )
            return replace(judged, reasons=(judgement.remedies.put_in(reason, sent), *judged.reasons))
    return judged


def _search_ended(judged: JudgedPath) -> JudgedPath:
    """A chain that was found before a bound was met: there may be a better one."""
    reason = Reason(
        "search-ended",
        Severity.WARNING,
        "The certificates make too many chains to try them all; the one shown is the best of those tried, "
        "and Windows may find another.",
        "Give the chain that the server really sends, without further certificates.",
        undocumented=True,
    )
    kept = (replace(each, severity=_at_most_warning(each.severity)) for each in judged.reasons)
    return replace(judged, reasons=(reason, *kept))


def _at_most_warning(severity: Severity) -> Severity:
    """What is against one chain of many is no reason to call the server not trusted."""
    return Severity.WARNING if severity is Severity.ERROR else severity


def _absent_public_roots(stores: ImageStores) -> list[Certificate]:
    """The public roots that are no anchors of the image."""
    return [root for root in public_roots() if not any(held.is_anchor for held in stores.places_of(root))]


def _not_in_image(root: Certificate, remedies: Remedies) -> Reason:
    reason = Reason(
        "public-root-not-in-image",
        Severity.WARNING,
        f"The root {named(root)} ({root.thumbprint}) is in no store of this image that counts. It is a "
        f"public root ({list_name()}): full Windows would fetch it on demand; what Windows PE does is not "
        "documented.",
        "To be sure, get the root from its CA, compare the thumbprint, and put it into the image.",
        INVALID_CA,
        undocumented=True,
    )
    return remedies.put_in(reason, root)


def _unreadable(stores: ImageStores) -> tuple[Reason, ...]:
    """What was missed may be among the certificates that could not be read."""
    if not stores.unreadable:
        return ()
    places = ", ".join(each.place for each in stores.unreadable[:_SHOWN])
    more = f" and {len(stores.unreadable) - _SHOWN} more" if len(stores.unreadable) > _SHOWN else ""
    return (
        Reason(
            "unreadable",
            Severity.INFO,
            f"Certificates of this image that could not be read are not considered: {places}{more}.",
        ),
    )


def _unreadable_server(chain: ServerChain, stores: ImageStores, host: str) -> ServerResult:
    """A server's certificate whose fields cannot be told apart: nothing can be said of it."""
    reason = Reason(
        "unreadable",
        Severity.WARNING,
        f"The server's certificate cannot be read: {chain.leaf.fault}. What Windows makes of it is not "
        "documented.",
        "Ask the PKI team to issue it again.",
        undocumented=True,
    )
    link = _link(chain.leaf, (chain.leaf.der,), stores)
    return ServerResult(host, chain.source, Verdict.UNDOCUMENTED, (link,), None, None, (reason,))


def _result(chain: ServerChain, stores: ImageStores, judged: JudgedPath) -> ServerResult:
    is_ever_valid = judged.valid_from <= judged.valid_until
    sent = frozenset(each.der for each in (chain.leaf, *chain.others))
    return ServerResult(
        server=chain.server,
        source=chain.source,
        verdict=judged.verdict,
        chain=tuple(_link(each, sent, stores) for each in judged.path.certificates),
        valid_from=judged.valid_from if is_ever_valid else None,
        valid_until=judged.valid_until if is_ever_valid else None,
        reasons=judged.reasons,
    )


def _link(certificate: Certificate, sent: Collection[bytes], stores: ImageStores) -> ChainLink:
    places = [held.place for held in stores.places_of(certificate)]
    origin = ", ".join((["sent"] if certificate.der in sent else []) + places) or "not in the image"
    return ChainLink(
        thumbprint=certificate.thumbprint,
        sha256=certificate.sha256,
        subject=certificate.subject or certificate.thumbprint,
        origin=origin,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )
