from __future__ import annotations

from pathlib import Path

import pytest

from winpe_certs.certs.certificate_files import as_pem, as_pkcs7
from winpe_certs.certs.der import read_element
from winpe_certs.certs.entries import FoundCertificate
from winpe_certs.certs.pem import pem_blocks
from winpe_certs.certs.pkcs7 import pkcs7_certificates

CERTS = Path(__file__).resolve().parents[3] / "testdata" / "certs"
REAL = [(CERTS / f"{name}.cer").read_bytes() for name in ("corp-root", "corp-issuing", "weak-root")]


def test_pem_holds_the_bytes_in_their_order() -> None:
    text = as_pem(REAL)
    blocks = pem_blocks(text.decode("ascii"), "x.pem")
    assert [(block.label, block.data) for block in blocks] == [("CERTIFICATE", der) for der in REAL]
    assert max(map(len, text.splitlines())) == 64
    assert text.endswith(b"-----END CERTIFICATE-----\n")


def _in_pkcs7(data: bytes) -> list[bytes]:
    found = pkcs7_certificates(data, "x.p7b").found
    return [each.der for each in found if isinstance(each, FoundCertificate)]


def test_pkcs7_holds_the_bytes() -> None:
    assert sorted(_in_pkcs7(as_pkcs7(REAL))) == sorted(REAL)
    assert _in_pkcs7(as_pkcs7(REAL[:1])) == REAL[:1]
    assert as_pkcs7(REAL) == as_pkcs7(REAL[::-1]), "a set in DER has one order"


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 65_535, 65_536, 300_000])
def test_lengths_of_every_form_are_right(size: int) -> None:
    """An octet string takes the role of a certificate here: nothing looks into it."""
    length = size.to_bytes(4, "big")
    anything = b"\x04\x84" + length + bytes(size)
    outer = read_element(as_pkcs7([anything]))
    assert outer.end == len(as_pkcs7([anything]))
    signed_data = outer.children()[1].children()[0]
    assert signed_data.children()[3].value == anything
