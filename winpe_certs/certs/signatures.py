"""The signature of a certificate: its algorithm, and whether a key has made it.

Algorithms: RFC 3279, RFC 4055 (RSASSA-PSS and its parameters), RFC 5758, RFC 8410; 1.3.14.3.2.29 is the old
name of SHA-1 with RSA. The library `cryptography` computes; it is imported for the first signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from winpe_certs.certs.der import DerError, Element, number, object_identifier
from winpe_certs.certs.structure import Structure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_PSS: Final = "1.2.840.113549.1.1.10"
_RSA: Final = "rsa"
_EC: Final = "ec"
_DSA: Final = "dsa"
_EDWARDS: Final = "edwards"

_ALGORITHMS: Final = {
    "1.2.840.113549.1.1.2": (_RSA, "md2"),
    "1.2.840.113549.1.1.3": (_RSA, "md4"),
    "1.2.840.113549.1.1.4": (_RSA, "md5"),
    "1.2.840.113549.1.1.5": (_RSA, "sha1"),
    "1.3.14.3.2.29": (_RSA, "sha1"),
    "1.2.840.113549.1.1.14": (_RSA, "sha224"),
    "1.2.840.113549.1.1.11": (_RSA, "sha256"),
    "1.2.840.113549.1.1.12": (_RSA, "sha384"),
    "1.2.840.113549.1.1.13": (_RSA, "sha512"),
    "1.2.840.10040.4.3": (_DSA, "sha1"),
    "2.16.840.1.101.3.4.3.1": (_DSA, "sha224"),
    "2.16.840.1.101.3.4.3.2": (_DSA, "sha256"),
    "1.2.840.10045.4.1": (_EC, "sha1"),
    "1.2.840.10045.4.3.1": (_EC, "sha224"),
    "1.2.840.10045.4.3.2": (_EC, "sha256"),
    "1.2.840.10045.4.3.3": (_EC, "sha384"),
    "1.2.840.10045.4.3.4": (_EC, "sha512"),
    "1.3.101.112": (_EDWARDS, None),
    "1.3.101.113": (_EDWARDS, None),
}
_HASHES: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_NULL: Final = b"\x05\0"
_DEFAULT_SALT: Final = 20
_CACHED: Final = 4096

# OpenSSL's own bound for long keys. An exponent as long as the modulus makes a check a hundred times slower.
_MOST_EXPONENT_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """How a certificate is signed: the identifier, and the name of the hash (``sha256``).

    The hash is None where there is none (Ed25519) and where the algorithm is not known. `salt` is the length
    of the salt of RSASSA-PSS in octets, None for the other algorithms; `mask_hash` is then the second hash.
    """

    id: str
    hash: str | None
    salt: int | None = None
    mask_hash: str | None = None


def read_algorithm(element: Element) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier of a signature; raises `DerError`."""
    parts = element.children()
    if not parts:
        raise DerError(element.start, "a signature algorithm is empty")
    identifier = object_identifier(parts[0])
    if identifier == _PSS:
        try:
            return _pss(parts[1:])
        except IndexError as error:
            raise DerError(element.start, "parameters of RSASSA-PSS without their content") from error
    _, used_hash = _ALGORITHMS.get(identifier, (None, None))
    return SignatureAlgorithm(identifier, used_hash)


def is_signed_by(certificate: Structure, key_info: bytes) -> bool | None:
    """Say whether the key of a SubjectPublicKeyInfo has signed a certificate; None when that cannot be told.

    It cannot for algorithms and keys that the library does not know, MD2 among them, and for RSA keys with an
    exponent of more than 64 bits.
    """
    if not _same_algorithm(certificate.inner_algorithm, certificate.algorithm):
        return False
    return _check(key_info, certificate.algorithm.encoded, certificate.signature, certificate.signed)


