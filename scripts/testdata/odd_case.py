"""How a case is put together from `Parts`: the usual chain of three, changed at one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from scripts.testdata.odd_certificates import ISSUING, ROOT, SERVER, Extension, Parts, changed, der_of
from scripts.testdata.trust_cases import AGREES, HOST, NOW, Case

Change = Callable[[Parts], Parts]


def case(
    name: str,
    verdict: str | tuple[str, ...],
    about: str,
    sent: Sequence[Parts],
    roots: Sequence[Parts] = (ROOT,),
    *,
    codes: str = "",
    also: Sequence[tuple[str, Parts]] = (),
    hosts: tuple[str, ...] = (HOST,),
    at: datetime = NOW,
    openssl: str = AGREES,
) -> Case:
    """Give a case whose `roots` are in AuthRoot, and `also` in other stores; `codes` are parted by blanks."""
    return Case(
        name=name,
        about=about,
        sent=tuple(map(der_of, sent)),
        stores=(
            *(("AuthRoot", der_of(root)) for root in roots),
            *((store, der_of(parts)) for store, parts in also),
        ),
        hosts=hosts,
        at=at,
        verdicts=(verdict,) * len(hosts) if isinstance(verdict, str) else verdict,
        codes=frozenset(codes.split()),
        openssl=openssl,
    )


def putting(*extensions: Extension) -> Change:
    """Give the change that puts extensions in the place of those with the same number."""
    return lambda parts: changed(parts, *extensions)


def below(issuer: Parts) -> tuple[Parts, Parts]:
    """Give what a server below this CA sends: its certificate and the CA's."""
    return replace(SERVER, issuer=issuer), issuer


def chain_with(change: Change, place: str) -> tuple[tuple[Parts, ...], tuple[Parts, ...]]:
    """Give what is sent and the roots, with the certificate at a place changed before it issued others."""
    if place == "server":
        return (change(SERVER), ISSUING), (ROOT,)
    if place == "intermediate":
        return below(change(ISSUING)), (ROOT,)
    root = change(ROOT)
    return below(replace(ISSUING, issuer=root)), (root,)
