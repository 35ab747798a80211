"""Whether an image distrusts a certificate: the store Disallowed, and the lists of distrusted certificates.

Asked by every command in the same way. A certificate is distrusted when

- a key of Disallowed has its SHA-1 as name, whatever the key holds (the stricter reading: that a key without
  a Blob counts is not documented), in any of the three locations;
- a key of Disallowed under any name holds it, or holds its SHA-1, MD5, SHA-256 or signature hash as a
  property, or, in place of a certificate, the MD5 of its public key ("properties are used for disallowed
  hashes", wincrypt.h);
- it is on a list (`winpe_certs.certs.trust_list`).

What cannot be read might name any certificate, so it is kept apart: it makes an answer uncertain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from winpe_certs.certs.blob import Blob, PropertyId, parse_properties
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.certs.trust_list import TrustList, public_key_hash, read_trust_list, signature_hash
from winpe_certs.errors import BlobError
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, StoredList

_HASHES: Final = (
    PropertyId.SHA1_HASH,
    PropertyId.MD5_HASH,
    PropertyId.SHA256_HASH,
    PropertyId.SIGNATURE_HASH,
)
_MOST_LISTS: Final = 64
_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class DistrustedBy:
    """What distrusts a certificate: a key of Disallowed, or a list, in words (`place`).

    `location` is that of the store, None for a list. `holds_it` says that the key has the certificate or its
    SHA-1 as name, so that whoever looks for the certificate there finds it.
    """

    place: str
    location: Location | None = None
    holds_it: bool = False

    @property
    def may_be_taken_out(self) -> bool:
        """Whether ``remove --store Disallowed`` takes it out: other places are filled by others."""
        return self.location is Location.MACHINE and self.holds_it


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of Disallowed; `number` counts them in the order of the hive."""

    number: int
    place: str
    location: Location


@dataclass(frozen=True, slots=True)
class _List:
    path: str
    content: TrustList


@dataclass(frozen=True)
class Distrust:
    """All that an image distrusts.

    `unread` names, in words, what cannot be read; none of that can be ruled out for any certificate.
    """

    unread: tuple[str, ...] = ()
    _holders: Mapping[bytes, _Entry] = field(default_factory=dict)
    _hashers: Mapping[bytes, _Entry] = field(default_factory=dict)
    _lists: tuple[_List, ...] = ()
    _known: dict[bytes, DistrustedBy | None] = field(default_factory=dict, compare=False)

    @classmethod
    def from_stored(cls, stored: StoredCertificates) -> Distrust:
        """Read the store Disallowed and the lists of an image."""
        keys = _Keys()
        for each in stored.certificates:
            if each.store == Store.DISALLOWED:
                keys.add(each)
        lists: list[_List] = []
        unread = keys.unread
        for found in stored.distrusted[:_MOST_LISTS]:
            _add_list(found, lists, unread)
        if len(stored.distrusted) > _MOST_LISTS:
            unread.append(f"lists of distrusted certificates after the first {_MOST_LISTS}")
        if len(unread) > _MOST_SHOWN:
            unread[_MOST_SHOWN:] = [f"{len(unread) - _MOST_SHOWN} more of that kind"]
        return cls(tuple(unread), keys.holders, keys.hashers, tuple(lists))

    def by_name(self, thumbprint: str) -> DistrustedBy | None:
        """The key of Disallowed with this name, for a certificate of which nothing else is known."""
        entry = self._holders.get(_name(thumbprint))
        return None if entry is None else DistrustedBy(entry.place, entry.location, holds_it=True)

    def of(self, certificate: Certificate) -> DistrustedBy | None:
        """What distrusts a certificate; None when nothing that can be read does."""
        if certificate.der not in self._known:
            self._known[certificate.der] = self._find(certificate)
        return self._known[certificate.der]

    def doubts(self, certificate: Certificate | None) -> tuple[str, ...]:
        """What cannot be ruled out for a certificate that `of` knows nothing against, in words.

        None is for a certificate of which only the thumbprint is known.
        """
        unsure = tuple(
            f"{each.path} (no hash of this certificate can be worked out that it uses)"
            for each in self._lists
            if certificate is None or each.content.names(certificate) is None
        )
        return (*self.unread, *unsure)

    def _find(self, certificate: Certificate) -> DistrustedBy | None:
        holders = [self._holders.get(each) for each in (_name(certificate.thumbprint), certificate.der)]
        hashers = [self._hashers.get(each) for each in _hashes(certificate)] if self._hashers else []
        for found, holds_it in ((holders, True), (hashers, False)):
            entries = [entry for entry in found if entry is not None]
            if entries:
                first = min(entries, key=lambda entry: entry.number)
                return DistrustedBy(first.place, first.location, holds_it)
        for each in self._lists:
            if each.content.names(certificate):
                return DistrustedBy(f"the list of distrusted certificates {each.path}")
        return None


