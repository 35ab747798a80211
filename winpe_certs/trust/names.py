"""The name a client asks for, and whether a certificate has it.

Wildcards as Schannel accepts them (Microsoft KB 258858), not as RFC 9525 would: ``w*.contoso.com`` counts,
stars further right or within a label do not. A star stands for at least one character: the article shows none
that stands for nothing. An IP address is matched by an iPAddress entry alone (RFC 9110 section 4.3.5).

The common name is not considered: clients must ignore it (RFC 9525 section 2). Windows itself may be milder
with a certificate that has no alternative name at all: its reference of HTTPSPolicyCallbackData speaks of
"DNS name or common name".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from winpe_certs.errors import UsageError
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.facts import Facts
from winpe_certs.trust.words import listed, shortened

LONGEST_NAME: Final = 253  # RFC 1035 section 2.3.4: 255 octets, two of which are no text
LONGEST_LABEL: Final = 63
A_LABEL: Final = "xn--"
COMMON_NAME: Final = "2.5.4.3"

# A host whose last label is one of these is an IPv4 address to some resolvers, and so is "10.1" or "0x7f.1".
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_HOST_AND_PORT = re.compile(r"[^:]+:[0-9]*")

# Sharp s, final sigma and the two joiners: IDNA 2003 maps them away, IDNA 2008 (RFC 5894 section 7.2) keeps
# them, so the same text means two different hosts.
_READ_IN_TWO_WAYS = "\u00df\u03c2\u200c\u200d"


@dataclass(frozen=True, slots=True)
class HostName:
    """A host: lower-case ASCII without a dot at its end, and the address when it is an IP address."""

    text: str
    address: IPv4Address | IPv6Address | None


def parse_host(text: str) -> HostName:
    """Read the name of a server as a person gives it, or raise `UsageError`."""
    if not text.strip():
        raise _refusal(text, "it is empty")
    if any(character.isspace() for character in text):
        raise _refusal(text, "there are blanks in it")
    if "/" in text or "\\" in text:
        raise _refusal(text, "it is a URL or a path", "Give the name alone, without https:// and path.")
    if len(text) > LONGEST_NAME + 1:
        raise _refusal(text, f"it is longer than {LONGEST_NAME} characters")
    name = _ascii(text).lower()
    if name.startswith("["):
        raise _refusal(text, "brackets belong to URLs", "Give the address alone, without brackets and port.")
    if address := _address(name):
        return HostName(str(address), address)
    if _HOST_AND_PORT.fullmatch(name):
        raise _refusal(text, "there is a port in it", "Give the name alone: certificates know no ports.")
    if "*" in name:
        raise _refusal(text, "it is a wildcard", "Give one name that a client connects to.")
    name = name.removesuffix(".")
    _check_labels(text, name)
    return HostName(name, None)


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


def _refusal(text: str, reason: str, resolution: str = "") -> UsageError:
    return UsageError(
        f"not the name of a server: {shortened(text) or 'nothing'}",
        details=reason,
        resolution=resolution or "Give a name such as cmg.contoso.com, or an IP address.",
    )


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if any(character in _READ_IN_TWO_WAYS for character in text):
        raise _refusal(
            text,
            "two standards (IDNA 2003 and 2008) read one of its characters differently",
            "Give the name in the form that DNS uses: xn--...",
        )
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise _refusal(
            text, f"it has no form for DNS: {error}", "Give the name in the form that DNS uses: xn--..."
        ) from error


def _address(name: str) -> IPv4Address | IPv6Address | None:
    if "%" in name:  # a zone (RFC 4007) is known to one machine alone
        return None
    try:
        return ip_address(name)
    except ValueError:
        return None


def _check_labels(text: str, name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise _refusal(text, f"it is longer than {LONGEST_NAME} characters")
    labels = name.split(".")
    if not all(labels):
        raise _refusal(text, "there is nothing between two dots, or in front of one")
    for label in labels:
        if len(label) > LONGEST_LABEL:
            raise _refusal(text, f"a part of it is longer than {LONGEST_LABEL} characters")
        if not _LABEL.fullmatch(label):
            raise _refusal(
                text,
                f"{label} is not letters, digits, underscores and hyphens, with no hyphen at either end",
            )
    if _NUMBER.fullmatch(labels[-1]):
        raise _refusal(text, "it ends like an IP address and is none")


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
