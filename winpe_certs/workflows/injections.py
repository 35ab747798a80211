"""What goes into images: each certificate with its Blob, its store and its findings, or why it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.entries import DAMAGED
from winpe_certs.certs.findings import refusals
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.store_findings import concerning, examine_in
from winpe_certs.certs.stores import Store, default_store
from winpe_certs.errors import UsageError
from winpe_certs.findings import Finding, Severity
from winpe_certs.workflows.allowing import mark_allowed
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import blob_findings
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.refusing import (
    Refusal,
    raise_refusals,
    refused_by,
    refused_damage,
    refused_file,
)

ROOT_STORES: Final = (Store.AUTH_ROOT, Store.ROOT)


@dataclass(frozen=True, slots=True)
class Injection:
    """A certificate on its way into one store."""

    certificate: Certificate
    blob: Blob
    store: Store
    findings: tuple[Finding, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Injections:
    """Everything that goes in, and what was left out as ``--skip`` asks, a warning for each."""

    going_in: tuple[Injection, ...]
    left_out: tuple[str, ...]


def injections(
    inputs: Inputs,
    stores: Sequence[Store],
    allowed: frozenset[str],
    skipped: frozenset[str],
    moment: Moment,
) -> Injections:
    """Judge every certificate for every store; raises for all that are refused at once.

    Without `stores` each goes where its kind belongs. Raises `UsageError` when nothing is left to go in.
    """
    _refuse_contradictions(allowed, skipped)
    refused: list[Refusal] = [refused_file(error) for error in inputs.unread]
    left_out: list[str] = []
    for entry in inputs.damaged:
        if DAMAGED in skipped:
            left_out.append(f"left out ({DAMAGED}): {entry.error.message}")
        else:
            refused.append(refused_damage(entry))
    going_in: list[Injection] = []
    for wanted in inputs.wanted:
        certificate = _certificate(wanted)
        judged = [injection_of(wanted, certificate, store, moment) for store in stores or (None,)]
        kept = []
        for injection in judged:
            reason = next((each for each in injection.findings if each.code in skipped), None)
            if reason is None:
                kept.append(injection)
            else:
                left_out.append(_leaving(injection, reason, stores))
        reasons = dict.fromkeys(
            reason for injection in kept for reason in refusals(injection.findings, allowed)
        )
        if reasons:
            refused.append(refused_by(list(reasons), wanted.origin, certificate))
        else:
            going_in += [replace(each, findings=mark_allowed(each.findings, allowed)) for each in kept]
    raise_refusals(refused, inputs.total)
    if not going_in:
        raise UsageError(
            "no certificate is left to go in",
            details="\n".join(left_out),
            resolution="Leave out --skip for those that shall go in.",
        )
    return Injections(tuple(going_in), tuple(left_out))


def refuse_going_in(wanted: Iterable[Wanted], going_in: Sequence[Injection]) -> None:
    """Refuse to take out what goes in: the two requests cancel out."""
    new = {name for each in going_in for name in (each.certificate.thumbprint, each.certificate.sha256)}
    for each in wanted:
        if each.thumbprint in new:
            raise UsageError(
                f"--replace {each.thumbprint}: this is the certificate that goes in",
                resolution="Give the thumbprint or the file of the old one.",
            )


def _refuse_contradictions(allowed: frozenset[str], skipped: frozenset[str]) -> None:
    both = sorted(allowed & skipped)
    if both:
        raise UsageError(
            f"--allow {both[0]} and --skip {both[0]} contradict each other",
            resolution="--allow puts such certificates in, --skip leaves them out: keep one of the two.",
        )


def _certificate(wanted: Wanted) -> Certificate:
    if wanted.certificate is None:
        raise UsageError(
            f"{wanted.thumbprint}: a thumbprint without its certificate cannot be injected",
            resolution="Give the certificate file with --cert.",
        )
    return wanted.certificate


def injection_of(wanted: Wanted, certificate: Certificate, store: Store | None, moment: Moment) -> Injection:
    """Judge a certificate for a store, or for the one where its kind belongs."""
    chosen = store or default_store(certificate)
    findings = [*examine_in(certificate, chosen, moment.at), *_moved(wanted, store, chosen)]
    if wanted.blob is not None:
        findings += concerning(blob_findings(wanted.blob), chosen)
    blob = wanted.blob or blob_for(certificate)
    return Injection(certificate, blob, chosen, tuple(findings), wanted.origin)


def _moved(wanted: Wanted, store: Store | None, chosen: Store) -> Iterator[Finding]:
    """What to say when its file has the certificate in another store than it goes to."""
    if wanted.store is None or store is not None or wanted.store == chosen:
        return
    if wanted.store == Store.DISALLOWED:
        yield Finding(
            "from-disallowed",
            Severity.ERROR,
            "Its file has this certificate in Disallowed, as distrusted.",
            "Say where it should go: --store Disallowed, or --store AuthRoot to trust it.",
        )
        return
    gains_trust = chosen in ROOT_STORES and wanted.store not in ROOT_STORES
    yield Finding(
        "moved-store",
        Severity.WARNING if gains_trust else Severity.INFO,
        f"Its file has it in {wanted.store}; it goes to {chosen}"
        + (", where it is trusted as a root." if gains_trust else "."),
        "Name another store with --store.",
    )


def _leaving(injection: Injection, reason: Finding, stores: Sequence[Store]) -> str:
    where = f" of {injection.store}" if len(stores) > 1 else ""
    certificate = injection.certificate
    return (
        f"left out{where} ({reason.code}): {injection.origin}: {certificate.subject} "
        f"({certificate.thumbprint}): {reason.message}"
    )
