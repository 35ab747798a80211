"""The report for people: what was found or done, image by image, then warnings and what is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.findings import Severity
from winpe_certs.report.attestations import evidence_parts
from winpe_certs.report.audit import audit_parts
from winpe_certs.report.compaction import compaction_parts
from winpe_certs.report.differences import comparison_parts
from winpe_certs.report.failures import failed_places, summary
from winpe_certs.report.remarks import finding_parts, render_error
from winpe_certs.report.servers import media_parts, server_parts
from winpe_certs.report.styles import SEVERITY_STYLES
from winpe_certs.report.terminal import command_lines
from winpe_certs.results import (
    CertificateResult,
    Health,
    HealthLine,
    ImageResult,
    Leftover,
    Report,
    Status,
    Verdict,
)
from winpe_certs.shown import printable

_STATUS_STYLES: Final = {
    Status.ADDED: "green",
    Status.REPLACED: "green",
    Status.REMOVED: "green",
    Status.PRESENT: "green",
    Status.UNCHANGED: "cyan",
    Status.ABSENT: "yellow",
    Status.MISSING: "bold red",
    Status.DIFFERENT: "bold red",
}
_HEALTH_STYLES: Final = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "bold red"}
_FUTURE: Final = {
    Status.ADDED: "would be added",
    Status.REPLACED: "would be replaced",
    Status.REMOVED: "would be removed",
}


def render(report: Report) -> RenderableType:
    """The report as something that a rich console prints."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    for image in report.images:
        yield _headline(report, image)
        for finding in image.findings:
            yield from finding_parts(finding, 2)
        if report.command == "list" and image.is_windows:
            yield _table(image.certificates)
        else:
            for certificate in image.certificates:
                yield from _certificate(certificate, dry_run=report.dry_run)
        for answer in image.servers:
            yield from server_parts(answer)
        if image.readers:
            confirmed = "rehearsed in memory, confirmed by" if report.dry_run else "confirmed by"
            part = ", reading {} of {} chunks of the hive".format(*image.chunks) if image.chunks else ""
            yield Padding(Text(f"{confirmed} {' and '.join(image.readers)}{part}", style="dim"), (0, 0, 0, 2))
    yield from audit_parts(report)
    if report.judged_at is not None and (report.images or report.audited):
        yield Text(f"judged as of {report.judged_at:%Y-%m-%d %H:%M} UTC", style="dim")
    if report.media is not None:
        yield from media_parts(report.media)
        for finding in report.media.findings:
            yield from finding_parts(finding, 2)
        yield _fitness(report)
    yield from evidence_parts(report)
    if report.compaction is not None:
        yield from compaction_parts(report.compaction, dry_run=report.dry_run)
    for comparison in report.comparisons:
        yield from comparison_parts(comparison)
    for line in report.health:
        yield from _health(line)
    if report.command == "cleanup":
        yield from _leftovers(report)
    if report.dry_run and report.plan is not None:
        yield from _plan(report)
    if report.command == "export":
        # What came out of images is shown with them.
        for certificate in report.certificates if not report.images else ():
            yield from _certificate(certificate, dry_run=report.dry_run, show_status=False)
        for file in report.files:
            yield Text(f"{'would write' if report.dry_run else 'wrote'} {printable(file)}", style="bold")
    yield from _failures(report)
    for warning in report.warnings:
        yield Text(f"warning: {printable(warning)}", style="yellow")
    if report.advice:
        headline = "Good to know" if report.command in {"check-server", "compact"} else "What is left to do"
        yield Text(f"\n{headline}", style="bold")
        for advice in report.advice:
            yield Padding(Text(f"- {printable(advice.text)}"), (0, 0, 0, 2))
            yield from command_lines([advice.command], 4)


def _failures(report: Report) -> Iterator[RenderableType]:
    """What a command over several targets has failed on, and how many went well."""
    for place, error in failed_places(report.failures):
        yield Text(f"{printable(place)}: failed", style="bold red")
        yield render_error(error, 2)
    if report.failures:
        yield Text(summary(report), style="bold")


def _headline(report: Report, image: ImageResult) -> Text:
    text = Text(printable(image.path), style="bold")
    if image.inside:
        text.append(f", {printable(image.inside)}")
    if image.index is not None:
        text.append(f", image {image.index}")
        if image.name:
            text.append(f" ({printable(image.name)})")
    if image.output is not None:
        text.append(f" -> {printable(image.output)}")
    if report.command in {"inject", "remove"}:
        if any(answer.verdict is not Verdict.TRUSTED for answer in image.servers):
            outcome = "not changed"
        elif not image.changed:
            outcome = "nothing to change"
        else:
            outcome = "would be changed" if report.dry_run else "changed"
        text.append(f": {outcome}")
    return text


