"""The name a client asks for, and whether a certificate has it.

Wildcards as Schannel accepts them (Microsoft KB 258858), not as RFC 9525 would: ``w*.contoso.com`` counts,
stars further right or within a label do not. A star stands for at least one character: the article shows none
that stands for nothing. An IP address is matched by an iPAddress entry alone (RFC 9110 section 4.3.5).

The common name is not considered: clients must ignore it (RFC 9525 section 2). Windows itself may be milder
with a certificate that has no alternative name at all: its reference of HTTPSPolicyCallbackData speaks of
"DNS name or common name".
"""

from __future__ import annotations

from typing import Final

from winpe_certs.findings import Reason, Severity
from winpe_certs.hosts import HostName
from winpe_certs.trust.facts import Facts
from winpe_certs.trust.words import listed

A_LABEL: Final = "xn--"
COMMON_NAME: Final = "2.5.4.3"


def name_reasons(facts: Facts, host: HostName) -> tuple[Reason, ...]:
    """Say why a certificate is not for a host; empty when it is."""
    if host.address is not None:
        if host.address in facts.addresses:
            return ()
    elif any(_covers(name, host.text) for name in facts.dns_names):
        return ()
    return (
        Reason(
            "name-mismatch",
            Severity.ERROR,
            f"The certificate is not for {host.text}: {_what_it_names(facts, host)}.",
            "Ask for the name that the client uses, or have a certificate issued that has it as a subject"
            " alternative name. A server for intranet and internet clients needs both of its names.",
            winhttp="CERT_CN_INVALID",
        ),
    )


def _covers(pattern: str, host: str) -> bool:
    """Whether a DNS name of a certificate, perhaps with a wildcard, covers a host."""
    if not pattern.isascii():  # lower() would turn foreign letters (the Kelvin sign) into ASCII ones
        return False
    pattern = pattern.lower()
    if "*" not in pattern:
        return pattern == host
    label, _, behind = pattern.partition(".")
    host_label, _, host_behind = host.partition(".")
    prefix, star, rest = label.partition("*")
    if not star or rest:
        return False
    if behind != host_behind or "." not in behind:  # a star further right fits no host either
        return False
    if prefix and host_label.startswith(A_LABEL):
        return False  # a part of an A-label is no part of the name that it stands for
    return host_label.startswith(prefix) and len(host_label) > len(prefix)


def _what_it_names(facts: Facts, host: HostName) -> str:
    if not facts.has_alternative_name:
        common = [str(part.value) for part in facts.subject if part.oid.dotted_string == COMMON_NAME]
        own = f" ({listed(common, 1)})" if common else ""
        return f"it has no subject alternative name, and the common name{own} is not considered"
    names = [*facts.dns_names, *map(str, facts.addresses)]
    if not names:
        return "its subject alternative name holds neither DNS names nor IP addresses"
    if host.address is not None:
        return f"it names {listed(names)}, and an address counts only as an entry of the kind IP address"
    return f"it names {listed(names)}"
