"""The stores of an image as Windows sees them: which certificates it would trust, build with, or refuse.

Which stores count for what is said by `winpe_certs.trust.copies`, and what is distrusted by
`winpe_certs.trust.distrust`. Whether Windows PE differs from Windows here is not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from winpe_certs.certs.blob import cached_hash_errors
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.errors import CertificateError
from winpe_certs.findings import Severity
from winpe_certs.trust.copies import COUNTING_STORES, Copies, Key, counts
from winpe_certs.trust.distrust import Distrust
from winpe_certs.trust.limits import Limits, limits_of
from winpe_certs.verification.stored import StoredCertificates

_T = TypeVar("_T")
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate in one store of the image, with what its properties take away.

    `has_wrong_hash`: the SHA-1 that its Blob keeps is not its own.
    """

    certificate: Certificate
    store: str
    location: Location
    limits: Limits
    has_wrong_hash: bool = False

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
        return counts(self.store, self.location, is_root=True)

    @property
    def is_anchor(self) -> bool:
        """Whether chains may end at it: a root in a root store, nothing else."""
        return self.is_in_root_store and self.certificate.is_self_signed

    @property
    def is_issuer(self) -> bool:
        """Whether Windows finds it when it looks for a missing intermediate."""
        return counts(self.store, self.location, is_root=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """A certificate of the image that cannot be read: its place in words, and its store.

    `der` is None where there is no certificate to speak of: a damaged Blob, or one under another's name.
    `name` is that of its key, in upper case, and `location` where the store is. `is_damaged` says that the
    key does not hold the certificate of its name.
    """

    place: str
    der: bytes | None
    store: str
    name: str
    location: Location
    is_damaged: bool = True

    @property
    def store_place(self) -> str:
        """The store in words."""
        return place_in_words(self.store, self.location)

    def may_be_issuer_of(self, child: Certificate) -> bool:
        """Whether the name that a certificate names as its issuer is somewhere in these bytes."""
        if self.der is None or self.store not in COUNTING_STORES or child.issuer_name.is_empty:
            return False
        return has_name_of_issuer(self.der, child)


def has_name_of_issuer(der: bytes, child: Certificate) -> bool:
    """Whether bytes that cannot be read hold the name of a certificate's issuer, in capitals or not."""
    return child.issuer_name.der.lower() in der.lower()


@dataclass(frozen=True)
class ImageStores:
    """Everything that an image holds.

    `held` are the certificates that Windows takes for what they are, `doubtful` the copies of others that
    can be read and are under another name, or in a value that is not binary: whether they count is not
    documented. `distrusted` are the certificates of Disallowed that can be read, `distrust` is all that the
    image distrusts. `unreadable` are the certificates that cannot be read.
    """

    held: tuple[Held, ...]
    distrusted: tuple[Held, ...]
    distrust: Distrust
    unreadable: tuple[Unread, ...]
    doubtful: tuple[Held, ...] = ()

    @classmethod
    def from_stored(cls, stored: StoredCertificates) -> ImageStores:
        """Sort what was read from a hive."""
        return cls.from_copies(Copies(stored))

    @classmethod
    def from_copies(cls, copies: Copies) -> ImageStores:
        """Sort what was read from a hive, and is asked other questions as well."""
        held: list[Held] = []
        distrusted: list[Held] = []
        doubtful: list[Held] = []
        unreadable: list[Unread] = []
        for key in copies.keys:
            store, location = key.stored.store, key.stored.location
            place = f"{key.name} in {key.place}"
            found = _held(key)
            if found is None or found.certificate.fault:
                der = None if found is None else found.certificate.der
                is_damaged = key.sha1 != key.name
                unreadable.append(Unread(place, der, store, key.name, location, is_damaged))
            elif store == Store.DISALLOWED:
                distrusted.append(found)
            elif key.is_sound:
                held.append(found)
            else:
                doubtful.append(found)
                is_damaged = key.sha1 != key.name
                unreadable.append(Unread(place, None, store, key.name, location, is_damaged))
        return cls(tuple(held), tuple(distrusted), copies.distrust, tuple(unreadable), tuple(doubtful))

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

    def copies_of(self, certificate: Certificate) -> tuple[Held, ...]:
        """Every copy that can be read, the doubtful ones too."""
        return (*self.places_of(certificate), *self._doubtful_by_der.get(certificate.der, ()))

    def damaged_copies_of(self, certificate: Certificate) -> tuple[Unread, ...]:
        """The keys that have its name and hold nothing that can be read, or another certificate."""
        return self._unreadable_by_name.get(certificate.thumbprint, ())

    @cached_property
    def _by_der(self) -> dict[bytes, tuple[Held, ...]]:
        return _grouped(self.held, lambda each: each.certificate.der)

    @cached_property
    def _doubtful_by_der(self) -> dict[bytes, tuple[Held, ...]]:
        return _grouped(self.doubtful, lambda each: each.certificate.der)

    @cached_property
    def _unreadable_by_name(self) -> dict[str, tuple[Unread, ...]]:
        return _grouped([each for each in self.unreadable if each.is_damaged], lambda each: each.name)


def _held(key: Key) -> Held | None:
    """What a key holds; None when that is no certificate at all."""
    if key.blob is None:
        return None
    try:
        certificate = Certificate.from_der(key.der, key.stored.key_name)
    except CertificateError:
        return None
    wrong = any(each.severity is Severity.ERROR for each in cached_hash_errors(key.blob))
    return Held(certificate, key.stored.store, key.stored.location, limits_of(key.blob), wrong)


def _grouped(items: Iterable[_T], by: Callable[[_T], _K]) -> dict[_K, tuple[_T, ...]]:
    found: dict[_K, list[_T]] = {}
    for item in items:
        found.setdefault(by(item), []).append(item)
    return {key: tuple(group) for key, group in found.items()}


def _each_once(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple({each.der: each for each in certificates}.values())
