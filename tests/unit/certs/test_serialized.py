"""Serialized stores (.sst) and single serialized certificates: their properties become the Blob."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testdata.bundles import serialized_store, store_element
from tests.unit.certs import making
from winpe_certs.certs import serialized
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import CertificateFile, read_parts
from winpe_certs.errors import CertificateError

ROOT, SUB = making.root_der(), making.intermediate_der()
BLOB, OTHER = (blob_for(making.load(der)).to_bytes() for der in (ROOT, SUB))
NAME = store_element(0x0B, "Contoso\0".encode("utf-16-le"))


def read(data: bytes) -> CertificateFile:
    return read_parts(data, "store.sst")


def test_each_certificate_has_its_properties_as_its_blob() -> None:
    bare = store_element(0x20, making.second_root_der())
    file = read(serialized_store(NAME, BLOB, bare, OTHER))
    assert [entry.blob.to_bytes() if entry.blob else None for entry in file.entries] == [
        NAME + BLOB,
        bare,
        OTHER,
    ]
    assert [entry.store for entry in file.entries] == [None] * 3
    assert [entry.origin for entry in file.entries] == [f"store.sst, certificate {n}" for n in (1, 2, 3)]
    assert (file.warnings, file.damaged) == ((), ())


def test_lists_are_left_out_with_their_own_properties_and_a_warning() -> None:
    lists = [
        store_element(0x21, b"crl"),
        NAME,
        store_element(0x21, b"crl"),
        NAME,
        store_element(0x22, b"ctl", 0x10001),
    ]
    file = read(serialized_store(*lists, BLOB))
    assert [entry.blob.to_bytes() if entry.blob else None for entry in file.entries] == [BLOB]
    assert file.warnings == (
        "store.sst: 2 certificate revocation lists are left out",
        "store.sst: 1 certificate trust list is left out",
    )


def test_what_names_the_donor_computer_is_remarked() -> None:
    keyed = store_element(0x02, b"container") + store_element(0x47, b"p\0c\0\0\0") + BLOB
    first, second = read(serialized_store(OTHER, keyed)).warnings
    assert first.startswith("store.sst, certificate 2: the Blob names a private key on the donor computer")
    assert second.startswith("store.sst, certificate 2: the Blob names the computer that asked")


def test_the_same_certificate_twice_is_one() -> None:
    file = read(serialized_store(NAME, BLOB, BLOB))
    assert [entry.blob.to_bytes() if entry.blob else None for entry in file.entries] == [NAME + BLOB]
    assert file.warnings == (
        "store.sst, certificate 2: the same certificate as store.sst, certificate 1: ignored",
    )


def test_a_damaged_certificate_does_not_hide_the_others() -> None:
    file = read(serialized_store(store_element(0x20, ROOT[:-1]), OTHER))
    assert [entry.certificate.der for entry in file.entries] == [SUB]
    assert file.damaged[0].error.message.startswith("store.sst, certificate 1: ")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", "The end element is missing"),
        (bytes(11), "The end element is missing"),
        (OTHER[:-1], "claims"),
        (store_element(0x03, b"x", encoding=2) + bytes(12), "encoding 0x2"),
        (store_element(0x20, SUB, encoding=0) + bytes(12), "encoding 0x0"),
        (bytes(12) + b"more", "Something follows the end element"),
        (bytes(4) + b"\1" + bytes(7), "Something follows the end element"),
    ],
)
def test_a_store_that_breaks_off_keeps_what_was_read(rest: bytes, reason: str) -> None:
    file = read(serialized_store(BLOB, rest, end=b""))
    assert [entry.certificate.der for entry in file.entries] == [ROOT]
    assert file.damaged[0].error.message == "store.sst: the store breaks off after 1 certificates"
    assert reason in file.damaged[0].error.details


def test_zeros_after_the_end_and_lonely_properties_do_not_matter() -> None:
    assert read(serialized_store(BLOB) + bytes(500)).damaged == ()
    assert read(serialized_store(BLOB, NAME)).warnings == (
        "store.sst: 1 properties at the end belong to nothing",
    )


@pytest.mark.parametrize(
    "data", [serialized_store(), serialized_store(NAME), serialized_store(store_element(0x21, b"x"))]
)
def test_a_store_without_certificates_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError, match="no certificate in this serialized store"):
        read(data)


def test_a_single_serialized_certificate_is_a_blob() -> None:
    file = read(NAME + BLOB)
    (entry,) = file.entries
    assert (entry.origin, entry.blob and entry.blob.to_bytes()) == ("store.sst", NAME + BLOB)


def test_too_many_certificates_or_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialized, "MOST_CERTIFICATES", 2)
    with pytest.raises(CertificateError, match="more than 2 certificates are too many"):
        read(serialized_store(BLOB, OTHER, BLOB))
    monkeypatch.setattr(serialized, "_MOST_ELEMENTS", 9)
    assert "more than 9 elements" in read(serialized_store(BLOB, OTHER)).damaged[0].error.details


def test_the_shared_store_has_two_roots(shared_data: Path) -> None:
    path = next((shared_data / "cases" / "osd").glob("19-*/store.sst"))
    file = read_parts(path.read_bytes(), path.name)
    assert [(entry.certificate.subject, bool(entry.blob)) for entry in file.entries] == [
        ("CN=Bugs Root, O=Bugs, C=US", True),
        ("CN=Bugs Root Two", True),
    ]
    assert (file.warnings, file.damaged) == ((), ())
