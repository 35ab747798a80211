"""The servers that a command asks about: chains out of files, or from live servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.file_kinds import GIVE_CERTIFICATE
from winpe_certs.connection import TimeLimit, fetch_chain
from winpe_certs.errors import CertificateError, PrivateKeyError, UsageError
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.hosts import Endpoint, HostName, parse_endpoint, parse_host
from winpe_certs.trust.server import ServerChain, chain_from
from winpe_certs.trust.words import listed, named
from winpe_certs.workflows.given_files import lasting_name
from winpe_certs.workflows.inputs import read_chain_file

_SHOWN_NAMES: Final = 10
_GIVE_CHAIN: Final = (
    "Give the server's certificate and its intermediates, as the server sends them. --connect takes them "
    "from the live server; elsewhere OpenSSL's s_client with -showcerts prints them."
)
# Without -cacerts: that would leave out the one certificate that is asked about, the server's own.
_CHAIN_WITHOUT_KEY: Final = (
    "Export the chain without the private key (certificate viewer, Details, Copy to File: 'No, do not export "
    "the private key', then PKCS #7 with all certificates in the certification path), or with OpenSSL's "
    "pkcs12 command and its option -nokeys."
)
_PROXY: Final = (
    "{endpoint}: a proxy that inspects TLS may have answered instead of the server. Compare the issuer with "
    "what the PKI team expects; Windows PE may sit in another network."
)


@dataclass(frozen=True, slots=True)
class Servers:
    """All servers of a call, and what a person should know about where their chains came from."""

    chains: tuple[ServerChain, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Servers as they are typed: a chain with its names, ``NAME=FILE``, or a host to connect to.

    Without a chain `hostnames` belong to the one host of `connect` and replace its own name: the server is
    asked under each of them.
    """

    chain: Path | None = None
    hostnames: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    connect: tuple[str, ...] = ()
    connect_seconds: float = 10.0


def gather_servers(asked: Asked) -> Servers:
    """Read every chain; files first, so that a wrong path is told before anything is sent over a network.

    Raises `UsageError`, `CertificateError`, and `ConnectionFailure` for a server that does not answer.
    """
    _refuse_odd(asked)
    chains: list[ServerChain] = []
    warnings: list[str] = []
    if asked.chain is not None:
        names = [parse_host(text) for text in asked.hostnames]
        chains.append(_from_file(asked.chain, names, warnings))
    for text in asked.servers:
        name, separator, file = text.partition("=")
        if not separator or not name or not file:
            raise UsageError(
                f"--server {text}: not a name and a file with = between them",
                resolution="Write the server's name first, then = and the file of its chain, for example "
                "--server cmg.contoso.com=cmg-chain.pem",
            )
        chains.append(_from_typed(name, Path(file), warnings))
    endpoints = [parse_endpoint(text) for text in asked.connect]
    own_names = asked.hostnames if asked.chain is None else ()
    limit = TimeLimit(asked.connect_seconds)
    for endpoint in endpoints:
        chains += _from_server(endpoint, own_names, limit)
        warnings.append(_PROXY.format(endpoint=endpoint))
    return Servers(tuple(chains), tuple(warnings))


def _refuse_odd(asked: Asked) -> None:
    if asked.chain is None and not asked.servers and not asked.connect:
        raise UsageError(
            "no server was given",
            resolution="Give its chain with --chain and its name with --hostname, or let it be asked with "
            "--connect.",
        )
    if asked.chain is None and asked.hostnames and len(asked.connect) != 1:
        raise UsageError(
            "--hostname: it is not clear which server these names are for",
            resolution="They go with --chain, or with a single --connect. For several servers use "
            "--server, which takes a name and the file of a chain.",
        )


def _from_typed(name: str, file: Path, warnings: list[str]) -> ServerChain:
    """The chain of one ``NAME=FILE``; raises `UsageError` that says how it is typed."""
    try:
        return _from_file(file, [parse_host(name)], warnings)
    except UsageError as error:
        if path_kind(file) is PathKind.MISSING and path_kind(Path(name)) is PathKind.FILE:
            advice = (
                "--server takes the server's name first, then = and the file; here it is the other way round."
            )
        else:
            advice = (
                f"{error.resolution} --server takes the server's name, then = and the file of its chain, for "
                "example cmg.contoso.com=cmg-chain.pem"
            )
        raise UsageError(error.message, details=error.details, resolution=advice) from error


def _from_file(path: Path, hosts: Sequence[HostName], warnings: list[str]) -> ServerChain:
    try:
        found = read_chain_file(path)
    except PrivateKeyError as error:
        raise PrivateKeyError(error.message, details=error.details, resolution=_CHAIN_WITHOUT_KEY) from error
    except CertificateError as error:
        if error.resolution == GIVE_CERTIFICATE:
            raise CertificateError(error.message, details=error.details, resolution=_GIVE_CHAIN) from error
        raise
    warnings += found.warnings
    certificates = [entry.certificate for entry in found.entries]
    chain = chain_from(certificates, server=path.name, source=str(path), hosts=hosts, file=lasting_name(path))
    if not hosts:
        raise _without_name(path, chain.leaf)
    strangers = [each for each in chain.others if not each.is_ca]
    if strangers:
        warnings.append(
            f"{path}: {named(chain.leaf)} ({chain.leaf.thumbprint}) is taken for the server's certificate; "
            f"not considered: {listed([each.thumbprint for each in strangers])}"
        )
    return chain


def _without_name(path: Path, leaf: Certificate) -> UsageError:
    names = leaf.extensions.dns_names[:_SHOWN_NAMES]
    return UsageError(
        f"{path}: no host name to judge the certificate by",
        details=f"The certificate is for {', '.join(names)}" if names else "The certificate names no host.",
        resolution="Add --hostname for every name under which clients reach the server.",
    )


def _from_server(endpoint: Endpoint, names: Sequence[str], limit: TimeLimit) -> list[ServerChain]:
    """One chain for each name: a server may have another certificate for each that it is asked for."""
    source = f"connected to {endpoint}"
    by_chain: dict[tuple[bytes, ...], list[HostName]] = {}
    for host in [parse_host(name) for name in names] or [endpoint.host]:
        by_chain.setdefault(fetch_chain(endpoint, host, limit), []).append(host)
    chains = []
    for sent, hosts in by_chain.items():
        # The server's own certificate comes first (RFC 8446 section 4.4.2): nothing has to be guessed.
        leaf, *others = (
            Certificate.from_der(der, f"{source}, certificate {number}")
            for number, der in enumerate(sent, start=1)
        )
        chains.append(ServerChain(str(endpoint), source, leaf, tuple(others), tuple(hosts)))
    return chains
