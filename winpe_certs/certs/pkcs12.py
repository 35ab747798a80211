"""Reads a PKCS#12 store (RFC 7292) that is to become the client certificate of boot media.

The library `cryptography` opens it. Before that its outline is read with `asn1crypto`: how often the password
is to be hashed (MacData, RFC 7292 section 4; PBES1 and PBES2, RFC 8018; PBMAC1, RFC 9579), how large the key
is, and which cryptographic provider the key asks for: the attribute that ``wincrypt.h`` calls
``szOID_PKCS_12_KEY_PROVIDER_NAME_ATTR``, in a key bag (section 4.2) outside the encrypted parts.

The library decrypts the private key along with the certificates. Nothing here keeps, uses or prints it: that
there is one, how large it is (`winpe_certs.certs.pkcs12_keys`), and which certificate it belongs to, is all
that is taken from it.

Refused: stores signed with a key instead of a password (section 3.1), methods and hash rounds beyond reason,
keys beyond reason or under a method that cannot be looked through, several keys that leave open which
certificate is meant. Parts that are encrypted as a whole with RC2 or DES cannot be looked into before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.file_kinds import KIND_WORDS, DerKind, der_kind, refuse_by_content
from winpe_certs.certs.library import reading
from winpe_certs.certs.pem import decode_base64, has_pem_block
from winpe_certs.certs.pkcs12_keys import READABLE_CIPHERS, decrypted, require_modest_key, too_large
from winpe_certs.certs.text_encoding import decode_text
from winpe_certs.errors import CertificateError
from winpe_certs.shown import plain_words

LARGEST_FILE: Final = 1024 * 1024
LARGEST_KEY: Final = 5 * 1024  # RSA with 8192 bits
MOST_ROUNDS: Final = 2_500_000
DEEPEST_NESTING: Final = 8

PROVIDER_NAME: Final = "1.3.6.1.4.1.311.17.1"
PBMAC1: Final = "1.2.840.113549.1.5.14"
DIGESTS: Final = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})
KEY_BAGS: Final = ("key_bag", "pkcs8_shrouded_key_bag")
OLD_CIPHERS: Final = ("_rc2", "_rc4", "_des")

GIVE_STORE = (
    "Export the certificate with its private key, under a password, as Personal Information Exchange (.pfx)."
)
EXPORT_AGAIN = "Export it again with its private key, under a password (encryption AES256-SHA256)."
GIVE_PASSWORD = "Give the password that the file was exported with (--password-file or --password-env)."  # noqa: S105
FROM_PEM = "Put key and certificate together with OpenSSL's pkcs12 command and its option -export."


class PasswordError(CertificateError):
    """A PKCS#12 store needs a password, or another one than was given."""

    kind = "password"


@dataclass(frozen=True, slots=True)
class MediaStore:
    """The certificate that belongs to the private key (or the only one there is), and the others.

    `provider` is the CSP or KSP that the key bag names. `provider_is_hidden` says that the key bag lies in an
    encrypted part that was not looked into.
    """

    certificate: Certificate
    chain: tuple[Certificate, ...]
    has_key: bool
    provider: str | None
    provider_is_hidden: bool


@dataclass(slots=True)
class _Outline:
    """What can be seen of a store without its password; `providers` has an entry for each key bag."""

    providers: list[str | None] = field(default_factory=list)
    plain_keys: list[bytes] = field(default_factory=list)
    encrypted_keys: list[Any] = field(default_factory=list)
    encrypted_parts: list[Any] = field(default_factory=list)
    rounds: int = 0
    methods: set[str] = field(default_factory=set)
    is_for_accounts: bool = False


