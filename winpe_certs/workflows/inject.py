"""``inject``: put certificates into the hives of images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from winpe_certs.certs.findings import refusals
from winpe_certs.certs.store_findings import concerning
from winpe_certs.certs.stores import (
    BLOB_VALUE,
    Location,
    Store,
    certificate_key,
    edits_for,
    removal_edits,
    store_key,
)
from winpe_certs.edits import Edit, SetValue, ValueType
from winpe_certs.errors import BlobError, CertificateError
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.reading import Hive
from winpe_certs.results import ImageResult, Report, ServerResult, Status
from winpe_certs.trust.copies import COUNTING_STORES, Copies, Standing, counts
from winpe_certs.verification.stored import StoredCertificates, stored_in
from winpe_certs.workflows.advice import after_change
from winpe_certs.workflows.allowing import mark_allowed
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import DISALLOWED, blob_findings, read_blob, result_for
from winpe_certs.workflows.injections import Injection, injections, refuse_going_in
from winpe_certs.workflows.inputs import Inputs
from winpe_certs.workflows.issuers import ISSUER_STORES, needs_issuer, stored_certificates, with_issuer
from winpe_certs.workflows.planning import Expectation, HivePlan
from winpe_certs.workflows.refusing import Refusal, raise_refusals, refused_by
from winpe_certs.workflows.standing import Ways, disallowed, distrust, rivals
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
    skipped: frozenset[str] = frozenset(),
    replaced: Inputs | None = None,
    expected: Servers | None = None,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Put every certificate into every chosen image; without `stores` into the one for its kind.

    `allowed` are the codes of findings that do not refuse a certificate, `skipped` those that leave it out;
    `replaced` are certificates that go out in the same change; `expected` are servers that every image must
    trust afterwards. Raises before anything is written, for all certificates that are refused at once.
    """
    judged = injections(inputs, stores, allowed, skipped, moment)
    if replaced is not None:
        refuse_going_in(replaced.wanted, judged.going_in)
    planner = _Planner(judged.going_in, allowed, skipped, replaced)

    def accept(found: StoredCertificates, words: tuple[str, ...]) -> tuple[ServerResult, ...]:
        if expected is None:
            return ()
        # Path building is slow to import, and most runs expect nothing.
        from winpe_certs.workflows.expectation import expect_trust

        return expect_trust(expected, found, moment, words)

    def plan(hive: Hive, origin: str) -> HivePlan:
        return replace(planner.plan(hive, origin), accept=accept)

    outcome = change("inject", paths, plan, options, moment, progress)
    if replaced is not None:
        from winpe_certs.workflows.remove import with_way_out

        outcome.images = [*map(with_way_out, outcome.images)]
    warnings = (
        *inputs.warnings,
        *judged.left_out,
        *dict.fromkeys(planner.left_out),
        *(replaced.warnings if replaced else ()),
        *(expected.warnings if expected else ()),
        *_nothing_to_replace(outcome.images),
    )
    report = outcome.report(warnings, dry_run=options.dry_run)
    if report.changed and not options.dry_run:
        injected = [(each.store, each.certificate.thumbprint) for each in judged.going_in]
        took_out = any(
            certificate.status in {Status.REMOVED, Status.REPLACED}
            for image in report.images
            for certificate in image.certificates
        )
        advice = after_change(outcome.changed_places, options.output, injected, took_out=took_out)
        report = replace(report, advice=advice)
    return report


def _nothing_to_replace(images: Sequence[ImageResult]) -> Iterator[str]:
    """A warning for each old certificate that an image does not have, or still has elsewhere.

    A mistyped thumbprint would otherwise look like a rotation that is done, while the old root stays.
    """
    for image in images:
        place = image.path if image.index is None else f"{image.path}, image {image.index}"
        for certificate in image.certificates:
            left = next((each for each in certificate.findings if each.code == "copies-left"), None)
            if left is not None:
                yield f"{place}: {certificate.thumbprint} still counts: {left.message}"
            elif certificate.status is Status.ABSENT:
                yield (
                    f"{place}: {certificate.thumbprint} is not in this image, so nothing was taken out; "
                    "check the thumbprint (all is well if an earlier run has taken it out)"
                )


