"""Keys for certificates that tests make: each process generates its own, and keeps none on disk."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import HashAlgorithm

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "p192": ec.SECP192R1,
    "p224": ec.SECP224R1,
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
    "brainpool256": ec.BrainpoolP256R1,
    "brainpool384": ec.BrainpoolP384R1,
    "brainpool512": ec.BrainpoolP512R1,
}

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | dsa.DSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA87PrivateKey
)


@cache
def private_key(name: str) -> PrivateKey:
    """Give a key by its name, such as ``rsa2048 root``: its kind, and which one of them."""
    kind = name.partition(" ")[0]
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind == "mldsa87":
        return mldsa.MLDSA87PrivateKey.generate()
    if kind.startswith("dsa"):
        return dsa.generate_private_key(int(kind.removeprefix("dsa")))
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def public_key_info(name: str) -> bytes:
    """Give the SubjectPublicKeyInfo of a key."""
    public = private_key(name).public_key()
    encoding = serialization.Encoding.DER
    return public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(name: str, content: bytes, used_hash: HashAlgorithm, *, pss: bool = False) -> bytes:
    """Sign with a key of the pool; RSA as in PKCS #1 version 1.5 unless `pss` is set."""
    key = private_key(name)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(used_hash), used_hash.digest_size) if pss else padding.PKCS1v15()
        return key.sign(content, scheme, used_hash)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(content, ec.ECDSA(used_hash))
    if isinstance(key, dsa.DSAPrivateKey):
        return key.sign(content, used_hash)
    return key.sign(content)
