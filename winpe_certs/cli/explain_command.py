"""The command that says what codes, numbers and names mean. Heavy imports wait until needed."""

from __future__ import annotations

from typing import Annotated

import typer

from winpe_certs.cli import options as o
from winpe_certs.cli.near import near_ones
from winpe_certs.cli.output import show_explanations, talk
from winpe_certs.errors import UsageError
from winpe_certs.shown import shown_text

Codes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CODE",
        help="Code of a finding, kind of an error, number of DISM, exit code, or WinHTTP's name.",
        show_default=False,
    ),
]


def explain(
    code: Codes = None,
    *,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
) -> int:
    """Explain a code: meaning, cause and remedy.

    Codes of findings, kinds of errors, exit codes, numbers of DISM, and WinHTTP's names in smsts.log. A
    number that means several things is explained for each of them; "exit 5" and "dism 5" ask for one. Without
    a code all of them are listed.
    """
    from winpe_certs.workflows.explain import everything, names
    from winpe_certs.workflows.explain import explain as run

    talk(verbose=verbose)
    as_json = report_format is o.Format.JSON
    if not code:
        return show_explanations(everything(), as_json=as_json, as_list=True)
    text = " ".join(code)
    found = run(text)
    if not found:
        near = near_ones(text, names())
        raise UsageError(
            f"there is nothing to explain by the name {shown_text(text)}",
            resolution=f"Perhaps you mean {' or '.join(near)}. explain without a code lists all of them."
            if near
            else "explain without a code lists all that can be explained.",
        )
    return show_explanations(found, as_json=as_json, as_list=False)
