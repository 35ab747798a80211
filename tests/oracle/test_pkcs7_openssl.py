"""OpenSSL makes PKCS#7 files and says what is in ours: certificates, order and bytes must be the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.testdata import bundles
from tests.conftest import Judge
from tests.unit.certs import making
from winpe_certs.certs.pem import pem_blocks
from winpe_certs.certs.sources import read_parts

SERVER, SUB, ROOT = making.server_der(), making.intermediate_der(), making.root_der()
ODD = making.handmade(serial=b"\xff", subject=making.distinguished_name(b""))
CHAINS = list(itertools.permutations([SERVER, SUB, ROOT, ODD]))[::5]


def ours(data: bytes) -> list[bytes]:
    file = read_parts(data, "x.p7b")
    assert (file.warnings, file.damaged) == ((), ())
    return [entry.certificate.der for entry in file.entries]


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_what_openssl_packs_is_read(judge: Judge, tmp_path: Path, form: str) -> None:
    for chain in CHAINS:
        (tmp_path / "chain.pem").write_bytes(b"".join(map(making.pem, chain)))
        judge(
            "openssl", "crl2pkcs7", "-nocrl", "-certfile", tmp_path / "chain.pem", "-outform", form,
            "-out", tmp_path / "x.p7b",
        )  # fmt: skip
        assert sorted(ours((tmp_path / "x.p7b").read_bytes())) == sorted(chain)


@pytest.mark.parametrize("make", [making.pkcs7, bundles.pkcs7_ber], ids=["der", "ber"])
def test_what_we_read_is_what_openssl_sees(judge: Judge, make: Callable[..., bytes]) -> None:
    for chain in CHAINS:
        data = make(*chain)
        seen = judge("openssl", "pkcs7", "-inform", "DER", "-print_certs", stdin=data).stdout.decode()
        blocks = [block.data for block in pem_blocks(seen, "openssl")]
        assert ours(data) == blocks == list(chain)


def test_signed_data_that_streams_is_read_too(judge: Judge, tmp_path: Path) -> None:
    """``cms -stream`` writes indefinite lengths around a real signature, with the certificates in it."""
    from cryptography.hazmat.primitives import serialization

    key = making.rsa_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "root.pem").write_bytes(making.pem(ROOT))
    (tmp_path / "sub.pem").write_bytes(making.pem(SUB))
    (tmp_path / "key.pem").write_bytes(key)
    signed = judge(
        "openssl", "cms", "-sign", "-stream", "-nodetach", "-binary", "-outform", "DER",
        "-signer", tmp_path / "root.pem", "-inkey", tmp_path / "key.pem", "-certfile", tmp_path / "sub.pem",
        stdin=b"text" * 5000,
    ).stdout  # fmt: skip
    assert re.match(rb"0\x80", signed)
    assert sorted(ours(signed)) == sorted([ROOT, SUB])
