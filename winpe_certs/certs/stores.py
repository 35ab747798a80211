r"""Where Windows keeps certificates below the root of a SOFTWARE hive, and how stores and keys are named.

Layout: Microsoft, "System Store Locations", and MS-GPEF section 2.2.1.1. A certificate stands in
``<location>\<store>\Certificates\<thumbprint>``, value ``Blob``. Windows matches these names without
case, but other readers want the thumbprint in upper case, so that is what is written. Which stores are
trusted is not said here.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from winpe_certs.edits import DeleteKey, Edit, KeyPath, SetValue, ValueType
from winpe_certs.errors import UsageError
from winpe_certs.shown import shown_text

if TYPE_CHECKING:
    from winpe_certs.certs.certificate import Certificate

CERTIFICATES = "Certificates"
BLOB_VALUE = "Blob"
THUMBPRINT = re.compile("[0-9A-F]{40}")
SHA256_LENGTH = 64
IGNORED_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Pd"})


class Store(StrEnum):
    """The stores that can be named; the spelling is the registry's."""

    AUTH_ROOT = "AuthRoot"
    ROOT = "ROOT"
    CA = "CA"
    DISALLOWED = "Disallowed"
    TRUSTED_PUBLISHER = "TrustedPublisher"
    TRUSTED_PEOPLE = "TrustedPeople"
    MY = "My"


class Location(Enum):
    """The places in a SOFTWARE hive that hold stores, as the path to them."""

    MACHINE = ("Microsoft", "SystemCertificates")
    POLICY = ("Policies", "Microsoft", "SystemCertificates")
    ENTERPRISE = ("Microsoft", "EnterpriseCertificates")


_LOCATION_WORDS: Final = {Location.POLICY: "group policy", Location.ENTERPRISE: "enterprise"}


def place_in_words(store: str, location: Location) -> str:
    """A store's name, with its location when that is not the machine's own."""
    where = _LOCATION_WORDS.get(location)
    return f"{store} ({where})" if where else str(store)


def store_key(store: str, location: Location = Location.MACHINE) -> KeyPath:
    """The key whose subkeys are the certificates of a store."""
    return (*location.value, str(store), CERTIFICATES)


def certificate_key(store: str, thumbprint: str, location: Location = Location.MACHINE) -> KeyPath:
    """The key of one certificate."""
    return (*store_key(store, location), thumbprint.upper())


def edits_for(blob: bytes, store: str, thumbprint: str) -> tuple[Edit, ...]:
    """What to change in a hive so that a store of the machine holds this certificate."""
    return (SetValue(certificate_key(store, thumbprint), BLOB_VALUE, ValueType.BINARY, blob),)


def removal_edits(store: str, thumbprint: str) -> tuple[Edit, ...]:
    """What to change in a hive so that it no longer holds this certificate."""
    return (DeleteKey(certificate_key(store, thumbprint)),)


def default_store(certificate: Certificate) -> Store:
    """The store for ``--store auto``: roots go to AuthRoot, as in Microsoft's procedure, all others to CA.

    The rule is about the signature alone, so it also places a certificate that was allowed without being a
    CA.
    """
    return Store.AUTH_ROOT if certificate.is_self_signed else Store.CA


def canonical_store_name(text: str) -> str:
    """Spell a store as the registry does if it is a known one; leave other names alone."""
    folded = text.strip().casefold()
    return next((store for store in Store if store.casefold() == folded), text)


def parse_store_name(text: str) -> Store:
    """Read a store's name as a person types it, in any case."""
    name = canonical_store_name(text)
    if isinstance(name, Store):
        return name
    raise UsageError(
        f"unknown certificate store {shown_text(text)}",
        details=f"known stores: {', '.join(Store)}",
        resolution="Use AuthRoot for a root (Microsoft's procedure for CMG boot media), CA for an"
        " intermediate.",
    )


def normalise_thumbprint(text: str) -> str:
    """Read a SHA-1 thumbprint as a person pastes it, and give it back in upper case without separators.

    The certificate viewer of MMC puts an invisible U+200E in front of it, which an ANSI console turns into
    ``?``.
    """
    kept = "".join(
        character for character in text if unicodedata.category(character) not in IGNORED_CATEGORIES
    )
    digits = kept.lstrip("?").replace(":", "").upper()
    if THUMBPRINT.fullmatch(digits):
        return digits
    shown = ascii(text if len(text) <= 100 else text[:100] + "...")
    if len(digits) == SHA256_LENGTH and re.fullmatch("[0-9A-F]+", digits):
        raise UsageError(
            f"{shown} has 64 digits: that is a SHA-256 fingerprint, not a thumbprint",
            details="Windows names certificates in the registry by their SHA-1 (40 digits).",
            resolution="Take the field Thumbprint of the certificate viewer, or give the certificate"
            " file with --cert.",
        )
    raise UsageError(
        f"{shown} is not a thumbprint",
        details=f"A thumbprint is 40 hexadecimal digits; this has {len(digits)} characters.",
        resolution="Copy the field Thumbprint of the certificate viewer (Details tab).",
    )
