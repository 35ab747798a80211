"""The import grammar of regedit, row by row: values and their continuation.

The letters in a case's name say how its rule was measured.
W: Wine's conformance tests, which hold on real Windows; V: seen with Wine's regedit.
"""

from __future__ import annotations

import pytest

from tests.unit.certs.reg_text import START, K, read, sz, values
from winpe_certs.certs.regfile_layout import DeleteRegValue, SetRegValue

ONE = b"\1\0\0\0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"="x"', [("a", 1, sz("x"))]),
        ('  "a"="x"', [("a", 1, sz("x"))]),
        ('@="x"', [("", 1, sz("x"))]),
        ('""="x"', [("", 1, sz("x"))]),
        ('"@"="x"', [("@", 1, sz("x"))]),
        ('"a"  = \t"x"', [("a", 1, sz("x"))]),
        ('@ = "x"', [("", 1, sz("x"))]),
        ('"a"="x" ; comment', [("a", 1, sz("x"))]),
        ('"a"="x";comment', [("a", 1, sz("x"))]),
        ('"a"="x" # comment', []),
        ('"a"="x" y', []),
        ('"a"="C:\\\\x \\"y\\""', [("a", 1, sz('C:\\x "y"'))]),
        ('"a\\\\\\"b"="x"', [("a\\" + '"b', 1, sz("x"))]),
        ('"a"="C:\\\\"', [("a", 1, sz("C:\\"))]),
        ('"a"="x\\0y"', []),
        ('"a\\0"="x"', []),
        ('"a"="x\\\\0y"', [("a", 1, sz("x\\0y"))]),
        ('"a"="x\\qy"', [("a", 1, sz("xqy"))]),
        ('"a"="x', []),
        ('"a="x"', []),
        ('a="x"', []),
        ('"a"b"="x"', []),
        ('"a""x"', []),
        ('"a"', []),
        ('"a"=x', []),
        ('"a"=', []),
        ('"a"="x\\', []),
        ('"a"="x\ny"', []),
        ('"a"="x" \\\n"b"="y"', [("b", 1, sz("y"))]),
        ("# comment", []),
        ("; comment", []),
        ('"a"=dword:1', [("a", 4, ONE)]),
        ('"a"=dword:00000001', [("a", 4, ONE)]),
        ('"a"=dword:ABCDEF01;x', [("a", 4, b"\x01\xef\xcd\xab")]),
        ('"a"=dword:000000001', []),
        ('"a"=dword:', []),
        ('"a"=dword:1g', []),
        ('"a"=dword:1 2', []),
        ('"a"=DWORD:1', []),
        ('"a"=HEX:01', []),
        ('"a"=Hex(2):01', []),
    ],
    ids=[
        "string",
        "W-leading-blanks",
        "default",
        "W-empty-name-is-default",
        "V-name-at",
        "V-blanks-around-equals",
        "V-blanks-around-equals-default",
        "W-comment-behind",
        "W-comment-right-behind",
        "W-hash-spoils-the-value",
        "W-text-behind",
        "W-escapes",
        "W-escapes-in-the-name",
        "W-escaped-backslash-at-the-end",
        "W-escaped-nul-drops",
        "W-escaped-nul-in-the-name",
        "escaped-backslash-before-zero",
        "V-other-escapes-lose-the-backslash",
        "W-no-closing-quote",
        "W-no-quote-behind-the-name",
        "W-no-quotes-at-all",
        "W-quote-inside-the-name",
        "no-equals",
        "name-alone",
        "unquoted-data",
        "no-data",
        "backslash-at-the-end",
        "V-line-break-in-a-string",
        "W-strings-do-not-continue",
        "W-hash-is-no-comment",
        "comment",
        "W-dword-short",
        "W-dword",
        "dword-upper-case-digits",
        "W-dword-nine-digits",
        "W-dword-empty",
        "W-dword-bad-digit",
        "dword-text-behind",
        "V-type-word-in-upper-case",
        "V-hex-in-upper-case",
        "V-hex-type-in-mixed-case",
    ],
)
def test_values(text: str, expected: list[tuple[str, int, bytes]]) -> None:
    assert values(text + "\n") == expected
    ignored = not expected and not text.startswith(";")
    assert bool(read(START + text + "\n").warnings) == (ignored or "\n" in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hex:01,02,fe", (3, b"\1\2\xfe")),
        ("hex:1,2,F,fE", (3, b"\1\2\x0f\xfe")),
        ("hex:", (3, b"")),
        ("hex(2):", (2, b"")),
        ("hex:01,02,", (3, b"\1\2")),
        ("hex:01,,02", None),
        ("hex:,", None),
        ("hex:01,,", None),
        ("hex:001", None),
        ("hex:01,002", None),
        ("hex:01, 02", None),
        ("hex:01 02", None),
        ("hex:0x1", None),
        ("hex:01 ; comment", (3, b"\1")),
        ("hex:01 # comment", None),
        ("hex:zz", None),
        ("hex(0):01", (0, b"\1")),
        ("hex(b):0102", None),
        ("hex(b):01,02", (0xB, b"\1\2")),
        ("hex(ffffffff):01", (0xFFFFFFFF, b"\1")),
        ("hex(FFFF):01", (0xFFFF, b"\1")),
        ("hex(100000000):01", None),
        ("hex(0x2):01", None),
        ("hex():01", None),
        ("hex(2:01", None),
        ("hex(2):41,00", (2, b"A\0\0\0")),
        ("hex(2):41,00,00,00", (2, b"A\0\0\0")),
        ("hex(7):41,00,00,00", (7, b"A\0\0\0")),
        ("hex(7):41,00", (7, b"A\0\0\0")),
        ("hex(1):41,00", (1, b"A\0")),
        ("hex:41,00", (3, b"A\0")),
    ],
    ids=[
        "bytes",
        "V-one-digit-any-case",
        "W-empty",
        "W-empty-expand",
        "W-trailing-comma",
        "W-two-commas",
        "comma-alone",
        "W-two-commas-at-the-end",
        "W-three-digits",
        "W-three-digits-later",
        "V-blank-between",
        "V-blank-for-comma",
        "prefix-0x",
        "W-comment-behind",
        "W-hash-behind",
        "not-hex",
        "W-type-0",
        "no-commas",
        "W-type-b",
        "W-type-ffffffff",
        "W-type-upper-case",
        "W-type-too-long",
        "W-type-with-0x",
        "W-type-empty",
        "W-type-not-closed",
        "W-expand-gets-a-nul",
        "W-expand-has-its-nul",
        "W-multi-has-one-nul",
        "W-multi-gets-a-nul",
        "string-gets-none",
        "W-binary-never-gets-a-nul",
    ],
)
def test_hexadecimal(text: str, expected: tuple[int, bytes] | None) -> None:
    assert values(f'"a"={text}\n') == ([("a", *expected)] if expected else [])
    assert bool(read(f'{START}"a"={text}\n').warnings) == (expected is None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01,\\\n  02", ["a=0102"]),
        ("01,  \\\n  02", ["a=0102"]),
        ("01,\\  \n  02", ["a=0102"]),
        ("01,\\;comment\n  02", ["a=0102"]),
        ("01,\\ ; comment\n  02", ["a=0102"]),
        ("01,\\\n02", ["a=0102"]),
        ("01,\\\n\t02", ["a=0102"]),
        ("01,\\\n\n  \n  02", ["a=0102"]),
        ("01,\\\n; comment\n  02", ["a=0102"]),
        ("01,\\\n; comment \\\n  02", ["a=0102"]),
        ("01,\\\n# comment\n  02", []),
        ("01,\\\n  02,\\\n  03\n", ["a=010203"]),
        ("01\\\n  02", []),
        ('01\\\n"b"=hex:03', ["b=03"]),
        ("0\\\n1", []),
        ("01,\\\n  0\\\n2", []),
        ("01,\\\n\\\n  02", []),
        ("\\\n  01", []),
        ('01,\\\n"b"=hex:03\n"c"=hex:04', ["c=04"]),
        (f'01,\\\n[{K}\\sub]\n"c"=hex:04', ["c=04"]),
        ("01,\n  02", ["a=01"]),
        ("01,; \\\n  02", ["a=01"]),
        ("01,\\", ["a=01"]),
        ("01,\\\n", ["a=01"]),
        ("01,\\\n\n;x\n", ["a=01"]),
    ],
    ids=[
        "W-plain",
        "W-blanks-before-backslash",
        "W-blanks-behind-backslash",
        "W-comment-behind-backslash",
        "W-blank-and-comment-behind-backslash",
        "V-no-indentation",
        "V-tab",
        "W-empty-lines-between",
        "W-comment-line-between",
        "W-comment-line-with-backslash",
        "W-hash-line-spoils",
        "three-lines",
        "W-no-comma",
        "W-no-comma-next-line-counts",
        "W-byte-split",
        "W-byte-split-later",
        "W-backslash-alone",
        "backslash-right-behind-the-colon",
        "W-next-value-is-swallowed",
        "W-next-key-is-swallowed",
        "W-comma-without-backslash",
        "W-backslash-in-a-comment",
        "W-end-of-file",
        "W-end-of-file-behind-line-end",
        "end-of-file-behind-comments",
    ],
)
def test_continuation(text: str, expected: list[str]) -> None:
    assert [f"{name}={data.hex()}" for name, _, data in values(f'"a"=hex:{text}')] == expected


