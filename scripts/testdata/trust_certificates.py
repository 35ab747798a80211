"""Certificates made to order, for PKIs whose answer is known: keys, extensions, and what no library makes.

Keys come from a small pool that each process generates anew. What the library `cryptography` no longer makes
(old hashes, version 1, tiny keys) is put together with asn1crypto.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

from asn1crypto import core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

Extension = tuple[x509.ExtensionType, bool]

CA_USES = frozenset({"key_cert_sign", "crl_sign"})
RSA_SERVER_USES = frozenset({"digital_signature", "key_encipherment"})
EC_SERVER_USES = frozenset({"digital_signature"})
_ALL_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303 - the weakness is the point
    "sha1": hashes.SHA1(),  # noqa: S303 - the weakness is the point
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1]] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}

# An odd number of 512 bits: libraries no longer generate such keys, and a server's signs nothing here.
_TINY_MODULUS = int.from_bytes(hashlib.sha512(b"tiny").digest()) | 1 << 511 | 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one certificate is made of.

    `key` is a key of the pool, its kind in front. `issuer` None means self-signed. `ca` None leaves the basic
    constraints out, `uses` None the key usage, an empty tuple the extension in question. `signer` signs in
    the place of the issuer's key, `points_at` is the key that the authority key identifier names instead.
    """

    name: str
    key: str
    issuer: Recipe | None = None
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    ends: datetime = datetime(2045, 1, 1, tzinfo=UTC)
    ca: bool | None = True
    path_length: int | None = None
    uses: frozenset[str] | None = CA_USES
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    hosts: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    further: tuple[Extension, ...] = ()
    identifiers: bool = True
    points_at: str = ""
    signer: str = ""
    signed_with: str = "sha256"
    pss: bool = False
    version_1: bool = False
    damaged: bool = False


@cache
def _key(name: str) -> PrivateKey:
    """One key of the pool, such as ``rsa2048 root``: the same whenever it is asked for."""
    kind = name.partition(" ")[0]
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def _public_key(name: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    if name == "rsa512":
        return rsa.RSAPublicNumbers(65537, _TINY_MODULUS).public_key()
    return _key(name).public_key()


def name_of(common_name: str) -> x509.Name:
    """Give the name of a subject; without a common name it is empty."""
    if not common_name:
        return x509.Name([])
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _extensions(recipe: Recipe) -> Iterator[Extension]:
    if recipe.ca is not None:
        yield x509.BasicConstraints(recipe.ca, recipe.path_length), True
    if recipe.uses is not None:
        yield x509.KeyUsage(**{use: use in recipe.uses for use in _ALL_USES}), True
    if recipe.identifiers:
        yield x509.SubjectKeyIdentifier.from_public_key(_public_key(recipe.key)), False
        above = recipe.points_at or (recipe.issuer.key if recipe.issuer else "")
        if above:
            yield x509.AuthorityKeyIdentifier.from_issuer_public_key(_public_key(above)), False
    if recipe.purposes:
        yield x509.ExtendedKeyUsage(recipe.purposes), False
    if recipe.hosts:
        yield x509.SubjectAlternativeName(map(_general_name, recipe.hosts)), not recipe.name
    if recipe.lists:
        places = [x509.UniformResourceIdentifier(place) for place in recipe.lists]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(places, None, None, None)]), False
    yield from recipe.further


@cache
def der_of(recipe: Recipe) -> bytes:
    """Make a certificate; equal recipes give the same one."""
    serial = hashlib.sha256(repr(recipe).encode()).digest()[:8]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(recipe.name))
        .issuer_name(name_of((recipe.issuer or recipe).name))
        .public_key(_public_key(recipe.key))
        .serial_number(int.from_bytes(b"\x01" + serial))
        .not_valid_before(recipe.begins)
        .not_valid_after(recipe.ends)
    )
    for extension, critical in _extensions(recipe):
        builder = builder.add_extension(extension, critical)
    signer = _key(recipe.signer or (recipe.issuer or recipe).key)
    is_old = recipe.version_1 or recipe.signed_with in {"md5", "sha1"}
    used_hash = hashes.SHA256() if is_old else _HASHES[recipe.signed_with]
    assert isinstance(used_hash, hashes.SHA256 | hashes.SHA384 | hashes.SHA512)
    scheme = padding.PSS(padding.MGF1(used_hash), used_hash.digest_size) if recipe.pss else None
    made = builder.sign(signer, used_hash, rsa_padding=scheme).public_bytes(serialization.Encoding.DER)
    if is_old:
        assert isinstance(signer, rsa.RSAPrivateKey)
        made = _as_it_was_done(made, recipe, signer)
    return made[:-1] + bytes([made[-1] ^ 1]) if recipe.damaged else made


def _as_it_was_done(modern: bytes, recipe: Recipe, signer: rsa.RSAPrivateKey) -> bytes:
    """Change what no library makes any more, and sign again."""
    whole: Any = asn1.Certificate.load(modern)
    body = whole["tbs_certificate"]
    if recipe.version_1:
        body["version"] = "v1"
        del body["extensions"]
    for algorithm in (body["signature"], whole["signature_algorithm"]):
        algorithm["algorithm"] = f"{recipe.signed_with}_rsa"
    signature = signer.sign(body.dump(force=True), padding.PKCS1v15(), _HASHES[recipe.signed_with])
    whole["signature_value"] = core.OctetBitString(signature)
    return bytes(whole.dump(force=True))
