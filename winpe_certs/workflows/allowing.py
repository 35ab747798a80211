"""The findings that a person may allow, by their codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from winpe_certs.errors import UsageError

ALLOWABLE: Final = frozenset(
    {
        "not-a-ca",
        "expired",
        "broken-signature",
        "disallowed",
        "narrowed-eku",
        "narrowed-names",
        "narrowed-disabled",
        "narrowed-disallowed-eku",
        "narrowed-archived",
        "narrowed-not-before",
        "wrong-cached-hash",
        "required-root",
    }
)


def parse_allowed(codes: Iterable[str]) -> frozenset[str]:
    """The codes after ``--allow``; raises `UsageError` for one that does not exist."""
    allowed = frozenset(codes)
    unknown = sorted(allowed - ALLOWABLE)
    if unknown:
        raise UsageError(
            f"--allow {unknown[0]}: there is no such finding",
            details=f"These can be allowed: {', '.join(sorted(ALLOWABLE))}",
            resolution="Check the spelling; the refusal names the code.",
        )
    return allowed
