"""What the reports say of an estate: a table with a line for each image, what is wrong with each, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from winpe_certs.findings import Finding, Severity
from winpe_certs.report.remarks import finding_parts
from winpe_certs.report.servers import server_parts
from winpe_certs.results import AuditedImage, AuditVerdict, CertificateResult, Report, Status, Verdict
from winpe_certs.shown import printable

_STYLES: Final = {
    AuditVerdict.MET: "green",
    AuditVerdict.UNMET: "bold red",
    AuditVerdict.DIRTY: "bold red",
    AuditVerdict.UNREADABLE: "bold red",
    AuditVerdict.NOT_WINDOWS: "dim",
    AuditVerdict.LOOKED_AT: "cyan",
}
_OTHERS: Final = {
    "expired": "expired",
    "expires-soon": "about to expire",
    "damaged": "damaged",
    "unreadable": "not understood",
    "lower-case-key": "under a key in lower case",
}


def audit_parts(report: Report) -> Iterator[RenderableType]:
    """The table, then what there is to say of single images, then how many stand how."""
    if report.command != "audit" or not report.audited:
        return
    yield _table(report.audited)
    for image in report.audited:
        findings = list(_image(image))
        if findings:
            yield Text(f"\n{_place(image)}", style="bold")
            yield from findings
    yield Text(f"\n{_totals(report.audited)}", style="bold")


def _table(images: Sequence[AuditedImage]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("verdict", "file", "index", "name", "arch", "build"):
        table.add_column(column, overflow="fold", no_wrap=column in {"verdict", "index", "arch", "build"})
    for image in images:
        table.add_row(
            Text(image.verdict, style=_STYLES[image.verdict]),
            Text(_file(image)),
            Text("-" if image.index is None else str(image.index)),
            Text(printable(image.name) or "-"),
            Text(printable(image.architecture) or "-"),
            Text(printable(image.version) or "-"),
        )
    return table


def _file(image: AuditedImage) -> str:
    return printable(f"{image.path}, {image.inside}" if image.inside else image.path)


def _place(image: AuditedImage) -> str:
    return _file(image) if image.index is None else f"{_file(image)}, image {image.index}"


def _image(image: AuditedImage) -> Iterator[RenderableType]:
    """What there is to say beyond the verdict: of an image that is as it should be, nothing."""
    is_silent = image.verdict is not AuditVerdict.LOOKED_AT
    for finding in image.findings:
        if image.verdict is not AuditVerdict.NOT_WINDOWS:
            is_silent = False
            yield from _finding(finding, 2)
    for certificate in image.certificates:
        if certificate.status is not Status.PRESENT or certificate.findings:
            is_silent = False
            yield from _certificate(certificate)
    for answer in image.servers:
        if answer.verdict is not Verdict.TRUSTED:
            is_silent = False
            yield from server_parts(answer)
    others = [finding for other in image.others for finding in other.findings]
    # Every Windows has expired roots: alone they would make a paragraph for each image of an estate.
    if others and not (is_silent and all(each.severity is Severity.INFO for each in others)):
        counts = Counter(finding.code for finding in others)
        counted = ", ".join(f"{count} {_OTHERS.get(code, code)}" for code, count in sorted(counts.items()))
        yield Padding(Text(f"of the other certificates: {counted}", style="dim"), (0, 0, 0, 2))


def _certificate(certificate: CertificateResult) -> Iterator[RenderableType]:
    line = Text("  ")
    style = "green" if certificate.is_sound else "bold red"
    line.append(f"{certificate.status} ", style=style)
    line.append(f"{certificate.store} {certificate.thumbprint}")
    if certificate.subject:
        line.append(f" {printable(certificate.subject)}", style="dim")
    yield line
    for finding in certificate.findings:
        yield from _finding(finding, 4)


def _finding(finding: Finding, indent: int) -> Iterator[RenderableType]:
    return finding_parts(finding, indent, with_advice=finding.severity is not Severity.INFO)


def _totals(images: Sequence[AuditedImage]) -> str:
    counted = Counter(image.verdict for image in images)
    parts = [f"{counted[verdict]} {verdict}" for verdict in AuditVerdict if counted[verdict]]
    files = len({(image.path, image.inside) for image in images})
    return f"{_counted(len(images), 'image')} in {_counted(files, 'file')}: {', '.join(parts)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
