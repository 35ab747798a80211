"""A server as it was given: its certificate, what it sends along, and the names that it must answer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.errors import CertificateError
from winpe_certs.hosts import HostName
from winpe_certs.trust.facts import facts_of

# A TLS server sends a handful; a file may be a whole bundle. Building paths through more is no honest work.
_MOST_CERTIFICATES: Final = 1_000


@dataclass(frozen=True, slots=True)
class ServerChain:
    """A server: `leaf` is its own certificate, `others` are in the order in which they were sent.

    `source` says in words where the certificates came from; `server` is how the server is called in reports.
    """

    server: str
    source: str
    leaf: Certificate
    others: tuple[Certificate, ...]
    hosts: tuple[HostName, ...]


def chain_from(
    certificates: Sequence[Certificate], *, server: str, source: str, hosts: Sequence[HostName]
) -> ServerChain:
    """Find the server's own certificate among those of a file; raises `CertificateError` without one.

    It is the one that issued none of the others; if several are so, the first that is no CA. A CA counts only
    when it carries host names, as self-made server certificates do.
    """
    if len(certificates) > _MOST_CERTIFICATES:
        raise CertificateError(
            f"{source}: {len(certificates)} certificates are too many for a server's chain",
            resolution="Give the file with the server's certificate and its intermediates alone.",
        )
    issuers = {facts_of(each).issuer_key for each in certificates if not each.is_self_issued}
    ends = [each for each in certificates if facts_of(each).subject_key not in issuers]
    candidates = sorted(ends, key=lambda each: each.is_ca)
    chosen = next((each for each in candidates if _may_be_a_server(each)), None)
    if chosen is None:
        raise CertificateError(
            f"{source}: there is no server's certificate in it",
            details="\n".join(f"CA: {each.subject}" for each in certificates[:10]),
            resolution="Save the chain that the server sends, its own certificate included: "
            "openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null >chain.pem",
        )
    others = tuple(each for each in certificates if each is not chosen)
    return ServerChain(server, source, chosen, others, tuple(hosts))


def _may_be_a_server(certificate: Certificate) -> bool:
    facts = facts_of(certificate)
    return not certificate.is_ca or bool(facts.dns_names or facts.addresses)
