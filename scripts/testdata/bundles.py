"""Files of certificates as Windows and other programs write them, made by hand.

Layouts: RFC 5652 and X.690 8.1.3.6 (indefinite lengths), MS-OSHARED 2.3.9.1, MS-GPREG 2.2.1.
"""

from __future__ import annotations

import struct


def indefinite(tag: int, *parts: bytes) -> bytes:
    """One BER element of indefinite length."""
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


ATTRIBUTE_CERTIFICATE = bytes.fromhex("a1053003020101")
"""What RFC 5652 calls v1AttrCert, in the set of certificates."""


def pkcs7_ber(*certificates: bytes) -> bytes:
    """SignedData as streaming writers make it, every outer element of indefinite length."""
    content = indefinite(0x30, bytes.fromhex("06092a864886f70d010701"))
    chain = indefinite(0xA0, *certificates)
    signed = indefinite(0x30, b"\x02\x01\x01", b"\x31\0", content, chain, b"\x31\0")
    return indefinite(0x30, bytes.fromhex("06092a864886f70d010702"), indefinite(0xA0, signed))


def store_element(number: int, data: bytes, encoding: int = 1) -> bytes:
    """One element of a serialized store, or of a Blob."""
    return struct.pack("<III", number, encoding, len(data)) + data


def serialized_store(*elements: bytes, end: bytes = bytes(12)) -> bytes:
    """A serialized certificate store (.sst) of these elements."""
    return b"\0\0\0\0CERT" + b"".join(elements) + end


POLICY_ROOT = "Software\\Policies\\Microsoft\\SystemCertificates\\Root\\Certificates"


def instruction(key: str, name: str, data: bytes = b"", kind: int = 3) -> bytes:
    """One instruction of a policy file."""
    mark = ";".encode("utf-16-le")
    names = [f"{each}\0".encode("utf-16-le") for each in (key, name)]
    fields = [*names, struct.pack("<I", kind), struct.pack("<I", len(data)), data]
    return "[".encode("utf-16-le") + mark.join(fields) + "]".encode("utf-16-le")


def policy_file(*instructions: bytes, version: int = 1) -> bytes:
    """A Registry.pol of these instructions."""
    return b"PReg" + struct.pack("<I", version) + b"".join(instructions)
