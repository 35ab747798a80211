"""General names (RFC 5280 section 4.2.1.6): names of hosts, addresses, directory names and others.

They are what a certificate is issued for (subject alternative name), what a CA may issue for (name
constraints), and where lists and certificates can be fetched. One that cannot be read has no value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from winpe_certs.certs.der import DerError, Element, object_identifier, read_whole
from winpe_certs.certs.names import ComparableName, read_name

DNS: Final = "DNS name"
ADDRESS: Final = "IP address"
DIRECTORY: Final = "directory name"
MAIL: Final = "e-mail address"
URI: Final = "URI"
OTHER: Final = "other name"
REGISTERED: Final = "registered identifier"
UNKNOWN: Final = "name of an unknown kind"

# The tags of GeneralName; 3 is x400Address, 5 is ediPartyName: they are unused, and nothing here reads them.
_TEXTS: Final = {0x81: MAIL, 0x82: DNS, 0x86: URI}
_OTHER_NAME: Final = 0xA0
_X400: Final = 0xA3
_DIRECTORY_NAME: Final = 0xA4
_EDI_PARTY: Final = 0xA5
_IP_ADDRESS: Final = 0x87
_REGISTERED_ID: Final = 0x88

Value: TypeAlias = str | IPv4Address | IPv6Address | IPv4Network | IPv6Network | ComparableName | None


@dataclass(frozen=True, slots=True)
class GeneralName:
    """One name: its kind, the form in which it is compared, and its text.

    `value` is None for a name of a kind that is not compared, and for one that cannot be read. `fault` says
    what is wrong with it.
    """

    kind: str
    value: Value
    text: str
    fault: str = ""


def read_general_name(element: Element, *, with_mask: bool = False) -> GeneralName:
    """Read one name; `with_mask` takes IP addresses as constraints hold them, each with its mask."""
    kind = _TEXTS.get(element.tag)
    if kind is not None:
        return _text(kind, element)
    if element.tag == _IP_ADDRESS:
        return _network(element) if with_mask else _address(element)
    if element.tag == _DIRECTORY_NAME:
        return _guarded(DIRECTORY, element, _directory)
    if element.tag == _OTHER_NAME:
        return _guarded(OTHER, element, _other)
    if element.tag == _REGISTERED_ID:
        return _guarded(REGISTERED, element, _registered)
    unread = (
        " (x400Address)" if element.tag == _X400 else " (ediPartyName)" if element.tag == _EDI_PARTY else ""
    )
    return GeneralName(UNKNOWN, None, _shown(element.value), f"its kind is not known{unread}")


def _text(kind: str, element: Element) -> GeneralName:
    """Text of these kinds is ASCII (IA5String). A NUL does not end it (Microsoft, MS09-056)."""
    data = element.value
    if not data.isascii():
        return GeneralName(kind, None, _shown(data), "it is not ASCII")
    text = data.decode("ascii")
    if "\0" in text:
        return GeneralName(kind, text, _shown(data), "there is a NUL in it")
    return GeneralName(kind, text, text)


def _address(element: Element) -> GeneralName:
    data = element.value
    if len(data) not in (4, 16):
        return GeneralName(ADDRESS, None, _shown(data), f"an IP address has 4 or 16 octets, this {len(data)}")
    address = ip_address(data)
    return GeneralName(ADDRESS, address, str(address))


def _network(element: Element) -> GeneralName:
    data = element.value
    half = len(data) // 2
    if len(data) not in (8, 32):
        reason = f"an address with its mask has 8 or 32 octets, this {len(data)}"
        return GeneralName(ADDRESS, None, _shown(data), reason)
    mask = int.from_bytes(data[half:], "big")
    length = mask.bit_count()
    if mask != (1 << half * 8) - (1 << half * 8 - length):
        return GeneralName(ADDRESS, None, _shown(data), "its mask has holes")
    network = ip_network((data[:half], length), strict=False)
    return GeneralName(ADDRESS, network, str(network))


def _directory(element: Element) -> GeneralName:
    name = read_name(read_whole(element.value))
    fault = "" if name.parts is not None else "it is not the structure of a name"
    return GeneralName(DIRECTORY, name.comparable, str(name), fault)


def _other(element: Element) -> GeneralName:
    return GeneralName(OTHER, None, object_identifier(element.children()[0]))


def _registered(element: Element) -> GeneralName:
    # The tag is implicit: the content is that of an object identifier.
    plain = Element(element.source, 0x06, element.start, element.content, element.end)
    return GeneralName(REGISTERED, None, object_identifier(plain))


def _guarded(kind: str, element: Element, read: Callable[[Element], GeneralName]) -> GeneralName:
    try:
        return read(element)
    except (DerError, IndexError):
        return GeneralName(kind, None, _shown(element.value), "it cannot be read")


def _shown(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\{byte:02X}" for byte in data)
