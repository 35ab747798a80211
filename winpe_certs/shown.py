"""How text and bytes out of files, and what libraries and the system say, appear in our own sentences."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LONGEST: Final = 100
_LONGEST_BYTES: Final = 8
# Words, numbers and plain punctuation; no braces, brackets, backslashes or quotes as programmers use them.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][\w ,.;:()/%+#-]*")
_PROGRAMMERS: Final = re.compile(
    r"\b(?:None|NoneType|True|False|[a-z]\w*[A-Z]\w*|\w+_\w+|\w+Error)\b|::|\(\)"
)


def printable(text: str) -> str:
    """`text` with every character that could move the cursor, end or reorder the line shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode()
        if moves_the_cursor(character)
        else character
        for character in text
    )


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def moves_the_cursor(character: str) -> bool:
    """Whether a character could move the cursor, end or reorder the line, or is no character at all."""
    category = unicodedata.category(character)
    return category in {"Zl", "Zp"} or category[0] == "C"


def shown_text(text: str, longest: int = _LONGEST) -> str:
    """Quote text out of a file or from a command line: printable, on one line, shortened."""
    short = text if len(text) <= longest else f"{text[:longest]}..."
    mark = '"' if "'" in short else "'"
    return f"{mark}{printable(short)}{mark}"


def shown_bytes(data: bytes) -> str:
    """Show how something begins: its first line where it is text, else hexadecimal digits of a few bytes."""
    line = re.split(rb"[\r\n]", data[:_LONGEST], maxsplit=1)[0]
    if line and line.isascii() and line.decode("ascii").isprintable():
        return shown_text(line.decode("ascii"))
    return f"the bytes {data[:_LONGEST_BYTES].hex(' ').upper()}" if data else "nothing"


def plain_words(error: BaseException) -> str:
    """What a library says of an error, if that is plain English; empty when it is written for programmers."""
    text = str(error).strip().partition("\n")[0]
    return text if _PLAIN.fullmatch(text) and not _PROGRAMMERS.search(text) else ""


def system_words(error: OSError) -> str:
    """What the system says of its own error, with its number."""
    number = getattr(error, "winerror", None) or error.errno
    words = (error.strerror or plain_words(error) or "the system gives no reason").rstrip(".")
    return f"{words} (system error {number})" if number else words


def cause_words(error: BaseException) -> str:
    """What ended something, where that is none of our own errors: a person, the system, or a defect."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError):
        return system_words(error)
    # The name of the exception helps the person who mends the defect.
    return f"a defect of winpe-certs ({type(error).__name__})"