def read_media(data: bytes, password: str | None, origin: str) -> MediaStore:
    """Read a store; `password` is None when there is none.

    Raises `PasswordError` when the password is missing or wrong, `CertificateError` for anything else.
    """
    _refuse_other_kinds(data, origin)
    with _structure(origin):
        outline = _outline(data, origin)
    passwords = _password_bytes(password, origin)
    with _structure(origin):
        for each in passwords:
            _require_modest_keys(outline, each, origin)
    has_key, found = _open(data, passwords, outline, origin)
    if len(outline.providers) > 1 and (not has_key or len(found) > 1):
        raise CertificateError(
            f"{origin}: there are {len(outline.providers)} private keys in this file",
            details="Which of its certificates the boot media would use cannot be told.",
            resolution="Export the one certificate that is meant, with its private key.",
        )
    certificates = [Certificate.from_der(der, origin) for der in found]
    certificate = certificates[0] if has_key else _end_entity(certificates, origin)
    certificates.remove(certificate)
    return MediaStore(
        certificate=certificate,
        chain=tuple(certificates),
        has_key=has_key,
        provider=outline.providers[0] if has_key and outline.providers else None,
        provider_is_hidden=has_key and not outline.providers,
    )


def _require_modest_keys(outline: _Outline, password: bytes | None, origin: str) -> None:
    """Look at the keys of a store, and at those in its encrypted parts, before the library tests them."""
    from asn1crypto.pkcs12 import SafeContents

    inside = _Outline(rounds=outline.rounds)
    for part in outline.encrypted_parts:
        plain = decrypted(part["content_encryption_algorithm"], part["encrypted_content"].native, password)
        if plain is not None:
            _read_bags(inside, SafeContents.load(plain), origin)
    for info in (*outline.plain_keys, *inside.plain_keys):
        require_modest_key(info, origin)
    for key in (*outline.encrypted_keys, *inside.encrypted_keys):
        algorithm = key["encryption_algorithm"]
        if algorithm.encryption_cipher not in READABLE_CIPHERS:
            raise _unsupported(f"{algorithm['algorithm'].native} for the private key", origin)
        found = decrypted(algorithm, key["encrypted_data"].native, password)
        if found is not None:
            require_modest_key(found, origin)


def _end_entity(certificates: list[Certificate], origin: str) -> Certificate:
    """The certificate that must be meant when none belongs to a private key."""
    if not certificates:
        raise CertificateError(f"{origin}: there is no certificate in this file", resolution=GIVE_STORE)
    meant = certificates if len(certificates) == 1 else [each for each in certificates if not each.is_ca]
    if len(meant) != 1:
        raise CertificateError(
            f"{origin}: {len(certificates)} certificates, and no private key that belongs to one of them",
            details="Boot media need one certificate with its private key.",
            resolution=GIVE_STORE,
        )
    return meant[0]


def _password_bytes(password: str | None, origin: str) -> tuple[bytes | None, ...]:
    """What to try: no password and an empty one are two things to the format (RFC 7292 appendix B.1)."""
    if not password:
        return (None, b"")
    try:
        encoded = password.encode()
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        # The library cannot take it and would show it, and so would the error above as a cause.
        raise PasswordError(
            f"{origin}: the password has a character that no PKCS#12 password can have",
            resolution=GIVE_PASSWORD,
        )
    return (encoded,)


def _open(
    data: bytes, passwords: Iterable[bytes | None], outline: _Outline, origin: str
) -> tuple[bool, list[bytes]]:
    """Have the library open the store: whether the private key belongs to the first certificate, and all.

    The key that the library makes ends with this function.
    """
    from cryptography.exceptions import InternalError
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    refused: ValueError | None = None
    for password in passwords:
        with reading(f"{origin}: this PKCS#12 file cannot be read", EXPORT_AGAIN):
            # It warns of BER, which older programs write.
            warnings.simplefilter("ignore")
            try:
                store = load_pkcs12(data, password)
            except InternalError as error:
                raise ValueError("OpenSSL does not take it") from error
            except ValueError as error:
                if "password" not in str(error):
                    raise
                refused = error
                continue
            found = [*([store.cert] if store.cert else []), *store.additional_certs]
            has_key = store.key is not None and store.cert is not None
            return has_key, [each.certificate.public_bytes(Encoding.DER) for each in found]
    raise _password_error(origin, outline, is_given=bool(password)) from refused


