"""``inject``: put certificates into the hives of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine, refusals
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import (
    BLOB_VALUE,
    Location,
    Store,
    certificate_key,
    default_store,
    edits_for,
)
from winpe_certs.edits import ValueType
from winpe_certs.errors import BlobError, CertificateError, UsageError
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.reading import Hive
from winpe_certs.results import ImageResult, Report, ServerResult, Status
from winpe_certs.verification.stored import StoredCertificates
from winpe_certs.workflows.advice import after_change
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import DISALLOWED, blob_findings, read_blob, result_for
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.planning import Expectation, HivePlan
from winpe_certs.workflows.writing import WriteOptions, change

if TYPE_CHECKING:
    from winpe_certs.workflows.servers import Servers

BLOB_DIFFERS = "blob-differs"


def inject(
    paths: Sequence[Path],
    inputs: Inputs,
    options: WriteOptions,
    *,
    stores: tuple[Store, ...] = (),
    allowed: frozenset[str] = frozenset(),
    replaced: Sequence[Wanted] = (),
    expected: Servers | None = None,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Put every certificate into every chosen image; without `stores` into the one for its kind.

    `allowed` are the codes of findings that do not refuse a certificate; `replaced` are certificates that go
    out in the same change; `expected` are servers that every image must trust afterwards. Raises before
    anything is written.
    """
    injections = [
        _injection(wanted, store, allowed, moment) for wanted in inputs.wanted for store in stores or (None,)
    ]
    _refuse_same(replaced, injections)

    def accept(found: StoredCertificates, words: tuple[str, ...]) -> tuple[ServerResult, ...]:
        if expected is None:
            return ()
        # Path building is slow to import, and most runs expect nothing.
        from winpe_certs.workflows.expectation import expect_trust

        return expect_trust(expected, found, moment, words)

    def plan(hive: Hive, origin: str) -> HivePlan:
        removals = _removals(hive, origin, replaced, allowed) if replaced else ()
        steps = [*removals, *(_plan_one(hive, origin, injection, allowed) for injection in injections)]
        return HivePlan(
            edits=tuple(edit for step in steps for edit in step.edits),
            expected=tuple(expected for step in steps for expected in step.expected),
            certificates=tuple(result for step in steps for result in step.certificates),
            accept=accept,
        )

    outcome = change("inject", paths, plan, options, moment, progress)
    warnings = (
        *inputs.warnings,
        *(expected.warnings if expected else ()),
        *_nothing_to_replace(outcome.images),
    )
    report = outcome.report(warnings, dry_run=options.dry_run)
    if report.changed and not options.dry_run:
        injected = [(injection.store, injection.certificate.thumbprint) for injection in injections]
        took_out = any(
            certificate.status in {Status.REMOVED, Status.REPLACED}
            for image in report.images
            for certificate in image.certificates
        )
        advice = after_change(outcome.changed_places, options.output, injected, took_out=took_out)
        report = replace(report, advice=advice)
    return report


@dataclass(frozen=True, slots=True)
class _Injection:
    """A certificate on its way in: its Blob, its store and what there is to say of it."""

    certificate: Certificate
    blob: Blob
    store: Store
    findings: tuple[Finding, ...]


def _injection(wanted: Wanted, store: Store | None, allowed: frozenset[str], moment: Moment) -> _Injection:
    certificate = wanted.certificate
    if certificate is None:
        raise UsageError(
            f"{wanted.thumbprint}: a thumbprint alone cannot be injected",
            resolution="Give the certificate file with --cert.",
        )
    chosen = store or default_store(certificate)
    findings = (*examine(certificate, moment.at), *_moved(wanted, store, chosen))
    if wanted.blob is not None:
        findings = (*findings, *blob_findings(wanted.blob))
    _refuse(refusals(findings, allowed), wanted.origin, certificate)
    return _Injection(certificate, wanted.blob or blob_for(certificate), chosen, findings)


def _refuse_same(replaced: Sequence[Wanted], injections: Sequence[_Injection]) -> None:
    """Refuse to take out what goes in: the image would end up with neither meaning."""
    new = {injection.certificate.thumbprint for injection in injections}
    for wanted in replaced:
        if wanted.thumbprint in new:
            raise UsageError(
                f"--replace {wanted.thumbprint}: this is the certificate that goes in",
                resolution="Give the thumbprint of the old one.",
            )


