"""The public key of a certificate (RFC 5280 section 4.1.2.7): what kind it is, how long, on which curve.

Kinds: RFC 3279 (RSA, DSA), RFC 4055 (RSASSA-PSS), RFC 5480 and RFC 5639 (curves), RFC 8410 (Ed25519,
Ed448), RFC 9881 (ML-DSA).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerError,
    Element,
    bits,
    expect,
    object_identifier,
    read_whole,
)

RSA: Final = "RSA"
RSA_PSS: Final = "RSASSA-PSS"
EC: Final = "EC"

_KINDS: Final = {
    "1.2.840.113549.1.1.1": RSA,
    "1.2.840.113549.1.1.10": RSA_PSS,
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": EC,
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
# The curves that people meet: their names, and the bits of their fields.
_CURVES: Final = {
    "1.2.840.10045.3.1.1": ("secp192r1", 192),
    "1.2.840.10045.3.1.7": ("secp256r1", 256),
    "1.3.132.0.8": ("secp160r1", 160),
    "1.3.132.0.9": ("secp160k1", 160),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.132.0.30": ("secp160r2", 160),
    "1.3.132.0.31": ("secp192k1", 192),
    "1.3.132.0.32": ("secp224k1", 224),
    "1.3.132.0.33": ("secp224r1", 224),
    "1.3.132.0.34": ("secp384r1", 384),
    "1.3.132.0.35": ("secp521r1", 521),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: `info` is the whole SubjectPublicKeyInfo, `key` the content of its bit string.

    `kind` is the object identifier of a kind without a name here; so is `curve`, which is None for keys
    without one, and in words for one that has no identifier. `bits` is None where it is not known.
    `lacks_sign` says that the modulus has no zero octet in front, so that its first bit would be its sign.
    """

    info: bytes
    key: bytes
    kind: str
    bits: int | None = None
    curve: str | None = None
    lacks_sign: bool = False

    def __str__(self) -> str:
        """Say what the key is: ``RSA, 2048 bits``."""
        curve = f", {self.curve}" if self.curve else ""
        size = f", {self.bits} bits" if self.bits is not None and not curve else ""
        return f"{self.kind}{curve}{size}"


def read_public_key(info: Element) -> PublicKey:
    """Read SubjectPublicKeyInfo; raises `DerError`. What is inside the key may be unreadable."""
    parts = info.children()
    if len(parts) != 2:
        raise DerError(info.start, f"a public key has {len(parts)} parts instead of 2")
    algorithm = parts[0].children()
    if not algorithm:
        raise DerError(parts[0].start, "a public key of no kind")
    identifier = object_identifier(algorithm[0])
    kind = _KINDS.get(identifier, identifier)
    key = bits(parts[1])
    if kind == EC:
        curve, size = _curve(algorithm[1:])
        return PublicKey(info.encoded, key, kind, size, curve)
    numbers = key if kind in (RSA, RSA_PSS) else b""
    if kind == "DSA" and len(algorithm) > 1:
        numbers = algorithm[1].encoded
    modulus = _first_number(numbers)
    if modulus is None:
        return PublicKey(info.encoded, key, kind)
    size = int.from_bytes(modulus, "big").bit_length()
    return PublicKey(info.encoded, key, kind, size, lacks_sign=bool(modulus) and modulus[0] >= 0x80)


def _curve(parameters: list[Element]) -> tuple[str, int | None]:
    if not parameters or parameters[0].tag not in (OBJECT_IDENTIFIER, SEQUENCE):
        return "no named curve", None
    if parameters[0].tag == SEQUENCE:
        return "an explicit curve", None
    identifier = object_identifier(parameters[0])
    return _CURVES.get(identifier, (identifier, None))


def _first_number(data: bytes) -> bytes | None:
    """The modulus, which comes first in a list of numbers; None when it cannot be read.

    It is taken without its sign: "Root Agency", which every Windows has in its store CA, lacks the zero
    octet in front.
    """
    try:
        return expect(read_whole(data).children()[0], INTEGER, "the modulus").value
    except (DerError, IndexError):
        return None
