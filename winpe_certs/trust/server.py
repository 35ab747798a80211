"""A server as it was given: its certificate, what it sends along, and the names that it must answer to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.names import COMMON_NAME
from winpe_certs.errors import CertificateError
from winpe_certs.findings import Severity
from winpe_certs.hosts import HostName
from winpe_certs.trust.names import name_reasons
from winpe_certs.trust.words import named, until

# A TLS server sends a handful; a file may be a whole bundle. Building paths through more is no honest work.
_MOST_CERTIFICATES: Final = 1_000
_SHOWN: Final = 10
_HOST: Final = re.compile(
    r"(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class ServerChain:
    """A server: `leaf` is its own certificate, `others` are in the order in which they were sent.

    `source` says in words where the certificates came from; `server` is how the server is called in reports.
    `file` is the file that holds them all, None when there is none to be read again.
    """

    server: str
    source: str
    leaf: Certificate
    others: tuple[Certificate, ...]
    hosts: tuple[HostName, ...]
    file: str | None = None


def chain_from(
    certificates: Sequence[Certificate],
    *,
    server: str,
    source: str,
    hosts: Sequence[HostName],
    file: str | None = None,
) -> ServerChain:
    """Find the server's own certificate among those of a file; raises `CertificateError` without one.

    It is the one that issued none of the others. A CA counts only when it carries host names, as self-made
    server certificates do, be it as its common name. When several are left, the one that has the names asked
    for is meant; if that leaves a choice, there is no telling. What cannot be read is the server's only if
    nothing else can be.
    """
    if len(certificates) > _MOST_CERTIFICATES:
        raise CertificateError(
            f"{source}: {len(certificates)} certificates are too many for a server's chain",
            resolution="Give the file with the server's certificate and its intermediates alone.",
        )
    readable = [each for each in certificates if not each.fault]
    issuers = {each.issuer_name.comparable for each in readable if not each.is_self_issued}
    ends = [each for each in readable if each.subject_name.comparable not in issuers]
    servers = [each for each in ends if _may_be_a_server(each)]
    servers = [each for each in servers if not each.is_ca] or servers
    if len(servers) > 1:
        servers = [each for each in servers if _has_all(each, hosts)] or servers
    if not servers:
        servers = [each for each in certificates if each.fault][:1]
    if not servers:
        raise CertificateError(
            f"{source}: there is no server's certificate in it",
            details="\n".join(f"CA: {each.subject}" for each in certificates[:_SHOWN]),
            resolution="Give the chain that the server sends, its own certificate included. --connect takes "
            "it from the live server; elsewhere OpenSSL's s_client with -showcerts prints it.",
        )
    if len(servers) > 1:
        raise CertificateError(
            f"{source}: which of the {len(servers)} servers' certificates in it is meant cannot be told",
            details="\n".join(
                f"{each.thumbprint} {named(each)}, until {until(each)}" for each in servers[:_SHOWN]
            ),
            resolution="Give a file with the one that the server uses and its intermediates alone.",
        )
    (chosen,) = servers
    others = tuple(each for each in certificates if each is not chosen)
    return ServerChain(server, source, chosen, others, tuple(hosts), file)


def _has_all(certificate: Certificate, hosts: Sequence[HostName]) -> bool:
    return bool(hosts) and not any(
        reason.severity is Severity.ERROR or reason.undocumented
        for host in hosts
        for reason in name_reasons(certificate, host)
    )


def _may_be_a_server(certificate: Certificate) -> bool:
    extensions = certificate.extensions
    if not certificate.is_ca or extensions.dns_names or extensions.addresses:
        return True
    return any(map(_is_host, certificate.subject_name.texts(COMMON_NAME)))


def _is_host(text: str) -> bool:
    """Whether a common name is a host's, with its domain; a CA's own name is none as a rule."""
    return "." in text and _HOST.fullmatch(text) is not None
