"""The certificates that stand in a hive, each confirmed by both independent readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from winpe_certs.certs.blob import parse
from winpe_certs.certs.stores import BLOB_VALUE, Location, canonical_store_name, store_key
from winpe_certs.certs.thumbprints import is_sha256
from winpe_certs.edits import KeyPath, ValueType
from winpe_certs.errors import BlobError, HiveError
from winpe_certs.regf.reading import Hive
from winpe_certs.regf.view import Pages
from winpe_certs.verification.readers import BlobReader, open_readers, unreadable


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate's key in a store: its name (normally the SHA-1) and its Blob, None when it has none."""

    location: Location
    store: str
    key_name: str
    blob: bytes | None


@dataclass(frozen=True, slots=True)
class StoredCertificates:
    """All certificates of a hive's stores, and the readers that agree on them."""

    certificates: tuple[StoredCertificate, ...]
    readers: tuple[str, ...]

    def find(self, thumbprint: str) -> list[StoredCertificate]:
        """Every place of a certificate with this thumbprint, or with this SHA-256, in upper case."""
        if is_sha256(thumbprint):
            return [stored for stored in self.certificates if sha256_in(stored.blob) == thumbprint]
        return [stored for stored in self.certificates if stored.key_name.upper() == thumbprint]


def sha256_in(blob: bytes | None) -> str:
    """The SHA-256 of the certificate in a Blob, in upper case; empty when there is none."""
    try:
        return sha256(parse(blob or b"", "").certificate_der).hexdigest().upper()
    except BlobError:
        return ""


def read_stored(hive: bytes, origin: str) -> StoredCertificates:
    """Read the certificates of all stores that the hive has.

    Raises `HiveError` when the hive is dirty or damaged, when a reader cannot read it, or when they disagree.
    """
    bounded = Hive(hive, origin)
    places = list(_all_stores(bounded))
    # The bounds-checked reader goes first: what it accepts the other two can follow without running away.
    for location, store in places:
        _walk(bounded, store_key(store, location))
    readers = open_readers(hive, origin)
    found: list[StoredCertificate] = []
    for location, store in places:
        blobs = _agreed(readers, store_key(store, location), origin)
        found += [StoredCertificate(location, store, name, blob) for name, blob in (blobs or {}).items()]
    return StoredCertificates(tuple(found), tuple(reader.name for reader in readers))


class PagedHive(Pages, Protocol):
    """A hive in an image whose chunks are decoded as they are needed."""

    @property
    def chunks(self) -> tuple[int, int]:
        """How many chunks were needed so far, and how many there are."""

    def whole(self) -> bytes:
        """All of the hive, its SHA-1 checked."""


def read_as_needed(hive: bytes | PagedHive, origin: str) -> tuple[StoredCertificates, tuple[int, int] | None]:
    """The certificates of a hive, and of how many of its chunks they were read, None for the whole."""
    if isinstance(hive, bytes):
        return read_stored(hive, origin), None
    found = read_stored_in_part(hive, origin)
    if found is not None:
        return found, hive.chunks
    return read_stored(hive.whole(), origin), None


def read_stored_in_part(pages: Pages, origin: str) -> StoredCertificates | None:
    """Like `read_stored`, with no more of the hive than the bounds-checked reader needs for it.

    The other two follow it through that part, and all three must agree. None means that they cannot do with
    it, and that the whole must be read: a reader that goes elsewhere finds zeros there.
    """
    bounded = Hive(pages, origin)
    places = list(_all_stores(bounded))
    own = [_blobs(bounded, store_key(store, location)) for location, store in places]
    found: list[StoredCertificate] = []
    try:
        readers = open_readers(bytes(pages.data), origin)
        for (location, store), expected in zip(places, own, strict=True):
            blobs = _agreed(readers, store_key(store, location), origin)
            if blobs != expected:
                return None
            found += [StoredCertificate(location, store, name, blob) for name, blob in (blobs or {}).items()]
    except HiveError:
        return None
    return StoredCertificates(tuple(found), tuple(reader.name for reader in readers))


def _blobs(hive: Hive, path: KeyPath) -> dict[str, bytes | None] | None:
    names = hive.subkeys(path)
    if names is None:
        return None
    found: dict[str, bytes | None] = {}
    for name in names:
        values = {key.upper(): value for key, value in (hive.values((*path, name)) or {}).items()}
        kind, data = values.get(BLOB_VALUE.upper(), (ValueType.NONE, b""))
        found[name] = data if kind == ValueType.BINARY else None
    return found


def _all_stores(hive: Hive) -> Iterable[tuple[Location, str]]:
    for location in Location:
        for name in hive.subkeys(location.value) or ():
            yield location, str(canonical_store_name(name))


def _walk(hive: Hive, path: KeyPath) -> None:
    for name in hive.subkeys(path) or ():
        hive.values((*path, name))


def _agreed(readers: tuple[BlobReader, ...], path: KeyPath, origin: str) -> dict[str, bytes | None] | None:
    answers = []
    for reader in readers:
        try:
            answers.append(reader.blobs(path))
        except MemoryError:
            raise
        except Exception as error:
            raise unreadable(reader.name, error, origin) from error
    if any(answer != answers[0] for answer in answers):
        names, key = " and ".join(reader.name for reader in readers), "\\".join(path)
        raise HiveError(
            f"{origin}: {names} read the key {key} differently",
            resolution="The hive is damaged or unusual: take the image from its source again.",
        )
    return answers[0]
