"""Takes the certificates out of a PKCS#7 file (.p7b, .p7c): SignedData of RFC 5652 section 5.1.

The library `cryptography` reads it, BER included. Signatures, if any, mean nothing for what is in the list.
Refused: a list in which one certificate cannot be read, and bytes behind the structure.
"""

from __future__ import annotations

from winpe_certs.certs.der import DerError, read_element
from winpe_certs.certs.library import reading


def pkcs7_certificates(data: bytes, origin: str) -> list[bytes]:
    """The DER of every certificate in the file, in its order; there is at least one."""
    with reading(
        f"{origin}: no certificates can be read from this PKCS#7 file",
        "Export the chain again, with 'Include all certificates in the certification path', or turn the file"
        " into PEM with OpenSSL's pkcs7 command and its option -print_certs, and give that.",
    ):
        from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

        _refuse_rest(data)
        certificates = pkcs7.load_der_pkcs7_certificates(data)
        if not certificates:
            raise ValueError("there is no certificate in it")
        return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


def _refuse_rest(data: bytes) -> None:
    """The library passes over what follows the structure, which may be a second one."""
    try:
        end = read_element(data).end
    except DerError:
        return
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the PKCS#7 structure")
