"""Finds the blocks of a PEM file (RFC 7468): label, line, bytes.

Text between blocks is passed over, as openssl prints it there. A block without its end, with another end,
or with something that is not base64 is an error, never a shorter list.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.errors import CertificateError
from winpe_certs.shown import shown_text

BEGIN = re.compile(r"-----BEGIN ([^-]{1,64})-----")
END = re.compile(r"-----END ([^-]{1,64})-----")
AGAIN = "Copy the file again, whole, from where it was made."


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block: its label, the line of its first marker, and what its base64 stands for."""

    label: str
    line: int
    data: bytes


def has_pem_block(text: str) -> bool:
    """Whether a text looks like PEM at all."""
    return "-----BEGIN " in text or "-----END " in text


def pem_blocks(text: str, origin: str) -> Iterator[PemBlock]:
    """Read all blocks in order, or raise `CertificateError` that names the line."""
    label = ""
    start = 0
    body: list[str] = []
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        line = raw.strip()
        if begin := BEGIN.fullmatch(line):
            if label:
                raise _cut(origin, label, start)
            label, start, body = begin[1], number, []
        elif end := END.fullmatch(line):
            if end[1] != label:
                expected = (
                    f"the end of {shown_text(label)} (line {start})"
                    if label
                    else "no end here: its begin is missing"
                )
                raise CertificateError(
                    f"{origin}, line {number}: a block ends as {shown_text(end[1])}, expected {expected}",
                    resolution=AGAIN,
                )
            yield PemBlock(label, start, _decode("".join(body), label, start, origin))
            label = ""
        elif label:
            body.append(line)
    if label:
        raise _cut(origin, label, start)


def decode_base64(text: str) -> bytes | None:
    """Decode base64 strictly; None if it is not."""
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _decode(text: str, label: str, line: int, origin: str) -> bytes:
    data = decode_base64(text)
    if not data:
        reason = "holds something that is not base64" if text else "is empty"
        raise CertificateError(
            f"{origin}, line {line}: the block {shown_text(label)} {reason}", resolution=AGAIN
        )
    return data


def _cut(origin: str, label: str, line: int) -> CertificateError:
    return CertificateError(
        f"{origin}, line {line}: the block {shown_text(label)} is cut off",
        details="Its end line is missing.",
        resolution=AGAIN,
    )
