"""The certificates that stand in a hive, each confirmed by both independent readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from winpe_certs.certs.blob import parse
from winpe_certs.certs.stores import (
    BLOB_VALUE,
    DISALLOWED_LIST_KEY,
    DISALLOWED_LIST_VALUE,
    TRUST_LISTS,
    Location,
    Store,
    store_key,
)
from winpe_certs.certs.thumbprints import is_sha256
from winpe_certs.edits import KeyPath, ValueType
from winpe_certs.errors import BlobError, HiveError
from winpe_certs.regf.reading import Hive
from winpe_certs.regf.view import Pages
from winpe_certs.uppercase import upper
from winpe_certs.verification.readers import BlobReader, open_readers, unreadable


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate's key in a store: its name (normally the SHA-1) and its Blob.

    `blob` is None when there is no binary value Blob. Then `odd_value` is the type and data of one that is
    there but not binary, None when there is none at all. What Windows makes of that is not documented.
    """

    location: Location
    store: str
    key_name: str
    blob: bytes | None
    odd_value: tuple[int, bytes] | None = None

    @property
    def data(self) -> bytes:
        """The bytes of the value Blob, whatever its type; empty when there is none."""
        if self.blob is not None:
            return self.blob
        return b"" if self.odd_value is None else self.odd_value[1]


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list of distrusted certificates that a hive holds: the path of its value, and its data.

    `is_blob` says that the list is an element of a Blob, as in the subkey CTLs of a store.
    """

    path: str
    data: bytes
    is_blob: bool


@dataclass(frozen=True, slots=True)
class StoredCertificates:
    """All certificates of a hive's stores, and the readers that agree on them.

    `distrusted` are the lists of distrusted certificates, which only the bounds-checked reader has read.
    """

    certificates: tuple[StoredCertificate, ...]
    readers: tuple[str, ...]
    distrusted: tuple[StoredList, ...] = ()

    def find(self, thumbprint: str) -> list[StoredCertificate]:
        """Every place of a certificate with this thumbprint, or with this SHA-256, in upper case."""
        if is_sha256(thumbprint):
            return [stored for stored in self.certificates if sha256_in(stored.blob) == thumbprint]
        return [stored for stored in self.certificates if upper(stored.key_name) == thumbprint]


def sha256_in(blob: bytes | None) -> str:
    """The SHA-256 of the certificate in a Blob, in upper case; empty when there is none."""
    try:
        return sha256(parse(blob or b"", "").certificate_der).hexdigest().upper()
    except BlobError:
        return ""


@dataclass(frozen=True, slots=True)
class _StoreContent:
    """One store as the bounds-checked reader sees it; `keys` is None when it has no certificates."""

    location: Location
    store: str
    path: KeyPath
    keys: tuple[StoredCertificate, ...] | None

    def agrees_with(self, seen: Mapping[str, bytes | None] | None) -> bool:
        """Whether another reader sees the same, of values that are binary.

        Readers decode letters beyond ASCII differently: one counts as the other.
        """
        if seen is None or self.keys is None:
            return seen is None and self.keys is None
        odd = {_ascii(key.key_name) for key in self.keys if key.odd_value is not None}
        own = sorted((_ascii(key.key_name), key.blob is None, key.blob or b"") for key in self.keys)
        names = ((_ascii(name), blob) for name, blob in seen.items())
        theirs = ((name, None if name in odd else blob) for name, blob in names)
        return own == sorted((name, blob is None, blob or b"") for name, blob in theirs)


def stored_in(hive: Hive) -> StoredCertificates:
    """The certificates of all stores of a hive, as only the bounds-checked reader sees them.

    That is enough to plan a change; what is reported as being there asks `read_stored`.
    """
    return _gathered(list(_contents(hive)), (), hive)


def read_stored(hive: bytes, origin: str) -> StoredCertificates:
    """Read the certificates of all stores that the hive has.

    The bounds-checked reader goes first: what it accepts the other two can follow without running away.
    Raises `HiveError` when the hive is dirty or damaged, when a reader cannot read it, or when they disagree.
    """
    bounded = Hive(hive, origin)
    contents = list(_contents(bounded))
    readers = open_readers(hive, origin)
    _require_agreement(readers, contents, origin)
    return _gathered(contents, readers, bounded)


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
    contents = list(_contents(bounded))
    found = _gathered(contents, (), bounded)
    try:
        readers = open_readers(bytes(pages.data), origin)
        _require_agreement(readers, contents, origin)
    except HiveError:
        return None
    return replace(found, readers=tuple(reader.name for reader in readers))


def _gathered(
    contents: Sequence[_StoreContent], readers: Sequence[BlobReader], hive: Hive
) -> StoredCertificates:
    keys = tuple(key for content in contents for key in content.keys or ())
    return StoredCertificates(keys, tuple(reader.name for reader in readers), tuple(_lists(hive)))


def _contents(hive: Hive) -> Iterator[_StoreContent]:
    for location in Location:
        for name in hive.subkeys(location.value) or ():
            store = _store_of(name)
            path = store_key(name, location)
            names = hive.subkeys(path)
            keys = None if names is None else tuple(_key(hive, location, store, path, key) for key in names)
            yield _StoreContent(location, store, path, keys)


def _store_of(name: str) -> str:
    """The store of a key, spelled as usual. Windows compares names as `upper` does, blanks included."""
    return next((store for store in Store if upper(store) == upper(name)), name)


def _key(hive: Hive, location: Location, store: str, path: KeyPath, name: str) -> StoredCertificate:
    value = _value(hive, (*path, name), BLOB_VALUE)
    if value is None or value[0] == ValueType.BINARY:
        return StoredCertificate(location, store, name, value[1] if value else None)
    return StoredCertificate(location, store, name, None, value)


def _value(hive: Hive, path: KeyPath, name: str) -> tuple[int, bytes] | None:
    values = {upper(key): value for key, value in (hive.values(path) or {}).items()}
    return values.get(upper(name))


def _lists(hive: Hive) -> Iterator[StoredList]:
    """Every list of distrusted certificates, whatever the type of its value."""
    downloaded = hive.value(DISALLOWED_LIST_KEY, DISALLOWED_LIST_VALUE)
    if downloaded is not None:
        yield StoredList(
            "\\".join((*DISALLOWED_LIST_KEY, DISALLOWED_LIST_VALUE)), downloaded[1], is_blob=False
        )
    for location in Location:
        path = (*location.value, str(Store.DISALLOWED), TRUST_LISTS)
        for name in hive.subkeys(path) or ():
            value = _value(hive, (*path, name), BLOB_VALUE)
            if value is not None:
                yield StoredList("\\".join((*path, name)), value[1], is_blob=True)


def _require_agreement(readers: Sequence[BlobReader], contents: Sequence[_StoreContent], origin: str) -> None:
    """Raise `HiveError` unless the other readers see in each store what the bounds-checked reader sees.

    A store whose name goes beyond ASCII is none that Windows knows. The readers compare such names otherwise
    than Windows does, and may find another store by them: they are not asked.
    """
    for content in contents:
        if not content.store.isascii():
            continue
        for reader in readers:
            try:
                seen = reader.blobs(content.path)
            except MemoryError:
                raise
            except Exception as error:
                raise unreadable(reader.name, error, origin) from error
            if not content.agrees_with(seen):
                key = "\\".join(content.path)
                raise HiveError(
                    f"{origin}: {reader.name} reads the key {key} in another way than the editor's reader",
                    resolution="The hive is damaged or unusual: take the image from its source again.",
                )


def _ascii(name: str) -> bytes:
    return name.encode("ascii", "replace")
