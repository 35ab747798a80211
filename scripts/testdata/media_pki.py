"""PKCS#12 stores for the tests of media certificates, made in memory: they are salted, so never the same.

The names of cryptographic providers, several keys and key bags in odd places are put in with `asn1crypto`,
and the MAC is made anew (RFC 7292 section 4 and appendix B), for `cryptography` writes none of these.
The keys are those of the test PKI and protect nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from asn1crypto import core
from asn1crypto import pkcs12 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scripts.testdata.pki import PrivateKey, _signed_with_sha1, certificate, private_key

PASSWORD: Final = "Geheim-42 ä"  # noqa: S105 - of test data
AES_PROVIDER: Final = "Microsoft Enhanced RSA and AES Cryptographic Provider"
OLD_PROVIDER: Final = "Microsoft Enhanced Cryptographic Provider v1.0"
KEY_STORAGE_PROVIDER: Final = "Microsoft Software Key Storage Provider"

PROVIDER_NAME: Final = "1.3.6.1.4.1.311.17.1"
KEY: Final = "cmg-server"
ISSUER: Final = "corp-issuing"
ROUNDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one media certificate is made of; `key` names a key of the test PKI."""

    key: str = KEY
    begins: int = 2023
    ends: int = 2039
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    sha1: bool = False


GOOD = Leaf()


