"""WinHTTP's names of failures, as smsts.log of Configuration Manager shows them, and their numbers.

Names, flags and errors: Microsoft, "WINHTTP_STATUS_CALLBACK callback function" and "Error messages
(Winhttp.h)". That the log shows the flags one per line after ``*lpvStatusInformation is 0x8``, and then
``0x80072f8f``, is in Microsoft's support articles about that log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FLAGS_SOURCE: Final = "Microsoft, WINHTTP_STATUS_CALLBACK callback function"
ERRORS_SOURCE: Final = "Microsoft, Error messages (Winhttp.h)"
FLAG_PREFIX: Final = "WINHTTP_CALLBACK_STATUS_FLAG_"
ERROR_PREFIX: Final = "ERROR_WINHTTP_"
# An error of Windows as HRESULT: 0x8007 and the number.
HRESULT: Final = 0x8007_0000


@dataclass(frozen=True, slots=True)
class WinHttpName:
    """A name of a failure: what it means, why it happens, what to do."""

    meaning: str
    cause: str
    remedy: str


FLAGS: Final[Mapping[int, str]] = {
    0x0000_0001: "CERT_REV_FAILED",
    0x0000_0002: "INVALID_CERT",
    0x0000_0004: "CERT_REVOKED",
    0x0000_0008: "INVALID_CA",
    0x0000_0010: "CERT_CN_INVALID",
    0x0000_0020: "CERT_DATE_INVALID",
    0x0000_0040: "CERT_WRONG_USAGE",
    0x8000_0000: "SECURITY_CHANNEL_ERROR",
}
"""The names of the flags by their bits."""

ERRORS: Final[Mapping[int, str]] = {
    12002: "TIMEOUT",
    12007: "NAME_NOT_RESOLVED",
    12029: "CANNOT_CONNECT",
    12044: "CLIENT_AUTH_CERT_NEEDED",
    12175: "SECURE_FAILURE",
}
"""The names of the errors by their numbers."""

NAMES: Final[Mapping[str, WinHttpName]] = {
    "INVALID_CA": WinHttpName(
        "Windows does not know the issuer of the server's certificate.",
        "The root is in no store of the image that counts, or an intermediate is neither sent nor in the "
        "store CA.",
        "check-server says which certificate is missing; inject puts it in.",
    ),
    "CERT_CN_INVALID": WinHttpName(
        "The certificate is not for the name of the server.",
        "The client asks for a name that the certificate does not have: another FQDN, an alias, an IP "
        "address.",
        "check-server with --hostname says which names the certificate has.",
    ),
    "CERT_DATE_INVALID": WinHttpName(
        "A certificate of the chain is not valid at this time.",
        "It has expired or is not valid yet, or the clock of Windows PE is wrong: it starts with the clock "
        "of the firmware.",
        "Press F8 in Windows PE and look at date and time. If they are right, have the certificate renewed.",
    ),
    "CERT_REV_FAILED": WinHttpName(
        "The revocation of a certificate could not be checked.",
        "The client cannot reach the revocation list. Enterprise CAs publish LDAP addresses by default, "
        "which clients on the internet or in a workgroup cannot reach.",
        "Publish the list at an http address, or switch the check off (site option, /NoCRLCheck).",
    ),
    "CERT_REVOKED": WinHttpName(
        "A certificate of the chain was revoked.",
        "Its CA has it on its revocation list.",
        "Give the server another certificate.",
    ),
    "CERT_WRONG_USAGE": WinHttpName(
        "A certificate of the chain is not for server authentication.",
        "Its extended key usage, its application policies, or a property of the stored root leave it out.",
        "check-server says which certificate it is.",
    ),
    "INVALID_CERT": WinHttpName(
        "The certificate of the server is not valid.",
        "WinHTTP says no more than that.",
        "check-server judges the chain of the server rule by rule.",
    ),
    "SECURITY_CHANNEL_ERROR": WinHttpName(
        "The TLS library failed.",
        "Microsoft documents it as an internal error while the TLS libraries are loaded. In practice the "
        "handshake failed for a reason that none of the other flags names.",
        "Look at the versions of TLS and the ciphers that server and Windows PE have in common, and at "
        "proxies.",
    ),
    "SECURE_FAILURE": WinHttpName(
        "The certificate of the server was refused.",
        "The flags before it in the log say why: INVALID_CA, CERT_CN_INVALID, CERT_DATE_INVALID and others.",
        "Look for the flags in the log, and give their names to explain. check-server judges the chain.",
    ),
    "TIMEOUT": WinHttpName(
        "The server did not answer in time.",
        "The network is slow, or a firewall drops what is sent.",
        "Check network and firewall in Windows PE. The certificates are not the cause.",
    ),
    "NAME_NOT_RESOLVED": WinHttpName(
        "The name of the server could not be looked up.",
        "Windows PE has no name server, or the name is wrong.",
        "Check ipconfig /all and the name in Windows PE. The certificates are not the cause.",
    ),
    "CANNOT_CONNECT": WinHttpName(
        "The connection to the server failed.",
        "Nothing listens there, or a firewall or a missing driver of the network card is in the way.",
        "Check network and firewall in Windows PE. The certificates are not the cause.",
    ),
    "CLIENT_AUTH_CERT_NEEDED": WinHttpName(
        "The server asks for a certificate of the client.",
        "The media has no client certificate, or one that the server does not take.",
        "check-media-certificate judges the certificate of the media.",
    ),
}
