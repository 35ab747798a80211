"""For people: an image held against the evidence of a change, and a change that was taken back."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from winpe_certs.report.markdown import escaped, table
from winpe_certs.report.terminal import WholeLine
from winpe_certs.results import Attestation, Claim, Report, Restoration
from winpe_certs.shown import printable


def evidence_parts(report: Report) -> Iterator[RenderableType]:
    """What a report says of evidence, if it does."""
    for attestation in report.attestations:
        yield from _attestation(attestation)
    if report.restored is not None:
        yield from _restoration(report.restored, dry_run=report.dry_run)


def page(report: Report) -> str:
    """The images that were compared with evidence as a page in Markdown, each claim in a line of a table."""
    return "\n".join(_page(report)).strip("\n") + "\n"


def _page(report: Report) -> Iterator[str]:
    yield "# Images compared with the evidence of a change"
    for attestation in report.attestations:
        wrong = sum(not claim.holds for claim in attestation.claims)
        yield ""
        yield f"## {escaped(attestation.path)}"
        yield ""
        count = len(attestation.claims)
        yield (
            f"{wrong} of {count} claims do not hold."
            if wrong
            else f"All {count} claims of the evidence hold."
        )
        yield f"The evidence names it {escaped(attestation.recorded_as)}."
        yield ""
        rows = [
            ("yes" if claim.holds else "no", claim.subject, claim.expected, claim.found)
            for claim in attestation.claims
        ]
        yield from table(("holds", "claim", "evidence", "found"), rows)
    if report.error is not None:
        yield ""
        yield f"Ended by an error: {escaped(report.error.message)}"


def _restoration(restored: Restoration, *, dry_run: bool) -> Iterator[RenderableType]:
    if not restored.changed:
        what = "nothing to undo, it is what it was before the change"
    elif dry_run:
        what = "would be what it was before the change"
    else:
        what = "is what it was before the change"
    yield Text.assemble((printable(restored.path), "bold"), f": {what}")
    yield _below(f"{restored.size} bytes, SHA-256 {restored.sha256}")
    if restored.changed:
        yield _below(f"{restored.cut} bytes {'would be' if dry_run else 'were'} cut off its end", "dim")


def _attestation(attestation: Attestation) -> Iterator[RenderableType]:
    wrong = [claim for claim in attestation.claims if not claim.holds]
    verdict = ("differs from the evidence", "bold red") if wrong else ("is what the evidence says", "green")
    yield Text.assemble((printable(attestation.path), "bold"), ": ", verdict)
    for claim in attestation.claims:
        yield from _claim(claim)


def _claim(claim: Claim) -> Iterator[RenderableType]:
    if claim.holds:
        yield _below(f"ok       {printable(claim.subject)}: {printable(claim.found)}")
        return
    yield _below(f"differs  {printable(claim.subject)}", "bold red")
    yield _below(f"           evidence: {printable(claim.expected)}")
    yield _below(f"           found:    {printable(claim.found)}")


def _below(text: str, style: str = "") -> RenderableType:
    return WholeLine(text, style, 2)
