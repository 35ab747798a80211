"""What is wrong or risky about a certificate for the store that it goes to or is in.

`findings` judges a certificate as a root or an intermediate of HTTPS. The stores of trusted publishers,
trusted people and distrusted certificates hold others (Microsoft, "Trusted Publishers Certificate Store",
"Local Machine and Current User Certificate Stores"): there only what concerns them is left. A signature on a
file outlives its certificate when it has a time stamp (Microsoft, "Time Stamping Authenticode Signatures"),
so an expired publisher is a warning; a distrusted certificate may have expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine
from winpe_certs.certs.stores import Store
from winpe_certs.findings import Finding, Severity

_ALWAYS = frozenset({"unreadable", "unreadable-part", "wrong-cached-hash", "narrowed-archived"})
_OF_PUBLISHERS = _ALWAYS | {"expired", "expires-soon", "not-yet-valid", "broken-signature"}
_KEPT = {
    Store.TRUSTED_PUBLISHER: _OF_PUBLISHERS,
    Store.TRUSTED_PEOPLE: _OF_PUBLISHERS,
    Store.DISALLOWED: _ALWAYS,
}
_RENEWED = "Take the renewed certificate if it is still in use; signatures with a time stamp stay valid."


def examine_in(certificate: Certificate, store: str, at: datetime) -> tuple[Finding, ...]:
    """Look a certificate over for a store at a moment (an aware datetime); errors come first."""
    return concerning(examine(certificate, at), store)


def concerning(findings: Iterable[Finding], store: str) -> tuple[Finding, ...]:
    """Those findings about a certificate, or its Blob, that matter in a store."""
    kept = next((codes for name, codes in _KEPT.items() if name == store), None)
    if kept is None:
        return tuple(findings)
    return tuple(_of_publisher(finding) for finding in findings if finding.code in kept)


def _of_publisher(finding: Finding) -> Finding:
    """The advice about dates of roots is about boot media, which need no publishers."""
    if finding.code in {"expired", "expires-soon"}:
        return replace(finding, severity=Severity.WARNING, advice=_RENEWED)
    return finding
