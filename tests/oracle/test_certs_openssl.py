"""OpenSSL judges what is read from certificates and certificate files, and what is put into a new Blob."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Judge
from tests.unit.certs import making
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import read_certificates

KINDS: dict[str, Callable[[], bytes]] = {
    "rsa": making.root_der,
    "ec": making.second_root_der,
    "intermediate": making.intermediate_der,
    "server": making.server_der,
    "pss": lambda: making.make(pss=True),
    "version-1": making.handmade,
    "negative-serial": lambda: making.handmade(serial=b"\xff\x01"),
}


def _fields(output: bytes) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in output.decode().splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _compare(judge: Judge, certificate: Certificate) -> None:
    common = ("x509", "-inform", "DER", "-noout")
    options = ("-dates", "-subject", "-issuer", "-nameopt", "RFC2253,-esc_msb,utf8")
    said = _fields(judge("openssl", *common, *options, stdin=certificate.der).stdout)
    sha1 = _fields(judge("openssl", *common, "-fingerprint", "-sha1", stdin=certificate.der).stdout)
    sha256 = _fields(judge("openssl", *common, "-fingerprint", "-sha256", stdin=certificate.der).stdout)
    assert certificate.thumbprint == next(iter(sha1.values())).replace(":", "")
    assert certificate.sha256 == next(iter(sha256.values())).replace(":", "")
    for ours, theirs in ((certificate.not_before, "notBefore"), (certificate.not_after, "notAfter")):
        moment = datetime.strptime(said[theirs], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        assert ours == moment
    assert certificate.subject.replace(", ", ",") == said["subject"]
    assert certificate.issuer.replace(", ", ",") == said["issuer"]


@pytest.mark.parametrize("kind", list(KINDS))
def test_facts_of_a_certificate(judge: Judge, kind: str) -> None:
    _compare(judge, making.load(KINDS[kind]()))


@pytest.mark.shared_files("reg-exports/*_*RootCA*.reg", "reg-exports/wine8-*.reg")
def test_facts_of_real_certificates(judge: Judge, shared_file: Path) -> None:
    file = read_certificates(shared_file.read_bytes(), shared_file.name)
    for entry in file.entries[:5]:
        said = judge(
            "openssl", "x509", "-inform", "DER", "-noout", "-fingerprint", stdin=entry.certificate.der
        )
        fingerprint = said.stdout.decode().split("=")[1].strip().replace(":", "")
        assert entry.certificate.thumbprint == fingerprint


@pytest.mark.parametrize("kind", ["rsa", "version-1"])
def test_the_signature_hash_is_what_was_signed(judge: Judge, kind: str, tmp_path: Path) -> None:
    """Opening an RSA signature with the public key shows the hash that property 0x0F must hold."""
    certificate = making.load(KINDS[kind]())
    public = tmp_path / "key.pem"
    public.write_bytes(
        judge("openssl", "x509", "-inform", "DER", "-noout", "-pubkey", stdin=certificate.der).stdout
    )
    signature = tmp_path / "signature"
    signature.write_bytes(certificate.der[-256:])
    opened = judge(
        "openssl", "pkeyutl", "-verifyrecover", "-pubin", "-inkey", public, "-in", signature
    ).stdout
    stored = blob_for(certificate).get(0x0F)
    assert stored is not None
    assert opened.endswith(b"\x04" + bytes([len(stored)]) + stored)


def test_the_key_properties_are_hashes_of_openssl_s_public_key(judge: Judge) -> None:
    certificate = making.load(making.handmade())
    pem = judge("openssl", "x509", "-inform", "DER", "-noout", "-pubkey", stdin=certificate.der).stdout
    info = judge("openssl", "pkey", "-pubin", "-outform", "DER", stdin=pem).stdout
    key = judge("openssl", "rsa", "-pubin", "-RSAPublicKey_out", "-outform", "DER", stdin=pem).stdout
    blob = blob_for(certificate)
    assert blob.get(0x14) == hashlib.sha1(info, usedforsecurity=False).digest()
    assert blob.get(0x19) == hashlib.md5(key, usedforsecurity=False).digest()


def test_files_that_openssl_makes(judge: Judge, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(making.pem(making.root_der()) + making.pem(making.intermediate_der()))
    expected = {making.root_der(), making.intermediate_der()}
    for form in ("DER", "PEM"):
        made = judge("openssl", "crl2pkcs7", "-nocrl", "-certfile", chain, "-outform", form).stdout
        assert {each.certificate.der for each in read_certificates(made, "x").entries} == expected
    trusted = judge("openssl", "x509", "-in", chain, "-trustout", "-addtrust", "serverAuth").stdout
    assert read_certificates(trusted, "x").entries[0].certificate.der == making.root_der()
    text = judge("openssl", "x509", "-in", chain, "-text").stdout
    assert read_certificates(text, "x").entries[0].certificate.der == making.root_der()
