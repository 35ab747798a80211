"""What a case for `check-server` and for its judges is: a server, an image, a moment, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

AGREES = "agrees"

TRUSTED = "trusted"
NOT_TRUSTED = "not trusted"
UNDOCUMENTED = "undocumented"

HOST = "cmg.contoso.example"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """One server, one image, one moment, and the answer.

    `sent` are the certificates that the server sends as DER, its own first; `stores` are pairs of a store's
    name and the DER of a certificate in it. `verdicts` has one word for each of `hosts`. `codes` are reasons
    that the answer must give, among others. `openssl` is "agrees", or says why OpenSSL answers otherwise; it
    agrees with "not trusted" and with "undocumented" when it refuses.
    """

    name: str
    about: str
    sent: tuple[bytes, ...]
    stores: tuple[tuple[str, bytes], ...]
    hosts: tuple[str, ...]
    at: datetime
    verdicts: tuple[str, ...]
    codes: frozenset[str]
    openssl: str = AGREES
