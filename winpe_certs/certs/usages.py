"""What a certificate may be used for, as far as it decides about TLS servers.

Extended key usages: RFC 5280 section 4.2.1.12. Application policies, Windows' own list of uses, come first:
where a certificate has them its extended key usage is ignored (Microsoft, "Application Policy", cc776986).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from winpe_certs.certs.extensions import APPLICATION_POLICIES, EXTENDED_KEY_USAGE, NAMES, Extensions

ANY_EXTENDED_KEY_USAGE: Final = "2.5.29.37.0"
ANY_APPLICATION_POLICY: Final = "1.3.6.1.4.1.311.10.12.1"
SERVER_AUTHENTICATION: Final = "1.3.6.1.5.5.7.3.1"
# "Server gated cryptography" of Microsoft and Netscape, from when strong ciphers needed a permit. Windows'
# reference of HTTPS policies has known them; what today's Windows makes of them is not documented.
_GATED: Final = frozenset({"1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"})


class ServerUse(Enum):
    """Whether a certificate allows TLS servers.

    `UNREAD`: the list that decides cannot be read. `UNDOCUMENTED`: it has uses of which no source says
    whether they include TLS servers.
    """

    YES = auto()
    NO = auto()
    UNREAD = auto()
    UNDOCUMENTED = auto()


def covers_servers(usages: Collection[str]) -> bool:
    """Whether dotted object identifiers of usages include server authentication, or any use."""
    return SERVER_AUTHENTICATION in usages or ANY_EXTENDED_KEY_USAGE in usages


def server_use(extensions: Extensions) -> ServerUse:
    """Whether the uses of a certificate include TLS servers; without any list they do."""
    if APPLICATION_POLICIES in extensions.present:
        policies = extensions.application_policies
        if policies is None:
            return ServerUse.UNREAD
        if ANY_APPLICATION_POLICY in policies or SERVER_AUTHENTICATION in policies:
            return ServerUse.YES
        # "Any" of the other list, or no use at all: no page speaks of either.
        is_unclear = not policies or not {*_GATED, ANY_EXTENDED_KEY_USAGE}.isdisjoint(policies)
        return ServerUse.UNDOCUMENTED if is_unclear else ServerUse.NO
    if EXTENDED_KEY_USAGE in extensions.present:
        usages = extensions.extended_uses
        if usages is None:
            return ServerUse.UNREAD
        if covers_servers(usages):
            return ServerUse.YES
        is_unclear = not {*_GATED, ANY_APPLICATION_POLICY}.isdisjoint(usages)
        return ServerUse.UNDOCUMENTED if is_unclear else ServerUse.NO
    return ServerUse.YES


def deciding_list(extensions: Extensions) -> str:
    """The name of the extension that decides about uses, in the plural."""
    return (
        NAMES[APPLICATION_POLICIES] if APPLICATION_POLICIES in extensions.present else "extended key usages"
    )
