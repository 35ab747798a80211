"""Whether the issuer of an intermediate goes into an image with it, or is there already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.signatures import is_signed_by
from winpe_certs.certs.stores import BLOB_VALUE, Location, Store, store_key
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.findings import Finding, Severity
from winpe_certs.regf.reading import Hive
from winpe_certs.trust.issuers import is_issuer
from winpe_certs.verification.stored import StoredCertificate

ISSUER_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)
_NO_ROOT: Final = "not-self-signed"


def needs_issuer(findings: Iterable[Finding]) -> bool:
    """Whether a certificate was found to be no root."""
    return any(finding.code == _NO_ROOT for finding in findings)


def stored_certificates(hive: Hive, origin: str, without: Collection[str]) -> Iterator[Certificate]:
    """The readable certificates that chains of an image can go through, `without` those thumbprints."""
    for location in Location:
        for store in ISSUER_STORES:
            for name in hive.subkeys(store_key(store, location)) or ():
                value = hive.value((*store_key(store, location), name), BLOB_VALUE)
                if value is None or name.upper() in without:
                    continue
                try:
                    der = parse(value[1], origin).certificate_der
                    yield Certificate.from_der(der, f"{origin}, key {name}")
                except (BlobError, CertificateError):
                    continue


def namesakes_of_issuer(child: Certificate, stored: Iterable[StoredCertificate]) -> Iterator[Certificate]:
    """The readable certificates of an image, in stores that chains go through, with the name of an issuer.

    Most certificates have other names, and those are not read at all.
    """
    for each in stored:
        if each.store in ISSUER_STORES and each.blob is not None and child.issuer_name.der in each.blob:
            try:
                der = parse(each.blob, each.key_name).certificate_der
                yield Certificate.from_der(der, each.key_name)
            except (BlobError, CertificateError):
                continue


def with_issuer(
    findings: tuple[Finding, ...], certificate: Certificate, issuers: Iterable[Certificate]
) -> tuple[Finding, ...]:
    """The findings, where missing its root is no warning when the issuer is among `issuers`."""
    found = next((each for each in issuers if _has_issued(each, certificate)), None)
    if found is None:
        return findings
    return tuple(
        replace(
            finding,
            severity=Severity.INFO,
            message=f"This is an intermediate; the image has its issuer ({found.subject}).",
            advice="",
        )
        if finding.code == _NO_ROOT
        else finding
        for finding in findings
    )


def _has_issued(candidate: Certificate, child: Certificate) -> bool:
    """By name and identifiers, and by the signature: a namesake with another key does not count."""
    if child.structure is None or not is_issuer(candidate, child):
        return False
    return is_signed_by(child.structure, candidate.key.info) is True
