"""Reads Registry.pol, the file in which group policy carries registry values.

Layout: MS-GPREG section 2.2.1. A signature ``PReg``, a 32-bit version of 1, then instructions
``[key;value;type;size;data]``: brackets, semicolons and names in UTF-16LE, the two names closed by a NUL,
type and size as 32-bit little-endian numbers, data as it is. Names that begin with two asterisks are orders,
such as deleting a value; they are passed on unchanged.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.errors import CertificateError
from winpe_certs.shown import shown_text

SIGNATURE = b"PReg"
VERSION = 1
EXPORT_POLICY = "Copy the policy file again, or give the certificate file (.cer) itself."

_HEADER = struct.Struct("<4sI")
_NUMBER = struct.Struct("<I")
_OPEN, _SEMICOLON, _CLOSE = (mark.encode("utf-16-le") for mark in "[;]")
_NUL = b"\0\0"
# A path may be long; no name that group policy writes comes near.
_LONGEST_NAME = 1 << 16
_MOST_INSTRUCTIONS = 200_000


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: a key below HKEY_LOCAL_MACHINE or HKEY_CURRENT_USER, and a value or an order for it.

    `offset` is its position in the file, in bytes.
    """

    key: str
    name: str
    type: int
    data: bytes
    offset: int


class PolicyError(CertificateError):
    """The file stops making sense at some place; what was read before that holds."""


def is_policy_file(data: bytes) -> bool:
    """Whether a file begins as a policy file does."""
    return data.startswith(SIGNATURE)


def instructions(data: bytes, origin: str) -> Iterator[Instruction]:
    """The instructions in their order; raises `PolicyError` at the first that breaks the format."""
    if len(data) < _HEADER.size:
        raise _broken(origin, len(data), "the header is cut off")
    _, version = _HEADER.unpack_from(data)
    if version != VERSION:
        raise _broken(origin, 4, f"its version is {version} instead of {VERSION}")
    offset = _HEADER.size
    for _ in range(_MOST_INSTRUCTIONS):
        if offset == len(data):
            return
        instruction, offset = _instruction(data, offset, origin)
        yield instruction
    if offset != len(data):
        raise _broken(origin, offset, f"there are more than {_MOST_INSTRUCTIONS} instructions")


def _instruction(data: bytes, start: int, origin: str) -> tuple[Instruction, int]:
    at = _mark(data, start, _OPEN, origin)
    key, at = _name(data, at, origin)
    name, at = _name(data, _mark(data, at, _SEMICOLON, origin), origin)
    kind, at = _number(data, _mark(data, at, _SEMICOLON, origin), origin)
    size, at = _number(data, _mark(data, at, _SEMICOLON, origin), origin)
    at = _mark(data, at, _SEMICOLON, origin)
    if size > len(data) - at:
        raise _broken(origin, at, f"a value claims {size} bytes, only {len(data) - at} are there")
    content = bytes(data[at : at + size])
    return Instruction(key, name, kind, content, start), _mark(data, at + size, _CLOSE, origin)


def _mark(data: bytes, at: int, mark: bytes, origin: str) -> int:
    if data[at : at + 2] != mark:
        raise _broken(origin, at, f"{shown_text(mark.decode('utf-16-le'))} is missing")
    return at + 2


def _name(data: bytes, at: int, origin: str) -> tuple[str, int]:
    end = data.find(_NUL, at, at + _LONGEST_NAME)
    while end >= 0 and (end - at) % 2:
        end = data.find(_NUL, end + 1, at + _LONGEST_NAME)
    if end < 0:
        raise _broken(origin, at, "a name is not closed by a NUL")
    return data[at:end].decode("utf-16-le", "surrogatepass"), end + 2


def _number(data: bytes, at: int, origin: str) -> tuple[int, int]:
    if len(data) - at < _NUMBER.size:
        raise _broken(origin, at, "a number is cut off")
    number: int = _NUMBER.unpack_from(data, at)[0]
    return number, at + _NUMBER.size


def _broken(origin: str, offset: int, reason: str) -> PolicyError:
    return PolicyError(
        f"{origin}: the policy file cannot be read on: {reason}",
        details=f"at offset {offset} (layout: MS-GPREG 2.2.1)",
        resolution=EXPORT_POLICY,
    )
