"""Every chain of an odd kind with its answer: for the program, and for OpenSSL beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from scripts.testdata import odd_corners, odd_identities, odd_keys, odd_rules
from scripts.testdata.odd_case import case, chain_with
from scripts.testdata.odd_shapes import shapes
from scripts.testdata.trust_cases import Case


@cache
def odd_cases() -> tuple[Case, ...]:
    """Every case."""
    modules = (odd_identities, odd_rules, odd_keys, odd_corners)
    return (*_shaped(), *(each for module in modules for each in module.cases()))


def _shaped() -> Iterator[Case]:
    for shape in shapes():
        for place in shape.places:
            sent, roots = chain_with(shape.change, place)
            yield case(
                f"{shape.name}-{place}",
                shape.verdict,
                shape.about,
                sent,
                roots,
                codes=shape.codes,
                openssl=shape.openssl,
            )
