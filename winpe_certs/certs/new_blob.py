"""Makes the Blob of a root that Windows has not seen yet.

Contents and order are those of freshly added certificates in real registries: 04, 0F, 14, 19, 03, 5C, 20,
the layout of MS-GPEF section 2.2.1.1.1.1. Only element 0x20 is needed; the others are caches, so what
cannot be computed rightly is left out rather than guessed: 0F when the signature has no hash of its own
(Ed25519, Ed448) or one this computer lacks (MD2), and 5C when the size of the key is not known.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from winpe_certs.certs.blob import Blob, Property, PropertyId
from winpe_certs.certs.certificate import Certificate, signature_hash_of
from winpe_certs.certs.der import Element, read_element
from winpe_certs.certs.library import reading_certificate

if TYPE_CHECKING:
    from cryptography import x509

EXPLICIT_VERSION = 0xA0
FIELDS_BEFORE_KEY = 5


def blob_for(certificate: Certificate) -> Blob:
    """Make the Blob of a certificate that has none yet."""
    der = certificate.der
    with reading_certificate(der, certificate.subject) as loaded:
        key_info = _public_key_info(loaded.tbs_certificate_bytes)
        signature_hash = _signature_hash(loaded)
        key_identifier = _key_identifier(loaded, key_info)
    key = key_info.children()[1].value[1:]
    bits = certificate.key_bits
    properties: list[tuple[PropertyId, bytes | None]] = [
        (PropertyId.MD5_HASH, hashlib.md5(der, usedforsecurity=False).digest()),
        (PropertyId.SIGNATURE_HASH, signature_hash),
        (PropertyId.KEY_IDENTIFIER, key_identifier),
        (PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH, hashlib.md5(key, usedforsecurity=False).digest()),
        (PropertyId.SHA1_HASH, hashlib.sha1(der, usedforsecurity=False).digest()),
        (PropertyId.SUBJECT_PUB_KEY_BIT_LENGTH, None if bits is None else bits.to_bytes(4, "little")),
        (PropertyId.CERTIFICATE, der),
    ]
    return Blob(tuple(Property(int(number), data) for number, data in properties if data is not None))


def _public_key_info(signed_part: bytes) -> Element:
    """Find SubjectPublicKeyInfo as it stands in TBSCertificate (RFC 5280 section 4.1).

    In front of it are the version, if it is not 1, serial number, algorithm, issuer, validity and subject.
    """
    fields = read_element(signed_part).children()
    has_version = fields[0].tag == EXPLICIT_VERSION
    return fields[FIELDS_BEFORE_KEY + has_version]


def _signature_hash(loaded: x509.Certificate) -> bytes | None:
    """Hash the signed part with the hash of the certificate's own signature."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.hashes import Hash

    algorithm = signature_hash_of(loaded)
    if algorithm is None:
        return None
    try:
        digest = Hash(algorithm)
    except UnsupportedAlgorithm:
        return None
    digest.update(loaded.tbs_certificate_bytes)
    return digest.finalize()


def _key_identifier(loaded: x509.Certificate, key_info: Element) -> bytes:
    """Without the extension: SHA-1 of the whole SubjectPublicKeyInfo, not of the key bits alone."""
    from cryptography import x509

    try:
        return loaded.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return hashlib.sha1(key_info.encoded, usedforsecurity=False).digest()
