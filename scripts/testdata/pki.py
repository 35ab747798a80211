"""The test certificates: fixed keys, serial numbers and dates, so that every build gives the same bytes.

RSA signatures (PKCS#1 v1.5) repeat by nature, the ECDSA ones by RFC 6979. The keys lie in ``testdata/keys``
and are made once, by :func:`generate_missing_keys`. They protect nothing: never trust these roots.
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = Path(__file__).resolve().parents[2] / "testdata" / "keys"
PFX_PASSWORD = b"test"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one certificate is made of; `issuer` empty means self-signed."""

    common_name: str
    serial: int
    issuer: str = ""
    begins: int = 2020
    ends: int = 2045
    authority: bool = True
    path_length: int | None = None
    key_kind: str = "rsa2048"
    usages: tuple[x509.ObjectIdentifier, ...] = ()
    host_names: tuple[str, ...] = ()
    revocation_list: str = ""
    permitted_domains: tuple[str, ...] = ()
    sha1: bool = False


RECIPES = {
    "corp-root": Recipe("Contoso Corporate Root CA", 0x1001),
    "corp-issuing": Recipe(
        "Contoso Issuing CA 1",
        0x2001,
        issuer="corp-root",
        begins=2021,
        ends=2040,
        path_length=0,
        revocation_list="http://pki.contoso.example/corp-root.crl",
    ),
    "corp-root-2": Recipe("Contoso Corporate Root CA 2 (EC)", 0x1002, key_kind="p256"),
    "cmg-server": Recipe(
        "cmg.contoso.example",
        0x3001,
        issuer="corp-issuing",
        begins=2022,
        ends=2039,
        authority=False,
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        host_names=("cmg.contoso.example", "*.cmg.contoso.example"),
        revocation_list="http://pki.contoso.example/corp-issuing.crl",
    ),
    "other-server": Recipe(
        "other.contoso.example",
        0x3002,
        issuer="corp-root-2",
        begins=2026,
        ends=2028,
        authority=False,
        key_kind="p256",
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        host_names=("other.contoso.example",),
        revocation_list="ldap:///CN=Contoso%20Corporate%20Root%20CA%202,CN=CDP,DC=contoso,DC=example"
        "?certificateRevocationList?base",
    ),
    "media-client": Recipe(
        "Contoso boot media",
        0x3003,
        issuer="corp-issuing",
        begins=2025,
        ends=2035,
        authority=False,
        usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        revocation_list="http://pki.contoso.example/corp-issuing.crl",
    ),
    "expired-root": Recipe("Contoso Expired Root CA", 0x1003, begins=2001, ends=2011),
    "not-yet-valid-root": Recipe("Contoso Future Root CA", 0x1004, begins=2040, ends=2060),
    "not-a-ca": Recipe(
        "standalone.contoso.example",
        0x1005,
        authority=False,
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        host_names=("standalone.contoso.example",),
    ),
    "weak-root": Recipe("Contoso Weak Root CA", 0x1006, key_kind="rsa1024"),
    "sha1-intermediate": Recipe(
        "Contoso SHA-1 Issuing CA", 0x2002, issuer="corp-root", begins=2020, ends=2040, sha1=True
    ),
    "constrained-root": Recipe(
        "Contoso Constrained Root CA", 0x1007, permitted_domains=("inside.contoso.example",)
    ),
    "client-auth-root": Recipe(
        "Contoso Client Authentication Root CA", 0x1008, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)
    ),
    "markup-root": Recipe("[bold red]Fake[/] \x1b[31mRoot", 0x1009),
    "stored-root": Recipe("Contoso Root That Is Already There", 0x100A, key_kind="p256"),
    "disallowed-root": Recipe("Contoso Distrusted Root CA", 0x100B, key_kind="p256"),
}


def generate_missing_keys() -> list[str]:
    """Make the private keys that are not there yet, and say which: done once in the repository's life."""
    KEYS.mkdir(parents=True, exist_ok=True)
    made = []
    for name, recipe in RECIPES.items():
        path = KEYS / f"{name}.key.pem"
        if path.exists():
            continue
        key: PrivateKey
        if recipe.key_kind == "p256":
            key = ec.generate_private_key(ec.SECP256R1())
        else:
            key = rsa.generate_private_key(65537, int(recipe.key_kind.removeprefix("rsa")))
        path.write_bytes(key_pem(key))
        made.append(path.name)
    return made


