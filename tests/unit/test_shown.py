from __future__ import annotations

import pytest

from winpe_certs.shown import printable, printable_lines


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
