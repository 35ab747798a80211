"""What `examine` says about certificates, and what is refused for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.certs import making
from tests.unit.certs.making import NOW, handmade, load, make
from winpe_certs.certs.findings import examine, refusals
from winpe_certs.findings import Severity

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def _with(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    return make(extensions=extensions)


def _eku(*usages: x509.ObjectIdentifier) -> bytes:
    return _with((x509.ExtendedKeyUsage(usages), False))


def _der(case: str) -> bytes:
    day = timedelta(days=1)
    client = ExtendedKeyUsageOID.CLIENT_AUTH
    if case == "broken":
        damaged = bytearray(making.root_der())
        damaged[-5] ^= 1
        return bytes(damaged)
    if case == "no-cert-sign":
        flags = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        return _with((x509.KeyUsage(digital_signature=True, **flags), True))
    makers: dict[str, Callable[[], bytes]] = {
        "root": making.root_der,
        "intermediate": making.intermediate_der,
        "server": making.server_der,
        "expired": lambda: make(end=NOW - day),
        "last-second": lambda: make(end=NOW),
        "ends-in-90-days": lambda: make(end=NOW + 90 * day),
        "ends-in-91-days": lambda: make(end=NOW + 91 * day),
        "future": lambda: make(begin=NOW + day),
        "rsa-1024": lambda: make(key=making.rsa_key(1024)),
        "sha1-root": handmade,
        "sha1-intermediate": lambda: handmade(
            version=2, extensions=making.CA_EXTENSION, issuer=making.distinguished_name(b"Other")
        ),
        "md5-other": lambda: handmade(
            algorithm=making.MD5_WITH_RSA, issuer=making.distinguished_name(b"Other")
        ),
        "constrained": lambda: _with((x509.NameConstraints([x509.DNSName("contoso.com")], None), True)),
        "client-only": lambda: _eku(client),
        "any-use": lambda: _eku(client, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
        "server-use": lambda: _eku(client, ExtendedKeyUsageOID.SERVER_AUTH),
    }
    return makers[case]()


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("root", []),
        ("intermediate", [("not-self-signed", WARNING)]),
        ("server", [("not-a-ca", ERROR)]),
        ("broken", [("broken-signature", ERROR)]),
        ("no-cert-sign", [("no-cert-sign", WARNING)]),
        ("expired", [("expired", ERROR)]),
        ("last-second", [("expires-soon", WARNING)]),
        ("ends-in-90-days", [("expires-soon", WARNING)]),
        ("ends-in-91-days", []),
        ("future", [("not-yet-valid", WARNING)]),
        ("rsa-1024", [("weak-key", WARNING)]),
        ("sha1-root", []),
        ("sha1-intermediate", [("not-self-signed", WARNING), ("weak-signature", WARNING)]),
        ("md5-other", [("not-a-ca", ERROR), ("weak-signature", WARNING)]),
        ("constrained", [("critical-name-constraints", WARNING)]),
        ("client-only", [("no-server-auth", WARNING)]),
        ("any-use", []),
        ("server-use", []),
    ],
)
def test_findings(case: str, expected: list[tuple[str, Severity]]) -> None:
    findings = examine(load(_der(case)), NOW)
    assert [(finding.code, finding.severity) for finding in findings] == expected
    assert all(finding.message and finding.advice for finding in findings)


def test_errors_come_before_warnings() -> None:
    certificate = load(make(ca=None, key=making.rsa_key(1024), end=NOW - timedelta(days=1)))
    assert [finding.severity for finding in examine(certificate, NOW)] == [ERROR, ERROR, WARNING]


def test_refusals_are_the_errors_that_were_not_allowed() -> None:
    findings = examine(load(make(ca=None, end=NOW - timedelta(days=1))), NOW)
    assert [finding.code for finding in refusals(findings, ())] == ["not-a-ca", "expired"]
    assert [finding.code for finding in refusals(findings, {"expired"})] == ["not-a-ca"]
    assert refusals(findings, {"expired", "not-a-ca"}) == ()


def test_warnings_never_refuse() -> None:
    assert refusals(examine(load(making.intermediate_der()), NOW), ()) == ()
