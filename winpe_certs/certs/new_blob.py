"""Makes the Blob of a root that Windows has not seen yet.

Contents and order are those of freshly added certificates in real registries: 04, 0F, 14, 19, 03, 5C, 20,
the layout of MS-GPEF section 2.2.1.1.1.1. Only element 0x20 is needed; the others are caches, so what
cannot be computed rightly is left out rather than guessed: 0F when the signature has no hash of its own
(Ed25519, Ed448) or one this computer lacks (MD2), 5C when the size of the key is not known, and all but the
hashes of the whole certificate when its fields cannot be found.
"""

from __future__ import annotations

import hashlib

from winpe_certs.certs.blob import Blob, Property, PropertyId
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import SUBJECT_KEY_IDENTIFIER


def blob_for(certificate: Certificate) -> Blob:
    """Make the Blob of a certificate that has none yet; the certificate in it is byte for byte as it came."""
    der, bits = certificate.der, certificate.key_bits
    properties: list[tuple[PropertyId, bytes | None]] = [
        (PropertyId.MD5_HASH, hashlib.md5(der, usedforsecurity=False).digest()),
        (PropertyId.SIGNATURE_HASH, _signature_hash(certificate)),
        (PropertyId.KEY_IDENTIFIER, _key_identifier(certificate)),
        (PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH, _key_hash(certificate)),
        (PropertyId.SHA1_HASH, hashlib.sha1(der, usedforsecurity=False).digest()),
        (PropertyId.SUBJECT_PUB_KEY_BIT_LENGTH, None if bits is None else bits.to_bytes(4, "little")),
        (PropertyId.CERTIFICATE, der),
    ]
    return Blob(tuple(Property(int(number), data) for number, data in properties if data is not None))


def _signature_hash(certificate: Certificate) -> bytes | None:
    """Hash the signed part with the hash of the certificate's own signature."""
    name = certificate.signature_hash
    if certificate.structure is None or name is None or name not in hashlib.algorithms_guaranteed:
        return None
    return hashlib.new(name, certificate.structure.signed, usedforsecurity=False).digest()


def _key_identifier(certificate: Certificate) -> bytes | None:
    """Without the extension: SHA-1 of the whole SubjectPublicKeyInfo, not of the key bits."""
    if SUBJECT_KEY_IDENTIFIER in certificate.extensions.present:
        return certificate.extensions.subject_key
    info = certificate.key.info
    return hashlib.sha1(info, usedforsecurity=False).digest() if info else None


def _key_hash(certificate: Certificate) -> bytes | None:
    key = certificate.key
    return hashlib.md5(key.key, usedforsecurity=False).digest() if key.info else None