@dataclass(slots=True)
class _Planner:
    """Plans the hive of each image; `left_out` are warnings about what ``--skip`` kept out of one."""

    going_in: Sequence[Injection]
    allowed: frozenset[str]
    skipped: frozenset[str]
    replaced: Inputs | None
    left_out: list[str] = field(default_factory=list)

    def plan(self, hive: Hive, origin: str) -> HivePlan:
        """What is to be done in one hive; raises for all certificates that it refuses."""
        copies = Copies(stored_in(hive))
        chosen = self._accepted(copies, origin)
        chosen = self._with_issuers(chosen, hive, origin)
        steps = [
            *self._removals(copies, origin),
            *(
                _plan_one(hive, origin, each, self._standing(copies, each), _filled(each, chosen))
                for each in chosen
            ),
        ]
        return HivePlan(
            edits=tuple(edit for step in steps for edit in step.edits),
            expected=tuple(expected for step in steps for expected in step.expected),
            certificates=tuple(result for step in steps for result in step.certificates),
        )

    def _standing(self, copies: Copies, injection: Injection) -> Standing:
        return copies.standing(injection.certificate.thumbprint, injection.certificate)

    def _accepted(self, copies: Copies, origin: str) -> list[Injection]:
        """What goes into this image: not what that distrusts, unless it is allowed."""
        accepted: list[Injection] = []
        refused: list[Refusal] = []
        for each in self.going_in:
            by = self._standing(copies, each).distrusted_by
            if each.store is Store.DISALLOWED or by is None:
                accepted.append(each)
                continue
            finding = disallowed(by)
            if DISALLOWED.code in self.skipped:
                who = f"{each.certificate.subject} ({each.certificate.thumbprint})"
                self.left_out.append(f"left out ({DISALLOWED.code}): {origin}: {who}: {finding.message}")
            elif refusals((finding,), self.allowed):
                refused.append(refused_by((finding,), origin, each.certificate))
            else:
                marked = mark_allowed((finding,), self.allowed)
                accepted.append(replace(each, findings=(*each.findings, *marked)))
        raise_refusals(refused, len(self.going_in))
        return accepted

    def _with_issuers(self, chosen: list[Injection], hive: Hive, origin: str) -> list[Injection]:
        """Say of an intermediate only then that it needs its issuer when the image will not have that."""
        if not any(each.store is Store.CA and needs_issuer(each.findings) for each in chosen):
            return chosen
        goes_out = {each.thumbprint for each in self.replaced.wanted} if self.replaced else set()
        issuers = [each.certificate for each in chosen if each.store in ISSUER_STORES]
        issuers += stored_certificates(hive, origin, goes_out)
        return [
            replace(each, findings=with_issuer(each.findings, each.certificate, issuers))
            if each.store is Store.CA and needs_issuer(each.findings)
            else each
            for each in chosen
        ]

    def _removals(self, copies: Copies, origin: str) -> list[HivePlan]:
        if self.replaced is None:
            return []
        from winpe_certs.workflows.remove import DEFAULT_STORES, plan_removal

        return [
            plan_removal(copies, origin, wanted, DEFAULT_STORES, self.allowed)
            for wanted in self.replaced.wanted
        ]


def _filled(injection: Injection, chosen: Sequence[Injection]) -> frozenset[Store]:
    """All stores that a certificate goes into."""
    return frozenset(
        each.store for each in chosen if each.certificate.thumbprint == injection.certificate.thumbprint
    )


def _plan_one(
    hive: Hive, origin: str, injection: Injection, standing: Standing, filled: Collection[Store]
) -> HivePlan:
    certificate, store = injection.certificate, injection.store
    new = injection.blob.to_bytes()
    stored = hive.value(certificate_key(store, certificate.thumbprint), BLOB_VALUE)
    kept, status, remarks = _compare(stored, new, injection, origin)
    blob = new if kept is None else kept
    edits = edits_for(new, store, certificate.thumbprint) if kept is None else ()
    odd = _odd_name(hive, store, certificate.thumbprint)
    if odd is not None:
        edits = _renaming(hive, store, certificate.thumbprint, blob)
        status = Status.REPLACED
        remarks = (*remarks, _renamed(odd))
    expected = Expectation(Location.MACHINE, store, certificate.thumbprint, blob)
    more = _in_use(standing) if store is Store.DISALLOWED else _still_against(standing, store, filled)
    result = result_for(certificate, store, status, (*injection.findings, *remarks, *more))
    return HivePlan(edits, (expected,), (result,))


