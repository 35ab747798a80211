"""The stores of an image as Windows sees them: which certificates it would trust, build with, or refuse.

Microsoft, "System Store Locations": the logical root store of the machine is the union of ROOT, AuthRoot and
the ROOT stores of group policy and enterprise. Their variants of AuthRoot are not trusted (tests of the
project certinject on real Windows). Whether Windows PE differs from Windows here is not documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.trust.limits import Limits, limits_of
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates

_ROOT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT)
_COUNTING: Final = (*_ROOT_STORES, Store.CA)


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate in one store of the image, with what its properties take away."""

    certificate: Certificate
    store: str
    location: Location
    limits: Limits

    @property
    def place(self) -> str:
        """The store in words."""
        return place_in_words(self.store, self.location)

    @property
    def is_the_machines(self) -> bool:
        """Whether it stands where this program writes; policy and enterprise stores are filled elsewhere."""
        return self.location is Location.MACHINE

    @property
    def is_in_root_store(self) -> bool:
        """Whether it stands where Windows takes roots from."""
        return self.store in _ROOT_STORES and (self.store == Store.ROOT or self.location is Location.MACHINE)

    @property
    def is_anchor(self) -> bool:
        """Whether chains may end at it: a root in a root store, nothing else."""
        return self.is_in_root_store and self.certificate.is_self_signed

    @property
    def is_issuer(self) -> bool:
        """Whether Windows finds it when it looks for a missing intermediate."""
        return self.store == Store.CA


@dataclass(frozen=True, slots=True)
class Unread:
    """A certificate of the image that cannot be read: its place in words, and its store.

    `der` is None where there is no certificate to speak of: a damaged Blob, or one under another's name.
    """

    place: str
    der: bytes | None
    store: str

    def may_be_issuer_of(self, child: Certificate) -> bool:
        """Whether the name that a certificate names as its issuer is somewhere in these bytes."""
        if self.der is None or self.store not in _COUNTING or child.issuer_name.is_empty:
            return False
        return has_name_of_issuer(self.der, child)


def has_name_of_issuer(der: bytes, child: Certificate) -> bool:
    """Whether bytes that cannot be read hold the name of a certificate's issuer, in capitals or not."""
    return child.issuer_name.der.lower() in der.lower()


@dataclass(frozen=True)
class ImageStores:
    """Everything that an image holds.

    `distrusted` are the certificates of Disallowed that can be read, `disallowed` the thumbprints of all of
    them, each with the place where it is. `unreadable` are the certificates that cannot be read.
    """

    held: tuple[Held, ...]
    distrusted: tuple[Held, ...]
    disallowed: Mapping[str, tuple[str, Location]]
    unreadable: tuple[Unread, ...]

    @classmethod
    def from_stored(cls, stored: StoredCertificates) -> ImageStores:
        """Sort what was read from a hive."""
        held: list[Held] = []
        distrusted: list[Held] = []
        disallowed: dict[str, tuple[str, Location]] = {}
        unreadable: list[Unread] = []
        for each in stored.certificates:
            is_distrusted = each.store == Store.DISALLOWED
            if is_distrusted:
                disallowed.setdefault(each.key_name.upper(), (each.key_name, each.location))
            place = f"{each.key_name.upper()} in {place_in_words(each.store, each.location)}"
            try:
                found = _held(each, by_any_name=is_distrusted)
            except (BlobError, CertificateError):
                unreadable.append(Unread(place, None, each.store))
                continue
            if found.certificate.fault:
                unreadable.append(Unread(place, found.certificate.der, each.store))
                continue
            (distrusted if is_distrusted else held).append(found)
            if is_distrusted:
                disallowed.setdefault(found.certificate.thumbprint, (each.key_name, each.location))
        return cls(tuple(held), tuple(distrusted), disallowed, tuple(unreadable))

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The roots that chains may end at, each once."""
        return _each_once(held.certificate for held in self.held if held.is_anchor)

    @property
    def intermediates(self) -> tuple[Certificate, ...]:
        """The certificates that fill the gaps of a chain, each once."""
        return _each_once(held.certificate for held in self.held if held.is_issuer)

    def places_of(self, certificate: Certificate) -> tuple[Held, ...]:
        """Every store that holds this certificate."""
        return self._by_der.get(certificate.der, ())

    @cached_property
    def _by_der(self) -> dict[bytes, tuple[Held, ...]]:
        found: dict[bytes, list[Held]] = {}
        for held in self.held:
            found.setdefault(held.certificate.der, []).append(held)
        return {der: tuple(places) for der, places in found.items()}


def _held(stored: StoredCertificate, *, by_any_name: bool) -> Held:
    """Windows takes a certificate by its key's name; with another one inside it is not that certificate.

    For Disallowed the stricter reading is taken: what is inside counts as well.
    """
    if stored.blob is None:
        raise BlobError(f"the key {stored.key_name} has no Blob")
    blob = parse(stored.blob, stored.key_name)
    certificate = Certificate.from_der(blob.certificate_der, stored.key_name)
    if certificate.thumbprint != stored.key_name.upper() and not by_any_name:
        raise BlobError(f"the key {stored.key_name} holds another certificate")
    return Held(certificate, stored.store, stored.location, limits_of(blob))


def _each_once(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple({each.der: each for each in certificates}.values())
