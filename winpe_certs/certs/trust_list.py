"""A certificate trust list (CTL), read as a list of distrusted certificates: what it names, and how.

A CTL is the content 1.3.6.1.4.1.311.10.1 of a PKCS #7 SignedData (szOID_CTL, CTL_INFO; wincrypt.h): version,
usages, identifier, number, dates, the algorithm of its subject identifiers, then the entries. Windows keeps
Microsoft's list of distrusted certificates so, in the value DisallowedCertEncodedCtl (Microsoft, "Configure
trusted roots and disallowed certificates"), and any CTL in the subkeys CTLs of a store.

An identifier is a hash of the certificate, by the algorithm that the list names. szOID_DISALLOWED_HASH
(1.3.6.1.4.1.311.10.11.15, wincrypt.h) is not one hash but two: "the CERT_SIGNATURE_HASH_PROP_ID and
CERT_SUBJECT_PUBLIC_KEY_MD5_HASH_PROP_ID properties". The first is the hash of the signed part by the hash of
the certificate's own signature (CryptHashToBeSigned), the second the MD5 of the bits of its public key.

The signature of the list is not checked, and neither are its dates: a list that Windows may not believe can
only make the answer stricter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import (
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Element,
    bits,
    expect,
    object_identifier,
    read_element,
    read_whole,
)

SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
TRUST_LIST: Final = "1.3.6.1.4.1.311.10.1"
DISALLOWED_HASH: Final = "1.3.6.1.4.1.311.10.11.15"

_EXPLICIT: Final = 0xA0
_TIMES: Final = (0x17, 0x18)
_WHOLE_CERTIFICATE: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.2.840.113549.2.5": "md5",
    # Properties of a certificate, as object identifiers (szOID_CERT_PROP_ID_PREFIX, wincrypt.h).
    "1.3.6.1.4.1.311.10.11.3": "sha1",
    "1.3.6.1.4.1.311.10.11.4": "md5",
    "1.3.6.1.4.1.311.10.11.107": "sha256",
}
_MOST_ENTRIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class TrustList:
    """The entries of a list, each the hash of a certificate by `algorithm` (dotted form)."""

    algorithm: str
    identifiers: frozenset[bytes]

    @property
    def is_known(self) -> bool:
        """Whether the list can be searched for a certificate."""
        return self.algorithm == DISALLOWED_HASH or self.algorithm in _WHOLE_CERTIFICATE

    def names(self, certificate: Certificate) -> bool | None:
        """Whether a certificate is on the list; None when its hash cannot be worked out."""
        if not self.identifiers:
            return False
        if self.algorithm in _WHOLE_CERTIFICATE:
            used = _WHOLE_CERTIFICATE[self.algorithm]
            return hashlib.new(used, certificate.der, usedforsecurity=False).digest() in self.identifiers
        if self.algorithm != DISALLOWED_HASH:
            return None
        hashes = (signature_hash(certificate), public_key_hash(certificate))
        if any(each in self.identifiers for each in hashes):
            return True
        return None if None in hashes else False


def signature_hash(certificate: Certificate) -> bytes | None:
    """CERT_SIGNATURE_HASH_PROP_ID: the signed part by the hash of the signature.

    None where the algorithm has no hash that is known, and of a certificate that cannot be read.
    """
    used = certificate.signature_hash
    if certificate.structure is None or used is None:
        return None
    try:
        return hashlib.new(used, certificate.structure.signed, usedforsecurity=False).digest()
    except ValueError:
        # MD2, and MD4 where OpenSSL's old algorithms are not loaded.
        return None


def public_key_hash(certificate: Certificate) -> bytes | None:
    """CERT_SUBJECT_PUBLIC_KEY_MD5_HASH_PROP_ID: the MD5 of the bits of the public key; None if unreadable."""
    if certificate.structure is None:
        return None
    try:
        parts = certificate.structure.key.children()
        return hashlib.md5(bits(parts[1]), usedforsecurity=False).digest()
    except (DerError, IndexError):
        return None


def read_trust_list(data: bytes) -> TrustList:
    """Read a signed CTL; raises `DerError` for anything else."""
    outer = list(_parts(read_whole(data), 2))
    if object_identifier(outer[0]) != SIGNED_DATA:
        raise DerError(0, "no signed data")
    signed = _parts(_only(expect(outer[1], _EXPLICIT, "the signed data")), 3)
    content = list(_parts(expect(signed[2], SEQUENCE, "the content"), 2))
    if object_identifier(content[0]) != TRUST_LIST:
        raise DerError(content[0].start, "the signed content is no trust list")
    inner = _only(expect(content[1], _EXPLICIT, "the content"))
    if inner.tag == OCTET_STRING:
        # As CMS (RFC 5652) has it, and not PKCS #7; both are found.
        inner = read_whole(inner.value)
    return _read(expect(inner, SEQUENCE, "the trust list"))


def _read(trust_list: Element) -> TrustList:
    fields = trust_list.children()
    at = 0
    if fields and fields[at].tag == INTEGER:
        at += 1
    usages = _field(trust_list, fields, at)
    expect(usages, SEQUENCE, "the list of usages")
    at += 1
    for optional in (OCTET_STRING, INTEGER):
        at += _field(trust_list, fields, at).tag == optional
    for is_needed in (True, False):
        if _field(trust_list, fields, at).tag in _TIMES:
            at += 1
        elif is_needed:
            raise DerError(fields[at].start, "the list has no date")
    algorithm = object_identifier(_parts(expect(fields[at], SEQUENCE, "the algorithm"), 1)[0])
    entries = fields[at + 1] if at + 1 < len(fields) else None
    if entries is None or entries.tag == _EXPLICIT:
        return TrustList(algorithm, frozenset())
    return TrustList(algorithm, frozenset(_identifiers(expect(entries, SEQUENCE, "the entries"))))


def _identifiers(entries: Element) -> Iterator[bytes]:
    count, offset = 0, entries.content
    while offset < entries.end:
        entry = expect(read_element(entries.source, offset, entries.end), SEQUENCE, "an entry")
        identifier = read_element(entries.source, entry.content, entry.end)
        yield expect(identifier, OCTET_STRING, "the identifier of an entry").value
        count, offset = count + 1, entry.end
        if count > _MOST_ENTRIES:
            raise DerError(offset, f"more than {_MOST_ENTRIES} entries")


def _field(trust_list: Element, fields: list[Element], at: int) -> Element:
    if at >= len(fields):
        raise DerError(trust_list.start, "the trust list ends too early")
    return fields[at]


def _parts(element: Element, least: int) -> list[Element]:
    parts = element.children()
    if len(parts) < least:
        raise DerError(element.start, f"{len(parts)} parts where {least} are needed")
    return parts


def _only(element: Element) -> Element:
    parts = _parts(element, 1)
    if len(parts) > 1:
        raise DerError(parts[1].start, "more than one thing where one is allowed")
    return parts[0]
