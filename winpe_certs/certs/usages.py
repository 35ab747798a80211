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


class ServerUse(Enum):
    """Whether a certificate allows TLS servers; `UNKNOWN` when the list that decides cannot be read."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()


def covers_servers(usages: Collection[str]) -> bool:
    """Whether dotted object identifiers of usages include server authentication, or any use."""
    return SERVER_AUTHENTICATION in usages or ANY_EXTENDED_KEY_USAGE in usages


def server_use(extensions: Extensions) -> ServerUse:
    """Whether the uses of a certificate include TLS servers; without any list they do."""
    if APPLICATION_POLICIES in extensions.present:
        policies = extensions.application_policies
        if policies is None:
            return ServerUse.UNKNOWN
        return (
            ServerUse.YES if covers_servers(policies) or ANY_APPLICATION_POLICY in policies else ServerUse.NO
        )
    if EXTENDED_KEY_USAGE in extensions.present:
        usages = extensions.extended_uses
        if usages is None:
            return ServerUse.UNKNOWN
        return ServerUse.YES if covers_servers(usages) else ServerUse.NO
    return ServerUse.YES


def deciding_list(extensions: Extensions) -> str:
    """The name of the extension that decides about uses, in the plural."""
    return (
        NAMES[APPLICATION_POLICIES] if APPLICATION_POLICIES in extensions.present else "extended key usages"
    )
