from __future__ import annotations

import ast
from pathlib import Path

import pytest

from winpe_certs.shown import (
    cause_words,
    plain_words,
    printable,
    printable_lines,
    shown_bytes,
    shown_text,
    system_words,
)


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u2029", "\u202e", "\u200e", "\ud800"]
)
def test_nothing_from_a_file_moves_the_cursor_or_ends_the_line(character: str) -> None:
    shown = printable(f"a{character}b")
    assert character not in shown
    assert shown.startswith("a\\")
    assert len(shown.splitlines()) == 1


def test_lines_of_our_own_stay_lines() -> None:
    assert printable_lines("a\nb\u2028c") == "a\nb\\u2028c"


def test_letters_of_all_languages_stay() -> None:
    assert printable("Zürich 東京 [bold]") == "Zürich 東京 [bold]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("C:\\\\boot", "'C:\\\\boot'"),
        ("it's", '"it\'s"'),
        ("a\nb", "'a\\nb'"),
        ("x" * 200, f"'{'x' * 100}...'"),
    ],
)
def test_text_is_quoted_without_the_escapes_of_python(text: str, shown: str) -> None:
    assert shown_text(text) == shown


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"nk", "'nk'"),
        (b"PK\x03\x04\x14\x00", "the bytes 50 4B 03 04 14 00"),
        (b"HTTP/1.1 400 Bad Request\r\nX", "'HTTP/1.1 400 Bad Request'"),
        (bytes(60), "the bytes 00 00 00 00 00 00 00 00"),
        (b"", "nothing"),
    ],
)
def test_bytes_are_text_or_hexadecimal_digits(data: bytes, shown: str) -> None:
    assert shown_bytes(data) == shown


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("the table ends too early"), "the table ends too early"),
        (ValueError("error parsing asn1 value: ParseError { kind: ShortData }"), ""),
        (KeyError("hbin"), ""),
        (TypeError("'NoneType' object is not subscriptable"), ""),
        (TypeError("expected NoneType"), ""),
        (ValueError("b'PK' is no magic"), ""),
        (AttributeError("module has no attribute load_thing"), ""),
        (ValueError(""), ""),
    ],
)
def test_of_a_library_only_plain_words_are_taken(error: Exception, words: str) -> None:
    assert plain_words(error) == words


def test_what_the_system_says_has_no_brackets_of_python() -> None:
    assert system_words(OSError(28, "No space left on device")) == "No space left on device (system error 28)"
    assert system_words(OSError("odd")) == "odd"
    assert system_words(OSError()) == "the system gives no reason"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "it was interrupted"),
        (MemoryError(), "there is not enough memory"),
        (OSError(5, "Input/output error"), "Input/output error (system error 5)"),
        (ValueError("x"), "a defect of winpe-certs (ValueError)"),
    ],
)
def test_causes_that_are_no_errors_of_ours(error: BaseException, words: str) -> None:
    assert cause_words(error) == words


MESSAGES = sorted((Path(__file__).resolve().parents[2] / "winpe_certs").rglob("*.py"))


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.name)
def test_no_text_is_shown_as_python_writes_it(path: Path) -> None:
    """``{x!r}`` and ``repr`` give b'PK', doubled backslashes and the like; `shown_text` is there for that."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FormattedValue):
            assert node.conversion not in {ord("r"), ord("a")}, node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"repr", "ascii"}, node.lineno