def test_a_swallowed_key_does_not_become_the_current_one() -> None:
    reg = read(f'{START}"a"=hex:01,\\\n[{K}\\sub]\n"c"=hex:04')
    assert reg.operations[1:] == (SetRegValue(K, "c", 3, b"\4", 6),)


def test_long_lines_have_no_limit_v() -> None:
    data = bytes(range(256)) * 20
    assert values(f'"a"=hex:{data.hex(",")}\n') == [("a", 3, data)]


@pytest.mark.parametrize(
    ("text", "deleted"),
    [
        ('"a"=-', True),
        ('"a" = - ', True),
        ('"a"=-;comment', True),
        ('"a"=- ; comment', True),
        ("@=-", True),
        ('"a"=-x', False),
        ('"a"=--', False),
        ('"a"=- # comment', False),
    ],
    ids=[
        "W-plain",
        "W-blanks",
        "W-comment",
        "W-blank-comment",
        "default",
        "W-text-behind",
        "W-twice",
        "W-hash",
    ],
)
def test_deleting_values(text: str, deleted: bool) -> None:
    found = [each for each in read(START + text).operations if isinstance(each, DeleteRegValue)]
    assert len(found) == int(deleted)


def test_the_last_of_two_values_comes_last_v() -> None:
    assert [data for _, _, data in values('"a"=hex:01\n"A"=hex:02\n')] == [b"\1", b"\2"]


@pytest.mark.parametrize("kind", [1, 2, 7], ids=["W-string", "W-expand", "W-multi"])
def test_text_bytes_are_ansi_in_regedit4(kind: int) -> None:
    assert values(f'"a"=hex({kind}):80,78,00\n', f"REGEDIT4\n[{K}]\n") == [("a", kind, sz("€x"))]


def test_a_missing_nul_is_added_in_regedit4_too() -> None:
    assert values('"a"=hex(2):78\n', f"REGEDIT4\n[{K}]\n") == [("a", 2, sz("x"))]


def test_binary_bytes_are_the_same_in_regedit4_w() -> None:
    assert values('"a"=hex:80,78\n', f"REGEDIT4\n[{K}]\n") == [("a", 3, b"\x80x")]