def _password_error(origin: str, outline: _Outline, *, is_given: bool) -> PasswordError:
    if is_given:
        message = f"{origin}: the password is wrong, or the file is damaged"
    else:
        message = f"{origin}: the file needs a password, or is damaged"
    details = []
    resolution = GIVE_PASSWORD
    if outline.is_for_accounts:
        details.append("A part of it is encrypted for users or computers, for whom only Windows opens it.")
    old = sorted(name for name in outline.methods if any(cipher in name for cipher in OLD_CIPHERS))
    if old:
        details.append(f"It is encrypted with {', '.join(old)}, which not every OpenSSL still has.")
    if details:
        resolution += f" If it is the right one: {EXPORT_AGAIN}"
    return PasswordError(message, details="\n".join(details), resolution=resolution)


def _refuse_other_kinds(data: bytes, origin: str) -> None:
    if len(data) > LARGEST_FILE:
        raise CertificateError(
            f"{origin}: more than {LARGEST_FILE} bytes are too many for a PKCS#12 file", resolution=GIVE_STORE
        )
    kind = der_kind(data)
    if kind is DerKind.PKCS12:
        return
    try:
        refuse_by_content(data, origin)
    except CertificateError as error:
        raise CertificateError(error.message, resolution=GIVE_STORE) from None
    words, resolution = _other_kind(data, kind, origin)
    raise CertificateError(
        f"{origin}: this is no PKCS#12 file{words and f', but {words}'}", resolution=resolution
    )


def _other_kind(data: bytes, kind: DerKind, origin: str) -> tuple[str, str]:
    """What a file is instead, as far as it can be told, and what to do about it."""
    if data[:1] == b"\x30" and not data.isascii():
        if kind is DerKind.CERTIFICATE:
            try:
                found = Certificate.from_der(data, origin)
            except CertificateError:
                return "", GIVE_STORE
            if found.fault:
                return "", GIVE_STORE
            return "a certificate without a private key", GIVE_STORE
        if kind is DerKind.PKCS7:
            return "certificates without a private key (PKCS#7)", GIVE_STORE
        if kind is DerKind.PRIVATE_KEY:
            return "a private key without its certificate", GIVE_STORE
        return ("" if kind is DerKind.UNKNOWN else KIND_WORDS[kind]), GIVE_STORE
    text = decode_text(data).text
    if has_pem_block(text):
        return "text (PEM)", FROM_PEM
    decoded = decode_base64(text)
    if decoded and der_kind(decoded) is DerKind.PKCS12:
        return "one in Base64", "Decode it first, with certutil -decode or base64 -d."
    return "", GIVE_STORE


