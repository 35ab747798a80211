"""Puts checksums, hashes and signatures right again in a changed file, as whoever made it on purpose would.

Without that a parser refuses most changed files at its first look, and what lies behind is never tried.
Also says where in a file changes are worth the most.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from functools import cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from scripts.testdata import pki
from scripts.testdata.hive_writer import sealed

CHAIN_KEY: Final = "corp-root-2"
"""The key of the test PKI that signs every certificate of the target ``chain``."""

_BASE_BLOCK: Final = 4096
_HEADER: Final = 208
_LOOKUP, _XML, _METADATA, _INTEGRITY = 0x30, 0x48, 0x60, 0x7C
_ENTRY: Final = 50
_MOST_ENTRIES: Final = 64
_COMPRESSED: Final = 4
_METADATA_FLAG: Final = 2
_NO_HASH: Final = bytes(20)


def seal_hive(data: bytes) -> bytes:
    """A hive with the checksum of its base block."""
    return sealed(data) if len(data) >= _BASE_BLOCK and data[:4] == b"regf" else data


def hive_places(data: bytes) -> tuple[range, ...]:
    """The fields of the base block, the first bytes of bins, and of cells that say what they are."""
    found = [range(48), range(_BASE_BLOCK, len(data))]
    for mark, size in (
        (b"hbin", 32),
        (b"nk", 80),
        (b"vk", 24),
        (b"sk", 24),
        (b"lh", 40),
        (b"ri", 16),
        (b"db", 12),
    ):
        at = data.find(mark, _BASE_BLOCK)
        while at >= 0 and len(found) < 200:
            if at % 4 == 0:
                found.append(range(max(at - 4, 0), min(at + size, len(data))))
            at = data.find(mark, at + 2)
    return tuple(place for place in found if place)


def seal_wim(data: bytes) -> bytes:
    """A WIM in which uncompressed contents have the SHA-1 that the lookup table and the metadata give."""
    sealed_file = bytearray(data)
    entries = list(_lookup_entries(data))
    for is_metadata in (False, True):  # the metadata holds the hashes of the others
        for at in entries:
            size, offset, _ = _resource(sealed_file, at)
            flags = sealed_file[at + 7]
            if bool(flags & _METADATA_FLAG) != is_metadata or flags & _COMPRESSED:
                continue
            old = bytes(sealed_file[at + 30 : at + _ENTRY])
            content = sealed_file[offset : offset + size]
            if old == _NO_HASH or not content:
                continue
            new = hashlib.sha1(content, usedforsecurity=False).digest()
            if is_metadata:
                sealed_file[at + 30 : at + _ENTRY] = new
            else:
                sealed_file = sealed_file.replace(old, new)
    return bytes(sealed_file)


def wim_places(data: bytes) -> tuple[range, ...]:
    """The header, and the tables, XML and metadata that it and the lookup table name."""
    found = [range(12, 60), range(_HEADER)]
    if len(data) >= _HEADER:
        for at in (_LOOKUP, _XML, _METADATA, _INTEGRITY):
            size, offset, _ = _resource(data, at)
            found.append(range(min(offset, len(data)), min(offset + min(size, 1 << 20), len(data))))
    return tuple(place for place in found if place)


def _lookup_entries(data: bytes) -> Iterator[int]:
    if len(data) < _HEADER:
        return
    size, offset, _ = _resource(data, _LOOKUP)
    for number in range(min(size // _ENTRY, _MOST_ENTRIES)):
        at = offset + number * _ENTRY
        if at + _ENTRY > len(data):
            return
        yield at


def _resource(data: bytes | bytearray, at: int) -> tuple[int, int, int]:
    size_and_flags, offset, plain = struct.unpack_from("<QQQ", data, at)
    return size_and_flags & 0x00FF_FFFF_FFFF_FFFF, offset, plain


def seal_chain(data: bytes) -> bytes:
    """Certificates, one behind the other, each signed again over what stands in it now."""
    sealed_file = bytearray()
    at = 0
    while (outer := _element(data, at)) is not None:
        content, end = outer
        signed = _element(data, content)
        if data[at] != 0x30 or signed is None:
            break
        algorithm = _element(data, signed[1])
        if algorithm is None:
            break
        body = data[content : signed[1]]
        signature = b"\0" + _signature(body)
        inside = data[content : algorithm[1]] + b"\x03" + _length(len(signature)) + signature
        sealed_file += b"\x30" + _length(len(inside)) + inside
        at = end
    return bytes(sealed_file) + data[at:]


def _element(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of the element at `at` begins and ends, if it fits."""
    if at + 2 > len(data):
        return None
    length, content = data[at + 1], at + 2
    if length > 0x80:
        width = length & 0x7F
        length = int.from_bytes(data[content : content + width], "big")
        content += width
    return (content, content + length) if content + length <= len(data) else None


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    width = (size.bit_length() + 7) // 8
    return bytes((0x80 | width,)) + size.to_bytes(width, "big")


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    key = pki.private_key(CHAIN_KEY)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _signature(body: bytes) -> bytes:
    return _key().sign(body, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
