"""The import grammar of regedit, row by row: header, encoding, keys, and the file as a whole.

The letters in a case's name say how its rule was measured.
W: Wine's conformance tests, which hold on real Windows; V: seen with Wine's regedit.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.certs.reg_text import START, V5, K, keys, read, sz, values
from winpe_certs.certs.regfile_layout import CreateRegKey, DeleteRegKey, RegWarning, SetRegValue
from winpe_certs.certs.regfile_reader import LARGEST_FILE, MOST_LINES, MOST_WARNINGS, parse_reg
from winpe_certs.errors import RegFileError


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        ["REGEDIT4", V5, f"  {V5}", "\tREGEDIT4"],
        ids=["W-regedit4", "W-version-5", "W-blanks-before", "W-tab-before"],
    )
    def test_accepted(self, header: str) -> None:
        assert values('"a"=dword:1\n', f"{header}\n[{K}]\n") == [("a", 4, b"\1\0\0\0")]

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "REGEDIT",
            "REGEDIT3",
            "REGEDIT 4",
            "REGEDIT4 FOO",
            "Windows Registry Editor Version 4.00",
            "Windows Registry Editor Version 5",
            "windows registry editor version 5.00",
            "regedit4",
            f"{V5} ",
            "REGEDIT4\t",
            "; comment",
        ],
        ids=[
            "W-empty-line-before",
            "W-regedit",
            "W-regedit3",
            "W-regedit-4",
            "W-regedit4-foo",
            "W-version-4",
            "W-version-5-short",
            "W-other-case",
            "W-other-case-4",
            "V-blanks-behind",
            "V-tab-behind",
            "comment-first",
        ],
    )
    def test_refused(self, header: str) -> None:
        with pytest.raises(RegFileError, match=r"^t\.reg, line 1: ") as caught:
            read(f'{header}\n{V5}\n\n[{K}]\n"a"=dword:1\n')
        assert caught.value.resolution

    def test_empty_file_is_refused(self) -> None:
        with pytest.raises(RegFileError):
            read("")

    def test_no_empty_line_needed_behind_it_w(self) -> None:
        assert keys(f"[{K}]") == [K]

    def test_a_second_header_inside_is_an_ignored_line_v(self) -> None:
        reg = read(f'{START}{V5}\n"a"=dword:1\n')
        assert [str(warning)[:30] for warning in reg.warnings] == ["t.reg, line 4: ignored: neithe"]
        assert len(reg.operations) == 2


class TestEncoding:
    TEXT = f'{V5}\r\n\r\n[{K}]\r\n"a"="x"\r\n'

    @pytest.mark.parametrize(
        ("data", "warning"),
        [
            (b"\xff\xfe" + TEXT.encode("utf-16-le"), ""),
            (b"\xff\xfe" + TEXT.replace(V5, "REGEDIT4").encode("utf-16-le"), ""),
            (TEXT.encode(), ""),
            (TEXT.replace(V5, "REGEDIT4").encode(), ""),
            (TEXT.encode("utf-16-le"), "UTF-16LE without a byte order mark; regedit itself refuses"),
            (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16BE; regedit itself imports nothing"),
            (b"\xef\xbb\xbf" + TEXT.encode(), "UTF-8 with a byte order mark; regedit itself imports nothing"),
        ],
        ids=[
            "W-utf16le",
            "W-regedit4-in-utf16le",
            "W-version-5-in-8-bit",
            "W-regedit4-in-8-bit",
            "W-utf16le-needs-the-mark",
            "V-utf16be",
            "V-utf8-mark",
        ],
    )
    def test_encodings(self, data: bytes, warning: str) -> None:
        reg = parse_reg(data, "t.reg")
        assert reg.operations == (CreateRegKey(K, 3), SetRegValue(K, "a", 1, sz("x"), 4))
        assert len(reg.warnings) == (1 if warning else 0)
        assert all(warning in str(each) for each in reg.warnings)

    @pytest.mark.parametrize(
        ("encoding", "warnings"), [("utf-16", 0), ("cp1252", 0), ("utf-8", 1)], ids=["utf16", "ansi", "utf8"]
    )
    def test_letters_beyond_ascii(self, encoding: str, warnings: int) -> None:
        reg = parse_reg(f'{V5}\n[{K}]\n"ü"="€"\n'.encode(encoding), "t.reg")
        assert reg.operations[1] == SetRegValue(K, "ü", 1, sz("€"), 3)
        assert len(reg.warnings) == warnings

    def test_undefined_ansi_bytes_are_kept(self) -> None:
        reg = parse_reg(f"{V5}\n[{K}]\n".encode() + b'"\x81\xff"="x"', "t.reg")
        assert reg.operations[1] == SetRegValue(K, "\x81ÿ", 1, sz("x"), 3)

    def test_half_a_character_at_the_end_is_mentioned(self) -> None:
        reg = parse_reg(b"\xff\xfe" + self.TEXT.encode("utf-16-le") + b"\0", "t.reg")
        assert [str(warning) for warning in reg.warnings] == [
            "t.reg: the file ends in the middle of a character"
        ]

    @pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"], ids=["crlf", "lf", "V-cr"])
    def test_line_ends(self, line_end: str) -> None:
        text = f'{V5}\n\n[{K}]\n"a"=hex:01,\\\n  02\n'.replace("\n", line_end)
        assert values(text, "") == [("a", 3, b"\1\2")]

    def test_last_line_without_an_end_counts_w(self) -> None:
        assert values('"a"="b"') == [("a", 1, sz("b"))]


class TestKeys:
    @pytest.mark.parametrize(
        ("line", "key"),
        [
            (f"[{K}]", K),
            (f"  [{K}]", K),
            (f"[{K} ]", f"{K} "),
            (f"[{K}]behind", K),
            (f"[{K}\\]", K),
            ("[hkey_current_user\\Test]", "hkey_current_user\\Test"),
            (f"[{K}\\a]b]", f"{K}\\a]b"),
            ("[HKEY_LOCAL_MACHINE]", "HKEY_LOCAL_MACHINE"),
        ],
        ids=[
            "plain",
            "blanks-before-the-line",
            "W-blank-before-bracket-belongs-to-the-name",
            "V-text-behind-is-ignored",
            "W-trailing-backslash",
            "W-root-in-any-case",
            "bracket-in-the-name",
            "root-alone",
        ],
    )
    def test_accepted(self, line: str, key: str) -> None:
        assert keys(f'{line}\n"a"=dword:1\n') == [key]

    @pytest.mark.parametrize(
        "line",
        [
            f"[ {K}]",
            f"[\t{K}]",
            f"[{K}",
            "[HKLM\\Test]",
            "[HKEY_NOWHERE\\Test]",
            f"[- {K}]",
            f"[ -{K}]",
            "[]",
        ],
        ids=[
            "W-blank-behind-bracket",
            "W-tab-behind-bracket",
            "W-no-closing-bracket",
            "V-abbreviated-root",
            "W-unknown-root",
            "W-blank-behind-minus",
            "W-blank-before-minus",
            "nothing-inside",
        ],
    )
    def test_ignored_together_with_their_values(self, line: str) -> None:
        reg = read(f'{START}{line}\n"a"=dword:1\n')
        assert reg.operations == (CreateRegKey(K, 3),)
        assert [warning.line for warning in reg.warnings] == [4, 5]

    def test_abbreviated_root_is_told_its_full_name(self) -> None:
        assert "HKEY_LOCAL_MACHINE" in str(read(f"{V5}\n[HKLM\\x]").warnings[0])

    def test_values_before_any_key_are_dropped(self) -> None:
        reg = read(f'{V5}\n"a"=dword:1\n')
        assert reg.operations == ()
        assert "before the first key" in str(reg.warnings[0])

    def test_deleting_a_key_drops_the_values_below_it_w(self) -> None:
        reg = read(f'{V5}\n[-{K}]\n"a"=hex:01,\\\n  02\n"b"=-\n')
        assert reg.operations == (DeleteRegKey(K, 2),)
        assert [warning.line for warning in reg.warnings] == [3, 5]

    def test_create_delete_create_in_order_v(self) -> None:
        operations = read(f"{V5}\n[{K}]\n[-{K}]\n[{K}]\n").operations
        assert operations == (CreateRegKey(K, 2), DeleteRegKey(K, 3), CreateRegKey(K, 4))


def test_a_bad_line_is_skipped_and_reading_goes_on_w() -> None:
    reg = read(f'{START}nonsense\n"a"=dword:1\n')
    assert reg.operations[1] == SetRegValue(K, "a", 4, b"\1\0\0\0", 5)
    assert reg.warnings == (RegWarning("t.reg", 4, "ignored: neither a key nor a value: 'nonsense'"),)
    assert str(reg.warnings[0]) == "t.reg, line 4: ignored: neither a key nor a value: 'nonsense'"


def test_a_backslash_at_the_end_of_a_comment_continues_nothing_w() -> None:
    assert values('; comment \\\n"a"=dword:1\n') == [("a", 4, b"\1\0\0\0")]


def test_messages_cannot_disturb_a_terminal() -> None:
    warning = str(read(f"{START}\x1b[2J{'x' * 500}\n").warnings[0])
    assert "\x1b" not in warning
    assert len(warning) < 150


def test_warnings_are_bounded() -> None:
    reg = read(START + "x\n" * 5000)
    assert len(reg.warnings) == MOST_WARNINGS + 1
    assert str(reg.warnings[-1]) == "t.reg: 4000 more lines were ignored"


def test_a_file_of_absurd_size_is_refused() -> None:
    with pytest.raises(RegFileError, match="too many"):
        parse_reg(bytes(LARGEST_FILE + 1), "t.reg")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_file_of_very_many_lines_is_refused(end: str) -> None:
    header = START.splitlines()[0]
    assert read(header + end * MOST_LINES).operations == ()
    with pytest.raises(RegFileError, match="200001 lines are too many"):
        read(header + end * (MOST_LINES + 1))


@pytest.mark.parametrize(
    "line",
    ["01,", "0,", "\\\\", '"', "[", "x", ";"],
    ids=["hex", "short-hex", "escapes", "quote", "key", "junk", "comment"],
)
def test_hostile_text_in_one_line_or_in_many_takes_no_endless_time(line: str) -> None:
    began = time.process_time()
    read(f'{START}"a"=hex:{line * (300_000 // len(line))}\n')
    read(f'{START}"a"="{line * (300_000 // len(line))}"\n')
    read(f"{START}" + f"{line}\n" * (MOST_LINES - 10))
    assert time.process_time() - began < 10


@pytest.mark.shared_files("reg-exports/wine8-regedit-export_CA_29-real-blobs.reg")
def test_a_big_export_reads_fast(shared_file: Path) -> None:
    data = shared_file.read_bytes()
    began = time.process_time()
    reg = parse_reg(data, shared_file.name)
    assert time.process_time() - began < 2
    assert sum(isinstance(each, SetRegValue) for each in reg.operations) == 29


@pytest.mark.shared_files("reg-exports/grammar_wimbuilder2_SAB_RegDefault_badline.reg")
def test_the_bad_lines_of_a_real_file_are_named(shared_file: Path) -> None:
    reg = parse_reg(shared_file.read_bytes(), "bad.reg")
    assert [warning.line for warning in reg.warnings] == [23, 59]
    assert "ModernIconsBadges" in str(reg.warnings[0])


@pytest.mark.shared_files("reg-exports/grammar_*.reg")
def test_real_files_without_certificates_read(shared_file: Path) -> None:
    reg = parse_reg(shared_file.read_bytes(), shared_file.name)
    assert reg.operations
    if "badline" not in shared_file.name:
        assert reg.warnings == ()


@pytest.mark.shared_files("reg-exports/derived_*.reg")
def test_the_same_export_in_every_encoding_reads_the_same(shared_file: Path) -> None:
    original = parse_reg((shared_file.parent / "bengbuguards_RootCA.reg").read_bytes(), "original")
    assert parse_reg(shared_file.read_bytes(), shared_file.name).operations == original.operations
