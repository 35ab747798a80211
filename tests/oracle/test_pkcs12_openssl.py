"""OpenSSL judges what is read from PKCS#12 stores, and makes some that we read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from scripts.testdata import media_pki, pki
from scripts.testdata.media_pki import AES_PROVIDER, OLD_PROVIDER, PASSWORD, VARIANTS
from tests.conftest import Judge
from winpe_certs.certs.pkcs12 import PasswordError, read_media

CSP_NAME = re.compile("^ *Microsoft CSP Name: (.*)$", re.MULTILINE)
SECOND_PASSWORD = "other"  # noqa: S105 - of test data


@dataclass(frozen=True)
class Files:
    """The pieces that OpenSSL makes a store of."""

    key: Path
    certificate: Path
    chain: Path
    output: Path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(*(tmp_path / name for name in ("key.pem", "cert.pem", "chain.pem", "media.pfx")))
    made.key.write_bytes(pki.key_pem(pki.private_key(media_pki.KEY)))
    made.certificate.write_bytes(media_pki.leaf().public_bytes(serialization.Encoding.PEM))
    made.chain.write_bytes(pki.pem("corp-issuing", "corp-root"))
    return made


def export(judge: Judge, files: Files, *options: object, check: bool = True) -> bytes | None:
    """A store by ``openssl pkcs12 -export``; None if it cannot, and need not."""
    done = judge(
        "openssl", "pkcs12", "-export", "-inkey", files.key, "-in", files.certificate,
        "-certfile", files.chain, "-out", files.output, *options, check=check,
    )  # fmt: skip
    return files.output.read_bytes() if done.returncode == 0 else None


def shown(judge: Judge, data: bytes, *options: object, password: str = PASSWORD) -> str:
    """What ``openssl pkcs12`` says of a store; the attributes of the key bag are shown only with the key."""
    done = judge("openssl", "pkcs12", "-passin", f"pass:{password}", "-nodes", *options, stdin=data)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "two-keys"])
def test_openssl_sees_the_same_in_our_stores(judge: Judge, name: str) -> None:
    """It checks the MAC that was made anew, too."""
    data = VARIANTS[name]()
    store = read_media(data, PASSWORD, "media.pfx")
    seen = shown(judge, data)
    names = set(CSP_NAME.findall(seen))
    assert names == (
        {store.provider} if store.provider else {AES_PROVIDER} if name == "hidden-key" else set()
    )
    assert ("BEGIN PRIVATE KEY" in seen) == (store.has_key or name == "other-key")
    assert seen.count("BEGIN CERTIFICATE") == 1 + len(store.chain)
    if store.has_key:
        own = judge("openssl", "x509", "-outform", "DER", stdin=shown(judge, data, "-clcerts").encode())
        assert own.stdout == store.certificate.der


@pytest.mark.parametrize("password", [PASSWORD, "ä€𝄞", "", "x" * 200])
@pytest.mark.parametrize("provider", [AES_PROVIDER, OLD_PROVIDER, None])
def test_stores_that_openssl_makes(judge: Judge, files: Files, password: str, provider: str | None) -> None:
    options = ("-CSP", provider, "-LMK", "-name", "Boot media") if provider else ()
    data = export(judge, files, "-passout", f"pass:{password}", *options)
    assert data is not None
    store = read_media(data, password, "media.pfx")
    assert store.certificate.der == media_pki.leaf().public_bytes(serialization.Encoding.DER)
    assert {each.der for each in store.chain} == {pki.der("corp-issuing"), pki.der("corp-root")}
    assert store.has_key
    assert store.provider == provider
    assert not store.provider_is_hidden
    with pytest.raises(PasswordError):
        read_media(data, SECOND_PASSWORD, "media.pfx")


@pytest.mark.parametrize(
    "options",
    [
        ("-legacy",),
        ("-legacy", "-descert"),
        ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ("-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512"),
        ("-keypbe", "NONE", "-certpbe", "NONE"),
        ("-nomac",),
        ("-iter", "1", "-maciter"),
        ("-iter", "50000"),
    ],
    ids=" ".join,
)
def test_methods_that_openssl_knows(judge: Judge, files: Files, options: tuple[str, ...]) -> None:
    optional = "-legacy" in options
    data = export(
        judge, files, "-passout", f"pass:{PASSWORD}", "-CSP", OLD_PROVIDER, *options, check=not optional
    )
    if data is None:
        pytest.skip("this OpenSSL comes without its legacy provider")
    store = read_media(data, PASSWORD, "media.pfx")
    assert (store.has_key, store.provider, len(store.chain)) == (True, OLD_PROVIDER, 2)


def test_openssl_s_store_without_a_key(judge: Judge, files: Files) -> None:
    data = export(judge, files, "-nokeys", "-passout", f"pass:{PASSWORD}")
    assert data is not None
    store = read_media(data, PASSWORD, "media.pfx")
    assert not store.has_key
    assert store.certificate.subject == "CN=Boot Media"
    assert len(store.chain) == 2


@pytest.mark.parametrize("password", ["", None])
def test_the_mac_of_no_password(judge: Judge, password: str | None) -> None:
    assert "BEGIN CERTIFICATE" in shown(judge, media_pki.unprotected(password), password="")