def _nothing_to_replace(images: Sequence[ImageResult]) -> Iterator[str]:
    """A warning for each old certificate that an image does not have.

    A mistyped thumbprint would otherwise look like a rotation that is done, while the old root stays.
    """
    for image in images:
        place = image.path if image.index is None else f"{image.path}, image {image.index}"
        for certificate in image.certificates:
            if certificate.status is Status.ABSENT:
                yield (
                    f"{place}: {certificate.thumbprint} is not in this image, so nothing was taken out; "
                    "check the thumbprint (all is well if an earlier run has taken it out)"
                )


def _moved(wanted: Wanted, store: Store | None, chosen: Store) -> tuple[Finding, ...]:
    """What to say when a .reg export has the certificate in another store than it goes to."""
    if wanted.store is None or store is not None or wanted.store == chosen:
        return ()
    if wanted.store == Store.DISALLOWED:
        raise CertificateError(
            f"{wanted.origin}: refused: the .reg export has this certificate in Disallowed, as distrusted",
            resolution="Say where it should go: --store Disallowed, or --store AuthRoot to trust it.",
        )
    moved = f"The .reg export has it in {wanted.store}; it goes to {chosen}."
    return (Finding("moved-store", Severity.INFO, moved, "Name another store with --store."),)


def _refuse(reasons: Sequence[Finding], origin: str, certificate: Certificate) -> None:
    if not reasons:
        return
    allow = " ".join(f"--allow {reason.code}" for reason in reasons)
    raise CertificateError(
        f"{origin}: refused: {reasons[0].message}",
        details="\n".join(
            [
                f"{certificate.subject} ({certificate.thumbprint})",
                *(f"{r.code}: {r.message}" for r in reasons),
            ]
        ),
        resolution=f"{reasons[0].advice} To inject it anyway, add {allow}".strip(),
    )


def _removals(hive: Hive, origin: str, replaced: Sequence[Wanted], allowed: frozenset[str]) -> list[HivePlan]:
    from winpe_certs.workflows.remove import DEFAULT_STORES, plan_removal

    return [plan_removal(hive, origin, wanted, DEFAULT_STORES, allowed) for wanted in replaced]


def _plan_one(hive: Hive, origin: str, injection: _Injection, allowed: frozenset[str]) -> HivePlan:
    certificate, store = injection.certificate, injection.store
    findings = injection.findings
    if store is not Store.DISALLOWED and any(
        hive.key_exists(certificate_key(Store.DISALLOWED, certificate.thumbprint, location))
        for location in Location
    ):
        findings = (*findings, DISALLOWED)
        _refuse(refusals((DISALLOWED,), allowed), origin, certificate)
    new = injection.blob.to_bytes()
    stored = hive.value(certificate_key(store, certificate.thumbprint), BLOB_VALUE)
    kept, status, remarks = _compare(stored, new, certificate.thumbprint, origin)
    blob = new if kept is None else kept
    edits = edits_for(new, store, certificate.thumbprint) if kept is None else ()
    expected = Expectation(Location.MACHINE, store, certificate.thumbprint, blob)
    result = result_for(certificate, store, status, (*findings, *remarks))
    return HivePlan(edits, (expected,), (result,))


def _compare(
    stored: tuple[int, bytes] | None, new: bytes, thumbprint: str, origin: str
) -> tuple[bytes | None, Status, tuple[Finding, ...]]:
    """What to keep of a stored value: its bytes, if it is this certificate and nothing narrows its trust."""
    if stored is None:
        return None, Status.ADDED, ()
    value_type, data = stored
    if data == new:
        return data, Status.UNCHANGED, ()
    try:
        blob = read_blob(data if value_type == ValueType.BINARY else None, thumbprint, origin)
    except (BlobError, CertificateError) as error:
        return None, Status.REPLACED, (Finding("damaged", Severity.WARNING, f"Replaced: {error.message}"),)
    narrowed = [f for f in blob_findings(blob) if f.severity is Severity.ERROR]
    if narrowed:
        return (
            None,
            Status.REPLACED,
            tuple(Finding(f.code, Severity.WARNING, f"Replaced: {f.message}") for f in narrowed),
        )
    differs = Finding(
        BLOB_DIFFERS,
        Severity.INFO,
        "The image has this certificate with other cached properties; it was left as it is.",
    )
    return data, Status.UNCHANGED, (differs,)
