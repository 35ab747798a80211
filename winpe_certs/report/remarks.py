"""How findings and errors appear in the text report."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Severity
from winpe_certs.report.styles import SEVERITY_STYLES
from winpe_certs.report.terminal import command_lines
from winpe_certs.shown import printable, printable_lines


def finding_parts(finding: Finding, indent: int, *, with_advice: bool = True) -> Iterator[RenderableType]:
    """A finding on one line, with its advice; the command that helps on the next."""
    word = "allowed" if finding.allowed else finding.severity
    style = SEVERITY_STYLES[Severity.WARNING if finding.allowed else finding.severity]
    text = Text(f"{word} ({finding.code}): ", style=style)
    text.append(printable(finding.message), style="default")
    advice = finding.advice if with_advice else ""
    if advice:
        text.append(f" {printable(advice)}", style="dim")
    yield Padding(text, (0, 0, 0, indent))
    if with_advice:
        yield from command_lines([finding.command], indent + 2)


def render_error(error: WinpeCertsError, indent: int = 0) -> RenderableType:
    """An error: what and where, why, what to do next."""
    return Group(*_error_parts(error, indent))


def _error_parts(error: WinpeCertsError, indent: int) -> Iterator[RenderableType]:
    yield Padding(Text(f"error: {printable(error.message)}", style="bold red"), (0, 0, 0, indent))
    if error.details:
        yield Padding(Text(printable_lines(error.details)), (0, 0, 0, indent + 2))
    if error.ran:
        yield Padding(Text("the command was:"), (0, 0, 0, indent + 2))
        yield from command_lines([error.ran], indent + 4)
    if error.resolution or error.command:
        resolution = printable_lines(error.resolution) or "run"
        yield Padding(Text.assemble(("next: ", "bold"), resolution), (0, 0, 0, indent))
    yield from command_lines([error.command], indent + 2)
