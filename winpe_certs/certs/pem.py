r"""Finds the blocks of a PEM file (RFC 7468): label, line, bytes.

Markers count anywhere in a line, because files are joined without a line break, pasted into one line, and
carried through JSON or YAML. Inside a block, blanks, line breaks and byte order marks mean nothing, and the
escapes of JSON (RFC 8259 section 7) are read. Text between blocks is passed over, as openssl prints it there.
A block without its end, with another end, or with something that is not base64 is damaged: it is named, never
silently left out.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.certs.text_encoding import UTF8_MARK, UTF16BE_MARK, UTF16LE_MARK
from winpe_certs.errors import CertificateError
from winpe_certs.shown import shown_text

AGAIN = "Copy the file again, whole, from where it was made."

_MARKER = re.compile(r"-----(BEGIN|END) ([^-\r\n]{1,64})-----")
_BROKEN_MARKER = re.compile(r"(BEGIN|END) +(?:X509 +|TRUSTED +)?CERTIFICATE *-")
# Possessive, from the start of each run of backslashes: a long run costs no more than its length.
_ESCAPE = re.compile(r"(?<!\\)\\++(?:u00([0-7][0-9A-Fa-f])|[nrtbf]|(?=[/\s]))")
_MARKS = (UTF8_MARK, UTF16LE_MARK, UTF16BE_MARK)


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block: its label, the line of its first marker, and what its base64 stands for."""

    label: str
    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BadBlock:
    """A block that cannot be read, or a marker without its counterpart.

    `labels` are what its markers call it, `error` says what is wrong and where.
    """

    labels: tuple[str, ...]
    line: int
    error: CertificateError


def has_pem_block(text: str) -> bool:
    """Whether a text looks like PEM at all."""
    return "-----BEGIN " in text or "-----END " in text


def joined_text(data: bytes, text: str) -> str:
    """The text of a file in which every marker can be read, `text` being what its first bytes ask for.

    Files of different encodings may have been joined: all that PEM needs is ASCII, so without zeros and byte
    order marks every part of such a file shows its markers.
    """
    plain = data.replace(b"\0", b"")
    for mark in _MARKS:
        plain = plain.replace(mark, b"")
    squeezed = plain.decode("latin-1")
    return squeezed if squeezed.count("-----") > text.count("-----") else text.replace("\ufeff", "")


def pem_blocks(text: str, origin: str) -> Iterator[PemBlock]:
    """Read all blocks in order, or raise the `CertificateError` of the first that cannot be read."""
    for part in pem_parts(text, origin):
        if isinstance(part, BadBlock):
            raise part.error
        yield part


def pem_parts(text: str, origin: str) -> Iterator[PemBlock | BadBlock]:
    """Read all blocks in order; what cannot be read names its line."""
    label, start, body = "", 0, 0
    lines = _Lines(text)
    for marker in _MARKER.finditer(text):
        line = lines.up_to(marker.start())
        found = marker[2].strip()
        if marker[1] == "BEGIN":
            if label:
                yield _cut(origin, label, start)
            else:
                yield from _broken(text[body : marker.start()], origin, line)
            label, start = found, line
        elif found == label:
            yield _decoded(text[body : marker.start()], label, start, origin)
            label = ""
        else:
            passed_over = "" if label else text[body : marker.start()]
            yield from list(_broken(passed_over, origin, line)) or [
                _wrong_end(origin, line, found, label, start)
            ]
            label = ""
        body = marker.end()
    if label:
        yield _cut(origin, label, start)
    else:
        yield from _broken(text[body:], origin, lines.up_to(len(text)))


class _Lines:
    """Counts lines on the way through a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._at = 1, 0

    def up_to(self, place: int) -> int:
        """The line of a place that is not before the last one asked for."""
        self._line += _line_breaks(self._text, self._at, place)
        self._at = place
        return self._line


def _line_breaks(text: str, start: int, end: int) -> int:
    """Count the line breaks of a piece, whichever of the three kinds they are."""
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def decode_base64(text: str) -> bytes | None:
    """Decode base64 strictly, blanks and escapes aside; None if it is not base64."""
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", text)
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _decoded(text: str, label: str, line: int, origin: str) -> PemBlock | BadBlock:
    data = decode_base64(text)
    if data:
        return PemBlock(label, line, data)
    reason = "holds something that is not base64" if text.strip() else "is empty"
    return _bad((label,), line, origin, f"the block {shown_text(label)} {reason}")


def _broken(passed_over: str, origin: str, line: int) -> Iterator[BadBlock]:
    """A marker with too few hyphens would hide its certificate."""
    found = _BROKEN_MARKER.search(passed_over)
    if found:
        line -= _line_breaks(passed_over, found.start(), len(passed_over))
        reason = f"the marker {found[1]} of a certificate lacks hyphens"
        yield _bad(("CERTIFICATE",), line, origin, reason)


def _wrong_end(origin: str, line: int, found: str, label: str, start: int) -> BadBlock:
    missing = "no end here: its begin is missing"
    expected = f"the end of {shown_text(label)} (line {start})" if label else missing
    reason = f"a block ends as {shown_text(found)}, expected {expected}"
    return _bad(tuple(filter(None, (label, found))), line, origin, reason)


def _cut(origin: str, label: str, line: int) -> BadBlock:
    reason = f"the block {shown_text(label)} is cut off"
    return _bad((label,), line, origin, reason, details="Its end line is missing.")


def _bad(labels: tuple[str, ...], line: int, origin: str, reason: str, *, details: str = "") -> BadBlock:
    error = CertificateError(f"{origin}, line {line}: {reason}", details=details, resolution=AGAIN)
    return BadBlock(labels, line, error)
