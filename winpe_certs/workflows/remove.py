"""``remove``: take certificates out of the hives of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import refusals
from winpe_certs.certs.stores import BLOB_VALUE, Location, Store, certificate_key, removal_edits, store_key
from winpe_certs.certs.thumbprints import is_sha256
from winpe_certs.edits import Edit
from winpe_certs.errors import BlobError, CertificateError, GuardError
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.reading import Hive
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.verification.stored import sha256_in
from winpe_certs.workflows.advice import after_removal
from winpe_certs.workflows.allowing import mark_allowed
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import result_for
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.planning import Expectation, HivePlan
from winpe_certs.workflows.writing import WriteOptions, change

# Where `inject` puts certificates, and ROOT, where other tools put them.
DEFAULT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)

# Microsoft, "Trusted root certificates that are required" (KB 293781): Windows needs these though expired.
_REQUIRED_NAMES: Final = (
    "Microsoft Root Authority",
    "Microsoft Authenticode(tm) Root Authority",
    "Thawte Timestamping CA",
    "Microsoft Root Certificate Authority",
    "Copyright (c) 1997 Microsoft Corp.",
    "NO LIABILITY ACCEPTED",
)


def remove(
    paths: Sequence[Path],
    inputs: Inputs,
    options: WriteOptions,
    *,
    stores: tuple[Store, ...] = (),
    allowed: frozenset[str] = frozenset(),
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Take every certificate out of every chosen image; without `stores` out of AuthRoot, ROOT and CA."""
    searched = stores or DEFAULT_STORES

    def plan(hive: Hive, origin: str) -> HivePlan:
        plans = [plan_removal(hive, origin, wanted, searched, allowed) for wanted in inputs.wanted]
        return HivePlan(
            tuple(edit for plan in plans for edit in plan.edits),
            tuple(expected for plan in plans for expected in plan.expected),
            tuple(result for plan in plans for result in plan.certificates),
        )

    outcome = change("remove", paths, plan, options, moment, progress)
    report = outcome.report(inputs.warnings, dry_run=options.dry_run)
    if report.changed and not options.dry_run:
        report = replace(report, advice=after_removal(outcome.changed_places, options.output))
    return report


def plan_removal(
    hive: Hive, origin: str, wanted: Wanted, stores: Sequence[Store], allowed: frozenset[str]
) -> HivePlan:
    """What takes one certificate out of these stores; raises `GuardError` for one that Windows needs."""
    edits: list[Edit] = []
    results: list[CertificateResult] = []
    if is_sha256(wanted.thumbprint):
        wanted = replace(wanted, thumbprint=_key_name(hive, wanted.thumbprint, stores))
    for store in stores:
        if hive.key_exists(certificate_key(store, wanted.thumbprint)):
            stored = _stored_certificate(hive, store, wanted, origin)
            findings = _needed(stored)
            if refusals(findings, allowed):
                raise _refusal(findings[0], stored, wanted, origin)
            edits += removal_edits(store, wanted.thumbprint)
            removed = _result(wanted, stored, store, Status.REMOVED)
            results.append(replace(removed, findings=mark_allowed(findings, allowed)))
    if not results:
        absent = _result(wanted, wanted.certificate, stores[0], Status.ABSENT)
        results.append(replace(absent, searched=tuple(stores)))
    expected = (Expectation(Location.MACHINE, store, wanted.thumbprint, None) for store in stores)
    return HivePlan(tuple(edits), tuple(expected), tuple(results))


def _stored_certificate(hive: Hive, store: Store, wanted: Wanted, origin: str) -> Certificate | None:
    """The certificate that is about to go, None when its Blob cannot be read: it may go all the same."""
    if wanted.certificate is not None:
        return wanted.certificate
    value = hive.value(certificate_key(store, wanted.thumbprint), BLOB_VALUE)
    if value is None:
        return None
    try:
        return Certificate.from_der(parse(value[1], origin).certificate_der, origin)
    except (BlobError, CertificateError):
        return None


def _key_name(hive: Hive, sha256: str, stores: Sequence[Store]) -> str:
    """The name of the key that holds the certificate with a SHA-256; that itself when there is none."""
    for store in stores:
        for name in hive.subkeys(store_key(store)) or ():
            value = hive.value(certificate_key(store, name), BLOB_VALUE)
            if value is not None and sha256_in(value[1]) == sha256:
                return name.upper()
    return sha256


def _needed(certificate: Certificate | None) -> tuple[Finding, ...]:
    """The finding about a root that Windows itself needs."""
    if certificate is None or not any(name in certificate.subject for name in _REQUIRED_NAMES):
        return ()
    return (
        Finding(
            "required-root",
            Severity.ERROR,
            "Windows itself needs this root: Microsoft lists it as required even when expired (KB 293781).",
            "Leave it in.",
        ),
    )


def _refusal(finding: Finding, certificate: Certificate | None, wanted: Wanted, origin: str) -> GuardError:
    subject = certificate.subject if certificate is not None else ""
    return GuardError(
        f"{origin}: refused: Windows itself needs the root {wanted.thumbprint}",
        details=f"{subject}\n{finding.code}: {finding.message}".strip(),
        resolution=f"{finding.advice} To remove it anyway, add --allow {finding.code}",
    )


def _result(
    wanted: Wanted, certificate: Certificate | None, store: Store, status: Status
) -> CertificateResult:
    if certificate is None:
        return CertificateResult(wanted.thumbprint, store, status)
    return result_for(certificate, store, status, ())
