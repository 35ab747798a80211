"""Looks at the private keys of a PKCS#12 store before the library does, which tests large ones for minutes.

The library tests every number of a key that must be a prime, however large it is. So each key that can be
reached is decrypted here first, its kind and the sizes of its numbers are read, and it is dropped again.
Password-based encryption: RFC 8018 (PBES2) and RFC 7292 appendix B (the older one, with Triple DES).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from winpe_certs.errors import CertificateError

MOST_BITS: Final = 8192
# The two primes of an RSA key are of one size.
_MOST_PRIME_BITS: Final = MOST_BITS // 2 + 64
_RSA: Final = ("rsa", "rsassa_pss")
# Keys on curves that have names; testing them takes no time.
_OTHERS: Final = ("ec", "ed25519", "ed448", "x25519", "x448")
READABLE_CIPHERS: Final = ("aes", "tripledes")
_BLOCK: Final = 64
_KEY, _VECTOR = 1, 2


def require_modest_key(info: bytes, origin: str) -> None:
    """Refuse a private key (PrivateKeyInfo, RFC 5208) that the library would test for long.

    Raises what `asn1crypto` does for anything else.
    """
    from asn1crypto.keys import PrivateKeyInfo

    loaded = PrivateKeyInfo.load(info)
    kind = loaded["private_key_algorithm"]["algorithm"].native
    if kind in _OTHERS:
        return
    if kind not in _RSA:
        raise _refusal(origin, f"is of a kind that TLS in Windows does not use ({kind})", "")
    key = loaded["private_key"].parsed
    primes = max(_bits(key[name]) for name in ("prime1", "prime2"))
    if _bits(key["modulus"]) > MOST_BITS or primes > _MOST_PRIME_BITS:
        raise too_large(origin)


def decrypted(algorithm: Any, data: bytes, password: bytes | None) -> bytes | None:
    """The SEQUENCE that was encrypted under a password (UTF-8); None if it is another one, or by other means.

    `algorithm` is an EncryptionAlgorithm of `asn1crypto` whose rounds have been judged.
    """
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    if algorithm.encryption_cipher not in READABLE_CIPHERS or algorithm.encryption_mode != "cbc":
        return None
    cipher = AES if algorithm.encryption_cipher == "aes" else TripleDES
    salt, rounds, size = algorithm.kdf_salt, algorithm.kdf_iterations, algorithm.key_length
    if algorithm.kdf == "pbkdf2":
        key = hashlib.pbkdf2_hmac(algorithm.kdf_hmac, password or b"", salt, rounds, size)
        vector = algorithm.encryption_iv
    else:
        # No password and an empty one are two things here.
        text = b"" if password is None else (password.decode() + "\0").encode("utf-16-be")
        key = _derived(text, salt, rounds, _KEY, size)
        vector = _derived(text, salt, rounds, _VECTOR, algorithm.encryption_block_size)
    if not data or len(data) % len(vector):
        return None
    decryptor = Cipher(cipher(key), CBC(vector)).decryptor()
    plain: bytes = decryptor.update(data) + decryptor.finalize()
    padding = plain[-1]
    if not 1 <= padding <= len(vector) or plain[-padding:] != bytes([padding]) * padding or plain[0] != 0x30:
        return None
    return plain[:-padding]


def _derived(password: bytes, salt: bytes, rounds: int, purpose: int, size: int) -> bytes:
    """Key or initialisation vector by RFC 7292 appendix B.2, with SHA-1."""
    mixed = bytearray(_filled(salt) + _filled(password))
    found = b""
    while len(found) < size:
        digest = hashlib.sha1(bytes([purpose]) * _BLOCK + mixed, usedforsecurity=False).digest()
        for _ in range(rounds - 1):
            digest = hashlib.sha1(digest, usedforsecurity=False).digest()
        found += digest
        addend = int.from_bytes((digest * 4)[:_BLOCK], "big") + 1
        for at in range(0, len(mixed), _BLOCK):
            total = int.from_bytes(mixed[at : at + _BLOCK], "big") + addend
            mixed[at : at + _BLOCK] = (total % (1 << 8 * _BLOCK)).to_bytes(_BLOCK, "big")
    return found[:size]


def _filled(data: bytes) -> bytes:
    """Repeated to a multiple of the block size."""
    size = -(-len(data) // _BLOCK) * _BLOCK
    return (data * (size // len(data) + 1))[:size] if data else b""


def _bits(number: Any) -> int:
    # Not `native`: the conversion of a long number takes its time as well.
    return 8 * len(bytes(number.contents).lstrip(b"\0"))


def too_large(origin: str) -> CertificateError:
    """The error for a key that is larger than any real one."""
    return _refusal(origin, "is too large for boot media", f"It has more than {MOST_BITS} bits.")


def _refusal(origin: str, what: str, details: str) -> CertificateError:
    return CertificateError(
        f"{origin}: the private key {what}",
        details=details,
        resolution="Use a certificate with an RSA key of 2048 bits.",
    )
