"""Text from files made safe for a terminal: no control characters, no direction marks, no lone surrogates."""

from __future__ import annotations

import unicodedata


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
