"""Certification paths: every way from a server's certificate up to a trust anchor, and the best way.

Both searches are bounded, and say whether they came to their end. A path never passes the same name with the
same key twice: without the loop it is a path too, with fewer certificates that could speak against it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.keys import RSA, RSA_PSS, PublicKey
from winpe_certs.certs.names import ComparableName
from winpe_certs.certs.signatures import is_signed_by
from winpe_certs.trust.issuers import Issuers

# More than honest PKIs need, and less than two seconds of work.
MOST_PATHS: Final = 64
_MOST_LINKS: Final = 4_000
_MOST_STEPS: Final = 4_000
_MOST_EDGES: Final = 200_000
_MOST_SIGNATURES: Final = 5_000
_USUAL_BITS: Final = 2_048
_FAST_CURVE: Final = "secp256r1"
_SLOW_KEY_WORK: Final = 10

ERROR_COST: Final = 1_000
"""What a certificate or signature that speaks against a path costs; what is not documented costs 1."""

_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)

Cost: TypeAlias = Callable[[Certificate], int]
_Entity: TypeAlias = tuple[ComparableName, bytes]


@dataclass(frozen=True, slots=True)
class CertificationPath:
    """A chain: the server's certificate first, the trust anchor last.

    If it is not complete, it ends where no issuer was found, or at a root that is no anchor.
    """

    certificates: tuple[Certificate, ...]
    is_complete: bool = True

    @property
    def leaf(self) -> Certificate:
        """The server's certificate."""
        return self.certificates[0]

    @property
    def anchor(self) -> Certificate:
        """The last certificate; the server's own if that is the root."""
        return self.certificates[-1]


@dataclass(slots=True)
class Signatures:
    """The signatures of one judgement, each checked once, and no more than a bound.

    `left` counts signatures by an RSA key of up to 4095 bits or on P-256; others take more of it. `is_spent`
    says that the bound was met; a signature beyond it counts as one that cannot be checked.
    """

    left: int = _MOST_SIGNATURES
    is_spent: bool = False
    _known: dict[tuple[bytes, bytes], bool | None] = field(default_factory=dict)

    def holds(self, child: Certificate, issuer: Certificate) -> bool | None:
        """Whether the issuer's key has signed the child; None when that cannot be told."""
        if child.structure is None or issuer.structure is None:
            return None
        pair = (child.der, issuer.structure.key.encoded)
        if pair not in self._known:
            work = _work(issuer.key)
            if work > self.left:
                self.is_spent = True
                return None
            self.left -= work
            self._known[pair] = is_signed_by(child.structure, pair[1])
        return self._known[pair]

    def is_beyond_bound(self, child: Certificate, issuer: Certificate) -> bool:
        """Whether the bound kept a signature from being checked."""
        return self.is_spent and (child.der, issuer.key.info) not in self._known


