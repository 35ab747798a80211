"""What there is to say of one certificate in one store: facts, findings, status."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from winpe_certs.certs.blob import Blob, cached_hash_errors, narrowing, parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.store_findings import concerning, examine_in
from winpe_certs.certs.stores import place_in_words
from winpe_certs.edits import ValueType
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.findings import Finding, Severity
from winpe_certs.results import CertificateResult, Status
from winpe_certs.verification.stored import StoredCertificate
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.issuers import namesakes_of_issuer, needs_issuer, with_issuer

DISALLOWED = Finding(
    "disallowed",
    Severity.ERROR,
    "It is also in the store Disallowed, so Windows refuses it wherever else it is.",
    "Take it out of that store first, with remove and --store Disallowed.",
)


def result_for(
    certificate: Certificate, store: str, status: Status, findings: tuple[Finding, ...]
) -> CertificateResult:
    """A result with the facts of a certificate, as far as they are known."""
    return CertificateResult(
        thumbprint=certificate.thumbprint,
        store=store,
        status=status,
        sha256=certificate.sha256,
        subject=None if certificate.fault else certificate.subject,
        issuer=None if certificate.fault else certificate.issuer,
        serial=certificate.serial or None,
        key=certificate.key_words or None,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        findings=findings,
    )


def blob_findings(blob: Blob) -> tuple[Finding, ...]:
    """What the properties of a Blob do to the certificate."""
    return (*narrowing(blob), *cached_hash_errors(blob))


def read_blob(
    data: bytes | None, thumbprint: str, origin: str, odd_value: tuple[int, bytes] | None = None
) -> Blob:
    """The Blob of a certificate's key; raises `BlobError` unless it holds the certificate of that name.

    `odd_value` is the type and data of a value Blob that is not binary; `data` is None then.
    """
    if data is None:
        kind = f" (its type is {type_words(odd_value[0])})" if odd_value is not None else ""
        raise BlobError(
            f"{origin}: the key {thumbprint} has no binary value named Blob{kind}",
            resolution="Inject the certificate again.",
        )
    blob = parse(data, f"{origin}, key {thumbprint}")
    found = hashlib.sha1(blob.certificate_der, usedforsecurity=False).hexdigest().upper()
    if found != thumbprint.upper():
        raise BlobError(
            f"{origin}: the key {thumbprint} holds another certificate ({found})",
            resolution="Remove the key and inject the right certificate.",
        )
    return blob


def type_words(kind: int) -> str:
    """The name of a value type, or its number."""
    return f"REG_{ValueType(kind).name}" if kind in {each.value for each in ValueType} else str(kind)


def place_name(stored: StoredCertificate) -> str:
    """A store's name, with its location when that is not the machine's own."""
    return place_in_words(stored.store, stored.location)


def stored_result(
    stored: StoredCertificate, origin: str, moment: Moment, beside: Iterable[StoredCertificate] = ()
) -> CertificateResult:
    """The result for a certificate of an image; `beside` are all certificates of that image.

    It is `DIFFERENT` when it is not what its key says, or when properties of its Blob take trust away.
    """
    thumbprint, place = stored.key_name.upper(), place_name(stored)
    try:
        blob = read_blob(stored.blob, thumbprint, origin, stored.odd_value)
    except BlobError as error:
        damage = Finding("damaged", Severity.ERROR, error.message, error.resolution)
        return CertificateResult(thumbprint, place, Status.DIFFERENT, findings=(damage,))
    limits = concerning(blob_findings(blob), stored.store)
    is_limited = any(finding.severity is Severity.ERROR for finding in limits)
    status = Status.DIFFERENT if is_limited else Status.PRESENT
    limits = (*limits, *_odd_name(stored))
    try:
        certificate = Certificate.from_der(blob.certificate_der, f"{origin}, key {thumbprint}")
    except CertificateError as error:
        # Its SHA-1 says that it is intact, and what Windows makes of it is not known.
        odd = Finding("unreadable", Severity.WARNING, error.message, error.details)
        return CertificateResult(thumbprint, place, status, findings=(odd, *limits))
    found = tuple(map(_where_it_is, examine_in(certificate, stored.store, moment.at)))
    if needs_issuer(found):
        found = with_issuer(found, certificate, namesakes_of_issuer(certificate, beside))
    return result_for(certificate, place, status, (*found, *limits))


def _where_it_is(finding: Finding) -> Finding:
    """A finding about a certificate that an image has: one that cannot be read is not in the way there."""
    if finding.code != "unreadable":
        return finding
    return replace(
        finding,
        severity=Severity.WARNING,
        advice="Its SHA-1 is the name of its key, so it is what was stored. Compare the thumbprint with "
        "the one that the PKI team publishes.",
    )


def _odd_name(stored: StoredCertificate) -> tuple[Finding, ...]:
    """A remark about a key that is not named in upper case, as scripts leave it.

    Windows compares names of keys without case. Wine's crypt32 takes only keys in upper case.
    """
    if stored.key_name == stored.key_name.upper():
        return ()
    return (
        Finding(
            "lower-case-key",
            Severity.INFO,
            f"Its key is named {stored.key_name}, and not in upper case as Windows writes it.",
            "Windows compares names of keys without case; other readers, such as Wine's crypt32, pass such a "
            "key by. Inject the certificate again, and its name is in upper case.",
        ),
    )
