"""``verify``: whether certificates are in images, intact and with their trust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location, Store
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Advice, CertificateResult, Report, Status
from winpe_certs.trust.copies import COUNTING_STORES, ROOT_STORES, Copies, Copy, CopyState, Standing
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import place_name, result_for, stored_result
from winpe_certs.workflows.inject import BLOB_DIFFERS
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.reading import ImageName, Seen, read_images
from winpe_certs.workflows.selection import Choice
from winpe_certs.workflows.standing import Ways, distrust, oddities, rivals

if TYPE_CHECKING:
    from winpe_certs.workflows.next_steps import Judged


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
        copies = Copies(found)
        results = tuple(
            verify_one(copies, wanted, stores, moment, image, strict_blob=strict_blob)
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
    copies: Copies,
    wanted: Wanted,
    stores: tuple[Store, ...],
    moment: Moment,
    image: ImageName,
    *,
    strict_blob: bool,
) -> CertificateResult:
    """The result for one certificate in one image."""
    ways = Ways(image.words)
    standing = copies.standing(wanted.thumbprint, wanted.certificate)
    accepted = _accepted(standing, stores)
    of_name = [copy for copy in standing.copies if copy.state is not CopyState.MISNAMED]
    here = [copy for copy in of_name if _counts(copy.stored, accepted)]
    if not here:
        return _missing(wanted, standing, accepted, ways)
    candidates = [
        (_judge(copy, wanted, copies, moment, image.file, strict_blob=strict_blob), copy) for copy in here
    ]
    best, copy = min(candidates, key=lambda each: not each[0].is_sound)
    if Store.DISALLOWED in stores:
        return best
    more = [*distrust(standing, ways)]
    if set(accepted) & set(COUNTING_STORES):
        more += [*rivals(standing, (copy.stored,), ways), *_policy_only(standing, here)]
    is_certain = all(finding.severity is not Severity.ERROR for finding in more)
    return _with(best, best.status if is_certain else Status.DIFFERENT, *more)


def _missing(
    wanted: Wanted, standing: Standing, accepted: tuple[Store, ...], ways: Ways
) -> CertificateResult:
    """The result for a certificate that no store holds where it was looked for, with where it is instead."""
    elsewhere = [
        *(() if Store.DISALLOWED in accepted else distrust(standing, ways)),
        *oddities(copy for copy in standing.copies if _counts(copy.stored, accepted)),
        *(
            _other_store(copy.stored)
            for copy in standing.copies
            if not _counts(copy.stored, accepted) and copy.stored.store != Store.DISALLOWED
        ),
    ]
    # That nothing could be made of a list matters to one that is there.
    findings = tuple(each for each in elsewhere if each.code != "disallowed-unread")
    name = accepted[0]
    if wanted.certificate is None:
        return CertificateResult(wanted.thumbprint, name, Status.MISSING, findings=findings)
    return result_for(wanted.certificate, name, Status.MISSING, findings)


def _policy_only(standing: Standing, here: Sequence[Copy]) -> Iterator[Finding]:
    """A remark about a certificate that only stores of group policy and the enterprise hold."""
    places = [copy.place for copy in here if copy.state is CopyState.SOUND]
    is_ours = any(copy.stored.location is Location.MACHINE for copy in standing.counting())
    if places and not is_ours:
        yield Finding(
            "policy-store",
            Severity.WARNING,
            f"It is only in {' and '.join(places)}. Windows looks there as well; whether Windows PE does so "
            "is not documented.",
            "Put it into the machine's own store with inject, as in Microsoft's procedure.",
        )


def _accepted(standing: Standing, stores: tuple[Store, ...]) -> tuple[Store, ...]:
    """The stores to look in: those that were asked for, or those that count for its kind."""
    if stores:
        return stores
    if standing.is_root is None:
        return COUNTING_STORES
    return ROOT_STORES if standing.is_root else (Store.CA,)


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
    copy: Copy, wanted: Wanted, copies: Copies, moment: Moment, origin: str, *, strict_blob: bool
) -> CertificateResult:
    stored = copy.stored
    result = stored_result(stored, origin, moment, copies.stored.certificates)
    if copy.state is CopyState.DAMAGED and result.status is Status.PRESENT:
        # Two certificates of one SHA-1 can be made; the DER says which it is.
        other = Finding(
            "damaged",
            Severity.ERROR,
            f"{origin}: the key {stored.key_name} holds another certificate with the same SHA-1.",
            "Remove the key and inject the right certificate.",
        )
        return CertificateResult(result.thumbprint, result.store, Status.DIFFERENT, findings=(other,))
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
