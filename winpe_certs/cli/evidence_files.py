"""The commands about evidence files themselves. Heavy imports wait until needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show_document, talk
from winpe_certs.cli.values import one_of
from winpe_certs.command_lines import shell_of


def show_page(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What --evidence has written.", show_default=False)
    ],
    *,
    report_format: Annotated[
        o.PageFormat,
        typer.Option(
            "--format",
            "-f",
            metavar="text|markdown|json",
            help="Page as text or Markdown, or the document itself.",
            parser=one_of("--format", o.PageFormat),
        ),
    ] = o.PageFormat.TEXT,
    verbose: o.Verbose = 0,
) -> int:
    """Print an evidence file as a page for the change record.

    Nothing is printed of a file that is not exactly what was written: any changed byte is refused, exit
    code 3. That finds accidents; it is no signature.
    """
    from winpe_certs.workflows.evidence.file import read_evidence, read_text

    talk(verbose=verbose)
    if report_format is o.PageFormat.JSON:
        return show_document(read_text(file))
    evidence = read_evidence(file)
    from winpe_certs.report.evidence import page

    return show_document(
        page(evidence, str(file), shell_of(sys.platform), markdown=report_format is o.PageFormat.MARKDOWN)
    )
