"""Extended key usages (RFC 5280 section 4.2.1.12) that decide about TLS servers below a root."""

from __future__ import annotations

from collections.abc import Collection

ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1"


def covers_servers(usages: Collection[str]) -> bool:
    """Whether dotted object identifiers of usages include server authentication, or any use."""
    return SERVER_AUTHENTICATION in usages or ANY_EXTENDED_KEY_USAGE in usages
