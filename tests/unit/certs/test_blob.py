"""The Blob: layout, what is refused, what is kept, and which properties take trust away."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from cryptography import x509

from tests.unit.certs import making
from tests.unit.certs.making import element
from winpe_certs.certs.blob import (
    Blob,
    Property,
    PropertyId,
    cached_hash_errors,
    narrowing,
    parse,
)
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError, identifier_list
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regfile_layout import SetRegValue
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.errors import BlobError
from winpe_certs.findings import Severity

DER = b"\x30\x03\x02\x01\x05"
SERVER = bytes.fromhex("06082b06010505070301")
CLIENT = bytes.fromhex("06082b06010505070302")
ANY = bytes.fromhex("0604551d2500")
FILETIME_2020 = struct.pack("<Q", 132223104000000000)


def item(property_id: int, data: bytes, reserved: int = 1) -> bytes:
    return struct.pack("<III", property_id, reserved, len(data)) + data


CERT = item(0x20, DER)


@pytest.mark.parametrize(
    "data",
    [
        CERT,
        item(3, b"x" * 20) + CERT,
        item(0xDEADBEEF, b"unknown") + item(0x77, b"") + CERT,
        CERT + item(0x0B, b"a\0\0\0"),
        CERT + CERT,
        CERT + item(0x20, b"another"),
        CERT + bytes(12),
        CERT + item(0, b""),
        CERT + item(3, b"x") + bytes(12),
    ],
    ids=[
        "only-certificate",
        "hash",
        "unknown-ids",
        "property-behind",
        "twice",
        "two-different",
        "end-of-zeros",
        "end-element",
        "property-and-end",
    ],
)
def test_accepted_blobs_are_written_back_unchanged(data: bytes) -> None:
    blob = parse(data, "b")
    assert blob.to_bytes() == data
    assert blob.certificate_der == DER


@pytest.mark.parametrize(
    ("data", "reason", "offset"),
    [
        (b"", "it is empty", 0),
        (making.element(0x30, bytes(300)), "bare DER certificate", 0),
        (item(3, b"x" * 20), "no certificate in it", 32),
        (CERT[:-1], "element 0x20 claims 5 bytes, only 4 are there", 0),
        (item(3, b"x") + item(0x20, DER)[:11], "11 bytes are left", 13),
        (CERT + b"junk", "4 bytes are left", 17),
        (item(0x20, DER, reserved=0), "encoding 0x0 instead of 1", 0),
        (item(3, b"x") + item(0x20, DER, reserved=0x10001), "encoding 0x10001 instead of 1", 13),
        (struct.pack("<III", 0x20, 1, 0xFFFFFFFF), "claims 4294967295 bytes, only 0", 0),
        (bytes(12) + CERT, "encoding 0x0 instead of 1", 0),
        (CERT + bytes(12) + CERT, "encoding 0x0 instead of 1", 17),
        (CERT + bytes(16), "encoding 0x0 instead of 1", 17),
    ],
    ids=[
        "empty",
        "bare-der",
        "no-certificate",
        "truncated",
        "cut-header",
        "junk-behind",
        "encoding-0",
        "encoding-0x10001",
        "absurd-length",
        "end-in-front",
        "end-in-the-middle",
        "bytes-behind-end",
    ],
)
def test_refused_blobs_are_named_with_reason_and_offset(data: bytes, reason: str, offset: int) -> None:
    with pytest.raises(BlobError) as caught:
        parse(data, "root.reg, line 4")
    assert caught.value.message.startswith("root.reg, line 4: not a certificate Blob: ")
    assert reason in caught.value.message
    assert f"at offset {offset} of the Blob" in caught.value.details
    assert caught.value.resolution


def test_the_first_of_two_certificates_counts() -> None:
    assert parse(item(0x20, b"first") + item(0x20, b"second"), "b").certificate_der == b"first"


def test_get_gives_the_first_property_or_none() -> None:
    blob = parse(item(3, b"a") + item(3, b"b") + CERT, "b")
    assert blob.get(PropertyId.SHA1_HASH) == b"a"
    assert blob.all(PropertyId.SHA1_HASH) == (b"a", b"b")
    assert blob.get(PropertyId.MD5_HASH) is None


def _blob(*properties: tuple[int, bytes]) -> Blob:
    return Blob((*(Property(*each) for each in properties), Property(0x20, DER)))


E, W = Severity.ERROR, Severity.WARNING


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ([], []),
        ([(0x09, element(0x30, SERVER))], []),
        ([(0x09, element(0x30, CLIENT, ANY))], []),
        ([(0x09, element(0x30, CLIENT))], [("narrowed-eku", E)]),
        ([(0x09, element(0x30))], [("narrowed-eku", E)]),
        ([(0x09, b"junk")], [("narrowed-eku", E)]),
        ([(0x09, element(0x30, SERVER)), (0x09, element(0x30, CLIENT))], [("narrowed-eku", E)]),
        ([(0x54, b"")], [("narrowed-names", E)]),
        ([(0x68, FILETIME_2020)], [("narrowed-disabled", E)]),
        ([(0x7A, element(0x30, CLIENT))], []),
        ([(0x7A, element(0x30, CLIENT, SERVER))], [("narrowed-disallowed-eku", E)]),
        ([(0x7A, b"")], [("narrowed-disallowed-eku", E)]),
        ([(0x7E, FILETIME_2020)], [("narrowed-not-before", E)]),
        ([(0x7E, FILETIME_2020), (0x7F, element(0x30, SERVER))], [("narrowed-not-before", E)]),
        ([(0x7E, FILETIME_2020), (0x7F, element(0x30, CLIENT))], [("narrowed-not-before", W)]),
        ([(0x7E, FILETIME_2020), (0x7F, b"junk")], [("narrowed-not-before", E)]),
        ([(0x7F, element(0x30, SERVER))], [("narrowed-not-before", W)]),
        ([(0x13, b"")], [("narrowed-archived", E)]),
        ([(0x53, b"x"), (0x0B, b"x"), (0x62, b"x"), (0x1D, b"x"), (0x69, b"x")], []),
    ],
    ids=[
        "none",
        "09-server",
        "09-any",
        "09-client",
        "09-empty",
        "09-unreadable",
        "09-twice",
        "54",
        "68",
        "7A-client",
        "7A-server",
        "7A-unreadable",
        "7E",
        "7E-7F-server",
        "7E-7F-client",
        "7E-7F-unreadable",
        "7F-alone",
        "13",
        "harmless",
    ],
)
def test_narrowing(properties: list[tuple[int, bytes]], expected: list[tuple[str, Severity]]) -> None:
    findings = narrowing(_blob(*properties))
    assert [(finding.code, finding.severity) for finding in findings] == expected
    assert all(finding.advice for finding in findings)


def test_dates_are_shown_and_absurd_ones_do_not_matter() -> None:
    assert "2020-01-01" in narrowing(_blob((0x68, FILETIME_2020)))[0].message
    assert "unreadable date" in narrowing(_blob((0x68, b"\xff" * 8)))[0].message
    assert "unreadable date" in narrowing(_blob((0x68, b"\xff")))[0].message


def test_wrong_cached_hashes_are_found() -> None:
    right = [
        (0x03, hashlib.sha1(DER, usedforsecurity=False).digest()),
        (0x04, hashlib.md5(DER, usedforsecurity=False).digest()),
        (0x6B, hashlib.sha256(DER).digest()),
    ]
    assert cached_hash_errors(_blob(*right)) == ()
    wrong = cached_hash_errors(_blob((0x03, bytes(20)), (0x04, b""), (0x6B, bytes(32))))
    assert [(finding.code, finding.severity) for finding in wrong] == [
        ("wrong-cached-hash", E),
        ("wrong-cached-hash", W),
        ("wrong-cached-hash", W),
    ]
    assert making.sha1(DER) in wrong[0].message


def test_a_new_blob_has_the_properties_of_a_fresh_certificate_in_order() -> None:
    blob = blob_for(making.load(making.root_der()))
    assert [each.id for each in blob.properties] == [0x04, 0x0F, 0x14, 0x19, 0x03, 0x5C, 0x20]
    assert blob.get(0x5C) == (2048).to_bytes(4, "little")
    assert parse(blob.to_bytes(), "new") == blob
    assert cached_hash_errors(blob) == narrowing(blob) == ()


def test_a_new_blob_leaves_out_the_signature_hash_and_key_size_that_ed25519_does_not_have() -> None:
    blob = blob_for(making.load(making.make(key=making.ed25519_key())))
    assert [each.id for each in blob.properties] == [0x04, 0x14, 0x19, 0x03, 0x20]


def test_a_new_blob_leaves_out_the_signature_hash_that_this_computer_cannot_compute() -> None:
    blob = blob_for(making.load(making.handmade(algorithm=making.MD2_WITH_RSA, signature=bytes(256))))
    assert [each.id for each in blob.properties] == [0x04, 0x14, 0x19, 0x03, 0x5C, 0x20]


def test_key_properties_are_of_the_key_as_it_stands_even_if_nobody_can_read_it() -> None:
    """Like "Root Agency" in the store CA of every Windows: the modulus lacks the zero byte in front."""
    key = element(0x30, element(0x02, b"\x80" + bytes(63)), element(0x02, b"\1\0\1"))
    algorithm = element(0x30, bytes.fromhex("06092a864886f70d010101"), making.NULL)
    info = element(0x30, algorithm, element(0x03, b"\0", key))
    blob = blob_for(making.load(making.handmade(public_key=info)))
    assert blob.get(0x14) == hashlib.sha1(info, usedforsecurity=False).digest()
    assert blob.get(0x19) == hashlib.md5(key, usedforsecurity=False).digest()
    assert blob.get(0x5C) == (512).to_bytes(4, "little")


def test_of_a_certificate_that_cannot_be_read_only_its_hashes_are_known() -> None:
    der = element(0x30, element(0x30), element(0x30), element(0x30))
    blob = blob_for(making.load(der))
    assert {each.id for each in blob.properties} == {0x03, 0x04, 0x20}
    assert blob.certificate_der == der
    assert blob.get(0x03) == hashlib.sha1(der, usedforsecurity=False).digest()


def test_the_signature_hash_of_pss_is_the_one_in_its_parameters() -> None:
    der = making.make(pss=True)
    signed = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    assert blob_for(making.load(der)).get(0x0F) == hashlib.sha256(signed).digest()


def _stored(path: Path) -> list[bytes]:
    """All Blobs of a shared file, whether a raw value or a .reg export."""
    if path.suffix == ".bin":
        return [path.read_bytes()]
    operations = parse_reg(path.read_bytes(), path.name).operations
    return [
        each.data for each in operations if isinstance(each, SetRegValue) and each.name.casefold() == "blob"
    ]


BLOB_FILES = pytest.mark.shared_files(
    "reg-exports/hive-blobs/*.bin",
    "reg-exports/bengbuguards_RootCA.reg",
    "reg-exports/j*_EVRootCA.reg",
    "reg-exports/wimbuilder2_*.reg",
    "reg-exports/dmcert_*.reg",
    "reg-exports/pikachuim_*INSTALL*.reg",
    "reg-exports/derived_*.reg",
    "reg-exports/wine8-*.reg",
)


@BLOB_FILES
def test_real_blobs_come_back_byte_for_byte(shared_file: Path) -> None:
    blobs = _stored(shared_file)
    assert blobs
    for data in blobs:
        assert parse(data, shared_file.name).to_bytes() == data


@BLOB_FILES
def test_what_is_computed_for_real_certificates_is_what_windows_stored(shared_file: Path) -> None:
    for data in _stored(shared_file):
        stored = parse(data, shared_file.name)
        computed = blob_for(Certificate.from_der(stored.certificate_der, shared_file.name))
        for property_id in (0x03, 0x04, 0x0F, 0x14, 0x19, 0x5C, 0x20):
            if stored.get(property_id) is not None:
                assert computed.get(property_id) == stored.get(property_id), hex(property_id)
        assert cached_hash_errors(stored) == ()


def test_a_blob_put_together_without_a_certificate_says_so() -> None:
    with pytest.raises(BlobError, match="without a certificate"):
        _ = Blob(()).certificate_der


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x30\x89" + b"\xff" * 9, "out of range at offset 0"),
        (b"\x30\x80\0\0", "indefinite length"),
        (b"\x31\0", "has tag 0x31"),
        (b"\x30\0\0", "bytes behind a list of object identifiers at offset 2"),
        (b"\x30\x02\x05\0", "has tag 0x05 at offset 2"),
        (b"\x30\x02\x06\0", "empty"),
        (b"\x30\x03\x06\x01\x80", "cut off"),
        (b"\x30\x01\x06", "cut off at offset 2"),
        (b"\x30\x02\x1f\0", "unexpected tag 0x1F"),
    ],
)
def test_reading_damaged_der_raises_only_the_reader_s_error(data: bytes, reason: str) -> None:
    with pytest.raises(DerError) as caught:
        identifier_list(data)
    assert reason in str(caught.value)
