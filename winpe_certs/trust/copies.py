"""Every copy of a certificate in an image, and which of them count. One rule, which every command asks.

A *copy* is a key of a store that holds a certificate, or whose name claims that it does. A copy is sound when
Windows takes it for the certificate beyond doubt: a binary Blob that can be read, with the very DER inside,
below the SHA-1 as name. No other copy makes a certificate present. But in a store that counts any copy may be
the one that Windows takes: which of several it is, is not documented. So the properties of all apply, and one
that cannot be read leaves the answer open.

Which stores count: Microsoft, "System Store Locations"; that AuthRoot of group policy and the enterprise does
not: tests of the project certinject on Windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final, TypeVar

from winpe_certs.certs.blob import Blob, parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.certs.thumbprints import is_sha256
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.trust.distrust import Distrust, DistrustedBy
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates

_T = TypeVar("_T")

ROOT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT)
COUNTING_STORES: Final = (*ROOT_STORES, Store.CA)


def counts(store: str, location: Location, *, is_root: bool) -> bool:
    """Whether Windows takes a root, or an intermediate, from a store."""
    if not is_root:
        return store == Store.CA
    return store == Store.ROOT or (store == Store.AUTH_ROOT and location is Location.MACHINE)


class CopyState(Enum):
    """Whether a copy is the certificate beyond doubt, and if not, why not.

    `MISNAMED`: below the name of another. `ODD_TYPE`: the value Blob is not binary. `DAMAGED`: its name is
    the certificate's, and what is inside cannot be read or is another.
    """

    SOUND = auto()
    MISNAMED = auto()
    ODD_TYPE = auto()
    DAMAGED = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """A certificate's key as far as it can be read: `blob` is None, and `fault` says why, when it cannot."""

    stored: StoredCertificate
    name: str
    blob: Blob | None
    der: bytes
    sha1: str
    fault: str

    @property
    def place(self) -> str:
        """The store in words."""
        return place_in_words(self.stored.store, self.stored.location)

    @property
    def is_sound(self) -> bool:
        """Whether it holds the certificate that its name says, in a binary value."""
        return self.stored.blob is not None and self.blob is not None and self.sha1 == self.name


@dataclass(frozen=True, slots=True)
class Copy:
    """A key that holds a certificate, or claims to."""

    key: Key
    state: CopyState

    @property
    def stored(self) -> StoredCertificate:
        """The key as the readers saw it."""
        return self.key.stored

    @property
    def place(self) -> str:
        """The store in words."""
        return self.key.place

    def counts(self, *, is_root: bool) -> bool:
        """Whether it is in a store that Windows takes a root, or an intermediate, from."""
        return counts(self.stored.store, self.stored.location, is_root=is_root)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an image has a certificate, and what distrusts it.

    `certificate` is None when nothing but a thumbprint is known: no file gives it, and no copy can be read.
    `copies` are in all stores, in the order of the hive. `doubts` are what cannot be read and
    may distrust it, in words.
    """

    thumbprint: str
    certificate: Certificate | None
    copies: tuple[Copy, ...]
    distrusted_by: DistrustedBy | None
    doubts: tuple[str, ...]

    @property
    def is_root(self) -> bool | None:
        """Whether it is a root by its signature, as everywhere; None when that is not known."""
        if self.certificate is None or self.certificate.fault:
            return None
        return self.certificate.is_self_signed

    def counting(self) -> tuple[Copy, ...]:
        """The copies, sound or not, in stores where Windows may take it from."""
        if self.is_root is None:
            roles: tuple[bool, ...] = (True, False)
        else:
            roles = (self.is_root,)
        return tuple(copy for copy in self.copies if any(copy.counts(is_root=role) for role in roles))


class Copies:
    """The certificates of one image, read once for all questions about it."""

    def __init__(self, stored: StoredCertificates) -> None:
        self.stored = stored
        self.keys = tuple(map(read_key, stored.certificates))

    @cached_property
    def distrust(self) -> Distrust:
        """What the image distrusts."""
        return Distrust.from_stored(self.stored)

    def standing(self, thumbprint: str, certificate: Certificate | None = None) -> Standing:
        """Look one certificate up: by itself, or by its SHA-1 or SHA-256 in upper case."""
        if certificate is None:
            certificate = self._by_hash(thumbprint)
        sha1 = thumbprint if certificate is None else certificate.thumbprint
        der = None if certificate is None else certificate.der
        copies = tuple(self.copies_of(sha1, der))
        if certificate is None:
            return Standing(sha1, None, copies, self.distrust.by_name(sha1), self.distrust.doubts(None))
        return Standing(
            sha1, certificate, copies, self.distrust.of(certificate), self.distrust.doubts(certificate)
        )

    def copies_of(self, thumbprint: str, der: bytes | None) -> Iterator[Copy]:
        """Every copy of a certificate, in the order of the hive; without its DER, those of its SHA-1."""
        held = self._by_sha1.get(thumbprint, ()) if der is None else self._by_der.get(der, ())
        found = {id(key): key for key in (*self._by_name.get(thumbprint, ()), *held)}
        holding = {id(key) for key in held}
        for key in sorted(found.values(), key=lambda each: self._order[id(each)]):
            if key.name != thumbprint:
                yield Copy(key, CopyState.MISNAMED)
            elif id(key) in holding:
                yield Copy(key, CopyState.SOUND if key.stored.blob is not None else CopyState.ODD_TYPE)
            else:
                yield Copy(key, CopyState.DAMAGED)

    @cached_property
    def _order(self) -> dict[int, int]:
        return {id(key): number for number, key in enumerate(self.keys)}

    @cached_property
    def _by_name(self) -> dict[str, list[Key]]:
        return _indexed(self.keys, lambda key: key.name)

    @cached_property
    def _by_der(self) -> dict[bytes, list[Key]]:
        return _indexed(self._readable, lambda key: key.der)

    @cached_property
    def _by_sha1(self) -> dict[str, list[Key]]:
        return _indexed(self._readable, lambda key: key.sha1)

    @cached_property
    def _by_sha256(self) -> dict[str, list[Key]]:
        return _indexed(self._readable, lambda key: hashlib.sha256(key.der).hexdigest().upper())

    @property
    def _readable(self) -> Iterator[Key]:
        return (key for key in self.keys if key.blob is not None)

    def _by_hash(self, thumbprint: str) -> Certificate | None:
        index = self._by_sha256 if is_sha256(thumbprint) else self._by_sha1
        for key in index.get(thumbprint, ())[:1]:
            try:
                return Certificate.from_der(key.der, key.name)
            except CertificateError:
                return None
        return None


def _indexed(keys: Iterable[Key], by: Callable[[Key], _T]) -> dict[_T, list[Key]]:
    found: dict[_T, list[Key]] = {}
    for key in keys:
        found.setdefault(by(key), []).append(key)
    return found


def read_key(stored: StoredCertificate) -> Key:
    """Read what a key holds, whatever its name and the type of its value."""
    name = stored.key_name.upper()
    try:
        blob = parse(stored.data, f"the key {stored.key_name}")
    except BlobError as error:
        return Key(stored, name, None, b"", "", error.message)
    der = blob.certificate_der
    return Key(stored, name, blob, der, hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(), "")
