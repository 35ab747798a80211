"""Whether a certificate is fit as the client certificate of Configuration Manager boot media, with advice.

Requirements: Microsoft, "PKI certificate requirements for Configuration Manager" (boot images: client
authentication, exportable private key, SHA-2), "Cryptographic controls technical reference" (RSA keys only)
and "Deploy a task sequence over the internet" (SHA-256 and the Enhanced RSA and AES provider are recommended
since version 2010, not required; v3 certificates, of CNG, are allowed). That the older providers have no
SHA-256: Microsoft, "SHA-2 support on Windows XP": it takes providers of the type ``PROV_RSA_AES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import EXPIRES_SOON, SMALLEST_RSA_KEY
from winpe_certs.certs.object_identifiers import with_name
from winpe_certs.certs.pkcs12 import MediaStore
from winpe_certs.certs.usages import ANY_EXTENDED_KEY_USAGE
from winpe_certs.findings import Finding, Severity

CLIENT_AUTHENTICATION: Final = "1.3.6.1.5.5.7.3.2"
SMALLEST_WINDOWS_KEY: Final = 1024
SHA2: Final = frozenset({"sha224", "sha256", "sha384", "sha512"})

RECOMMENDED_PROVIDER: Final = "Microsoft Enhanced RSA and AES Cryptographic Provider"
OLD_PROVIDERS: Final = frozenset(
    {
        "microsoft base cryptographic provider v1.0",
        "microsoft enhanced cryptographic provider v1.0",
        "microsoft strong cryptographic provider",
    }
)
KEY_STORAGE_WORDS: Final = ("key storage provider", "platform crypto provider")

RECOMMENDATION = f"Microsoft recommends, but does not require, the {RECOMMENDED_PROVIDER}."
CHANGE_PROVIDER = f"{RECOMMENDATION} To change it, import the file with that provider and export it again."
_ORDER: Final = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def examine_media(store: MediaStore, at: datetime) -> tuple[Finding, ...]:
    """Look a media certificate over as it stands at a moment (an aware datetime); errors come first."""
    certificate = store.certificate
    found = [
        *_role(store),
        *_validity(certificate, at),
        *_key(certificate),
        *_signature(certificate),
        *certificate.remarks,
        *(_provider(store) if store.has_key else ()),
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _role(store: MediaStore) -> Iterator[Finding]:
    if not store.has_key:
        yield Finding(
            "no-private-key",
            Severity.ERROR,
            "The file holds no private key that belongs to this certificate.",
            "Export it again with 'Yes, export the private key'. If that is greyed out, the key is not"
            " exportable: have a new certificate issued from a template that allows it.",
        )
    usages = store.certificate.extended_key_usage
    if usages is None:
        yield Finding(
            "no-extended-key-usage",
            Severity.WARNING,
            "It has no extended key usage: every use to Windows, but Configuration Manager asks for client"
            " authentication.",
            "Have one issued with client authentication, as from the template Workstation Authentication.",
        )
    elif CLIENT_AUTHENTICATION not in usages and ANY_EXTENDED_KEY_USAGE not in usages:
        yield Finding(
            "no-client-auth",
            Severity.ERROR,
            f"Its extended key usage does not include {with_name(CLIENT_AUTHENTICATION)}.",
            "Have one issued with client authentication, as from the template Workstation Authentication.",
        )
    if store.certificate.is_ca:
        yield Finding(
            "is-ca",
            Severity.WARNING,
            "It is the certificate of a certificate authority, not of a client.",
            "Whoever has the boot media could issue certificates with it: use a client certificate instead.",
        )


def _validity(certificate: Certificate, at: datetime) -> Iterator[Finding]:
    begins, ends = certificate.not_before, certificate.not_after
    if begins is None or ends is None:
        return  # a remark says so
    if ends < at:
        yield Finding(
            "expired",
            Severity.ERROR,
            f"It expired on {ends:%Y-%m-%d}.",
            "Have it renewed, and make the media again with the new one.",
        )
    elif ends - at <= EXPIRES_SOON:
        yield Finding(
            "expires-soon",
            Severity.WARNING,
            f"It expires on {ends:%Y-%m-%d}, in {(ends - at).days} days.",
            "Media made with it stop working that day: have it renewed before making new ones.",
        )
    if at < begins:
        yield Finding(
            "not-yet-valid",
            Severity.ERROR,
            f"It is valid only from {begins:%Y-%m-%d}.",
            "Check this computer's clock. Windows PE starts with the firmware's clock, which may be"
            " behind as well.",
        )


def _key(certificate: Certificate) -> Iterator[Finding]:
    bits = certificate.key_bits
    if certificate.key_kind != "RSA":
        yield Finding(
            "media-key-kind",
            Severity.ERROR,
            f"Its key is of the kind {certificate.key_kind}.",
            "Configuration Manager clients support RSA keys only: have one issued with an RSA key of"
            f" {SMALLEST_RSA_KEY} bits.",
        )
    elif bits is not None and bits < SMALLEST_RSA_KEY:
        refused = bits < SMALLEST_WINDOWS_KEY
        yield Finding(
            "weak-key",
            Severity.ERROR if refused else Severity.WARNING,
            f"Its RSA key has only {bits} bits.",
            ("Windows refuses RSA keys below 1024 bits: " if refused else "Servers may refuse it: ")
            + f"have one issued with {SMALLEST_RSA_KEY} bits.",
        )


def _signature(certificate: Certificate) -> Iterator[Finding]:
    used = certificate.signature_hash
    if used in SHA2:
        return
    with_what = f"with {used.upper()}" if used else "in a way that this program does not know"
    yield Finding(
        "media-sha1",
        Severity.ERROR if used == "md5" else Severity.WARNING,
        f"It is signed {with_what}, not with SHA-2.",
        "Windows does not accept MD5: have one issued with SHA-256."
        if used == "md5"
        else "SHA-256 is recommended, not required: have one issued with it. The server may refuse this one.",
    )


def _provider(store: MediaStore) -> Iterator[Finding]:
    name = store.provider
    severity, advice = Severity.INFO, RECOMMENDATION
    if store.provider_is_hidden:
        message = "Which provider the key asks for is not known: it stands in an encrypted part of the file."
    elif name is None:
        message = "The file names no cryptographic provider: Windows picks its default on import."
        advice = CHANGE_PROVIDER
    elif name.casefold().startswith(RECOMMENDED_PROVIDER.casefold()):
        return
    elif name.casefold() in OLD_PROVIDERS:
        severity, advice = Severity.WARNING, CHANGE_PROVIDER
        message = f"Its provider is {name}, which has no SHA-256."
    elif any(words in name.casefold() for words in KEY_STORAGE_WORDS):
        message = f"Its provider is {name}: it is a v3 (CNG) certificate, which is allowed."
    else:
        message = f"Its provider is {name}."
        advice = CHANGE_PROVIDER
    yield Finding("media-provider", severity, message, advice)
