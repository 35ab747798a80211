"""Certificates put together byte by byte (RFC 5280 section 4.1), for what no library agrees to make.

`Parts` describes one: every piece can be given as bytes, and what is not given is as usual. Keys come from
the pool of the process. Nothing here asks whether the result makes sense.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

from scripts.testdata import der_pieces as der
from scripts.testdata.key_pool import public_key_info, sign
from scripts.testdata.trust_cases import HOST

# Attributes of names, as RFC 5280 and RFC 4519 number them.
COMMON_NAME, SURNAME, SERIAL_NUMBER, COUNTRY = "2.5.4.3", "2.5.4.4", "2.5.4.5", "2.5.4.6"
LOCALITY, STATE, ORGANIZATION, UNIT, MAIL = (
    "2.5.4.7",
    "2.5.4.8",
    "2.5.4.10",
    "2.5.4.11",
    "1.2.840.113549.1.9.1",
)

# Extensions.
SUBJECT_KEY, KEY_USAGE, ALTERNATIVE_NAME, BASIC_CONSTRAINTS = (
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
)
NAME_CONSTRAINTS, REVOCATION_LISTS, POLICIES, POLICY_CONSTRAINTS = (
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.36",
)
AUTHORITY_KEY, EXTENDED_USES = "2.5.29.35", "2.5.29.37"
AUTHORITY_ACCESS, QUALIFIED_STATEMENTS = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.3"
APPLICATION_POLICIES, APPLICATION_MAPPINGS, APPLICATION_CONSTRAINTS = (
    "1.3.6.1.4.1.311.21.10", "1.3.6.1.4.1.311.21.11", "1.3.6.1.4.1.311.21.12",
)  # fmt: skip

# Uses; Microsoft's number for any of them is that of IX509ExtensionMSApplicationPolicies.
SERVER_USE, CLIENT_USE, ANY_USE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
ANY_APPLICATION = "1.3.6.1.4.1.311.10.12.1"

CRITICAL, NOT_CRITICAL_BUT_SAID = der.boolean(), der.boolean(0)

VERSION_3 = der.tagged(0, der.integer(2))

_HASHES: dict[str, tuple[hashes.HashAlgorithm, str, str, str]] = {
    # the hash, its number, RSA with it, ECDSA with it
    "md5": (hashes.MD5(), "1.2.840.113549.2.5", "1.2.840.113549.1.1.4", ""),  # noqa: S303 - old roots have it
    "sha1": (hashes.SHA1(), "1.3.14.3.2.26", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1"),  # noqa: S303 - so do they
    "sha256": (hashes.SHA256(), "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"),
    "sha384": (hashes.SHA384(), "2.16.840.1.101.3.4.2.2", "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"),
    "sha512": (hashes.SHA512(), "2.16.840.1.101.3.4.2.3", "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"),
}
_OWN_ALGORITHMS = {
    "ed25519": "1.3.101.112", "ed448": "1.3.101.113", "mldsa87": "2.16.840.1.101.3.4.3.19",
    "dsa2048": "2.16.840.1.101.3.4.3.2",
}  # fmt: skip

PSS = "1.2.840.113549.1.1.10"

Wrapper = Callable[..., bytes]


class Extension(NamedTuple):
    """An extension: its number, and all of its bytes."""

    number: str
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces of one certificate; an empty piece is made as usual.

    `issuer` None means self-signed. Absent on purpose: a `version` of no bytes, `extensions` None.
    `serial`, `begins`, `ends`, `algorithm` (the outer one), `inner_algorithm` and `signature` are whole
    elements. `signer` signs in the place of the issuer's key. `certificate` and `signed_part` put their
    contents into a SEQUENCE, of whatever form. `extra` follows the extensions.
    """

    subject: bytes
    key: str
    issuer: Parts | None = None
    version: bytes = VERSION_3
    serial: bytes = b""
    inner_algorithm: bytes = b""
    issuer_name: bytes = b""
    begins: bytes = der.time("200101000000Z")
    ends: bytes = der.time("450101000000Z")
    key_info: bytes = b""
    unique_identifiers: bytes = b""
    extensions: tuple[Extension, ...] | None = ()
    identifiers: bool = True
    signed_with: str = "sha256"
    pss: bool = False
    signer: str = ""
    algorithm: bytes = b""
    signature: bytes = b""
    certificate: Wrapper = der.sequence
    signed_part: Wrapper = der.sequence
    extra: bytes = b""


