"""Certificate trust lists (CTLs) as Windows keeps Microsoft's list of distrusted certificates.

Layout: CTL_INFO of wincrypt.h inside a PKCS #7 SignedData. The signature is made by OpenSSL's command in the
oracle's test; here it is left out, as nobody checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scripts.testdata import pki
from scripts.testdata.der_pieces import (
    OCTET_STRING,
    UTC_TIME,
    element,
    identifier,
    integer,
    null,
    sequence,
    set_of,
    tagged,
)

SIGNED_DATA = "1.2.840.113549.1.7.2"
TRUST_LIST = "1.3.6.1.4.1.311.10.1"
DISALLOWED_USE = "1.3.6.1.4.1.311.10.3.30"
DISALLOWED_HASH = "1.3.6.1.4.1.311.10.11.15"
SHA1 = "1.3.14.3.2.26"
SHA256 = "2.16.840.1.101.3.4.2.1"
PRIVATE = "1.3.6.1.4.1.99999.1"


def signature_hash(name: str) -> bytes:
    """Give the hash of the signed part of a certificate of the test PKI, by the hash of its signature."""
    found = x509.load_der_x509_certificate(pki.der(name))
    assert found.signature_hash_algorithm is not None
    return hashlib.new(found.signature_hash_algorithm.name, found.tbs_certificate_bytes).digest()


def public_key_hash(name: str) -> bytes:
    """Give the MD5 of the bits of its public key: the last of the two parts of its SubjectPublicKeyInfo."""
    key = x509.load_der_x509_certificate(pki.der(name)).public_key()
    whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # The key's bits end where the structure ends; PKCS #1 and points are what they hold.
    for form in ((Encoding.DER, PublicFormat.PKCS1), (Encoding.X962, PublicFormat.UncompressedPoint)):
        try:
            bits = key.public_bytes(*form)
        except (TypeError, ValueError):
            continue
        if whole.endswith(b"\0" + bits):
            return hashlib.md5(bits, usedforsecurity=False).digest()
    raise ValueError(name)


def trust_list(
    identifiers: Sequence[bytes],
    algorithm: str = DISALLOWED_HASH,
    *,
    version: bool = False,
    list_identifier: bytes | None = "DisallowedCert_AutoUpdate_1\0".encode("utf-16-le"),
    number: int | None = 0x01D71A3617153AFF,
    next_update: bool = False,
    attributes: bool = False,
    extensions: bool = False,
) -> bytes:
    """Give the list itself, without the signed data around it."""
    more = [set_of(sequence(identifier(PRIVATE), set_of(element(OCTET_STRING, b"x"))))] if attributes else []
    entries = [sequence(element(OCTET_STRING, each), *more) for each in identifiers]
    date = element(UTC_TIME, b"210316082900Z")
    return sequence(
        *([integer(0)] if version else []),
        sequence(identifier(DISALLOWED_USE)),
        *([element(OCTET_STRING, list_identifier)] if list_identifier is not None else []),
        *([integer(number)] if number is not None else []),
        date,
        *([date] if next_update else []),
        sequence(identifier(algorithm), null()),
        *([sequence(*entries)] if entries else []),
        *(
            [tagged(0, sequence(sequence(identifier(PRIVATE), element(OCTET_STRING, b"x"))))]
            if extensions
            else []
        ),
    )


def signed(content: bytes, kind: str = TRUST_LIST, *, as_octets: bool = False) -> bytes:
    """Give signed data without a signer around some content; `as_octets` as CMS has it, not PKCS #7."""
    inner = element(OCTET_STRING, content) if as_octets else content
    return sequence(
        identifier(SIGNED_DATA),
        tagged(
            0,
            sequence(integer(1), set_of(), sequence(identifier(kind), tagged(0, inner)), set_of()),
        ),
    )
