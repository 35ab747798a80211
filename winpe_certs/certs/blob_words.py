"""The properties of certificate Blobs in words, and where two Blobs differ.

What a property holds is what the documentation of CertSetCertificateContextProperty says of its identifier:
text is UTF-16LE with an end mark, a time is a FILETIME, uses are a SEQUENCE of object identifiers. What is
not so, and what has no form of its own, is shown as hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from winpe_certs.certs.blob import FILETIME, FILETIME_EPOCH, Blob, PropertyId
from winpe_certs.certs.der import DerError, identifier_list
from winpe_certs.certs.object_identifiers import with_name

_TEXTS: Final = frozenset({PropertyId.FRIENDLY_NAME, PropertyId.DESCRIPTION, PropertyId.SIGN_HASH_CNG_ALG})
_TIMES: Final = frozenset({PropertyId.DISALLOWED_FILETIME, PropertyId.NOT_BEFORE_FILETIME})
_USES: Final = frozenset(
    {
        PropertyId.ENHKEY_USAGE,
        PropertyId.DISALLOWED_ENHKEY_USAGE,
        PropertyId.NOT_BEFORE_ENHKEY_USAGE,
    }
)
_SHOWN_BYTES: Final = 32
_SHOWN_LETTERS: Final = 200
_SHOWN_DIFFERENCES: Final = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """What two Blobs say differently: a property (`id` is None for the Blob as a whole) and both values."""

    id: int | None
    name: str
    first: str | None
    second: str | None


def differences(first: Blob, second: Blob) -> tuple[Difference, ...]:
    """Where two Blobs differ, by identifier; nothing when their bytes are the same."""
    found = list(itertools.islice(_differences(first, second), _SHOWN_DIFFERENCES + 1))
    if len(found) > _SHOWN_DIFFERENCES:
        found[-1] = Difference(None, "more properties differ", "not shown", "not shown")
    elif not found and first.to_bytes() != second.to_bytes():
        found.append(Difference(None, "order of the properties", _order(first), _order(second)))
    return tuple(found)


def property_name(identifier: int) -> str:
    """The name of a property in wincrypt.h without its prefix, where it has a known one."""
    try:
        return PropertyId(identifier).name
    except ValueError:
        return "unknown property"


def in_words(identifier: int, data: bytes) -> str:
    """The content of a property as people read it."""
    text = None
    if identifier in _TEXTS:
        text = _text(data)
    elif identifier in _TIMES:
        text = _time(data)
    elif identifier in _USES:
        text = _uses(data)
    elif identifier == PropertyId.SUBJECT_PUB_KEY_BIT_LENGTH and len(data) == 4:
        text = f"{int.from_bytes(data, 'little')} bits"
    elif identifier == PropertyId.CERTIFICATE:
        text = f"certificate of {len(data)} bytes, SHA-1 {_sha1(data)}"
    return _digits(data) if text is None else text


def whole_in_words(data: bytes | None) -> str:
    """A Blob that is not compared property by property."""
    return "no binary value" if data is None else _digits(data)


def _differences(first: Blob, second: Blob) -> Iterator[Difference]:
    mine, theirs = _by_identifier(first), _by_identifier(second)
    for identifier in sorted(mine.keys() | theirs.keys()):
        for one, other in itertools.zip_longest(mine.get(identifier, []), theirs.get(identifier, [])):
            if one != other:
                yield _difference(identifier, one, other)
    if first.end != second.end:
        yield Difference(None, "end element", first.end.hex() or None, second.end.hex() or None)


def _difference(identifier: int, one: bytes | None, other: bytes | None) -> Difference:
    first = None if one is None else in_words(identifier, one)
    second = None if other is None else in_words(identifier, other)
    if one is not None and other is not None and first == second:
        # Words may leave out what differs, an end mark for example.
        first, second = _digits(one), _digits(other)
    return Difference(identifier, property_name(identifier), first, second)


def _by_identifier(blob: Blob) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for each in blob.properties:
        found.setdefault(each.id, []).append(each.data)
    return found


def _order(blob: Blob) -> str:
    shown = ", ".join(f"0x{each.id:02X}" for each in blob.properties[:_SHOWN_BYTES])
    return f"{shown}, ..." if len(blob.properties) > _SHOWN_BYTES else shown


def _text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-16-le")
    except UnicodeDecodeError:
        return None
    if not text.endswith("\0") or "\0" in text[:-1] or len(text) > _SHOWN_LETTERS:
        return None
    return f'"{text[:-1]}"'


def _time(data: bytes) -> str | None:
    if len(data) != FILETIME.size:
        return None
    ticks: int = FILETIME.unpack(data)[0]
    try:
        return f"{FILETIME_EPOCH + timedelta(microseconds=ticks // 10):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return None


def _uses(data: bytes) -> str | None:
    try:
        found = identifier_list(data)
    except DerError:
        return None
    text = ", ".join(map(with_name, found)) or "no use at all"
    return text if len(text) <= _SHOWN_LETTERS else None


def _digits(data: bytes) -> str:
    if len(data) <= _SHOWN_BYTES:
        return data.hex().upper() or "empty"
    head = data[: _SHOWN_BYTES // 2].hex().upper()
    return f"{head}... ({len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest().upper()})"


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().upper()
