"""The verifier of the library `cryptography` is a second judge of what the matrix expects.

Its policy is the most permissive one that still knows what a CA is. It looks for other ways where OpenSSL
takes the first. What it does not look at, or refuses beyond what Windows does, stands in `DIFFERENCES`.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    ServerVerifier,
    Store,
    VerificationError,
)

from scripts.testdata.trust_cases import TRUSTED, Case
from scripts.testdata.trust_pki import cases

_USES = (
    "intermediate-use-client-only", "root-use-client-only", "server-use-client-only", "server-use-mail-only",
    "intermediate-without-cert-sign", "root-without-cert-sign", "server-key-crl-sign",
    "server-key-content-commitment", "server-key-data-encipherment",
)  # fmt: skip
_DISALLOWED = (
    "disallowed-server", "disallowed-intermediate", "disallowed-root", "disallowed-intermediate-in-ca",
    "disallowed-self-signed-server",
)  # fmt: skip
_POLICIES = ("policies-demanded-and-there", "policies-demanded-any", "policies-any-not-inhibited")

DIFFERENCES = {
    **dict.fromkeys(_USES, "the permissive policy does not look at uses"),
    **dict.fromkeys(_DISALLOWED, "it has no store of certificates that are refused"),
    **dict.fromkeys(_POLICIES, "it does not know the critical extension policy constraints"),
    "identifier-points-elsewhere": "it does not compare key identifiers",
    "intermediate-identifier-points-elsewhere": "it does not compare key identifiers",
    "new-key-rollover-is-not-counted": "it counts self-issued certificates as path length",
    "root-of-version-1": "it wants version 3 everywhere",
    "root-says-nothing": "it wants basic constraints in every CA",
    "names-common-name-only": "it does not look at the common name",
    "constraints-dot-permitted": "it wants no dot in front of a constraint",
    "constraints-directory-permitted": "it does not know constraints for directory names",
    "names-wildcard-with-prefix": "it wants a star to be a label of its own",
    "sha-1-intermediate": "it refuses SHA-1",
    "sha-1-server": "it refuses SHA-1",
    "rsa-1024-root": "it refuses issuers with RSA keys below 2048 bits",
    "rsa-512-server": "the permissive policy does not look at the server's key",
}


def _subject(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _verifier(case: Case, roots: list[x509.Certificate], host: str) -> ServerVerifier:
    either = Criticality.AGNOSTIC
    authorities = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, either, None)
    servers = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, either, None)
    builder = PolicyBuilder().store(Store(roots)).time(case.at)
    builder = builder.extension_policies(ca_policy=authorities, ee_policy=servers)
    return builder.build_server_verifier(_subject(host))


def _is_accepted(case: Case, host: str) -> bool:
    stored = [(store, x509.load_der_x509_certificate(der)) for store, der in case.stores]
    roots = [each for store, each in stored if store in {"AuthRoot", "ROOT"} and each.subject == each.issuer]
    if not roots:  # it refuses to be asked without any
        return False
    server, *sent = map(x509.load_der_x509_certificate, case.sent)
    between = [*sent, *(each for store, each in stored if store == "CA")]
    try:
        _verifier(case, roots, host).verify(server, between)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.name))
def test_the_expected_verdicts_are_those_of_cryptography(case: Case) -> None:
    answers = [_is_accepted(case, host) for host in case.hosts]
    expected = [verdict == TRUSTED for verdict in case.verdicts]
    if case.name in DIFFERENCES:
        assert answers != expected, f"cryptography does agree, although {DIFFERENCES[case.name]}"
    else:
        assert answers == expected


def test_every_difference_is_that_of_a_case() -> None:
    assert set(DIFFERENCES) <= {case.name for case in cases()}
