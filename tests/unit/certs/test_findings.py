"""What `examine` says about certificates, and what is refused for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
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


def _policies(*usages: str) -> x509.UnrecognizedExtension:
    """Application policies, which have the syntax of certificate policies."""
    found = [x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in usages]
    kind = x509.ObjectIdentifier("1.3.6.1.4.1.311.21.10")
    return x509.UnrecognizedExtension(kind, x509.CertificatePolicies(found).public_bytes())


def _with_key_of(kind: str) -> bytes:
    """An old root whose RSA key has another identifier."""
    key = making.rsa_key().public_key()
    whole = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    algorithm = making.element(0x30, bytes.fromhex(kind))
    return handmade(public_key=making.element(0x30, algorithm, making.element(0x03, b"\0", whole)))


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
    if case == "key-usage-and-no-constraints":
        signing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return make(ca=None, extensions=((signing, True),))
    if case == "other-key-usage-and-no-constraints":
        using = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        return make(ca=None, extensions=((using, True),))
    makers: dict[str, Callable[[], bytes]] = {
        "root": making.root_der,
        "intermediate": making.intermediate_der,
        "server": making.server_der,
        "expired": lambda: make(end=NOW - day),
        "no-constraints": lambda: make(ca=None),
        "expired-and-broken": lambda: make(end=NOW - day)[:-5] + bytes(5),
        "no-certificate": lambda: making.element(0x30, making.element(0x30)),
        "policies-without-servers": lambda: _with((_policies("1.3.6.1.5.5.7.3.2"), False)),
        "policies-before-usages": lambda: _with(
            (_policies("1.3.6.1.5.5.7.3.1"), True), (x509.ExtendedKeyUsage([client]), False)
        ),
        "policies-of-all": lambda: _with((_policies("1.3.6.1.4.1.311.10.12.1"), False)),
        "pss-key": lambda: _with_key_of("06092a864886f70d01010a"),
        "two-encodings": lambda: making.handmade(issuer=making.distinguished_name(b"old  ROOT", 0x0C)),
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
        ("expired-and-broken", [("expired", ERROR), ("broken-signature", WARNING)]),
        ("no-constraints", [("no-basic-constraints", WARNING)]),
        ("key-usage-and-no-constraints", []),
        ("other-key-usage-and-no-constraints", [("not-a-ca", ERROR)]),
        ("no-certificate", [("unreadable", ERROR)]),
        ("policies-without-servers", [("no-server-auth", WARNING)]),
        ("policies-before-usages", []),
        ("policies-of-all", []),
        ("pss-key", [("undocumented-key", WARNING)]),
        ("two-encodings", [("name-encoding-differs", WARNING)]),
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
    certificate = load(make(ca=False, key=making.rsa_key(1024), end=NOW - timedelta(days=1)))
    assert [finding.severity for finding in examine(certificate, NOW)] == [ERROR, ERROR, WARNING]


def test_refusals_are_the_errors_that_were_not_allowed() -> None:
    findings = examine(load(make(ca=False, end=NOW - timedelta(days=1))), NOW)
    assert [finding.code for finding in refusals(findings, ())] == ["not-a-ca", "expired"]
    assert [finding.code for finding in refusals(findings, {"expired"})] == ["not-a-ca"]
    assert refusals(findings, {"expired", "not-a-ca"}) == ()


def test_warnings_never_refuse() -> None:
    assert refusals(examine(load(making.intermediate_der()), NOW), ()) == ()
