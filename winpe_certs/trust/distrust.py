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
from collections.abc import Iterable
from dataclasses import dataclass, field

from winpe_certs.certs.blob import Blob, PropertyId, parse_properties
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.stores import Location, Store, place_in_words
from winpe_certs.certs.trust_list import TrustList, public_key_hash, read_trust_list, signature_hash
from winpe_certs.errors import BlobError
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, StoredList


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
    """A key of Disallowed: what it says of the certificate that it is about."""

    place: str
    location: Location
    name: str
    certificates: frozenset[bytes]
    hashes: frozenset[bytes]

    def by(self, *, holds_it: bool) -> DistrustedBy:
        return DistrustedBy(self.place, self.location, holds_it)

    def names(self, certificate: Certificate, hashes: frozenset[bytes]) -> DistrustedBy | None:
        holds_it = self.name == certificate.thumbprint or certificate.der in self.certificates
        if holds_it or self.name.strip() == certificate.thumbprint or self.hashes & hashes:
            return self.by(holds_it=holds_it)
        return None


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
    _entries: tuple[_Entry, ...] = ()
    _lists: tuple[_List, ...] = ()
    _known: dict[bytes, DistrustedBy | None] = field(default_factory=dict, compare=False)

    @classmethod
    def from_stored(cls, stored: StoredCertificates) -> Distrust:
        """Read the store Disallowed and the lists of an image."""
        entries: list[_Entry] = []
        unread: list[str] = []
        for each in stored.certificates:
            if each.store == Store.DISALLOWED:
                _add_key(each, entries, unread)
        lists: list[_List] = []
        for found in stored.distrusted:
            _add_list(found, lists, unread)
        return cls(tuple(unread), tuple(entries), tuple(lists))

    def by_name(self, thumbprint: str) -> DistrustedBy | None:
        """The key of Disallowed with this name, for a certificate of which nothing else is known."""
        return next((each.by(holds_it=True) for each in self._entries if each.name == thumbprint), None)

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
        if self._entries:
            hashes = _hashes(certificate)
            for entry in self._entries:
                found = entry.names(certificate, hashes)
                if found is not None:
                    return found
        for each in self._lists:
            if each.content.names(certificate):
                return DistrustedBy(f"the list of distrusted certificates {each.path}")
        return None


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


def _add_key(stored: StoredCertificate, entries: list[_Entry], unread: list[str]) -> None:
    place = place_in_words(Store.DISALLOWED, stored.location)
    blob = Blob(())
    if stored.data:
        try:
            blob = parse_properties(stored.data, stored.key_name)
        except BlobError:
            unread.append(f"the key {stored.key_name} in {place}")
    certificates = frozenset(blob.all(PropertyId.CERTIFICATE))
    numbers = [PropertyId.SHA1_HASH, PropertyId.MD5_HASH, PropertyId.SHA256_HASH, PropertyId.SIGNATURE_HASH]
    if not certificates:
        # Beside a certificate it is only a cached property, and other certificates may have the same key.
        numbers.append(PropertyId.SUBJECT_PUBLIC_KEY_MD5_HASH)
    hashes = frozenset(_marked(number, digest) for number in numbers for digest in blob.all(number))
    entries.append(
        _Entry(
            f"{place} (key {stored.key_name})", stored.location, stored.key_name.upper(), certificates, hashes
        )
    )


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
