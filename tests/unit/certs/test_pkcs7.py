"""PKCS#7 files taken apart: DER and BER, one bad certificate among good ones, other things in the set."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from scripts.testdata import bundles
from scripts.testdata.bundles import ATTRIBUTE_CERTIFICATE, pkcs7_ber
from tests.unit.certs import making
from tests.unit.certs.making import element, pkcs7
from winpe_certs.certs import ber
from winpe_certs.certs.der import DerError
from winpe_certs.certs.sources import CertificateFile, read_parts
from winpe_certs.errors import CertificateError, NoCertificateError

Make = Callable[..., bytes]

ROOT, SUB, SERVER = making.root_der(), making.intermediate_der(), making.server_der()


def read(data: bytes) -> CertificateFile:
    return read_parts(data, "chain.p7b")


def ders(data: bytes) -> list[bytes]:
    return [entry.certificate.der for entry in read(data).entries]


@pytest.mark.parametrize("make", [pkcs7, pkcs7_ber], ids=["der", "ber"])
@pytest.mark.parametrize("armour", ["", "PKCS7", "CMS", "CERTIFICATE", "base64"])
def test_leaf_intermediate_and_root_keep_their_order_and_bytes(make: Make, armour: str) -> None:
    """certutil -encode writes ``BEGIN CERTIFICATE`` around a PKCS#7 file too."""
    data = make(SERVER, SUB, ROOT)
    if armour == "base64":
        data = base64.encodebytes(data)
    elif armour:
        data = making.pem(data, armour)
    file = read(data)
    assert [entry.certificate.der for entry in file.entries] == [SERVER, SUB, ROOT]
    assert (file.warnings, file.damaged) == ((), ())


@pytest.mark.parametrize("make", [pkcs7, pkcs7_ber], ids=["der", "ber"])
def test_one_damaged_certificate_does_not_hide_the_others(make: Make) -> None:
    broken = bytearray(SUB)
    broken[3] -= 5  # the sequence ends before its bytes do
    shorter = element(0x30, bytes(broken[4:-9]))
    file = read(make(ROOT, shorter, SERVER))
    assert [entry.certificate.der for entry in file.entries if not entry.certificate.fault] == [ROOT, SERVER]
    odd = [entry for entry in file.entries if entry.certificate.fault]
    assert [entry.origin for entry in odd] == ["chain.p7b, certificate 2"]


def test_a_certificate_that_is_no_der_is_damaged_and_the_rest_is_read() -> None:
    in_ber = b"\x30\x80" + ROOT[4:] + b"\0\0"
    file = read(pkcs7(SUB, in_ber, SERVER))
    assert [entry.certificate.der for entry in file.entries] == [SUB, SERVER]
    assert [entry.error.message.split(":")[0] for entry in file.damaged] == ["chain.p7b, certificate 2"]


@pytest.mark.parametrize("make", [pkcs7, pkcs7_ber], ids=["der", "ber"])
def test_attribute_certificates_are_left_out_with_a_warning(make: Make) -> None:
    other = element(0xA3, element(0x06, b"\x2a\x03"))
    file = read(make(ATTRIBUTE_CERTIFICATE, ROOT, ATTRIBUTE_CERTIFICATE, other, element(0x04, b"x")))
    assert [entry.certificate.der for entry in file.entries] == [ROOT]
    assert file.warnings == (
        "chain.p7b: an attribute certificate is left out (2 times)",
        "chain.p7b: a certificate of another format is left out",
        "chain.p7b: an element with tag 0x04 is left out",
    )


@pytest.mark.parametrize("cut", [1, 9, 100, 1000])
def test_a_cut_file_gives_what_is_whole_and_says_that_it_is_cut(cut: int) -> None:
    data = pkcs7(ROOT, SUB)
    file = read(data[:-cut])
    assert [entry.certificate.der for entry in file.entries] == [ROOT, SUB][: len(file.entries)]
    assert [entry.error.message for entry in file.damaged] == [
        f"chain.p7b: the PKCS#7 file is cut off after {len(file.entries)} certificates"
    ]
    assert "again, whole" in file.damaged[0].error.resolution


def test_two_files_joined_are_read_both() -> None:
    assert ders(pkcs7(ROOT) + pkcs7_ber(SUB) + pkcs7(SERVER)) == [ROOT, SUB, SERVER]


def test_blanks_at_the_end_do_not_matter_and_anything_else_does() -> None:
    assert read(pkcs7(ROOT) + b"\r\n\0").damaged == ()
    file = read(pkcs7(ROOT) + b"junk")
    assert [entry.certificate.der for entry in file.entries] == [ROOT]
    assert "4 bytes after the PKCS#7 structure" in file.damaged[0].error.message


@pytest.mark.parametrize(
    "data",
    [
        bundles.indefinite(0x30, bytes.fromhex("06092a864886f70d010702")),
        element(0x30, bytes.fromhex("06092a864886f70d010702"), element(0xA1, b"")),
        element(0x30, bytes.fromhex("06092a864886f70d010702"), element(0xA0, element(0x31))),
        element(
            0x30, bytes.fromhex("06092a864886f70d010702"), element(0xA0, element(0x30, element(2, b"\1")))
        ),
        pkcs7(),
        pkcs7(ATTRIBUTE_CERTIFICATE),
        element(0x30, bytes.fromhex("06092a864886f70d010706"), element(0xA0, element(0x30))),
    ],
)
def test_a_structure_without_certificates_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError, match="no certificates can be read from this PKCS#7 file") as caught:
        read(data)
    assert caught.value.details


def test_a_trust_list_is_called_one() -> None:
    """authroot.stl: the certificates in it signed the list, and are none of those that it names."""
    content = element(0x30, bytes.fromhex("060a2b0601040182370a01"), element(0xA0, element(0x30)))
    signed = element(0x30, element(2, b"\1"), element(0x31), content, element(0xA0, SUB, ROOT), element(0x31))
    data = element(0x30, bytes.fromhex("06092a864886f70d010702"), element(0xA0, signed))
    with pytest.raises(NoCertificateError, match=r"certificate trust list \(\.stl\)") as caught:
        read(data)
    assert ".sst" in caught.value.resolution


def test_endless_nesting_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ber, "_MOST_INSIDE", 10_000)
    start = bytes.fromhex("308006092a864886f70d010702")
    with pytest.raises(CertificateError):
        read(start + b"\xa0\x80\x30\x80" * 500_000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x30", "an element is cut off"),
        (b"\x04\x80\0\0", "primitive element of indefinite length"),
        (b"\x30\x89" + bytes(9), "out of range"),
        (b"\x30\x82\x01", "out of range"),
        (b"\x1f\xff\xff", "a tag is cut off"),
        (b"\x1f" + b"\xff" * 20, "a tag is cut off or out of range"),
        (b"\x30\x80\x02\x01\x01", "not closed"),
        (b"\x30\x80\x02\x05\x01\0\0", "claims 5 bytes"),
    ],
)
def test_broken_elements_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DerError, match=reason):
        ber.read_ber(data, 0, len(data))


def test_long_tags_and_nested_elements_of_indefinite_length_are_passed() -> None:
    inner = bundles.indefinite(0x30, b"\xbf\x81\x01\x80", b"\x5f\x7f\x01x", b"\0\0", element(4, b"\0\0"))
    found = ber.read_ber(inner + b"rest", 0, len(inner) + 4)
    assert (found.encoded, found.value) == (inner, inner[2:-2])
