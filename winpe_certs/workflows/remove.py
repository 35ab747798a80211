"""``remove``: take certificates out of the hives of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import BLOB_VALUE, Location, Store, certificate_key, removal_edits
from winpe_certs.edits import Edit
from winpe_certs.errors import BlobError, CertificateError, GuardError
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.reading import Hive
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.workflows.advice import after_removal
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import result_for
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.planning import Expectation, HivePlan
from winpe_certs.workflows.writing import WriteOptions, change

# Where `inject` puts certificates, and ROOT, where other tools put them.
DEFAULT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)
REQUIRED_ROOT: Final = "required-root"

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
    for store in stores:
        if hive.key_exists(certificate_key(store, wanted.thumbprint)):
            stored = _stored_certificate(hive, store, wanted, origin)
            _refuse_required(stored, wanted, origin, allowed)
            edits += removal_edits(store, wanted.thumbprint)
            results.append(_result(wanted, stored, store, Status.REMOVED))
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


def _refuse_required(
    certificate: Certificate | None, wanted: Wanted, origin: str, allowed: frozenset[str]
) -> None:
    if certificate is None or REQUIRED_ROOT in allowed:
        return
    if any(name in certificate.subject for name in _REQUIRED_NAMES):
        raise GuardError(
            f"{origin}: refused: Windows itself needs the root {wanted.thumbprint}",
            details=f"{certificate.subject}; Microsoft lists it as required even when expired (KB 293781).",
            resolution=f"Leave it in. To remove it anyway, add --allow {REQUIRED_ROOT}",
        )


def _result(
    wanted: Wanted, certificate: Certificate | None, store: Store, status: Status
) -> CertificateResult:
    if certificate is None:
        return CertificateResult(wanted.thumbprint, store, status)
    return result_for(certificate, store, status, ())
