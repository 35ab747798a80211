"""Which certificate may have issued which: by name, and by what the child says of its issuer.

Names are compared without their encoding (RFC 5280 section 7.1). Windows then goes by the authority key
identifier: one that holds issuer and serial number fits that certificate only ("exact match"), one that holds
a key identifier fits that key only ("key match"), and without it the name decides ("name match"). Source:
Komar and Cross, "Troubleshooting Certificate Status and Revocation", Microsoft 2003; CERT_TRUST_STATUS has a
flag for each of the three. Nothing says that a key match is tried after an exact match has failed.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import AuthorityKeyIdentifier
from winpe_certs.certs.names import ComparableName


class Match(Enum):
    """How a certificate fits as the issuer of another.

    `OTHER_KEY` and `OTHER_CERTIFICATE` have the issuer's name, but the child names another key, or another
    certificate by its serial number.
    """

    FITS = auto()
    OTHER_KEY = auto()
    OTHER_CERTIFICATE = auto()
    OTHER_NAME = auto()


def match(candidate: Certificate, child: Certificate) -> Match:
    """Say how a certificate fits as the issuer of another; signatures are not looked at."""
    if not has_issuer_name(candidate, child):
        return Match.OTHER_NAME
    named = child.extensions.authority_key
    if named is None:
        return Match.FITS
    own_key = candidate.extensions.subject_key
    has_other_key = named.key is not None and own_key is not None and named.key != own_key
    if named.serial is not None and named.issuers:
        if named.serial == candidate.serial and candidate.issuer_name.comparable in named.issuers:
            return Match.FITS
        return Match.OTHER_KEY if has_other_key else Match.OTHER_CERTIFICATE
    return Match.OTHER_KEY if has_other_key else Match.FITS


def has_named_key(candidate: Certificate, child: Certificate) -> bool:
    """Whether a certificate has the key identifier that another names, or none is named.

    Without an extension of its own it has the identifiers that are computed from its key: SHA-1 of the key
    (RFC 5280 section 4.2.1.2), or of SubjectPublicKeyInfo, as Windows stores it.
    """
    named = child.extensions.authority_key
    if named is None or named.key is None:
        return True
    own_key = candidate.extensions.subject_key
    if own_key is not None:
        return own_key == named.key
    computed = (hashlib.sha1(each, usedforsecurity=False).digest() for each in _identified_by(candidate))
    return named.key in computed


def _identified_by(certificate: Certificate) -> tuple[bytes, bytes]:
    return certificate.key.key, certificate.key.info


def is_issuer(candidate: Certificate, child: Certificate) -> bool:
    """Whether a certificate can have issued another, by its name and the identifiers of its key."""
    return match(candidate, child) is Match.FITS


def has_issuer_name(candidate: Certificate, child: Certificate) -> bool:
    """Whether a certificate carries the name that another names as its issuer."""
    if candidate.fault or child.fault:
        return False
    return candidate.subject_name.comparable == child.issuer_name.comparable


@dataclass(slots=True)
class _Namesakes:
    """Certificates of one name, each with its place in the order in which they were given."""

    everything: list[Certificate] = field(default_factory=list)
    by_key: dict[bytes | None, list[tuple[int, Certificate]]] = field(default_factory=dict)
    by_serial: dict[str, list[Certificate]] = field(default_factory=dict)

    def add(self, certificate: Certificate) -> None:
        place = len(self.everything), certificate
        self.everything.append(certificate)
        self.by_key.setdefault(certificate.extensions.subject_key, []).append(place)
        self.by_serial.setdefault(certificate.serial, []).append(certificate)

    def that_may_fit(self, named: AuthorityKeyIdentifier | None) -> list[Certificate]:
        """All that fit such an identifier, and hardly any others."""
        if named is not None and named.serial is not None and named.issuers:
            return self.by_serial.get(named.serial, [])
        if named is None or named.key is None:
            return self.everything
        with_key = (self.by_key.get(named.key, []), self.by_key.get(None, []))
        return [each for _, each in heapq.merge(*with_key, key=itemgetter(0))]


class Issuers:
    """Certificates, to be found by what they may have issued: by name, then by key or serial number."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        self._by_name: dict[ComparableName, _Namesakes] = {}
        seen: set[bytes] = set()
        for each in certificates:
            if each.fault or each.der in seen:
                continue
            seen.add(each.der)
            self._by_name.setdefault(each.subject_name.comparable, _Namesakes()).add(each)

    def of(self, child: Certificate) -> list[Certificate]:
        """Those that fit as the issuer, in the order in which they were given."""
        namesakes = self._named(child)
        if namesakes is None:
            return []
        named = child.extensions.authority_key
        found = namesakes.that_may_fit(named)
        # Only a serial number does not say everything: the issuer's own issuer counts as well.
        if named is None or named.serial is None:
            return found
        return [each for each in found if is_issuer(each, child)]

    def named(self, child: Certificate) -> list[Certificate]:
        """Those that have the issuer's name, whether they fit or not."""
        namesakes = self._named(child)
        return namesakes.everything if namesakes else []

    def _named(self, child: Certificate) -> _Namesakes | None:
        return None if child.fault else self._by_name.get(child.issuer_name.comparable)
