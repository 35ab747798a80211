"""What the text report says of servers and of a media certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from winpe_certs.findings import Reason
from winpe_certs.report.styles import SEVERITY_STYLES
from winpe_certs.report.terminal import command_lines
from winpe_certs.results import MediaResult, ServerResult, Verdict
from winpe_certs.shown import printable

_VERDICT_STYLES: Final = {
    Verdict.TRUSTED: "green",
    Verdict.NOT_TRUSTED: "bold red",
    Verdict.UNDOCUMENTED: "yellow",
}


def server_parts(answer: ServerResult) -> Iterator[RenderableType]:
    """The answer about one name of a server: verdict, chain, window, reasons."""
    line = Text("  ")
    line.append(f"{answer.verdict} ", style=_VERDICT_STYLES[answer.verdict])
    line.append(printable(f"{answer.server} ({answer.source})"))
    yield line
    for link in answer.chain:
        yield Padding(Text(printable(f"{link.subject} [{link.origin}]")), (0, 0, 0, 4))
    if answer.valid_from is not None and answer.valid_until is not None:
        window = f"{answer.valid_from:%Y-%m-%d} to {answer.valid_until:%Y-%m-%d}"
        yield Padding(Text(f"all valid {window}"), (0, 0, 0, 4))
    for reason in answer.reasons:
        yield from _reason(reason)


def media_parts(media: MediaResult) -> Iterator[RenderableType]:
    """What a media certificate is; what there is to find fault with is told by the caller."""
    yield Text(printable(media.path), style="bold")
    yield Padding(Text(printable(media.subject)), (0, 0, 0, 2))
    yield Padding(Text(printable(f"issued by {media.issuer}")), (0, 0, 0, 2))
    facts = f"thumbprint {media.thumbprint}, {media.key}"
    facts += f", provider {media.provider}" if media.provider else ""
    yield Padding(Text(printable(facts)), (0, 0, 0, 2))
    if media.not_before is not None and media.not_after is not None:
        window = f"{media.not_before:%Y-%m-%d} to {media.not_after:%Y-%m-%d}"
        yield Padding(Text(f"valid {window}"), (0, 0, 0, 2))


def _reason(reason: Reason) -> Iterator[RenderableType]:
    name = f", {reason.winhttp}" if reason.winhttp else ""
    text = Text(f"{reason.severity} ({reason.code}{name}): ", style=SEVERITY_STYLES[reason.severity])
    text.append(printable(reason.message), style="default")
    if reason.advice:
        text.append(f" {printable(reason.advice)}", style="dim")
    yield Padding(text, (0, 0, 0, 4))
    yield from command_lines([reason.command], 6)