@cache
def leaf(recipe: Leaf = GOOD) -> x509.Certificate:
    """Issue a media certificate from the test PKI's issuing CA."""
    signer = private_key(ISSUER)
    assert isinstance(signer, rsa.RSAPrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Boot Media")]))
        .issuer_name(certificate(ISSUER).subject)
        .public_key(private_key(recipe.key).public_key())
        .serial_number(0x5001)
        .not_valid_before(datetime(recipe.begins, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(recipe.ends, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if recipe.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(recipe.usages), critical=False)
    signed = builder.sign(signer, hashes.SHA256())
    return _signed_with_sha1(signed, signer) if recipe.sha1 else signed


def modern(password: str = PASSWORD, rounds: int = ROUNDS) -> KeySerializationEncryption:
    """AES-256 under PBES2, as Windows writes since 2019 and OpenSSL since version 3."""
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).hmac_hash(hashes.SHA256())
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    return builder.build(password.encode())


def legacy(password: str = PASSWORD) -> KeySerializationEncryption:
    """Triple DES, as older Windows writes it."""
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(ROUNDS).hmac_hash(hashes.SHA1())  # noqa: S303
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    return builder.build(password.encode())


def store(
    recipe: Leaf = GOOD,
    encryption: KeySerializationEncryption | None = None,
    *,
    chain: Iterable[str] = (),
    key: PrivateKey | None = None,
) -> bytes:
    """Pack a certificate with its private key, or with `key`, and the named certificates as its chain."""
    others = [certificate(name) for name in chain]
    own_key = key or private_key(recipe.key)
    if key is not None:
        # A key that does not fit is refused beside its certificate, but not without one.
        return pkcs12.serialize_key_and_certificates(
            b"media", own_key, None, [leaf(recipe), *others], encryption or modern()
        )
    return pkcs12.serialize_key_and_certificates(
        b"media", own_key, leaf(recipe), others, encryption or modern()
    )


def certificates_only(*names: str) -> bytes:
    """Pack the good certificate, or those of the test PKI with these names, without any key."""
    found = [certificate(name) for name in names] or [leaf()]
    return pkcs12.serialize_key_and_certificates(None, None, None, found, modern())


def contents(pfx: bytes) -> list[Any]:
    """Take a store apart: the contents of its AuthenticatedSafe."""
    return list(asn1.AuthenticatedSafe.load(asn1.Pfx.load(pfx)["auth_safe"]["content"].native))


def data_content(bags: Iterable[Any]) -> Any:
    """Make an unencrypted content of these bags."""
    return asn1.ContentInfo({"content_type": "data", "content": asn1.SafeContents(list(bags)).dump()})


def encrypted_content(bags: Iterable[Any], password: str = PASSWORD) -> Any:
    """Make an encrypted content of these bags, under the salt of another one (RFC 8018 section 6.2)."""
    content = encrypted_contents(store())[0]
    info = content["content"]["encrypted_content_info"]
    method = info["content_encryption_algorithm"]["parameters"].native
    function = method["key_derivation_func"]["parameters"]
    derivation = PBKDF2HMAC(hashes.SHA256(), 32, function["salt"], function["iteration_count"])
    vector = modes.CBC(method["encryption_scheme"]["parameters"])
    cipher = Cipher(algorithms.AES(derivation.derive(password.encode())), vector).encryptor()
    padder = PKCS7(128).padder()
    plain = padder.update(asn1.SafeContents(list(bags)).dump()) + padder.finalize()
    info["encrypted_content"] = cipher.update(plain) + cipher.finalize()
    return content


def packed(parts: Iterable[Any], password: str | None = PASSWORD, *, rounds: int = ROUNDS) -> bytes:
    """Put contents together under a new MAC; no password and an empty one give different MACs."""
    safe = asn1.AuthenticatedSafe(list(parts)).dump()
    salt = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    digest = hmac.digest(_mac_key(password, salt, rounds), safe, "sha256")
    mac = {
        "mac": {"digest_algorithm": {"algorithm": "sha256"}, "digest": digest},
        "mac_salt": salt,
        "iterations": rounds,
    }
    content = {"content_type": "data", "content": safe}
    return bytes(asn1.Pfx({"version": "v3", "auth_safe": content, "mac_data": mac}).dump())


def _mac_key(password: str | None, salt: bytes, rounds: int) -> bytes:
    """The key for SHA-256 (RFC 7292 appendix B.2 with ID 3): one block of it, so the loop ends at step C."""
    secret = b"" if password is None else password.encode("utf-16-be") + b"\0\0"
    block = 64
    derived = b"\x03" * block
    for part in (salt, secret):
        length = -(-len(part) // block) * block
        derived += (part * (length // len(part) + 1))[:length] if part else b""
    for _ in range(rounds):
        derived = hashlib.sha256(derived).digest()
    return derived


def key_bags(pfx: bytes) -> list[Any]:
    """Find the key bags of a store, which stand in its unencrypted contents."""
    bags = [
        bag
        for content in contents(pfx)
        if content["content_type"].native == "data"
        for bag in asn1.SafeContents.load(content["content"].native)
    ]
    return [bag for bag in bags if bag["bag_id"].native in {"key_bag", "pkcs8_shrouded_key_bag"}]


def encrypted_contents(pfx: bytes) -> list[Any]:
    """Find the encrypted contents of a store, which its certificates are in."""
    return [each for each in contents(pfx) if each["content_type"].native == "encrypted_data"]


def with_provider(pfx: bytes, name: str, password: str | None = PASSWORD) -> bytes:
    """Name a provider in the key bag, key first and certificates behind it, as Windows writes it."""
    bags = key_bags(pfx)
    attribute = asn1.Attribute({"type": PROVIDER_NAME, "values": [core.Any(core.BMPString(name))]})
    for bag in bags:
        bag["bag_attributes"].append(attribute)
    return packed([data_content(bags), *encrypted_contents(pfx)], password)


def unprotected(password: str | None) -> bytes:
    """Pack the good certificate and its key unencrypted; the MAC is of no password or of an empty one."""
    return packed(contents(store(encryption=NoEncryption())), password)


def two_keys(*, chain: bool = True) -> bytes:
    """Pack the keys of two certificates, and both certificates or only the first."""
    first, second = store(), store(Leaf(key="corp-root"))
    parts = [data_content([*key_bags(first), *key_bags(second)]), *encrypted_contents(first)]
    return packed([*parts, *(encrypted_contents(second) if chain else [])])


def nested(depth: int = 1) -> bytes:
    """Put the key bag into bags in bags."""
    bags = key_bags(with_provider(store(), AES_PROVIDER))
    for _ in range(depth):
        bags = [asn1.SafeBag({"bag_id": "safe_contents", "bag_value": asn1.SafeContents(bags)})]
    return packed([*encrypted_contents(store()), data_content(bags)])


def hidden_key() -> bytes:
    """Put the key bag into the encrypted part as well."""
    value = asn1.Certificate.load(leaf().public_bytes(Encoding.DER))
    held = asn1.CertBag({"cert_id": "x509", "cert_value": value})
    (key_bag,) = key_bags(with_provider(store(), AES_PROVIDER))
    tied = [each for each in key_bag["bag_attributes"] if each["type"].native == "local_key_id"]
    bag = asn1.SafeBag({"bag_id": "cert_bag", "bag_value": held, "bag_attributes": tied})
    return packed([encrypted_content([bag, key_bag])])


VARIANTS: Final[dict[str, Callable[[], bytes]]] = {
    "good": store,
    "provider": lambda: with_provider(store(), AES_PROVIDER),
    "old-provider": lambda: with_provider(store(encryption=legacy()), OLD_PROVIDER),
    "key-storage-provider": lambda: with_provider(store(), KEY_STORAGE_PROVIDER),
    "chain": lambda: store(chain=("corp-issuing", "corp-root")),
    "legacy": lambda: store(encryption=legacy()),
    "wrong-usage": lambda: store(Leaf(usages=(ExtendedKeyUsageOID.SERVER_AUTH,))),
    "any-usage": lambda: store(Leaf(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))),
    "no-usage": lambda: store(Leaf(usages=())),
    "expired": lambda: store(Leaf(begins=2001, ends=2011)),
    "future": lambda: store(Leaf(begins=2040, ends=2050)),
    "ec": lambda: store(Leaf(key="stored-root")),
    "rsa1024": lambda: store(Leaf(key="weak-root")),
    "sha1": lambda: store(Leaf(sha1=True)),
    "certificate-only": certificates_only,
    "other-key": lambda: store(key=private_key("corp-root")),
    "two-keys": two_keys,
    "nested": nested,
    "hidden-key": hidden_key,
}
"""Stores under `PASSWORD`, each with one thing that is special."""
