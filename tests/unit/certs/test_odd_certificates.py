"""Certificates of odd shapes are read part by part, and stored as the bytes that they are."""

from __future__ import annotations

import hashlib

import pytest

from scripts.testdata import odd_certificates as odd
from scripts.testdata.odd_case import chain_with
from scripts.testdata.odd_certificates import ROOT, SERVER, der_of
from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.odd_shapes import Shape, shapes
from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.errors import CertificateError


def _shaped(shape: Shape, place: str) -> bytes:
    """The changed certificate itself, out of the chain that it is in."""
    sent, roots = chain_with(shape.change, place)
    return der_of({"server": sent[0], "intermediate": sent[1], "root": roots[0]}[place])


@pytest.mark.parametrize(
    ("shape", "place"),
    [(shape, place) for shape in shapes() for place in shape.places if "indefinite" not in shape.name],
    ids=lambda value: value.name if isinstance(value, Shape) else str(value),
)
def test_a_shape_is_read(shape: Shape, place: str) -> None:
    der = _shaped(shape, place)
    certificate = Certificate.from_der(der, "x.cer")
    assert certificate.fault == ""
    if shape.is_remarked is not None:
        assert bool(certificate.remarks) is shape.is_remarked, certificate.remarks
    assert {remark.code for remark in certificate.remarks} <= {"unreadable-part"}
    assert "O=Contoso" in certificate.subject
    assert "O=Contoso" in certificate.issuer
    assert certificate.key_words == "RSA, 2048 bits"
    assert (certificate.not_before is None) is ("validity" in str(certificate.remarks))


def _all_certificates() -> list[bytes]:
    found = {der for case in odd_cases() for der in (*case.sent, *(held for _, held in case.stores))}
    return sorted(found)


def test_everything_is_stored_as_the_bytes_that_came() -> None:
    for der in _all_certificates():
        certificate = Certificate.from_der(der, "x.cer")
        data = blob_for(certificate).to_bytes()
        blob = parse(data, "x")
        assert blob.to_bytes() == data
        assert blob.certificate_der == der
        assert blob.get(3) == hashlib.sha1(der).digest()
        assert certificate.thumbprint == hashlib.sha1(der).hexdigest().upper()


def test_texts_out_of_certificates_can_be_shown() -> None:
    """They break no line and hold no words of Python's; reports escape what moves a cursor."""
    for der in _all_certificates():
        certificate = Certificate.from_der(der, "x.cer")
        texts = [certificate.subject, certificate.issuer, certificate.key_words, certificate.fault]
        texts += [remark.message + remark.advice for remark in certificate.remarks]
        for text in texts:
            assert len(text.splitlines()) <= 1, text
            assert not any(word in text for word in ("b'", "None", "Error", "codec", "asn1", "object at")), (
                text
            )


def test_the_letters_of_a_teletex_string_are_latin_1() -> None:
    shape = next(each for each in shapes() if each.name == "teletex-latin-1")
    assert "OU=Bücher" in Certificate.from_der(_shaped(shape, "root"), "x.cer").subject


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("printable-ampersand", "OU=Wells & Fargo"),
        ("printable-at-and-underscore", "OU=ca_admin@contoso.example"),
        ("bmp", "OU=Bücher"),
        ("universal", "OU=Bücher"),
        ("part-unsorted", "OU=Unit+L=Place"),
        ("attribute-unknown", "1.3.6.1.4.1.55555.7=x"),
    ],
)
def test_a_name_is_shown(name: str, shown: str) -> None:
    shape = next(each for each in shapes() if each.name == name)
    assert shown in Certificate.from_der(_shaped(shape, "server"), "x.cer").subject


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [
        ("begins-utc-no-seconds", "2020-01-01T00:00:00+00:00", None),
        ("begins-utc-offset", "2019-12-31T23:00:00+00:00", None),
        ("begins-generalized-no-seconds", "2020-01-01T00:00:00+00:00", None),
        ("begins-generalized-fraction", "2020-01-01T00:00:00", None),
        ("begins-generalized-offset", "2020-01-01T05:00:00+00:00", None),
        ("begins-1949", "1949-01-01T00:00:00+00:00", None),
        ("begins-utc-1950", "1950-01-01T00:00:00+00:00", None),
        ("begins-year-1", "0001-01-01T00:00:00+00:00", None),
        ("ends-9999", None, "9999-12-31T23:59:59+00:00"),
        ("ends-utc-2049", None, "2049-12-31T23:59:59+00:00"),
        ("ends-utc-1950", None, "1950-12-31T23:59:59+00:00"),
    ],
)
def test_a_date_is_read(name: str, begins: str | None, ends: str | None) -> None:
    shape = next(each for each in shapes() if each.name == name)
    certificate = Certificate.from_der(_shaped(shape, "server"), "x.cer")
    assert certificate.not_before is not None
    assert certificate.not_after is not None
    if begins is not None:
        assert certificate.not_before.isoformat().startswith(begins)
    if ends is not None:
        assert certificate.not_after.isoformat() == ends


@pytest.mark.parametrize(
    ("name", "serial"),
    [
        ("serial-padded", "1234"),
        ("serial-negative", "92345678"),
        ("serial-zero", "00"),
        ("serial-30-octets", "01" * 30),
        ("serial-empty", ""),
    ],
)
def test_a_serial_number_is_shown(name: str, serial: str) -> None:
    shape = next(each for each in shapes() if each.name == name)
    assert Certificate.from_der(_shaped(shape, "root"), "x.cer").serial == serial


def test_one_bad_part_takes_no_other_with_it() -> None:
    junk = b"\x30\x05junk"
    damaged = odd.changed(ROOT, *(odd.extension(each, junk) for each in (odd.POLICIES, odd.EXTENDED_USES)))
    certificate = Certificate.from_der(der_of(damaged), "x.cer")
    assert certificate.is_ca
    assert certificate.is_self_signed
    assert certificate.key_usage_cert_sign is True
    assert certificate.extended_key_usage is None
    assert "extended key usage" in " ".join(remark.message for remark in certificate.remarks)


@pytest.mark.parametrize("cut", [1, 2, 10, 300])
def test_a_part_of_a_certificate_is_none(cut: int) -> None:
    der = der_of(SERVER)
    for damaged in (der[:-cut], der + bytes(cut), der[cut:]):
        with pytest.raises(CertificateError):
            Certificate.from_der(damaged, "x.cer")
