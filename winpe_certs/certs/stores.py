r"""Where Windows keeps certificates below the root of a SOFTWARE hive, and how stores and keys are named.

Layout: Microsoft, "System Store Locations", and MS-GPEF section 2.2.1.1. A certificate stands in
``<location>\<store>\Certificates\<thumbprint>``, value ``Blob``. Windows matches these names without
case, but other readers want the thumbprint in upper case, so that is what is written. Which stores are
trusted is not said here.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from winpe_certs.edits import DeleteKey, Edit, KeyPath, SetValue, ValueType
from winpe_certs.errors import UsageError
from winpe_certs.shown import shown_text

if TYPE_CHECKING:
    from winpe_certs.certs.certificate import Certificate

CERTIFICATES = "Certificates"
TRUST_LISTS = "CTLs"
BLOB_VALUE = "Blob"
DISALLOWED_LIST_KEY = ("Microsoft", "SystemCertificates", "AuthRoot", "AutoUpdate")
"""Where Windows keeps the lists that it downloads (Microsoft, "Configure trusted roots and disallowed
certificates")."""
DISALLOWED_LIST_VALUE = "DisallowedCertEncodedCtl"


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
