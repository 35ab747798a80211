"""``verify``: whether certificates are in images, intact and with their trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location, Store, default_store
from winpe_certs.command_lines import PROGRAM
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Advice, CertificateResult, Report, Status
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import DISALLOWED, place_name, result_for, stored_result
from winpe_certs.workflows.inject import BLOB_DIFFERS
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.reading import ImageName, Seen, read_images
from winpe_certs.workflows.selection import Choice

if TYPE_CHECKING:
    from winpe_certs.workflows.next_steps import Judged

ROOT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT)
ANY_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)


def verify(
    paths: Sequence[Path],
    inputs: Inputs,
    *,
    index: Choice | None = None,
    stores: tuple[Store, ...] = (),
    strict_blob: bool = False,
    full_check: bool = False,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Look for every certificate in every image; without `stores` a root counts in AuthRoot and ROOT.

    With `strict_blob` a Blob that differs from the given one in any property is an error.
    """
    judged: list[Judged] = []

    def look(found: StoredCertificates, image: ImageName) -> Seen:
        results = tuple(
            _with_way_out(
                verify_one(found, wanted, stores, moment, image.file, strict_blob=strict_blob),
                found,
                image.words,
            )
            for wanted in inputs.wanted
        )
        judged.append((image, results))
        return Seen(results)

    read = read_images(paths, look, index=index, progress=progress, full_check=full_check)
    sound = all(result.is_sound for image in read.images for result in image.certificates)
    advice: tuple[Advice, ...] = ()
    if not sound:
        # Needed for a no alone, while most runs end with a yes.
        from winpe_certs.workflows.next_steps import ways_in

        advice = ways_in(judged, inputs, stores, moment)
    return Report(
        "verify",
        read.images,
        warnings=inputs.warnings,
        advice=advice,
        holds=sound,
        error=read.error,
        failures=read.failures,
    )


def verify_one(
    found: StoredCertificates,
    wanted: Wanted,
    stores: tuple[Store, ...],
    moment: Moment,
    origin: str,
    *,
    strict_blob: bool,
) -> CertificateResult:
    """The result for one certificate in one image."""
    everywhere = found.find(wanted.thumbprint)
    accepted = _accepted(wanted, stores)
    here = [stored for stored in everywhere if _counts(stored, accepted)]
    if not here:
        elsewhere = tuple(
            DISALLOWED if stored.store == Store.DISALLOWED else _other_store(stored) for stored in everywhere
        )
        name = accepted[0]
        if wanted.certificate is None:
            return CertificateResult(wanted.thumbprint, name, Status.MISSING, findings=elsewhere)
        return result_for(wanted.certificate, name, Status.MISSING, elsewhere)
    candidates = [_judge(stored, wanted, found, moment, origin, strict_blob=strict_blob) for stored in here]
    best = min(candidates, key=lambda result: not result.is_sound)
    if any(stored.store == Store.DISALLOWED for stored in everywhere) and Store.DISALLOWED not in stores:
        return _with(best, Status.DIFFERENT, DISALLOWED)
    return best


def _with_way_out(
    result: CertificateResult, found: StoredCertificates, words: tuple[str, ...]
) -> CertificateResult:
    """Add the command that takes a certificate out of the store Disallowed, where one does.

    `words` name the image; there are none for one that no command changes.
    """
    is_ours = any(
        stored.store == Store.DISALLOWED and stored.location is Location.MACHINE
        for stored in found.find(result.thumbprint)
    )
    if not words or not is_ours:
        return result
    where = ("--thumbprint", result.thumbprint, "--store", str(Store.DISALLOWED))
    command = (PROGRAM, "remove", *words, *where)
    return replace(
        result,
        findings=tuple(
            replace(finding, command=command) if finding.code == DISALLOWED.code else finding
            for finding in result.findings
        ),
    )


def _accepted(wanted: Wanted, stores: tuple[Store, ...]) -> tuple[Store, ...]:
    if stores:
        return stores
    if wanted.certificate is None:
        return ANY_STORES
    chosen = default_store(wanted.certificate)
    return ROOT_STORES if chosen is Store.AUTH_ROOT else (chosen,)


def _counts(stored: StoredCertificate, accepted: tuple[Store, ...]) -> bool:
    """Whether Windows takes trust from there: of policy and enterprise stores all but AuthRoot count."""
    if stored.store not in accepted:
        return False
    return stored.location is Location.MACHINE or stored.store != Store.AUTH_ROOT


def _other_store(stored: StoredCertificate) -> Finding:
    return Finding(
        "other-store",
        Severity.INFO,
        f"It is in the store {place_name(stored)}, where it does not count here.",
        "Inject it into the right store, or name that store with --store.",
    )


def _judge(
    stored: StoredCertificate,
    wanted: Wanted,
    found: StoredCertificates,
    moment: Moment,
    origin: str,
    *,
    strict_blob: bool,
) -> CertificateResult:
    result = stored_result(stored, origin, moment, found.certificates)
    if result.status is Status.PRESENT and wanted.certificate is not None:
        given = wanted.blob or blob_for(wanted.certificate)
        if stored.blob != given.to_bytes():
            differs = Finding(
                BLOB_DIFFERS,
                Severity.ERROR if strict_blob else Severity.INFO,
                "The certificate is this one, but its cached properties differ from the given ones.",
                "Donor machines cache different properties; only --strict-blob makes this an error.",
            )
            result = _with(result, Status.DIFFERENT if strict_blob else result.status, differs)
    return result


def _with(result: CertificateResult, status: Status, *findings: Finding) -> CertificateResult:
    return replace(result, status=status, findings=(*result.findings, *findings))