def _work(key: PublicKey) -> int:
    """How many usual signatures one by this key is worth, roughly, as OpenSSL checks them."""
    if key.kind in (RSA, RSA_PSS):
        return max(1, (key.bits or 0) // _USUAL_BITS) ** 2
    return 1 if key.curve == _FAST_CURVE else _SLOW_KEY_WORK


@dataclass(frozen=True, slots=True)
class FoundPaths:
    """Paths to anchors, and whether there are no others."""

    paths: tuple[CertificationPath, ...]
    are_all: bool


def find_paths(
    leaf: Certificate,
    issuers: Issuers,
    anchors: Collection[bytes],
    cost: Cost,
    signatures: Signatures,
) -> FoundPaths:
    """Find the ways up to an anchor whose signatures hold, those that cost the least first.

    `issuers` holds intermediates and anchors, `anchors` the DER of the latter.
    """
    if leaf.is_self_signed:
        # It issued itself: above it there is only its namesake.
        return FoundPaths((CertificationPath((leaf,)),) if leaf.der in anchors else (), are_all=True)
    found: list[CertificationPath] = []
    links = 0
    path = [leaf]
    entities: set[_Entity] = {_entity(leaf)}
    first = _above(leaf, issuers, anchors, cost)
    edges = len(first)
    pending: list[Iterator[Certificate]] = [_signing(leaf, first, signatures)]
    for _ in range(_MOST_STEPS):
        if not pending:
            return FoundPaths(tuple(found), are_all=not signatures.is_spent)
        issuer = next(pending[-1], None)
        if issuer is None:
            pending.pop()
            entities.discard(_entity(path.pop()))
        elif _entity(issuer) in entities:
            continue
        elif issuer.der in anchors:
            found.append(CertificationPath((*path, issuer)))
            links += len(path) + 1
            if len(found) == MOST_PATHS or links > _MOST_LINKS:
                break
        else:
            path.append(issuer)
            entities.add(_entity(issuer))
            above = _above(issuer, issuers, anchors, cost)
            edges += len(above)
            if edges > _MOST_EDGES:
                break
            pending.append(_signing(issuer, above, signatures))
    return FoundPaths(tuple(found), are_all=False)


def cheapest_path(
    leaf: Certificate,
    issuers: Issuers,
    anchors: Collection[bytes],
    cost: Cost,
    signatures: Signatures,
) -> tuple[CertificationPath | None, int | None]:
    """Find the way to an anchor that costs the least (Dijkstra), wrong signatures included.

    Returns it with its cost, or None without one; the cost is None when the search met its bound, so that
    there may be a cheaper way.
    """
    order = itertools.count()
    queue: list[tuple[int, int, int, Certificate, Certificate | None, bool]] = [
        (cost(leaf), 0, next(order), leaf, None, True)
    ]
    came_from: dict[bytes, Certificate | None] = {}
    known = {leaf.der: leaf}
    edges = 0
    while queue:
        spent, length, _, current, child, is_checked = heapq.heappop(queue)
        if current.der in came_from:
            continue
        if not is_checked and child is not None:
            # Signatures are slow, so each is checked when its path comes first, not when it is found.
            extra = _signature_cost(child, current, signatures)
            if extra:
                heapq.heappush(queue, (spent + extra, length, next(order), current, child, True))
                continue
        came_from[current.der] = child
        if current.der in anchors:
            return _walked(current, came_from), None if signatures.is_spent else spent
        above = issuers.of(current)
        edges += len(above)
        if edges > _MOST_EDGES:
            return None, None
        for issuer in above:
            if issuer.der in came_from or (issuer.is_self_signed and issuer.der not in anchors):
                continue
            known[issuer.der] = issuer
            heapq.heappush(queue, (spent + cost(issuer), length + 1, next(order), issuer, current, False))
    return None, None if signatures.is_spent else 0


def _above(child: Certificate, issuers: Issuers, anchors: Collection[bytes], cost: Cost) -> list[Certificate]:
    """The issuers of a certificate by what it says, the best first."""
    candidates = [each for each in issuers.of(child) if each.der in anchors or not each.is_self_signed]
    candidates.sort(key=lambda each: (cost(each), -(each.not_after or _LONG_AGO).timestamp()))
    return candidates


def _signing(
    child: Certificate, candidates: Sequence[Certificate], signatures: Signatures
) -> Iterator[Certificate]:
    """Those whose signature holds; it is checked when they are asked for."""
    return (each for each in candidates if signatures.holds(child, each) is not False)


def _signature_cost(child: Certificate, issuer: Certificate, signatures: Signatures) -> int:
    holds = signatures.holds(child, issuer)
    if holds is None:
        return 1
    return 0 if holds else ERROR_COST


def _walked(last: Certificate, came_from: dict[bytes, Certificate | None]) -> CertificationPath:
    path: list[Certificate] = []
    current: Certificate | None = last
    while current is not None:
        path.append(current)
        current = came_from[current.der]
    return CertificationPath(tuple(reversed(path)))


def _entity(certificate: Certificate) -> _Entity:
    return certificate.subject_name.comparable, certificate.key.info
