"""Makes the Blob of a root that Windows has not seen yet.

Contents and order are those of freshly added certificates in real registries: 04, 0F, 14, 19, 03, 5C, 20,
the layout of MS-GPEF section 2.2.1.1.1.1. Only element 0x20 is needed; the others are caches, so what
cannot be computed rightly is left out rather than guessed: 0F when the signature has no hash of its own
(Ed25519, Ed448) or one this computer lacks (MD2), and 5C when the size of the key is not known.
"""

from __future__ import annotations

import hashlib

from winpe_certs.certs.algorithms import key_bits, signature_hash
from winpe_certs.certs.blob import Blob, Property, PropertyId
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.x509 import CertificateParts, split_certificate, subject_key_identifier


def blob_for(certificate: Certificate) -> Blob:
    """Make the Blob of a certificate that has none yet."""
    der = certificate.der
    parts = split_certificate(der)
    properties: list[tuple[PropertyId, bytes | None]] = [
        (PropertyId.MD5_HASH, hashlib.md5(der, usedforsecurity=False).digest()),
        (PropertyId.SIGNATURE_HASH, _signature_hash(parts)),
        (PropertyId.KEY_IDENTIFIER, _key_identifier(parts)),
        (
            PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH,
            hashlib.md5(parts.public_key, usedforsecurity=False).digest(),
        ),
        (PropertyId.SHA1_HASH, hashlib.sha1(der, usedforsecurity=False).digest()),
        (PropertyId.SUBJECT_PUB_KEY_BIT_LENGTH, _key_bits(parts)),
        (PropertyId.CERTIFICATE, der),
    ]
    return Blob(tuple(Property(int(key), data) for key, data in properties if data is not None))


def _signature_hash(parts: CertificateParts) -> bytes | None:
    """Hash the signed part with the hash of the certificate's own signature."""
    name = signature_hash(parts.signature_algorithm)
    if name is None:
        return None
    try:
        return hashlib.new(name, parts.signed_part, usedforsecurity=False).digest()
    except ValueError:
        return None


def _key_identifier(parts: CertificateParts) -> bytes:
    """Without the extension: SHA-1 of the whole SubjectPublicKeyInfo, not of the key bits alone."""
    identifier = subject_key_identifier(parts)
    if identifier is not None:
        return identifier
    return hashlib.sha1(parts.public_key_info, usedforsecurity=False).digest()


def _key_bits(parts: CertificateParts) -> bytes | None:
    bits = key_bits(parts)
    return None if bits is None else bits.to_bytes(4, "little")
