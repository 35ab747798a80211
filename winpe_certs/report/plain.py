"""Text from files made safe for a terminal: no control characters, no direction marks, no lone surrogates."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def printable(text: str) -> str:
    """`text` with every character that could move the cursor or reorder the line shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character == "\n" or unicodedata.category(character)[0] != "C"
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def quoted(command: Sequence[str]) -> str:
    """A command line as a person would type it: arguments with blanks in double quotes."""
    return " ".join(f'"{word}"' if not word or " " in word else word for word in command)
