"""``remove``: take certificates out of the hives of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import refusals
from winpe_certs.certs.stores import Location, Store, store_key
from winpe_certs.command_lines import PROGRAM, file_word
from winpe_certs.edits import DeleteKey, KeyPath
from winpe_certs.errors import GuardError
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.reading import Hive
from winpe_certs.results import CertificateResult, ImageResult, Report, Status
from winpe_certs.trust.copies import COUNTING_STORES, Copies, Copy, CopyState, Standing
from winpe_certs.trust.words import listed
from winpe_certs.verification.stored import stored_in
from winpe_certs.workflows.advice import after_removal
from winpe_certs.workflows.allowing import mark_allowed
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import result_for
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.planning import Expectation, HivePlan
from winpe_certs.workflows.writing import WriteOptions, change

# Where `inject` puts certificates, and ROOT, where other tools put them.
DEFAULT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)
_ALL: Final = tuple(store for store in Store if store is not Store.DISALLOWED)

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
    everywhere: bool = False,
    allowed: frozenset[str] = frozenset(),
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Take every certificate out of every chosen image; without `stores` out of AuthRoot, ROOT and CA.

    `everywhere` is for all stores but Disallowed, those of group policy and the enterprise too. Copies that
    still count afterwards are named.
    """
    searched = () if everywhere else stores or DEFAULT_STORES

    def plan(hive: Hive, origin: str) -> HivePlan:
        copies = Copies(stored_in(hive))
        plans = [plan_removal(copies, origin, wanted, searched, allowed) for wanted in inputs.wanted]
        return HivePlan(
            tuple(edit for plan in plans for edit in plan.edits),
            tuple(expected for plan in plans for expected in plan.expected),
            tuple(result for plan in plans for result in plan.certificates),
        )

    outcome = change("remove", paths, plan, options, moment, progress)
    outcome.images = [*map(with_way_out, outcome.images)]
    report = outcome.report(inputs.warnings, dry_run=options.dry_run)
    if report.changed and not options.dry_run:
        report = replace(report, advice=after_removal(outcome.changed_places, options.output))
    return report


def plan_removal(
    copies: Copies, origin: str, wanted: Wanted, stores: Sequence[Store], allowed: frozenset[str]
) -> HivePlan:
    """What takes one certificate out of these stores of the machine; without any, out of all but Disallowed.

    A key goes that has its thumbprint as name, and one of any name that holds it. Raises `GuardError` for a
    certificate that Windows needs.
    """
    standing = copies.standing(wanted.thumbprint, wanted.certificate)
    going = sorted(_going(standing, stores), key=lambda copy: _rank(copy, stores))
    takes_trust = not stores or bool(set(stores) & set(COUNTING_STORES))
    staying = [copy for copy in standing.counting() if copy not in going] if takes_trust else []
    certificate = standing.certificate
    findings = _needed(certificate)
    if going and refusals(findings, allowed):
        raise _refusal(findings[0], certificate, wanted, origin)
    results = [
        replace(
            _result(standing.thumbprint, certificate, copy.place, Status.REMOVED),
            findings=(*mark_allowed(findings, allowed), *_odd(copy)),
        )
        for copy in going
    ]
    if not results:
        searched = tuple(stores) or _ALL
        absent = _result(standing.thumbprint, certificate, searched[0], Status.ABSENT)
        results.append(replace(absent, searched=searched))
    if staying:
        results[-1] = replace(results[-1], findings=(*results[-1].findings, _left(staying)))
    gone = {(copy.stored.location, copy.stored.store, copy.key.name) for copy in going}
    gone |= {(Location.MACHINE, str(store), standing.thumbprint) for store in stores}
    return HivePlan(
        tuple(DeleteKey(_path(copy)) for copy in going),
        tuple(Expectation(location, store, name, None) for location, store, name in sorted(gone, key=repr)),
        tuple(results),
    )


def _going(standing: Standing, stores: Sequence[Store]) -> Iterator[Copy]:
    for copy in standing.copies:
        stored = copy.stored
        is_named = stored.store in stores and stored.location is Location.MACHINE
        if is_named or (not stores and stored.store != Store.DISALLOWED):
            yield copy


def _rank(copy: Copy, stores: Sequence[Store]) -> int:
    """In the order in which the stores are named; of all stores in that of the hive."""
    return next((number for number, store in enumerate(stores) if store == copy.stored.store), 0)


def _path(copy: Copy) -> KeyPath:
    return (*store_key(copy.stored.store, copy.stored.location), copy.stored.key_name)


def _odd(copy: Copy) -> tuple[Finding, ...]:
    if copy.state is not CopyState.MISNAMED:
        return ()
    key = copy.stored.key_name
    return (Finding("odd-key-name", Severity.INFO, f"Its key was named {key}, which is not its thumbprint."),)


def _left(staying: Sequence[Copy]) -> Finding:
    """The warning about copies in stores that count; `with_way_out` adds the command."""
    places = listed(list(dict.fromkeys(copy.place for copy in staying)))
    return Finding(
        "copies-left",
        Severity.WARNING,
        f"It is still in {places}, where Windows takes trust from.",
        "This takes every copy out, whatever store has it:",
    )


def with_way_out(image: ImageResult) -> ImageResult:
    """The result for an image, with the command that takes out what is left there of a certificate."""
    words = (
        file_word(image.output or image.path),
        *(() if image.index is None else ("--index", str(image.index))),
    )
    return replace(image, certificates=tuple(_with_command(result, words) for result in image.certificates))


def _with_command(result: CertificateResult, words: tuple[str, ...]) -> CertificateResult:
    command = (PROGRAM, "remove", *words, "--thumbprint", result.thumbprint, "--store", "all")
    findings = (
        replace(finding, command=command) if finding.code == "copies-left" else finding
        for finding in result.findings
    )
    return replace(result, findings=tuple(findings))


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
    thumbprint: str, certificate: Certificate | None, store: str, status: Status
) -> CertificateResult:
    if certificate is None:
        return CertificateResult(thumbprint, store, status)
    return result_for(certificate, store, status, ())
