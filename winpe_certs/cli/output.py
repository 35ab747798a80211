"""Where reports and errors go: the result to stdout, talk to stderr, one JSON document whatever happens."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from winpe_certs.errors import ExitCode, WinpeCertsError

if TYPE_CHECKING:
    from winpe_certs.results import Report

_UNWRAPPED: Final = 1_000


def show(report: Report, *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Print a report and the error that ended it, if one did; returns the exit code."""
    if as_json:
        from winpe_certs.report import json  # noqa: PLC0415 - start-up time

        _write(json.render(report))
    elif not quiet or not report.holds or report.error is not None:
        from winpe_certs.report import text  # noqa: PLC0415 - start-up time

        _print(text.render(report))
    if report.error is not None:
        if not as_json:
            show_error(report.error, as_json=False, command=None, verbose=verbose)
        return int(report.error.exit_code)
    return int(ExitCode.DONE if report.holds else ExitCode.NO)


def show_error(error: WinpeCertsError, *, as_json: bool, command: str | None, verbose: bool) -> None:
    """Print an error: as the JSON document, or on stderr for a person."""
    if as_json:
        from winpe_certs.report import json  # noqa: PLC0415 - start-up time

        _write(json.render_error(command, error))
        return
    from winpe_certs.report import text  # noqa: PLC0415 - start-up time

    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    _print(text.render_error(error), to_stderr=True)


def talk(*, verbose: bool) -> None:
    """Let the steps of this program be told on stderr, if they are asked for."""
    logger = logging.getLogger("winpe_certs")
    logger.handlers.clear()
    logger.propagate = False
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(relativeCreated)6.0f ms  %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    else:
        logger.addHandler(logging.NullHandler())


def prepare_streams() -> None:
    """Make sure that a name that the console's code page lacks is escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, judged before it is parsed: it may be wrong in other ways."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument in {"--format=json", "-fjson"} or (
            argument in {"--format", "-f"} and following == "json"
        ):
            return True
    return False


def _write(document: str) -> None:
    sys.stdout.write(document + "\n")
    sys.stdout.flush()


def _print(renderable: object, *, to_stderr: bool = False) -> None:
    from rich.console import Console  # noqa: PLC0415 - start-up time

    console = Console(stderr=to_stderr, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(renderable)
        return
    # Logs and pipes get whole lines: whoever searches them for a path or thumbprint must find it.
    plain = Console(
        file=io.StringIO(), highlight=False, markup=False, emoji=False, width=_UNWRAPPED, color_system=None
    )
    with plain.capture() as capture:
        plain.print(renderable)
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    stream.flush()