def _fitness(report: Report) -> Text:
    if report.holds:
        text = Text("fit as a media certificate", style="green")
        findings = report.media.findings if report.media is not None else ()
        count = sum(finding.severity is Severity.WARNING for finding in findings)
        if count:
            text.append(f", with {count} warning{'' if count == 1 else 's'}", style="yellow")
        return text
    return Text("not fit as a media certificate", style="bold red")


def _health(line: HealthLine) -> Iterator[RenderableType]:
    text = Text(f"{line.state:4} ", style=_HEALTH_STYLES[line.state])
    text.append(f"{line.name}: {printable(line.message)}", style="default")
    yield text
    if line.remedy:
        yield Padding(Text(f"next: {printable(line.remedy)}"), (0, 0, 0, 5))
    yield from command_lines([line.command], 7)


def _leftovers(report: Report) -> Iterator[RenderableType]:
    if not report.leftovers:
        yield Text("Nothing is left mounted or loaded.")
    for item in report.leftovers:
        owner = f"run {item.run}" if item.run else "not of winpe-certs"
        done = "freed: " if item.is_freed else ""
        yield Text(f"{done}{printable(item.what)} ({printable(owner)})", style="green" if done else "yellow")
        if item.problem:
            yield Padding(Text(f"why: {printable(item.problem)}"), (0, 0, 0, 2))
        if not item.is_freed:
            yield from _ways(item)


def _ways(item: Leftover) -> Iterator[RenderableType]:
    yield Padding(Text("next:" if len(item.commands) < 2 else "next, one after the other:"), (0, 0, 0, 2))
    yield from command_lines(item.commands, 4)
    if item.alternative:
        yield Padding(Text("or:"), (0, 0, 0, 2))
        yield from command_lines([item.alternative], 4)


def _plan(report: Report) -> Iterator[RenderableType]:
    plan = report.plan
    if plan is None:
        return
    yield Text("\nThe plan", style="bold")
    if report.engine is not None:
        yield Padding(Text(printable(f"engine {report.engine.name}: {report.engine.reason}")), (0, 0, 0, 2))
    for image in plan.images:
        place = image.path if image.index is None else f"{image.path}, image {image.index}"
        for edit in image.edits:
            yield Padding(Text(printable(f"{place}: {_edit(edit)}")), (0, 0, 0, 2))
        if not image.edits:
            yield Padding(Text(printable(f"{place}: nothing to change")), (0, 0, 0, 2))
    yield from command_lines(plan.commands, 2)


def _edit(edit: Edit) -> str:
    key = "\\".join(edit.path)
    match edit:
        case SetValue():
            return f"set {key}, value {edit.name or '(default)'} ({len(edit.data)} bytes)"
        case CreateKey():
            return f"create {key}"
        case DeleteValue():
            return f"delete {key}, value {edit.name or '(default)'}"
        case DeleteKey():
            return f"delete {key}"
    assert_never(edit)


def _certificate(
    certificate: CertificateResult, *, dry_run: bool, show_status: bool = True
) -> Iterator[RenderableType]:
    line = Text("  ")
    if show_status:
        word = _FUTURE.get(certificate.status, certificate.status) if dry_run else certificate.status
        line.append(f"{word} ", style=_STATUS_STYLES[certificate.status])
    if certificate.status is Status.ABSENT:
        where = _either(certificate.searched)
        line.append(f"{certificate.thumbprint} (not in {where}: nothing to take out)")
    else:
        line.append(f"{certificate.store} {certificate.thumbprint}")
    yield line
    if certificate.subject is not None:
        yield Padding(Text(printable(certificate.subject)), (0, 0, 0, 4))
    if certificate.not_before is not None and certificate.not_after is not None:
        yield Padding(
            Text(f"valid {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"), (0, 0, 0, 4)
        )
    for finding in certificate.findings:
        yield from finding_parts(finding, 4)


def _either(names: tuple[str, ...]) -> str:
    """The names with commas between them, and `or` before the last."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _table(certificates: tuple[CertificateResult, ...]) -> RenderableType:
    if not certificates:
        return Padding(Text("no certificates"), (0, 0, 0, 2))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("store", "thumbprint", "valid from", "until", "subject", "findings"):
        table.add_column(column, overflow="fold", no_wrap=column in {"thumbprint", "valid from", "until"})
    for certificate in certificates:
        findings = Text()
        for finding in certificate.findings:
            findings.append(
                f"{', ' if findings else ''}{finding.code}", style=SEVERITY_STYLES[finding.severity]
            )
        table.add_row(
            Text(printable(certificate.store)),
            Text(certificate.thumbprint),
            Text(f"{certificate.not_before:%Y-%m-%d}" if certificate.not_before else "-"),
            Text(f"{certificate.not_after:%Y-%m-%d}" if certificate.not_after else "-"),
            Text(printable(certificate.subject or "-")),
            findings,
        )
    return Padding(table, (0, 0, 0, 2))
