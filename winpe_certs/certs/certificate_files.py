"""Certificates → the files that other programs take: DER, PEM, PKCS#7.

PEM is RFC 7468. PKCS#7 is the SignedData of RFC 5652 section 5.1 without content and signers, as certutil and
openssl crl2pkcs7 write it. The bytes of a certificate go in as they came: whether it can be read plays no
part.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

_LINE: Final = 64
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_CONTEXT_0: Final = 0xA0
_VERSION_1: Final = b"\x02\x01\x01"
# 1.2.840.113549.1.7.1 and .2
_DATA: Final = bytes.fromhex("06092A864886F70D010701")
_SIGNED_DATA: Final = bytes.fromhex("06092A864886F70D010702")
_SHORT_LENGTH: Final = 0x80


class Form(StrEnum):
    """What `export` writes: a .reg with the Blob, or the certificate itself. Its value ends file names."""

    REG = "reg"
    DER = "der"
    PEM = "pem"
    P7B = "p7b"


def as_pem(certificates: Sequence[bytes]) -> bytes:
    """One block for each certificate, given as DER, in their order."""
    return b"".join(map(_block, certificates))


def as_pkcs7(certificates: Sequence[bytes]) -> bytes:
    """A PKCS#7 file with these certificates, given as DER, in the order that DER has for a set."""
    signed_data = _element(
        _SEQUENCE,
        _VERSION_1,
        _element(_SET),
        _element(_SEQUENCE, _DATA),
        _element(_CONTEXT_0, *sorted(certificates)),
        _element(_SET),
    )
    return _element(_SEQUENCE, _SIGNED_DATA, _element(_CONTEXT_0, signed_data))


def _block(certificate: bytes) -> bytes:
    text = base64.b64encode(certificate)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def _element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < _SHORT_LENGTH:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT_LENGTH | len(length))) + length + content