@cache
def der_of(parts: Parts) -> bytes:
    """Put a certificate together and sign it; equal parts give the same one."""
    above = parts.issuer or parts
    signer = parts.signer or above.key
    algorithm = parts.algorithm or _algorithm(signer, parts)
    signed = parts.signed_part(
        parts.version,
        parts.serial or _serial(parts),
        parts.inner_algorithm or algorithm,
        parts.issuer_name or above.subject,
        der.sequence(parts.begins, parts.ends),
        parts.subject,
        _key_info(parts),
        parts.unique_identifiers,
        _extensions(parts),
        parts.extra,
    )
    signature = parts.signature or der.bits(
        sign(signer, signed, _HASHES[parts.signed_with][0], pss=parts.pss)
    )
    return parts.certificate(signed, algorithm, signature)


def _serial(parts: Parts) -> bytes:
    return der.integer(int.from_bytes(b"\x01" + hashlib.sha256(repr(parts).encode()).digest()[:8]))


def _algorithm(signer: str, parts: Parts) -> bytes:
    kind = signer.partition(" ")[0]
    if kind in _OWN_ALGORITHMS:
        return der.sequence(der.identifier(_OWN_ALGORITHMS[kind]))
    used_hash, number, with_rsa, with_curve = _HASHES[parts.signed_with]
    if not kind.startswith("rsa"):
        return der.sequence(der.identifier(with_curve))
    if not parts.pss:
        return der.sequence(der.identifier(with_rsa), der.null())
    hashed = der.sequence(der.identifier(number), der.null())
    masked = der.sequence(der.identifier("1.2.840.113549.1.1.8"), hashed)
    salt = der.tagged(2, der.integer(used_hash.digest_size))
    parameters = der.sequence(der.tagged(0, hashed), der.tagged(1, masked), salt)
    return der.sequence(der.identifier(PSS), parameters)


def _key_info(parts: Parts) -> bytes:
    return parts.key_info or public_key_info(parts.key)


def key_identifier(parts: Parts) -> bytes:
    """Give the identifier of a certificate's key as made here: SHA-1 of the whole SubjectPublicKeyInfo."""
    return hashlib.sha1(_key_info(parts), usedforsecurity=False).digest()


def _extensions(parts: Parts) -> bytes:
    if parts.extensions is None:
        return b""
    given = {each.number for each in parts.extensions}
    found = list(parts.extensions)
    if parts.identifiers and SUBJECT_KEY not in given:
        found.append(extension(SUBJECT_KEY, der.octets(key_identifier(parts))))
    if parts.identifiers and AUTHORITY_KEY not in given and parts.issuer is not None:
        found.append(authority_key(der.tagged(0, key_identifier(parts.issuer), constructed=False)))
    return der.tagged(3, der.sequence(*(each.encoded for each in found)))


# --- extensions -------------------------------------------------------------------------------------------


def extension(number: str, value: bytes, critical: bytes = b"") -> Extension:
    """Give an extension; `critical` is the element that says so, none by default."""
    return Extension(number, der.sequence(der.identifier(number), critical, der.octets(value)))


def basic_constraints(*contents: bytes, critical: bytes = CRITICAL) -> Extension:
    """Give basic constraints of such contents."""
    return extension(BASIC_CONSTRAINTS, der.sequence(*contents), critical)


def key_usage(value: bytes, critical: bytes = CRITICAL) -> Extension:
    """Give a key usage with a value that is a whole element."""
    return extension(KEY_USAGE, value, critical)


def extended_uses(*uses: str, critical: bytes = b"") -> Extension:
    """Give an extended key usage."""
    return extension(EXTENDED_USES, der.sequence(*map(der.identifier, uses)), critical)


