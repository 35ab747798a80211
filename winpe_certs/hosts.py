"""Hosts as people type them: the name or address of a server, with or without a port.

Names are those of DNS (RFC 1035 section 2.3), with underscores, and in the form that goes over the wire
(RFC 3490). Refused: URLs, wildcards, zones of IPv6 addresses, names that IDNA 2003 and 2008 read differently,
and mistyped addresses such as ``10.0.0.256``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from winpe_certs.errors import UsageError
from winpe_certs.shown import plain_words, shown_text

HTTPS: Final = 443
LONGEST_NAME: Final = 253  # RFC 1035 section 2.3.4: 255 octets, two of which are no text
LONGEST_LABEL: Final = 63
LONGEST_SHOWN: Final = 200

# A host whose last label is one of these is an IPv4 address to some resolvers, and so is "10.1" or "0x7f.1".
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_HOST_AND_PORT: Final = re.compile(r"[^:]+:[0-9]*")
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")

# Sharp s, final sigma and the two joiners: IDNA 2003 maps them away, IDNA 2008 (RFC 5894 section 7.2) keeps
# them, so the same text means two different hosts.
_READ_IN_TWO_WAYS: Final = "\u00df\u03c2\u200c\u200d"
_HOW_TO_WRITE: Final = (
    "Give the name of the server, with a colon and its port unless that is 443, for example "
    "cmg.contoso.com or cmg.contoso.com:8443. "
    "An IPv6 address with a port goes in brackets: [2001:db8::1]:443."
)


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens."""

    host: HostName
    port: int

    def __str__(self) -> str:
        is_long = isinstance(self.host.address, IPv6Address)
        return f"[{self.host.text}]:{self.port}" if is_long else f"{self.host.text}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Read "host", "host:port", "[address]:port" or an address; raises `UsageError` with advice.

    Without a port it is 443. Colons without brackets belong to the address if it is one of IPv6.
    """
    if "/" in text or "@" in text or "?" in text:
        name = re.split(r"[/?#]", _SCHEME.sub("", text))[0].rpartition("@")[2]
        advice = f"Give the name alone: {name}" if name.isprintable() and name else _HOW_TO_WRITE
        raise UsageError(f"{shown_text(text)} is more than the name of a server", resolution=advice)
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        address = _address(inside)
        if not bracket or (rest and not rest.startswith(":")) or not isinstance(address, IPv6Address):
            raise UsageError(
                f"{shown_text(text)}: only an IPv6 address goes in brackets", resolution=_HOW_TO_WRITE
            )
        return Endpoint(parse_host(inside), _port(rest[1:], text) if rest else HTTPS)
    if _address(text):
        return Endpoint(parse_host(text), HTTPS)
    host, colon, port = text.partition(":")
    return Endpoint(parse_host(host), _port(port, text) if colon else HTTPS)


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(
            f"{shown_text(whole)}: {shown_text(text)} is no port, which is a number from 1 to 65535",
            resolution=_HOW_TO_WRITE,
        )
    return int(text)


def _refusal(text: str, reason: str, resolution: str = "") -> UsageError:
    return UsageError(
        f"not the name of a server: {shown_text(text)}",
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
        why = plain_words(error)
        raise _refusal(
            text,
            f"it has no form for DNS: {why}" if why else "it has no form for DNS",
            "Give the name in the form that DNS uses: xn--...",
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