@dataclass(slots=True)
class _Keys:
    """The keys of Disallowed by what they say of a certificate.

    `holders` are found by the name of a key or the certificate in it, `hashers` by a hash in it, the number
    of its property in front. `unread` names those whose Blob cannot be read.
    """

    holders: dict[bytes, _Entry] = field(default_factory=dict)
    hashers: dict[bytes, _Entry] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, stored: StoredCertificate) -> None:
        place = place_in_words(Store.DISALLOWED, stored.location)
        entry = _Entry(self.count, f"{place} (key {stored.key_name})", stored.location)
        self.count += 1
        self.holders.setdefault(_name(stored.key_name.upper()), entry)
        # Nobody means anything else by a name with blanks around it, but whoever looks for it finds no key.
        self.hashers.setdefault(_marked(PropertyId.SHA1_HASH, _digits(stored.key_name)), entry)
        blob = Blob(())
        if stored.data:
            try:
                blob = parse_properties(stored.data, stored.key_name)
            except BlobError:
                self.unread.append(f"the key {stored.key_name} in {place}")
        certificates = blob.all(PropertyId.CERTIFICATE)
        for der in certificates:
            self.holders.setdefault(der, entry)
        # Beside a certificate a hash of its key is only a cached property: others may have the same key.
        for number in _HASHES if certificates else (*_HASHES, PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH):
            for digest in blob.all(number):
                self.hashers.setdefault(_marked(number, digest), entry)


def _name(thumbprint: str) -> bytes:
    """A name as a key of an index: no certificate begins like that."""
    return b"name " + thumbprint.encode("utf-8", "surrogatepass")


def _digits(name: str) -> bytes:
    try:
        return bytes.fromhex(name.strip())
    except ValueError:
        return b""


def _hashes(certificate: Certificate) -> frozenset[bytes]:
    """Every hash by which a key may name a certificate, with the property that is for it in front.

    One hash must not be taken for another of the same length.
    """
    der = certificate.der
    found = {
        PropertyId.SHA1_HASH: hashlib.sha1(der, usedforsecurity=False).digest(),
        PropertyId.MD5_HASH: hashlib.md5(der, usedforsecurity=False).digest(),
        PropertyId.SHA256_HASH: hashlib.sha256(der).digest(),
        PropertyId.SIGNATURE_HASH: signature_hash(certificate),
        PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH: public_key_hash(certificate),
    }
    return frozenset(_marked(number, digest) for number, digest in found.items() if digest is not None)


def _marked(number: int, digest: bytes) -> bytes:
    return bytes([number]) + digest


def _add_list(found: StoredList, lists: list[_List], unread: list[str]) -> None:
    try:
        contents: Iterable[bytes] = (found.data,)
        if found.is_blob:
            contents = parse_properties(found.data, found.path).all(PropertyId.TRUST_LIST)
        for content in contents:
            read = read_trust_list(content)
            if read.is_known or not read.identifiers:
                lists.append(_List(found.path, read))
            else:
                unread.append(f"the list {found.path} (its algorithm {read.algorithm} is not known)")
    except (BlobError, DerError) as error:
        unread.append(f"the list {found.path} ({_why(error)})")


def _why(error: BlobError | DerError) -> str:
    return error.message if isinstance(error, BlobError) else str(error)
