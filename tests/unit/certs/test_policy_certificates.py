"""Certificates in policy files (Registry.pol): what counts, what is refused, what is only mentioned."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testdata import bundles
from scripts.testdata.bundles import POLICY_ROOT, instruction, policy_file
from tests.unit.certs import making
from winpe_certs.certs import policy_file as layout
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import CertificateFile, read_parts
from winpe_certs.errors import CertificateError

ROOT, SUB = making.root_der(), making.intermediate_der()
BLOB, OTHER = (blob_for(making.load(der)).to_bytes() for der in (ROOT, SUB))
T = making.sha1(ROOT)
KEY = f"{POLICY_ROOT}\\{T}"


def read(*instructions: bytes) -> CertificateFile:
    return read_parts(policy_file(*instructions), "Registry.pol")


@pytest.mark.parametrize(
    ("key", "store"),
    [
        (KEY, "ROOT"),
        (KEY.upper(), "ROOT"),
        (KEY.replace("Root", "TrustedPublisher"), "TrustedPublisher"),
        (KEY.replace("Root", "Custom"), "Custom"),
        (KEY.replace("Policies\\", ""), "ROOT"),
        (KEY.replace("Software\\", "Software\\WOW6432Node\\"), "ROOT"),
        (KEY.replace("SystemCertificates", "EnterpriseCertificates"), "ROOT"),
    ],
    ids=["usual", "upper-case", "publisher", "custom", "not-of-policies", "32-bit", "enterprise"],
)
def test_certificate_keys(key: str, store: str) -> None:
    file = read(instruction(key, "Blob", BLOB))
    (entry,) = file.entries
    assert (entry.certificate.der, entry.store, entry.origin) == (ROOT, store, "Registry.pol, offset 8")
    assert entry.blob is not None
    assert entry.blob.to_bytes() == BLOB
    assert (file.warnings, file.damaged) == ((), ())


def test_semicolons_brackets_and_zeros_in_the_data_do_not_end_it() -> None:
    name = bundles.store_element(0x0B, "a;b]\0[c;\0".encode("utf-16-le"))
    file = read(
        instruction(KEY, "Blob", name + BLOB),
        instruction(f"{POLICY_ROOT}\\{making.sha1(SUB)}", "Blob", OTHER),
    )
    assert [entry.blob and entry.blob.to_bytes() for entry in file.entries] == [name + BLOB, OTHER]


def test_other_settings_are_counted_in_one_warning() -> None:
    others = [instruction("Software\\Contoso", f"v{number}", b"x") for number in range(3)]
    assert read(*others, instruction(KEY, "Blob", BLOB)).warnings == (
        "Registry.pol: 3 settings that are no certificates: ignored",
    )


def test_the_empty_keys_around_certificates_are_no_news() -> None:
    frame = [POLICY_ROOT.rpartition("\\")[0] + end for end in ("", "\\Certificates", "\\CRLs", "\\CTLs")]
    empty = [instruction(each, "", b"", 0) for each in frame]
    assert read(*empty, instruction(KEY, "", b"", 0), instruction(KEY, "Blob", BLOB)).warnings == ()


def test_other_values_and_orders_are_mentioned() -> None:
    file = read(
        instruction(KEY, "Blob", BLOB),
        instruction(KEY, "Friendly", b"x"),
        instruction(POLICY_ROOT, "**SecureKey", b"\1\0\0\0", 4),
        instruction(KEY, "**soft.Blob", BLOB),
        instruction(KEY, "**del.Friendly", b" \0"),
        instruction(
            POLICY_ROOT.replace("Certificates\\Root\\Certificates", "Certificates\\Root\\ProtectedRoots"),
            "Flags",
            b"x",
        ),
    )
    assert len(file.entries) == 1
    said = "\n".join(file.warnings)
    for words in (
        "'Friendly' is no part",
        "'**SecureKey'",
        "'**soft.Blob'",
        "'**del.Friendly'",
        "ProtectedRoots",
    ):
        assert words in said


@pytest.mark.parametrize(
    "order",
    [
        instruction(KEY, "**del.Blob", b" \0\0\0", 1),
        instruction(KEY, "**Del.blob", b" \0\0\0", 1),
        instruction(KEY, "**DelVals.", b" \0\0\0", 1),
        instruction(KEY, "**delvals", b" \0\0\0", 1),
        instruction(KEY, "**DeleteValues", "x;blob\0".encode("utf-16-le"), 1),
        instruction(POLICY_ROOT, "**DeleteKeys", f"{T}\0".encode("utf-16-le"), 1),
        instruction(POLICY_ROOT.partition("\\Root")[0], "**deletekeys", "Root\0".encode("utf-16-le"), 1),
    ],
)
def test_deletions_are_refused_and_remove_is_named(order: bytes) -> None:
    other = instruction(f"{POLICY_ROOT}\\{making.sha1(SUB)}", "Blob", OTHER)
    with pytest.raises(CertificateError, match="this policy file deletes from") as caught:
        read(other, order)
    assert "winpe-certs remove" in caught.value.resolution


@pytest.mark.parametrize("order", ["**del.Blob", "**DelVals."])
def test_a_key_that_is_cleared_and_set_again_is_set(order: str) -> None:
    file = read(instruction(KEY, order, b" \0\0\0", 1), instruction(KEY, "Blob", BLOB))
    assert len(file.entries) == 1
    assert "the key is set anew" in file.warnings[0]


def test_deletions_elsewhere_are_other_settings() -> None:
    file = read(instruction("Software\\Contoso", "**DelVals.", b" "), instruction(KEY, "Blob", BLOB))
    assert file.warnings == ("Registry.pol: 1 setting that is no certificates: ignored",)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (instruction(KEY, "Blob", BLOB[:-1]), "not a certificate Blob"),
        (instruction(KEY, "Blob", BLOB, 1), "'Blob' has type 1"),
        (instruction(KEY, "Other", BLOB), "has no readable value 'Blob'"),
        (instruction(f"{POLICY_ROOT}\\{'0' * 40}", "Blob", BLOB), "but its certificate is"),
        (instruction(f"{POLICY_ROOT}\\x", "Blob", BLOB), "is not a thumbprint"),
    ],
)
def test_a_damaged_key_does_not_hide_the_others(made: bytes, message: str) -> None:
    file = read(made, instruction(f"{POLICY_ROOT}\\{making.sha1(SUB)}", "Blob", OTHER))
    assert [entry.certificate.der for entry in file.entries] == [SUB]
    assert message in file.damaged[0].error.message
    assert "policy file" in file.damaged[0].error.resolution or "donor" in file.damaged[0].error.resolution


@pytest.mark.parametrize("cut", [1, 2, 40, 900])
def test_a_file_that_breaks_off_keeps_what_was_read(cut: int) -> None:
    data = policy_file(
        instruction(f"{POLICY_ROOT}\\{making.sha1(SUB)}", "Blob", OTHER), instruction(KEY, "Blob", BLOB)
    )
    file = read_parts(data[:-cut], "Registry.pol")
    assert [entry.certificate.der for entry in file.entries] == [SUB]
    assert "the policy file cannot be read on" in file.damaged[0].error.message
    assert "at offset" in file.damaged[0].error.details


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PReg", "the header is cut off"),
        (policy_file(version=2), "its version is 2"),
        (policy_file(b"x\0"), "'[' is missing"),
        (policy_file("[a".encode("utf-16-le")), "not closed by a NUL"),
        (policy_file("[a\0;b\0;".encode("utf-16-le") + b"\1"), "a number is cut off"),
        (policy_file("[a\0;b\0,".encode("utf-16-le")), "';' is missing"),
        (policy_file(instruction("a", "b", b"c")[:-2]), "']' is missing"),
        (policy_file("[a\0;b\0;\3\0;\xff\xff;".encode("utf-16-le")), "claims"),
    ],
)
def test_broken_files_are_refused_with_the_place(data: bytes, reason: str) -> None:
    with pytest.raises(CertificateError) as caught:
        read_parts(data, "Registry.pol")
    assert reason in caught.value.message
    assert "at offset" in caught.value.details


def test_names_and_instructions_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CertificateError, match="not closed"):
        read(instruction("k" * 40_000, "x"))
    monkeypatch.setattr(layout, "_MOST_INSTRUCTIONS", 2)
    with pytest.raises(CertificateError, match="more than 2 instructions"):
        read(*[instruction("Software\\x", "y")] * 3)
    with pytest.raises(CertificateError, match="no certificate in this policy file"):
        read(*[instruction("Software\\x", "y")] * 2)


def test_the_shared_policy_has_one_root(shared_data: Path) -> None:
    path = next((shared_data / "cases" / "osd").glob("28-*/Registry.pol"))
    (entry,) = read_parts(path.read_bytes(), path.name).entries
    assert (entry.certificate.subject, entry.store) == ("CN=Bugs Root, O=Bugs, C=US", "ROOT")
