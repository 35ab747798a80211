"""Certificates for the tests, made with keys that are generated once per run.

`make` goes through `cryptography`; `handmade` puts the DER together itself, for what no library makes.
"""

from __future__ import annotations

import functools
import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from winpe_certs.certs.certificate import Certificate

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2034, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@functools.cache
def rsa_key(bits: int = 2048, which: int = 0) -> rsa.RSAPrivateKey:
    del which
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(bits: int = 256) -> ec.EllipticCurvePrivateKey:
    curves: dict[int, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
        256: ec.SECP256R1,
        384: ec.SECP384R1,
        521: ec.SECP521R1,
    }
    return ec.generate_private_key(curves[bits]())


@functools.cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def make(
    subject: str = "Contoso Root CA",
    issuer: str | None = None,
    *,
    key: PrivateKey | None = None,
    signer: PrivateKey | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    pss: bool = False,
    ca: bool | None = True,
    begin: datetime = BEGIN,
    end: datetime = END,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """The DER of a certificate; self-signed unless an issuer is named."""
    own = key or rsa_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(own.public_key())
        .serial_number(0x0ABCDEF)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    by = signer or own
    if isinstance(by, ed25519.Ed25519PrivateKey):
        made = builder.sign(by, None)
    elif pss and isinstance(by, rsa.RSAPrivateKey):
        hash_algorithm = algorithm or hashes.SHA256()
        scheme = padding.PSS(padding.MGF1(hash_algorithm), padding.PSS.DIGEST_LENGTH)
        made = builder.sign(by, hash_algorithm, rsa_padding=scheme)  # type: ignore[arg-type]
    else:
        made = builder.sign(by, algorithm or hashes.SHA256())  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.DER)


@functools.cache
def root_der() -> bytes:
    return make()


@functools.cache
def second_root_der() -> bytes:
    return make("Fabrikam Root CA", key=ec_key())


@functools.cache
def intermediate_der() -> bytes:
    return make("Contoso Issuing CA", "Contoso Root CA", key=ec_key(), signer=rsa_key())


@functools.cache
def server_der() -> bytes:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return make(
        "cmg.contoso.com",
        "Contoso Root CA",
        key=ec_key(),
        signer=rsa_key(),
        ca=None,
        extensions=((usage, False),),
    )


def load(der: bytes) -> Certificate:
    return Certificate.from_der(der, "test.cer")


def pem(der: bytes, label: str = "CERTIFICATE", line_end: str = "\n") -> bytes:
    import base64

    text = base64.b64encode(der).decode()
    lines = [f"-----BEGIN {label}-----", *(text[i : i + 64] for i in range(0, len(text), 64))]
    return (line_end.join([*lines, f"-----END {label}-----"]) + line_end).encode()


def element(tag: int, *parts: bytes) -> bytes:
    """One DER element."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


MD5_WITH_RSA = bytes.fromhex("06092a864886f70d010104")
MD2_WITH_RSA = bytes.fromhex("06092a864886f70d010102")
SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")
OIW_SHA1_WITH_RSA = bytes.fromhex("06052b0e03021d")
NULL = b"\x05\x00"
OLD_HASHES: dict[bytes, type[hashes.HashAlgorithm]] = {MD5_WITH_RSA: MD5}

CA_EXTENSION = element(
    0xA3, element(0x30, element(0x30, bytes.fromhex("0603551d13"), element(0x04, b"\x30\x03\x01\x01\xff")))
)


def distinguished_name(text: bytes, tag: int = 0x13) -> bytes:
    attribute = element(0x30, bytes.fromhex("0603550403"), element(tag, text))
    return element(0x30, element(0x31, attribute))


def handmade(
    *,
    version: int | None = None,
    serial: bytes = b"\x01",
    subject: bytes | None = None,
    issuer: bytes | None = None,
    algorithm: bytes = SHA1_WITH_RSA,
    times: tuple[bytes, bytes] = (b"\x17\x0d960101000000Z", b"\x17\x0d300101000000Z"),
    extensions: bytes = b"",
    public_key: bytes | None = None,
    signature: bytes | None = None,
) -> bytes:
    """A certificate put together by hand and signed by the RSA key of the run."""
    key = rsa_key()
    own_name = subject or distinguished_name(b"Old Root")
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    scheme = element(0x30, algorithm, NULL)
    signed = element(
        0x30,
        b"" if version is None else element(0xA0, element(0x02, bytes([version]))),
        element(0x02, serial),
        scheme,
        issuer or own_name,
        element(0x30, *times),
        own_name,
        public_key or public,
        extensions,
    )
    if signature is None:
        chosen: hashes.HashAlgorithm = OLD_HASHES.get(algorithm, SHA1)()
        signature = key.sign(signed, padding.PKCS1v15(), chosen)
    return element(0x30, signed, scheme, element(0x03, b"\0", signature))


def pkcs7(*certificates: bytes) -> bytes:
    """SignedData with nothing but these certificates, in this order."""
    content = element(0x30, bytes.fromhex("06092a864886f70d010701"))
    chain = element(0xA0, *certificates) if certificates else b""
    signed = element(0x30, element(2, b"\1"), element(0x31), content, chain, element(0x31))
    return element(0x30, bytes.fromhex("06092a864886f70d010702"), element(0xA0, signed))


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().upper()
