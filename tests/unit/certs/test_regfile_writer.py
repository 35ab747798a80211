"""What is written is what regedit writes, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.regfile_layout import CreateRegKey, RegKey, RegValue, SetRegValue
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.certs.regfile_writer import write_reg
from winpe_certs.errors import CertificateError, RegFileError, UsageError

K = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Test"


def lines(*values: RegValue) -> list[str]:
    text = write_reg([RegKey(K, values)])
    assert text[:2] == b"\xff\xfe"
    return text[2:].decode("utf-16-le").split("\r\n")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (RegValue("a", 1, "x\0".encode("utf-16-le")), '"a"="x"'),
        (RegValue("", 1, "x\0".encode("utf-16-le")), '@="x"'),
        (RegValue('a\\"', 1, 'C:\\ "\0'.encode("utf-16-le")), '"a\\\\\\""="C:\\\\ \\""'),
        (RegValue("a", 4, b"\x0a\0\0\xff"), '"a"=dword:ff00000a'),
        (RegValue("a", 4, b"\1"), '"a"=hex(4):01'),
        (RegValue("a", 3, b""), '"a"=hex:'),
        (RegValue("a", 3, b"\xab"), '"a"=hex:ab'),
        (RegValue("a", 0, b"\1\2"), '"a"=hex(0):01,02'),
        (RegValue("a", 2, b"%\0\0\0"), '"a"=hex(2):25,00,00,00'),
        (RegValue("a", 7, b""), '"a"=hex(7):'),
        (RegValue("a", 11, bytes(2)), '"a"=hex(b):00,00'),
        (RegValue("a", 0xFFFFFFFF, b"\1"), '"a"=hex(ffffffff):01'),
        (RegValue("a", 1, "x\ny\0".encode("utf-16-le")), '"a"=hex(1):78,00,0a,00,79,00,00,00'),
        (RegValue("a", 1, "x".encode("utf-16-le")), '"a"=hex(1):78,00'),
        (RegValue("a", 1, b""), '"a"=hex(1):'),
    ],
)
def test_values(value: RegValue, line: str) -> None:
    assert lines(value) == ["Windows Registry Editor Version 5.00", "", f"[{K}]", line, "", ""]


@pytest.mark.parametrize(
    ("count", "widths"),
    [(22, [76]), (23, [78, 4]), (47, [78, 76]), (48, [78, 78, 4]), (49, [78, 78, 7])],
)
def test_wrapping_of_a_blob(count: int, widths: list[int]) -> None:
    """22 bytes in the first line, then 25; the last byte stands alone when the line before it is full."""
    assert [len(line) for line in lines(RegValue("Blob", 3, bytes(count)))[3:-2]] == widths


def test_a_long_name_wraps_after_one_byte() -> None:
    found = lines(RegValue("n" * 100, 3, b"\1\2\3"))[3:-2]
    assert found == [f'"{"n" * 100}"=hex:01,\\', "  02,03"]


@pytest.mark.parametrize("path", ["SOFTWARE\\x", "HKLM\\x", f"{K}\\", f"{K}\n", f"{K}\0", ""])
def test_impossible_keys_are_refused(path: str) -> None:
    with pytest.raises(RegFileError, match="cannot write the registry key"):
        write_reg([RegKey(path)])


@pytest.mark.parametrize("name", ["a\r", "a\nb", "a\0"])
def test_impossible_value_names_are_refused(name: str) -> None:
    with pytest.raises(RegFileError, match="cannot write the registry value"):
        write_reg([RegKey(K, (RegValue(name, 3, b""),))])


@pytest.mark.shared_files(
    "reg-exports/bengbuguards_RootCA.reg",
    "reg-exports/jemmy_EVRootCA.reg",
    "reg-exports/jxleyo_EVRootCA.reg",
    "reg-exports/dmcert_R4_RootCertificateAuthority.reg",
    "reg-exports/dmcert_R4RootCA_v1.reg",
    "reg-exports/pikachuim_fake_CA-INSTALL.reg",
    "reg-exports/wimbuilder2_mtpHelper_EVRootCA_v1.reg",
    "reg-exports/wine8-regedit-export_CA_29-real-blobs.reg",
    "reg-exports/grammar_wimbuilder2_Shell_RegSoftware.reg",
    "reg-exports/grammar_wimbuilder2_Themes_RegDefault.reg",
    "reg-exports/grammar_wimbuilder2_SIB_RegSoftware.reg",
)
def test_untouched_exports_of_regedit_are_written_again_byte_for_byte(shared_file: Path) -> None:
    data = shared_file.read_bytes()
    reg = parse_reg(data, shared_file.name)
    assert reg.warnings == ()
    keys: list[RegKey] = []
    for operation in reg.operations:
        if isinstance(operation, CreateRegKey):
            keys.append(RegKey(operation.key))
        elif isinstance(operation, SetRegValue):
            value = RegValue(operation.name, operation.type, operation.data)
            keys[-1] = RegKey(keys[-1].path, (*keys[-1].values, value))
    assert write_reg(keys) == data


T1, T2 = "AA" * 20, "BB" * 20


class TestExport:
    def test_keys_stand_below_the_offline_hive_in_alphabetical_order(self) -> None:
        data = export_reg([(b"2", T2, "ROOT"), (b"3", T1, "CA"), (b"1", T1, "ROOT")], "winpe-offline")
        base = "HKEY_LOCAL_MACHINE\\winpe-offline\\Microsoft\\SystemCertificates"
        operations = parse_reg(data, "x").operations
        assert [each.key for each in operations if isinstance(each, CreateRegKey)] == [
            f"{base}\\CA\\Certificates\\{T1}",
            f"{base}\\ROOT\\Certificates\\{T1}",
            f"{base}\\ROOT\\Certificates\\{T2}",
        ]

    def test_the_same_certificate_twice_is_written_once(self) -> None:
        once = export_reg([(b"1", T1, "ROOT")], "SOFTWARE")
        assert export_reg([(b"1", T1, "ROOT"), (b"1", T1.lower(), "ROOT")], "SOFTWARE") == once

    def test_two_blobs_for_one_key_are_refused(self) -> None:
        with pytest.raises(CertificateError, match="two different Blobs"):
            export_reg([(b"1", T1, "ROOT"), (b"2", T1, "ROOT")], "SOFTWARE")

    @pytest.mark.parametrize("name", ["", " ", "a\\b", "a]b", "a\nb", "a/b", "\u200ex"])
    def test_impossible_hive_names_are_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="cannot be the name"):
            export_reg([], name)

    @pytest.mark.shared_files("reg-exports/bengbuguards_RootCA.reg")
    def test_an_export_is_what_regedit_exported(self, shared_file: Path) -> None:
        blob = next(
            each
            for each in parse_reg(shared_file.read_bytes(), "x").operations
            if isinstance(each, SetRegValue)
        )
        thumbprint = blob.key.rpartition("\\")[2]
        assert export_reg([(blob.data, thumbprint, "ROOT")], "SOFTWARE") == shared_file.read_bytes()