@contextmanager
def _structure(origin: str) -> Iterator[None]:
    """Turn what `asn1crypto` raises, at the moment a field is asked for, into `CertificateError`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CertificateError(
            f"{origin}: this is no PKCS#12 file, or it is damaged",
            details=plain_words(error),
            resolution=GIVE_STORE,
        ) from error


def _outline(data: bytes, origin: str) -> _Outline:
    """Read what is not encrypted: PFX and AuthenticatedSafe (RFC 7292 sections 4 and 4.1)."""
    from asn1crypto.pkcs12 import AuthenticatedSafe, Pfx, SafeContents

    outline = _Outline()
    pfx = Pfx.load(data)
    safe = pfx["auth_safe"]
    if safe["content_type"].native != "data":
        raise CertificateError(
            f"{origin}: this PKCS#12 file is signed with a key instead of a password",
            details="RFC 7292 calls it public-key integrity mode.",
            resolution=EXPORT_AGAIN,
        )
    if pfx["mac_data"]:
        _count_mac(outline, pfx["mac_data"], origin)
    for content in AuthenticatedSafe.load(safe["content"].native):
        kind = content["content_type"].native
        if kind == "encrypted_data":
            encrypted = content["content"]["encrypted_content_info"]
            _count(outline, encrypted["content_encryption_algorithm"], origin)
            outline.encrypted_parts.append(encrypted)
        elif kind == "enveloped_data":
            outline.is_for_accounts = True
        elif kind == "data":
            _read_bags(outline, SafeContents.load(content["content"].native), origin)
    return outline


def _read_bags(outline: _Outline, bags: Any, origin: str, depth: int = 0) -> None:
    """Note the key bags of a SafeContents (RFC 7292 section 4.2), nested ones included (section 4.2.6)."""
    if depth > DEEPEST_NESTING:
        raise ValueError("bags in bags in bags")
    for bag in bags:
        kind = bag["bag_id"].native
        if kind == "safe_contents":
            _read_bags(outline, bag["bag_value"], origin, depth + 1)
        if kind not in KEY_BAGS:
            continue
        if kind == "pkcs8_shrouded_key_bag":
            _count(outline, bag["bag_value"]["encryption_algorithm"], origin)
        if len(bag["bag_value"].contents) > LARGEST_KEY:
            raise too_large(origin)
        if kind == "pkcs8_shrouded_key_bag":
            outline.encrypted_keys.append(bag["bag_value"])
        else:
            outline.plain_keys.append(bag["bag_value"].untag().dump())
        outline.providers.append(_provider(bag["bag_attributes"]))


def _provider(attributes: Any) -> str | None:
    from asn1crypto.core import BMPString

    for attribute in attributes:
        if attribute["type"].dotted == PROVIDER_NAME:
            for value in attribute["values"]:
                return str(value.parse(BMPString).native).rstrip("\0") or None
    return None


def _count_mac(outline: _Outline, mac: Any, origin: str) -> None:
    from asn1crypto.algos import Pbes2Params

    algorithm = mac["mac"]["digest_algorithm"]
    name = algorithm["algorithm"].native
    if name == PBMAC1:
        # Its parameters begin as those of PBES2 do, and say what counts.
        parameters = algorithm["parameters"].parse(Pbes2Params)
        _add(outline, name, _derivation_rounds(parameters["key_derivation_func"], origin), origin)
    elif name not in DIGESTS:
        raise _unsupported(name, origin)
    _add(outline, name, mac["iterations"].native, origin)


def _count(outline: _Outline, algorithm: Any, origin: str) -> None:
    name = algorithm["algorithm"].native
    if name == "pbes2":
        rounds = _derivation_rounds(algorithm["parameters"]["key_derivation_func"], origin)
    elif name.startswith(("pbes1_", "pkcs12_")):
        rounds = algorithm["parameters"]["iterations"].native
    else:
        raise _unsupported(name, origin)
    _add(outline, name, rounds, origin)


def _derivation_rounds(derivation: Any, origin: str) -> int:
    """The rounds of PBKDF2, the only function whose cost is its rounds alone."""
    name = derivation["algorithm"].native
    if name != "pbkdf2":
        raise _unsupported(name, origin)
    return int(derivation["parameters"]["iteration_count"].native)


def _add(outline: _Outline, name: str, rounds: int, origin: str) -> None:
    outline.methods.add(name)
    outline.rounds += rounds
    if rounds < 1 or outline.rounds > MOST_ROUNDS:
        raise CertificateError(
            f"{origin}: the iteration counts of this PKCS#12 file are out of range",
            details=f"The password may be hashed {MOST_ROUNDS:,} times at most; some thousand are usual.",
            resolution=EXPORT_AGAIN,
        )


def _unsupported(name: str, origin: str) -> CertificateError:
    return CertificateError(
        f"{origin}: this PKCS#12 file is protected by a method that is not supported",
        details=f"The method is {name}.",
        resolution=EXPORT_AGAIN,
    )
