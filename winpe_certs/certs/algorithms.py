"""Public keys and signature algorithms of certificates: their kind, size and hash.

Object identifiers: RFC 3279, RFC 4055, RFC 5480, RFC 5758, RFC 8410, and the old OIW arc 1.3.14.3.2.
An algorithm that is not listed has no hash and no size; it is not an error.
"""

from __future__ import annotations

from winpe_certs.certs.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerError,
    Element,
    expect,
    identifier_text,
)
from winpe_certs.certs.x509 import Algorithm, CertificateParts, read_algorithm

RSA_PSS = "1.2.840.113549.1.1.10"
ECDSA_WITH_SPECIFIED_HASH = "1.2.840.10045.4.3"
PSS_HASH = 0xA0

HASHES = {
    "1.2.840.113549.2.2": "md2",
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
}

SIGNATURE_HASHES = {
    "1.2.840.113549.1.1.2": "md2",
    "1.2.840.113549.1.1.3": "md4",
    "1.2.840.113549.1.1.4": "md5",
    "1.3.14.3.2.3": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.3.14.3.2.29": "sha1",
    "1.3.14.3.2.27": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "2.16.840.1.101.3.4.3.14": "sha3_256",
    "2.16.840.1.101.3.4.3.15": "sha3_384",
    "2.16.840.1.101.3.4.3.16": "sha3_512",
    "1.2.840.10040.4.3": "sha1",
    "2.16.840.1.101.3.4.3.1": "sha224",
    "2.16.840.1.101.3.4.3.2": "sha256",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    "2.16.840.1.101.3.4.3.10": "sha3_256",
    "2.16.840.1.101.3.4.3.11": "sha3_384",
    "2.16.840.1.101.3.4.3.12": "sha3_512",
}

KEY_KINDS = {
    "1.2.840.113549.1.1.1": "RSA",
    RSA_PSS: "RSA",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": "EC",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}

FIXED_KEY_BITS = {"1.3.101.112": 256, "1.3.101.113": 456}

CURVE_BITS = {
    "1.2.840.10045.3.1.1": 192,
    "1.3.132.0.33": 224,
    "1.3.132.0.10": 256,
    "1.2.840.10045.3.1.7": 256,
    "1.3.132.0.34": 384,
    "1.3.132.0.35": 521,
    "1.3.36.3.3.2.8.1.1.7": 256,
    "1.3.36.3.3.2.8.1.1.11": 384,
    "1.3.36.3.3.2.8.1.1.13": 512,
}


def signature_hash(algorithm: Algorithm) -> str | None:
    """Name the hash of a signature algorithm as `hashlib` does; None for one without a hash of its own.

    RSA-PSS and ECDSA with a specified hash name it in their parameters; RSA-PSS without one means SHA-1
    (RFC 4055 section 3.1). Ed25519 and Ed448 sign the bytes themselves.
    """
    if algorithm.identifier == RSA_PSS:
        if algorithm.parameters is None:
            return "sha1"
        parameters = expect(algorithm.parameters, SEQUENCE, "the parameters of RSA-PSS").children()
        for parameter in parameters:
            if parameter.tag == PSS_HASH:
                return HASHES.get(read_algorithm(parameter.inner(), "the hash of RSA-PSS").identifier)
        return "sha1"
    if algorithm.identifier == ECDSA_WITH_SPECIFIED_HASH and algorithm.parameters is not None:
        return HASHES.get(read_algorithm(algorithm.parameters, "the hash of ECDSA").identifier)
    return SIGNATURE_HASHES.get(algorithm.identifier)


def key_kind(parts: CertificateParts) -> str:
    """Name the kind of a public key; an unknown kind is named by its object identifier."""
    identifier = parts.public_key_algorithm.identifier
    return KEY_KINDS.get(identifier, identifier)


def key_bits(parts: CertificateParts) -> int | None:
    """Count the bits of a public key: RSA modulus, DSA prime, field of an elliptic curve."""
    algorithm = parts.public_key_algorithm
    kind = key_kind(parts)
    if kind == "RSA":
        key = expect(parts.public_key_field.inner(skipped=1), SEQUENCE, "the RSA key")
        numbers = key.children()
        if len(numbers) != 2:
            raise DerError(key.start, "the RSA key is not a modulus and an exponent")
        return _bit_length(numbers[0], "the RSA modulus")
    if algorithm.parameters is None or not algorithm.parameters.value:
        return FIXED_KEY_BITS.get(algorithm.identifier)
    if kind == "DSA":
        numbers = expect(algorithm.parameters, SEQUENCE, "the DSA parameters").children()
        return _bit_length(numbers[0], "the DSA prime") if numbers else None
    if kind == "EC":
        return _curve_bits(algorithm.parameters)
    return FIXED_KEY_BITS.get(algorithm.identifier)


def has_known_curve(parts: CertificateParts) -> bool:
    """Whether the key is of a curve that is known by its name, so that an unusable key must be damaged."""
    algorithm = parts.public_key_algorithm
    if algorithm.identifier in FIXED_KEY_BITS:
        return True
    named = algorithm.parameters is not None and algorithm.parameters.tag == OBJECT_IDENTIFIER
    return key_kind(parts) == "EC" and named and key_bits(parts) is not None


def _bit_length(element: Element, what: str) -> int:
    """Some old encoders leave out the zero byte that keeps a modulus positive, so the sign is ignored."""
    return int.from_bytes(expect(element, INTEGER, what).value, "big").bit_length()


def _curve_bits(parameters: Element) -> int | None:
    """A named curve is looked up; of explicit parameters (RFC 3279 section 2.3.5) the prime is measured."""
    if parameters.tag == OBJECT_IDENTIFIER:
        return CURVE_BITS.get(identifier_text(parameters, "the curve"))
    if parameters.tag != SEQUENCE:
        return None
    fields = parameters.children()
    if len(fields) < 2 or fields[1].tag != SEQUENCE:
        return None
    field = fields[1].children()
    if len(field) != 2 or field[1].tag != INTEGER:
        return None
    return _bit_length(field[1], "the prime of the curve")