def alternative_names(*names: str | bytes, critical: bytes = b"") -> Extension:
    """Give a subject alternative name; text is a DNS name or an address, bytes are a whole GeneralName."""
    encoded = (each if isinstance(each, bytes) else general_name(each) for each in names)
    return extension(ALTERNATIVE_NAME, der.sequence(*encoded), critical)


def general_name(host: str) -> bytes:
    """Give a DNS name or an IP address as a GeneralName."""
    try:
        return der.tagged(7, ip_address(host).packed, constructed=False)
    except ValueError:
        return der.tagged(2, host.encode(), constructed=False)


def location(url: str) -> bytes:
    """Give a URL as a GeneralName."""
    return der.tagged(6, url.encode(), constructed=False)


def authority_key(*contents: bytes) -> Extension:
    """Give an authority key identifier of such contents."""
    return extension(AUTHORITY_KEY, der.sequence(*contents))


def exact_issuer(name: bytes, serial: bytes, *, key: bytes = b"") -> Extension:
    """Give an authority key identifier with issuer and serial number, and perhaps a key identifier.

    `serial` is a whole INTEGER.
    """
    number = der.tagged(2, serial[2:], constructed=False)
    first = (der.tagged(0, key, constructed=False),) if key else ()
    return authority_key(*first, der.tagged(1, der.tagged(4, name)), number)


def application_policies(*policies: str, critical: bytes = b"") -> Extension:
    """Give Microsoft's application policies, encoded like certificate policies (MS-WCCE 2.2.2.7.7.3)."""
    encoded = (der.sequence(der.identifier(each)) for each in policies)
    return extension(APPLICATION_POLICIES, der.sequence(*encoded), critical)


def authority_access(url: str) -> Extension:
    """Give an authority information access with the place of the issuer's certificate."""
    entry = der.sequence(der.identifier("1.3.6.1.5.5.7.48.2"), location(url))
    return extension(AUTHORITY_ACCESS, der.sequence(entry))


def revocation_list(url: str) -> Extension:
    """Give one distribution point with one URL."""
    point = der.sequence(der.tagged(0, der.tagged(0, location(url))))
    return extension(REVOCATION_LISTS, der.sequence(point))


def changed(parts: Parts, *extensions: Extension) -> Parts:
    """Put extensions in the place of those with the same number, or after all others."""
    new = {each.number: each for each in extensions}
    kept = [new.pop(each.number, each) for each in parts.extensions or ()]
    return replace(parts, extensions=(*kept, *new.values()))


def without(parts: Parts, *numbers: str) -> Parts:
    """Leave extensions out."""
    kept = tuple(each for each in parts.extensions or () if each.number not in numbers)
    return replace(parts, extensions=kept)


# --- the three that most chains consist of ----------------------------------------------------------------

WEB_LIST = revocation_list("http://pki.contoso.example/list.crl")
IS_CA = basic_constraints(der.boolean())
MAY_SIGN = key_usage(der.bits(b"\x06", 1))

_CONTOSO = der.attribute(ORGANIZATION, der.utf8("Contoso"))


def contoso(common_name: str) -> bytes:
    """Give the name of a subject at Contoso."""
    return der.name(_CONTOSO, der.attribute(COMMON_NAME, der.utf8(common_name)))


ROOT = Parts(contoso("Contoso Odd Root CA"), "rsa2048 root", extensions=(IS_CA, MAY_SIGN))
ISSUING = Parts(
    contoso("Contoso Odd Issuing CA"),
    "rsa2048 issuing",
    ROOT,
    begins=der.time("210101000000Z"),
    ends=der.time("400101000000Z"),
    extensions=(IS_CA, MAY_SIGN, WEB_LIST),
)
SERVER = Parts(
    contoso(HOST),
    "rsa2048 server",
    ISSUING,
    begins=der.time("240101000000Z"),
    ends=der.time("360101000000Z"),
    extensions=(
        basic_constraints(),
        key_usage(der.bits(b"\xa0", 5)),
        extended_uses(SERVER_USE),
        alternative_names(HOST),
        WEB_LIST,
    ),
)
