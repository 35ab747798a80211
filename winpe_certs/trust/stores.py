"""The stores of an image as Windows sees them: which certificates it would trust, build with, or refuse.

Microsoft, "System Store Locations": the logical root store of the machine is the union of ROOT, AuthRoot and
the ROOT stores of group policy and enterprise. Their variants of AuthRoot are not trusted (tests of the
project certinject on real Windows). Whether Windows PE differs from Windows here is not documented.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.trust.limits import Limits, limits_of
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates

_ROOT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT)


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
class ImageStores:
    """Everything that an image holds; `unreadable` are places and thumbprints of what could not be read."""

    held: tuple[Held, ...]
    disallowed: frozenset[str]
    unreadable: tuple[str, ...]

    @classmethod
    def from_stored(cls, stored: StoredCertificates) -> ImageStores:
        """Sort what was read from a hive."""
        held: list[Held] = []
        unreadable: list[str] = []
        for each in stored.certificates:
            if each.store == Store.DISALLOWED:
                continue
            try:
                held.append(_held(each))
            except (BlobError, CertificateError):
                unreadable.append(f"{each.key_name.upper()} in {place_in_words(each.store, each.location)}")
        disallowed = frozenset(
            each.key_name.upper() for each in stored.certificates if each.store == Store.DISALLOWED
        )
        return cls(tuple(held), disallowed, tuple(unreadable))

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
        return tuple(held for held in self.held if held.certificate.der == certificate.der)


def _held(stored: StoredCertificate) -> Held:
    if stored.blob is None:
        raise BlobError(f"the key {stored.key_name} has no Blob")
    blob = parse(stored.blob, stored.key_name)
    certificate = Certificate.from_der(blob.certificate_der, stored.key_name)
    if certificate.thumbprint != stored.key_name.upper():
        # Windows takes a certificate by its key's name; with another one inside it is not that certificate.
        raise BlobError(f"the key {stored.key_name} holds another certificate")
    return Held(certificate, stored.store, stored.location, limits_of(blob))


def _each_once(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple({each.der: each for each in certificates}.values())