def _same_algorithm(inner: Element, outer: Element) -> bool:
    """Whether the algorithm in the signed part is the one beside it; an absent NULL is a NULL."""
    return inner.value.removesuffix(_NULL) == outer.value.removesuffix(_NULL)


def is_usable(key_info: bytes) -> bool:
    """Whether the library can work with the key of a SubjectPublicKeyInfo: of a known kind, and sound."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _load(key_info)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(_CACHED)
def _check(key_info: bytes, algorithm: bytes, signature: bytes, signed: bytes) -> bool | None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    from winpe_certs.certs.der import read_whole

    try:
        named = read_algorithm(read_whole(algorithm))
        key = _load(key_info)
    except (DerError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    family, own_family = _family_of(named), _family_of_key(key)
    if family is None or own_family is None:
        return None
    if own_family == _RSA and key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
        return None
    if family != own_family:
        return False
    verify = _verifier(key, named)
    if verify is None:
        return None
    try:
        verify(signature, signed)
    except UnsupportedAlgorithm:
        return None
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(_CACHED)
def _load(key_info: bytes) -> Any:
    """The library's key, or its error; loading costs about as much as a signature."""
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(key_info)


def _family_of(algorithm: SignatureAlgorithm) -> str | None:
    return _RSA if algorithm.id == _PSS else _ALGORITHMS.get(algorithm.id, (None, None))[0]


def _family_of_key(key: Any) -> str | None:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    kinds = {
        rsa.RSAPublicKey: _RSA,
        ec.EllipticCurvePublicKey: _EC,
        dsa.DSAPublicKey: _DSA,
        ed25519.Ed25519PublicKey: _EDWARDS,
        ed448.Ed448PublicKey: _EDWARDS,
    }
    return next((family for kind, family in kinds.items() if isinstance(key, kind)), None)


def _verifier(key: Any, algorithm: SignatureAlgorithm) -> Callable[[bytes, bytes], None] | None:
    """The function that checks a signature by a key of the right family; None without a known hash."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    family = _family_of(algorithm)
    if family == _EDWARDS:
        verify: Callable[[bytes, bytes], None] = key.verify
        return verify
    used = _hash(algorithm.hash)
    if used is None:
        return None
    scheme: tuple[Any, ...] = (used,)
    if algorithm.id == _PSS:
        mask, salt = _hash(algorithm.mask_hash), algorithm.salt
        if mask is None or salt is None:
            return None
        scheme = (padding.PSS(padding.MGF1(mask), salt), used)
    elif family == _RSA:
        scheme = (padding.PKCS1v15(), used)
    elif family == _EC:
        scheme = (ec.ECDSA(used),)
    return lambda signature, signed: key.verify(signature, signed, *scheme)


def _hash(name: str | None) -> HashAlgorithm | None:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, type[HashAlgorithm]] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    made = known.get(name or "")
    return made() if made is not None else None


def _pss(parameters: list[Element]) -> SignatureAlgorithm:
    """RSASSA-PSS-params (RFC 4055 section 3.1): what is left out is SHA-1, and a salt of 20 octets."""
    parts = {each.tag: each for each in (parameters[0].children() if parameters else [])}
    used = mask = "sha1"
    salt = _DEFAULT_SALT
    if 0xA0 in parts:
        used = _hash_name(parts[0xA0].children()[:1])
    if 0xA1 in parts:
        mask = _hash_name(parts[0xA1].children()[0].children()[1:2])
    if 0xA2 in parts:
        salt = number(parts[0xA2].children()[0])
    if not 0 <= salt <= 1 << 16:
        raise DerError(0, f"a salt of {salt} octets")
    return SignatureAlgorithm(_PSS, used or None, salt, mask or None)


def _hash_name(algorithm: list[Element]) -> str:
    """The hash of an AlgorithmIdentifier; empty for one that is not known."""
    parts = algorithm[0].children() if algorithm else []
    return _HASHES.get(object_identifier(parts[0]), "") if parts else ""
