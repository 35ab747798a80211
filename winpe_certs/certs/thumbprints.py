"""Thumbprints as people paste them: out of MMC, OpenSSL, certutil, PowerShell and mails.

A thumbprint is the SHA-1 of a certificate, by which Windows names it. A SHA-256 fingerprint is taken as well:
a certificate in an image can be found by it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from winpe_certs.errors import UsageError
from winpe_certs.shown import shown_text

THUMBPRINT: Final = re.compile("[0-9A-F]{40}")

_SHA1_DIGITS: Final = 40
_SHA256_DIGITS: Final = 64
_OTHER_HASHES: Final = {32: "MD5", 96: "SHA-384", 128: "SHA-512"}
# Blanks, dashes, control characters and the direction marks that MMC puts on the clipboard.
_PASSED_OVER: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Pd"})
# "sha1 Fingerprint=", "Thumbprint: ", "Cert Hash(sha1): ", in any language: words before the last = or colon.
_LABEL: Final = re.compile(r"(?P<label>[^=:]{4,60})[=:](?P<rest>.*)", re.DOTALL)
_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_LOOK_ALIKES: Final = {"O": "zero", "o": "zero", "I": "one", "l": "one", "i": "one", "S": "five"}
_COPY: Final = (
    "Copy the field Thumbprint of the certificate viewer (Details tab), or give the certificate file."
)


def is_sha256(digits: str) -> bool:
    """Whether a normalised thumbprint is a SHA-256."""
    return len(digits) == _SHA256_DIGITS


def normalise_thumbprint(text: str) -> str:
    """Read a thumbprint as a person pastes it: 40 hexadecimal digits (SHA-1) or 64 (SHA-256), in upper case.

    The certificate viewer of MMC puts an invisible U+200E in front of it, which an ANSI console turns into
    ``?``. A label before it, such as ``sha1 Fingerprint=``, is passed over. Raises `UsageError` that names
    the wrong character and its place, or how many digits are missing.
    """
    start = _after_label(text)
    if not text[start:].strip("? \t\r\n\u200e\ufeff\u200f"):
        raise UsageError("the thumbprint is empty", details=_wants(), resolution=_COPY)
    digits = ""
    for place, character in enumerate(text[start:], start=start + 1):
        is_mark = character == "?" and not digits
        if is_mark or character == ":" or unicodedata.category(character) in _PASSED_OVER:
            continue
        if character not in _HEXADECIMAL:
            raise _wrong_character(text, place, character)
        digits += character.upper()
    if len(digits) not in {_SHA1_DIGITS, _SHA256_DIGITS}:
        raise _wrong_length(text, len(digits))
    return digits


def _after_label(text: str) -> int:
    """Where the digits begin: after a label, which has letters that no digit is."""
    found = _LABEL.match(text)
    if found is None:
        return 0
    words = [letter for letter in found["label"] if letter.isalpha()]
    is_label = len(words) > 2 and any(letter not in _HEXADECIMAL for letter in words)
    return found.start("rest") if is_label else 0


def _wants() -> str:
    return f"A thumbprint has {_SHA1_DIGITS} hexadecimal digits (SHA-1), a SHA-256 has {_SHA256_DIGITS}."


def _wrong_character(text: str, place: int, character: str) -> UsageError:
    name = (
        ""
        if character.isascii()
        else f", {unicodedata.name(character, 'a character without a name').lower()}"
    )
    meant = _LOOK_ALIKES.get(character, "")
    hint = f" Perhaps it should be the digit {meant}." if meant else ""
    return UsageError(
        f"{shown_text(text)} is not a thumbprint: character {place} is {shown_text(character)} "
        f"(U+{ord(character):04X}{name}), not a hexadecimal digit",
        details=f"{_wants()}{hint}",
        resolution=_COPY,
    )


def _wrong_length(text: str, count: int) -> UsageError:
    if count in _OTHER_HASHES:
        what = f"as many as a hash of the kind {_OTHER_HASHES[count]} has"
    elif count == 2 * _SHA1_DIGITS:
        what = "as many as two thumbprints have: give each by an option of its own"
    else:
        wanted = _SHA1_DIGITS if count < (_SHA1_DIGITS + _SHA256_DIGITS) // 2 else _SHA256_DIGITS
        off = wanted - count
        what = f"{off} of {wanted} missing" if off > 0 else f"{-off} more than the {wanted} of a thumbprint"
    return UsageError(
        f"{shown_text(text)} is not a thumbprint: it has {count} digits, {what}",
        details=_wants(),
        resolution=_COPY,
    )
