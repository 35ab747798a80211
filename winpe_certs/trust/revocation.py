"""Where a certificate says that its revocation can be looked up, and who can get there. Nothing is fetched.

An enterprise CA publishes its list under an LDAP path only, unless told otherwise; Windows clients on the
internet or in a workgroup cannot read that, and WinHTTP ends with CERT_REV_FAILED (Configuration Manager
support team, 2018). What is reachable from where is judged by the address alone: special names of RFC 6761,
RFC 6762 appendix G and RFC 8375, private IP addresses, names without a dot.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import REVOCATION_LISTS
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.words import listed, shortened

INTERNAL_ENDINGS: Final = (
    ".local", ".localhost", ".internal", ".intranet", ".private", ".corp", ".home", ".lan", ".home.arpa",
)  # fmt: skip
MOST_URLS: Final = 5

SWITCH_OFF: Final = (
    "Or turn the check off: /NoCRLCheck for the client, and the site option"
    ' "Clients check the certificate revocation list (CRL) for site systems".'
)
PUBLISH: Final = (
    "Publish the list at an http address that such clients reach, and issue the certificate again: the"
    f" address stands in the certificate. {SWITCH_OFF}"
)


class _Access(Enum):
    HTTP = auto()
    INTERNAL_HTTP = auto()
    HTTPS = auto()
    LDAP = auto()
    NONE = auto()


def revocation_reasons(certificate: Certificate) -> tuple[Reason, ...]:
    """Say why clients outside the domain may fail to look up a revocation; one reason at most."""
    extensions = certificate.extensions
    urls = (*extensions.revocation_list_urls, *extensions.responder_urls)
    accesses = frozenset(map(_access, urls))
    who = f"The certificate {shortened(certificate.subject or certificate.thumbprint)}"
    if _Access.HTTP in accesses:
        return ()
    if not urls and REVOCATION_LISTS not in extensions.present:
        return _warning(
            "revocation-no-list",
            f"{who} names neither a revocation list nor an OCSP responder: its revocation cannot be checked.",
        )
    if _Access.INTERNAL_HTTP in accesses:
        return _warning(
            "revocation-internal",
            f"{who} can be checked for revocation only inside the network, by its addresses: {_shown(urls)}."
            " Clients on the internet probably cannot get there.",
        )
    if _Access.HTTPS in accesses:
        return _warning(
            "revocation-https",
            f"{who} can be checked for revocation only over https: {_shown(urls)}. Windows may not fetch it:"
            " checking that connection needs a revocation list again, so http is the norm (RFC 5280"
            " section 8).",
        )
    if accesses <= {_Access.LDAP}:
        return _warning(
            "revocation-ldap-only",
            f"{who} can be checked for revocation only over LDAP: {_shown(urls)}. Clients on the internet or"
            " in a workgroup cannot fetch it.",
        )
    return _warning(
        "revocation-unreachable",
        f"{who} can be checked for revocation at no address that a client on the internet or in a workgroup"
        f" can fetch: {_shown(urls)}.",
    )


def _warning(code: str, message: str) -> tuple[Reason, ...]:
    return (Reason(code, Severity.WARNING, message, PUBLISH, winhttp="CERT_REV_FAILED"),)


def _shown(urls: Iterable[str]) -> str:
    """Distribution points may be directory names as well, which only a directory can be asked for."""
    return listed(tuple(urls), MOST_URLS) or "its list is named by a place in the directory"


def _access(url: str) -> _Access:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return _Access.NONE
    if parts.scheme in ("ldap", "ldaps"):
        return _Access.LDAP
    if parts.scheme not in ("http", "https") or not host:
        return _Access.NONE
    if parts.scheme == "https":
        return _Access.HTTPS
    return _Access.INTERNAL_HTTP if _is_internal(host.removesuffix(".")) else _Access.HTTP


def _is_internal(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(INTERNAL_ENDINGS)