def _in_use(standing: Standing) -> Iterator[Finding]:
    """A warning when a certificate is to be distrusted that the image builds chains with."""
    names = dict.fromkeys(copy.stored.store for copy in standing.copies if copy.stored.store in ISSUER_STORES)
    places = [store for store in ISSUER_STORES if store in names]
    if places:
        yield Finding(
            "disallows-used",
            Severity.WARNING,
            f"This image has it in {' and '.join(places)}: from now on every chain through it is refused.",
            "Make sure that the CMG and the management points have other chains, or leave it out.",
        )


def _still_against(standing: Standing, store: Store, filled: Collection[Store]) -> Iterator[Finding]:
    """What keeps `verify` from calling the certificate present after this, as warnings.

    `filled` are all stores that it goes into in this change: its copies there are put right.
    """
    is_root = standing.certificate is not None and standing.certificate.is_self_signed
    written = [
        copy.stored
        for copy in standing.copies
        if copy.stored.store in filled
        and copy.stored.location is Location.MACHINE
        and copy.key.name == standing.thumbprint
    ]
    found = [
        *(distrust(standing, Ways()) if standing.distrusted_by is None else ()),
        *rivals(standing, written, Ways()),
    ]
    for finding in found:
        yield replace(finding, severity=Severity.WARNING)
    if store in COUNTING_STORES and not counts(store, Location.MACHINE, is_root=is_root):
        yield Finding(
            "other-store",
            Severity.INFO,
            f"In {store} it does not count as {'a root' if is_root else 'an intermediate'}.",
            "Inject it into the right store, or name that store with --store.",
        )


def _odd_name(hive: Hive, store: Store, thumbprint: str) -> str | None:
    """The name of a certificate's key when it is not in upper case."""
    names = hive.subkeys(store_key(store)) or ()
    return next((name for name in names if name.upper() == thumbprint and name != thumbprint), None)


def _renaming(hive: Hive, store: Store, thumbprint: str, blob: bytes) -> tuple[Edit, ...]:
    """Names of keys compare without case, so the odd key goes and one in upper case takes its place."""
    path = certificate_key(store, thumbprint)
    others = [
        SetValue(path, name, kind, data)
        for name, (kind, data) in (hive.values(path) or {}).items()
        if name.casefold() != BLOB_VALUE.casefold()
    ]
    return (*removal_edits(store, thumbprint), *edits_for(blob, store, thumbprint), *others)


def _renamed(name: str) -> Finding:
    return Finding(
        "lower-case-key",
        Severity.INFO,
        f"Its key was named {name}; now the name is in upper case, as Windows writes it.",
    )


def _compare(
    stored: tuple[int, bytes] | None, new: bytes, injection: Injection, origin: str
) -> tuple[bytes | None, Status, tuple[Finding, ...]]:
    """What to keep of a stored value: its bytes, if it is this certificate and nothing narrows its trust."""
    if stored is None:
        return None, Status.ADDED, ()
    value_type, data = stored
    if data == new and value_type == ValueType.BINARY:
        return data, Status.UNCHANGED, ()
    try:
        thumbprint = injection.certificate.thumbprint
        odd_value = None if value_type == ValueType.BINARY else (value_type, data)
        blob = read_blob(None if odd_value else data, thumbprint, origin, odd_value)
    except (BlobError, CertificateError) as error:
        return None, Status.REPLACED, (Finding("damaged", Severity.WARNING, f"Replaced: {error.message}"),)
    if blob.certificate_der != injection.certificate.der:
        other = f"Replaced: {origin}: the key {thumbprint} holds another certificate with the same SHA-1."
        return None, Status.REPLACED, (Finding("damaged", Severity.WARNING, other),)
    limits = concerning(blob_findings(blob), injection.store)
    narrowed = [finding for finding in limits if finding.severity is Severity.ERROR]
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
