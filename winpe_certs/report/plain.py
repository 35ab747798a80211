"""Text from files made safe for a terminal: no control characters, no direction marks, no lone surrogates."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def printable(text: str) -> str:
    """`text` with every character that could move the cursor, end or reorder the line shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode() if _moves(character) else character
        for character in text
    )


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _moves(character: str) -> bool:
    return unicodedata.category(character) in {"Zl", "Zp"} or unicodedata.category(character)[0] == "C"


def quoted(command: Sequence[str]) -> str:
    """A command line as a person would type it: arguments with blanks in double quotes."""
    return " ".join(f'"{word}"' if not word or " " in word else word for word in command)
