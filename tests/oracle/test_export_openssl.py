"""What `export` writes as PKCS#7 and PEM, judged by OpenSSL: the same certificates, bytes as they came."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.conftest import Judge
from winpe_certs.certs.certificate_files import as_pem, as_pkcs7

CERTS = Path(__file__).resolve().parents[2] / "testdata" / "certs"


def _seen(judge: Judge, path: Path) -> set[str]:
    """The SHA-1 of each certificate that OpenSSL prints of a PKCS#7 file."""
    printed = judge("openssl", "pkcs7", "-inform", "DER", "-in", path, "-print_certs").stdout.decode()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", printed, re.DOTALL)
    ders = [judge("openssl", "x509", "-outform", "DER", stdin=block.encode()).stdout for block in blocks]
    return {hashlib.sha1(der).hexdigest() for der in ders}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_openssl_reads_every_certificate(judge: Judge, tmp_path: Path, count: int) -> None:
    ders = [path.read_bytes() for path in sorted(CERTS.glob("*.cer"))[:count]]
    path = tmp_path / "x.p7b"
    path.write_bytes(as_pkcs7(ders))
    assert _seen(judge, path) == {hashlib.sha1(der).hexdigest() for der in ders}
    told = judge("openssl", "asn1parse", "-inform", "DER", "-in", path).stdout.decode()
    assert "pkcs7-signedData" in told


def test_openssl_writes_the_same_bytes(judge: Judge, tmp_path: Path) -> None:
    # In the order that DER has for a set, which OpenSSL does not bring about itself.
    ders = sorted(path.read_bytes() for path in CERTS.glob("*root.cer"))
    pem = tmp_path / "all.pem"
    pem.write_bytes(as_pem(ders))
    made = judge("openssl", "crl2pkcs7", "-nocrl", "-certfile", pem, "-outform", "DER").stdout
    assert made == as_pkcs7(ders[::-1])


def test_certificates_that_strict_readers_refuse_go_in_as_they_came(
    judge: Judge, tmp_path: Path, shared_data: Path
) -> None:
    odd = sorted(shared_data.glob("cases/osd/*/root.cer"))
    assert odd
    ders = [path.read_bytes() for path in odd]
    path = tmp_path / "x.p7b"
    path.write_bytes(as_pkcs7(ders))
    assert _seen(judge, path) == {hashlib.sha1(der).hexdigest() for der in ders}
