"""Certificates in .reg exports: which keys count, what is refused, what is only mentioned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.certs import making
from winpe_certs.certs.blob import Blob, Property
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.sources import CertificateFile, read_certificates, read_parts
from winpe_certs.errors import BlobError, CertificateError, RegFileError

ROOT, OTHER = making.root_der(), making.second_root_der()


def read(data: bytes) -> CertificateFile:
    return read_certificates(data, "chain")


HIVES = [
    ("HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SystemCertificates", "online"),
    ("HKEY_LOCAL_MACHINE\\winpe-offline\\Microsoft\\SystemCertificates", "offline"),
    ("hkey_local_machine\\Tmp_SOFTWARE\\microsoft\\systemcertificates", "other-case"),
    ("HKEY_CURRENT_USER\\Software\\Microsoft\\SystemCertificates", "user"),
    ("HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\SystemCertificates", "policy"),
    ("HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\EnterpriseCertificates", "enterprise"),
    ("HKEY_LOCAL_MACHINE\\SOFTWARE\\WOW6432Node\\Microsoft\\SystemCertificates", "32-bit"),
    ("HKEY_LOCAL_MACHINE\\winpe-offline\\Wow6432Node\\Microsoft\\SystemCertificates", "offline-32-bit"),
    ("HKEY_LOCAL_MACHINE\\SOFTWARE\\WOW6432Node\\Policies\\Microsoft\\SystemCertificates", "policy-32-bit"),
    ("HKEY_CURRENT_USER\\SOFTWARE\\WOW6432Node\\Microsoft\\SystemCertificates", "user-32-bit"),
    ("HKEY_USERS\\S-1-5-21-1-2-3-1001\\Software\\Microsoft\\SystemCertificates", "sid"),
    ("HKEY_USERS\\.DEFAULT\\Software\\Microsoft\\SystemCertificates", "default-user"),
    ("HKEY_USERS\\.DEFAULT\\Software\\Policies\\Microsoft\\SystemCertificates", "user-policy"),
    ("HKEY_USERS\\offline\\Microsoft\\SystemCertificates", "software-hive-below-users"),
    ("HKEY_LOCAL_MACHINE\\ntuser\\Software\\Microsoft\\SystemCertificates", "user-hive-below-machine"),
    (
        "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\\Services\\NTDS\\SystemCertificates",
        "service",
    ),
]
BASE = HIVES[0][0]
BLOB = blob_for(making.load(ROOT)).to_bytes()
T = making.sha1(ROOT)


def reg(*lines: str) -> bytes:
    return "\r\n".join(["Windows Registry Editor Version 5.00", "", *lines, ""]).encode("utf-16")


def key(base: str = BASE, store: str = "ROOT", name: str = T) -> str:
    return f"[{base}\\{store}\\Certificates\\{name}]"


def value(blob: bytes = BLOB) -> str:
    return f'"Blob"=hex:{blob.hex(",")}'


class TestRegFiles:
    @pytest.mark.parametrize("base", [base for base, _ in HIVES], ids=[name for _, name in HIVES])
    def test_certificate_keys(self, base: str) -> None:
        file = read(reg(key(base), value()))
        (entry,) = file.entries
        assert entry.certificate.der == ROOT
        assert entry.blob is not None
        assert entry.blob.to_bytes() == BLOB
        assert entry.store == "ROOT"
        assert entry.origin == "chain, line 3"
        assert file.warnings == ()

    def test_store_names_are_spelt_as_the_registry_does(self) -> None:
        assert read(reg(key(store="AUTHROOT"), value())).entries[0].store == "AuthRoot"
        assert read(reg(key(store="Custom"), value())).entries[0].store == "Custom"

    @pytest.mark.parametrize(
        "path",
        [
            "HKEY_LOCAL_MACHINE\\SOFTWARE\\Contoso",
            "HKEY_LOCAL_MACHINE\\SOFTWARE\\Contoso\\SystemCertificates\\ROOT\\Certificates\\" + T,
            "HKEY_USERS\\Microsoft\\SystemCertificates\\ROOT\\Certificates\\" + T,
            "HKEY_CLASSES_ROOT\\Software\\Microsoft\\SystemCertificates\\ROOT\\Certificates\\" + T,
            "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WOW6432Node\\SystemCertificates\\ROOT\\Certificates\\"
            + T,
            "HKEY_CURRENT_USER\\Microsoft\\SystemCertificates\\ROOT\\Certificates\\" + T,
            BASE + "\\ROOT\\ProtectedRoots",
            BASE + "\\ROOT\\CRLs\\" + T,
            BASE + f"\\ROOT\\Certificates\\{T}\\deeper",
        ],
        ids=lambda path: path.replace(T, "T"),
    )
    def test_other_keys_are_ignored_with_a_warning(self, path: str) -> None:
        file = read(reg(key(), value(), f"[{path}]", '"x"=dword:1'))
        assert len(file.entries) == 1
        assert len(file.warnings) == 1
        assert file.warnings[0].startswith("chain, line 5: not a certificate key: ignored")

    def test_the_empty_keys_around_certificates_are_no_news(self) -> None:
        frame = [f"[{BASE}]", *(f"[{BASE}\\ROOT{end}]" for end in ("", "\\Certificates", "\\CRLs", "\\CTLs"))]
        assert read(reg(*frame, key(), value())).warnings == ()

    def test_a_key_that_names_another_certificate_is_refused(self) -> None:
        with pytest.raises(
            CertificateError, match=f"the key is named {'0' * 40}, but its certificate is {T}"
        ):
            read(reg(key(name="0" * 40), value()))

    def test_a_lower_case_key_is_taken_with_a_warning(self) -> None:
        file = read(reg(key(name=T.lower()), value()))
        assert file.entries[0].certificate.thumbprint == T
        assert "upper case" in file.warnings[0]

    @pytest.mark.parametrize(
        "lines",
        [[key().replace("[", "[-")], [f"[-{BASE}\\ROOT]"], [key(), '"Blob"=-']],
        ids=["key", "store", "value"],
    )
    def test_deletions_are_refused_and_remove_is_named(self, lines: list[str]) -> None:
        with pytest.raises(CertificateError, match="deletes") as caught:
            read(reg(*lines))
        assert "winpe-certs remove" in caught.value.resolution

    def test_deletions_elsewhere_are_ignored_with_a_warning(self) -> None:
        file = read(reg("[-HKEY_LOCAL_MACHINE\\SOFTWARE\\Contoso]", key(), value()))
        assert "not a certificate key" in file.warnings[0]

    def test_a_key_without_a_blob_is_refused(self) -> None:
        with pytest.raises(CertificateError, match=r"has no readable value 'Blob'"):
            read(reg(key(), '"x"=dword:1'))

    def test_the_reason_why_a_blob_was_not_read_is_told(self) -> None:
        with pytest.raises(CertificateError, match=r"has no readable value 'Blob'") as caught:
            read(reg(key(), '"Blob"=hex:04,0,zz'))
        assert "chain, line 4: ignored: 'Blob': not hexadecimal bytes" in caught.value.details

    def test_a_blob_of_another_type_is_refused(self) -> None:
        with pytest.raises(CertificateError, match="line 4: 'Blob' has type 0"):
            read(reg(key(), value().replace("hex:", "hex(0):")))

    def test_a_damaged_blob_is_refused_with_its_line(self) -> None:
        with pytest.raises(BlobError, match=r"^chain, line 4: not a certificate Blob"):
            read(reg(key(), value(BLOB[:-1])))

    def test_a_damaged_certificate_in_a_sound_blob_is_refused(self) -> None:
        blob = Blob((Property(0x20, ROOT[:-1]),)).to_bytes()
        with pytest.raises(CertificateError, match=f"the certificate in the key {T} is damaged"):
            read(reg(key(), value(blob)))

    def test_a_damaged_key_does_not_hide_the_others(self) -> None:
        other = blob_for(making.load(OTHER)).to_bytes()
        data = reg(key(name="0" * 40), value(), key(name=making.sha1(OTHER)), value(other), key(name="x"))
        file = read_parts(data, "chain")
        assert [entry.certificate.der for entry in file.entries] == [OTHER]
        assert [entry.error.message for entry in file.damaged] == [
            f"chain, line 3: the key is named {'0' * 40}, but its certificate is {T}",
            "chain, line 7: the key's name 'x' is not a thumbprint",
        ]
        with pytest.raises(CertificateError, match=r"^chain: 2 certificates cannot be read") as caught:
            read(data)
        assert caught.value.details.splitlines() == [entry.error.message for entry in file.damaged]

    def test_the_last_blob_of_a_key_counts(self) -> None:
        assert len(read(reg(key(), '"blob"=hex:01', value())).entries) == 1

    def test_other_values_of_the_key_are_mentioned(self) -> None:
        assert "'Friendly'" in read(reg(key(), value(), '"Friendly"="x"')).warnings[0]

    def test_the_name_of_a_private_key_in_a_blob_is_mentioned(self) -> None:
        blob = Blob((Property(0x02, b"container"), Property(0x20, ROOT))).to_bytes()
        file = read(reg(key(), value(blob)))
        assert "property 0x02" in file.warnings[0]

    def test_two_keys_with_one_certificate_collapse(self) -> None:
        file = read(reg(key(), value(), key(store="AuthRoot"), value()))
        assert [entry.store for entry in file.entries] == ["ROOT"]
        assert "the same certificate as chain, line 3" in file.warnings[0]

    def test_a_file_without_certificates_is_refused_with_the_reasons(self) -> None:
        with pytest.raises(CertificateError, match=r"no certificate in this \.reg file") as caught:
            read(reg(key(base="HKLM\\SOFTWARE\\Microsoft\\SystemCertificates"), value()))
        assert "HKEY_LOCAL_MACHINE" in caught.value.details

    def test_a_bad_header_is_the_reg_reader_s_error(self) -> None:
        with pytest.raises(RegFileError, match="line 1"):
            read(b"Windows Registry Editor Version 4.00\n")

    def test_what_is_exported_is_read_again(self) -> None:
        blob = blob_for(making.load(OTHER)).to_bytes()
        items = [(BLOB, T, "AuthRoot"), (blob, making.sha1(OTHER), "CA")]
        entries = read(export_reg(items, "winpe-offline")).entries
        assert [(entry.certificate.der, entry.store) for entry in entries] == [
            (ROOT, "AuthRoot"),
            (OTHER, "CA"),
        ]


@pytest.mark.shared_files(
    "reg-exports/bengbuguards_RootCA.reg",
    "reg-exports/j*_EVRootCA.reg",
    "reg-exports/dmcert_*.reg",
    "reg-exports/wimbuilder2_*.reg",
    "reg-exports/pikachuim_*INSTALL*.reg",
    "reg-exports/derived_*.reg",
    "reg-exports/wine8-*.reg",
)
def test_real_exports_give_their_certificates(shared_file: Path) -> None:
    counts = {"wine8": 29, "wimbuilder2_mtpHelper_EVRootCA_v2": 8, "pikachuim_root": 3}
    expected = next((number for name, number in counts.items() if shared_file.name.startswith(name)), 1)
    file = read_certificates(shared_file.read_bytes(), shared_file.name)
    assert len(file.entries) == expected
    assert all(entry.blob and entry.store and entry.certificate.subject for entry in file.entries)


@pytest.mark.shared_files("reg-exports/*REMOVED.reg", "reg-exports/aero_*.reg", "reg-exports/grammar_*.reg")
def test_real_files_without_certificates_are_refused(shared_file: Path) -> None:
    with pytest.raises(CertificateError) as caught:
        read_certificates(shared_file.read_bytes(), shared_file.name)
    assert caught.value.resolution


@pytest.mark.shared_files("reg-exports/aero_*.reg")
def test_a_template_is_recognised(shared_file: Path) -> None:
    file = read_parts(shared_file.read_bytes(), "aero.reg")
    assert not file.entries
    for entry in file.damaged:
        assert "is not a thumbprint" in entry.error.message
        assert "template" in entry.error.resolution