def key_pem(key: PrivateKey) -> bytes:
    """Give a private key as unencrypted PKCS#8 in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def private_key(name: str) -> PrivateKey:
    """Load the committed private key of one certificate."""
    key = serialization.load_pem_private_key((KEYS / f"{name}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _subject(recipe: Recipe) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso Test Data"),
            x509.NameAttribute(NameOID.COMMON_NAME, recipe.common_name),
        ]
    )


def _extensions(recipe: Recipe, key: PrivateKey, signer: PrivateKey) -> list[tuple[x509.ExtensionType, bool]]:
    ca = recipe.authority
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=recipe.path_length), True),
        (
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=False,
                key_encipherment=not ca and isinstance(key, rsa.RSAPrivateKey),
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    if recipe.issuer:
        found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False))
    if recipe.usages:
        found.append((x509.ExtendedKeyUsage(recipe.usages), False))
    if recipe.host_names:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in recipe.host_names]
        names.append(x509.IPAddress(ipaddress.ip_address("192.0.2.10")))
        found.append((x509.SubjectAlternativeName(names), False))
    if recipe.permitted_domains:
        permitted = [x509.DNSName(name) for name in recipe.permitted_domains]
        found.append((x509.NameConstraints(permitted, None), True))
    if recipe.revocation_list:
        place = x509.UniformResourceIdentifier(recipe.revocation_list)
        found.append((x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)]), False))
    return found


@cache
def certificate(name: str) -> x509.Certificate:
    """Build one certificate of the test PKI."""
    recipe = RECIPES[name]
    key = private_key(name)
    signer = private_key(recipe.issuer) if recipe.issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(recipe))
        .issuer_name(_subject(RECIPES[recipe.issuer] if recipe.issuer else recipe))
        .public_key(key.public_key())
        .serial_number(recipe.serial)
        .not_valid_before(datetime(recipe.begins, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(recipe.ends, 1, 1, tzinfo=UTC))
    )
    for extension, critical in _extensions(recipe, key, signer):
        builder = builder.add_extension(extension, critical)
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    signed = builder.sign(signer, hashes.SHA256())
    return _signed_with_sha1(signed, signer) if recipe.sha1 else signed


def _signed_with_sha1(signed: x509.Certificate, signer: rsa.RSAPrivateKey) -> x509.Certificate:
    """Sign again with SHA-1, which certificate libraries no longer offer.

    Both names of the algorithm differ in one byte, so no length in the DER changes.
    """
    body = signed.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    signature = signer.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 -- the weakness is the point
    whole = signed.public_bytes(serialization.Encoding.DER)
    head = whole[: whole.index(signed.tbs_certificate_bytes)]
    tail = whole[len(head) + len(body) : -len(signature)].replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    return x509.load_der_x509_certificate(head + body + tail + signature)


def der(name: str) -> bytes:
    """Give one certificate as DER."""
    return certificate(name).public_bytes(serialization.Encoding.DER)


def pem(*names: str) -> bytes:
    """Give some certificates as PEM, one after the other."""
    return b"".join(certificate(name).public_bytes(serialization.Encoding.PEM) for name in names)


def thumbprint(name: str) -> str:
    """Give the upper-case SHA-1 of the DER, which is the registry key's name."""
    return hashlib.sha1(der(name), usedforsecurity=False).hexdigest().upper()


def registry_blob(name: str, *narrowing: tuple[int, bytes]) -> bytes:
    """Build the registry's Blob of a certificate that was just added, with `narrowing` properties put first.

    Elements are ``id, 1, length, bytes``, in the order in which Windows writes a fresh one: MD5, hash of the
    signed part, key identifier, MD5 of the public key, SHA-1, key length, certificate.
    """
    found = certificate(name)
    whole = der(name)
    public_key = found.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    bits = public_key.public_bytes(*_raw_form(public_key))
    key_identifier = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    signed_with = "sha1" if RECIPES[name].sha1 else "sha256"
    elements = [
        *narrowing,
        (0x04, hashlib.md5(whole, usedforsecurity=False).digest()),
        (0x0F, hashlib.new(signed_with, found.tbs_certificate_bytes, usedforsecurity=False).digest()),
        (0x14, key_identifier),
        (0x19, hashlib.md5(bits, usedforsecurity=False).digest()),
        (0x03, hashlib.sha1(whole, usedforsecurity=False).digest()),
        (0x5C, struct.pack("<I", public_key.key_size)),
        (0x20, whole),
    ]
    return b"".join(struct.pack("<III", number, 1, len(data)) + data for number, data in elements)


def _raw_form(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
) -> tuple[serialization.Encoding, serialization.PublicFormat]:
    if isinstance(key, rsa.RSAPublicKey):
        return serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    return serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint


def pfx() -> bytes:
    """Pack the corporate root with its private key under a password; salted, so different each time."""
    return _packed("corp-root", b"corp-root")


def media_pfx() -> bytes:
    """Pack the client certificate of boot media with its key under a password; different each time."""
    return _packed("media-client", b"media")


def _packed(name: str, alias: bytes) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        alias,
        private_key(name),
        certificate(name),
        None,
        serialization.BestAvailableEncryption(PFX_PASSWORD),
    )


def _p7b(encoding: serialization.Encoding) -> bytes:
    return pkcs7.serialize_certificates([certificate("corp-issuing"), certificate("corp-root")], encoding)


def files() -> dict[str, Callable[[], bytes]]:
    """List the certificate files under ``testdata``, each with its maker."""
    made: dict[str, Callable[[], bytes]] = {f"certs/{name}.cer": partial(der, name) for name in RECIPES}
    made["certs/corp-root.pem"] = lambda: pem("corp-root")
    made["certs/chain.pem"] = lambda: pem("corp-issuing", "corp-root")
    made["certs/cmg-chain.pem"] = lambda: pem("cmg-server", "corp-issuing")
    made["certs/other-chain.pem"] = lambda: pem("other-server", "corp-root-2")
    made["certs/chain.p7b"] = lambda: _p7b(serialization.Encoding.DER)
    made["certs/chain-pem.p7b"] = lambda: _p7b(serialization.Encoding.PEM)
    made["certs/corp-root.key.pem"] = lambda: key_pem(private_key("corp-root"))
    return made
