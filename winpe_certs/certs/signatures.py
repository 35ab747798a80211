"""Checks whether a certificate was signed by its own key; the only user of `cryptography` in this package.

Only the public key goes through that library, never the whole certificate: what an old root looks like in
other respects (version 1, negative serial number) cannot spoil the answer, and cannot raise its warnings.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from winpe_certs.certs.algorithms import RSA_PSS, has_known_curve
from winpe_certs.certs.x509 import CertificateParts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

LARGEST_KEY_BITS = 16384


def verify_own_signature(parts: CertificateParts, hash_name: str | None, key_bits: int | None) -> bool | None:
    """Say whether the signature fits the certificate's own key; None when this cannot be checked here.

    It cannot for hashes and curves that the installed library has given up (MD2, explicit curve
    parameters), and is not tried for keys of absurd size.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415
    from cryptography.utils import CryptographyDeprecationWarning  # noqa: PLC0415

    if not parts.algorithms_agree:
        return False
    if key_bits is not None and key_bits > LARGEST_KEY_BITS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            key = load_der_public_key(parts.public_key_info)
            return _verify(key, parts, hash_name)
        except InvalidSignature:
            return False
        except ValueError:
            return False if has_known_curve(parts) else None
        except (UnsupportedAlgorithm, TypeError):
            return None


def _verify(key: Any, parts: CertificateParts, hash_name: str | None) -> bool | None:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa  # noqa: PLC0415

    signed = parts.signed_part
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(parts.signature, signed)
        return True
    algorithm = _hash(hash_name)
    if algorithm is None:
        return None
    if isinstance(key, rsa.RSAPublicKey):
        if parts.signature_algorithm.identifier == RSA_PSS:
            pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            key.verify(parts.signature, signed, pss, algorithm)
        else:
            key.verify(parts.signature, signed, padding.PKCS1v15(), algorithm)
        return True
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(parts.signature, signed, ec.ECDSA(algorithm))
        return True
    if isinstance(key, dsa.DSAPublicKey):
        key.verify(parts.signature, signed, algorithm)
        return True
    return None


def _hash(name: str | None) -> HashAlgorithm | None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    known: dict[str, type[HashAlgorithm]] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
        "sha3_256": hashes.SHA3_256,
        "sha3_384": hashes.SHA3_384,
        "sha3_512": hashes.SHA3_512,
    }
    chosen = known.get(name or "")
    return None if chosen is None else chosen()
