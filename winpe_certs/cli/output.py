"""Where reports and errors go: the result to stdout, talk to stderr, one JSON document whatever happens."""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from winpe_certs.cli.console import pipe_encoding, takes_escapes
from winpe_certs.cli.streams import nowhere, replace_missing_streams
from winpe_certs.command_lines import shell_of
from winpe_certs.errors import EnvironmentFailure, ExitCode, WinpeCertsError
from winpe_certs.shown import system_words

if TYPE_CHECKING:
    from winpe_certs.finding_codes.explanation import Explanation
    from winpe_certs.results import Report

_UNWRAPPED: Final = 1_000
_ESCAPES: Final = "winpe-certs-escapes"
_TRACED: Final = 2
_FORMAT: Final = re.compile("--format|-[a-zA-Z]*f")
_FLAGS: Final = re.compile("-([hnqv]+)")
_JSON_IN_ONE: Final = re.compile("--format=json|-[a-zA-Z]*f=?json")


class OutputLostError(EnvironmentFailure):
    """The report has nowhere to go."""

    kind = "output"


def show(report: Report, *, as_json: bool, quiet: bool, verbose: int) -> int:
    """Print a report and the error that ended it, if one did; returns the exit code."""
    if as_json:
        from winpe_certs.report import json

        _write(json.render(report, shell_of(sys.platform)) + "\n")
    elif report.command == "manifest":
        from winpe_certs.report import manifest

        if not quiet:
            _write_exactly(manifest.render(report))
    elif not quiet or not report.holds or report.error is not None or report.failures:
        from winpe_certs.report import text

        _print(text.render(report))
    if report.error is not None:
        if as_json:
            _trace(report.error, verbose)
        else:
            show_error(report.error, as_json=False, command=None, verbose=verbose)
        return int(report.error.exit_code)
    if report.failures:
        return max(int(failure.error.exit_code) for failure in report.failures)
    return int(ExitCode.DONE if report.holds else ExitCode.NO)


def show_markdown(report: Report, *, quiet: bool, verbose: int) -> int:
    """Print images that were compared with evidence as a page in Markdown; returns the exit code."""
    from winpe_certs.report import attestations

    if not quiet or not report.holds or report.error is not None:
        _write_exactly(attestations.page(report))
    if report.error is not None:
        show_error(report.error, as_json=False, command=None, verbose=verbose)
        return int(report.error.exit_code)
    return int(ExitCode.DONE if report.holds else ExitCode.NO)


def show_document(text: str) -> int:
    """Print a text as it is, for people to keep; returns the exit code."""
    _write_exactly(text)
    return int(ExitCode.DONE)


def show_help(text: str) -> None:
    """Print a help text, or the version."""
    _write(f"{text}\n")


@contextlib.contextmanager
def settled_streams() -> Iterator[None]:
    """Leave nothing over that the interpreter would try to write, and fail at, when it ends."""
    try:
        yield
    finally:
        _write("", to_stderr=True)


def show_explanations(found: Sequence[Explanation], *, as_json: bool, as_list: bool) -> int:
    """Print what `explain` has found, one line for each with `as_list`; returns the exit code."""
    from winpe_certs.report import explanations

    if as_json:
        _write(explanations.render_json(found) + "\n")
    else:
        _print(explanations.render_list(found) if as_list else explanations.render(found))
    return int(ExitCode.DONE)


def show_error(error: WinpeCertsError, *, as_json: bool, command: str | None, verbose: int) -> None:
    """Print an error: as the JSON document, or on stderr for a person."""
    _trace(error, verbose)
    if as_json and not isinstance(error, OutputLostError):
        from winpe_certs.report import json

        _write(json.render_error(command, error) + "\n")
        return
    from winpe_certs.report.remarks import render_error

    _print(render_error(error), to_stderr=True)


def talk(*, verbose: int) -> None:
    """Let the steps of this program be told on stderr, if they are asked for."""
    import logging

    logger = logging.getLogger("winpe_certs")
    logger.handlers.clear()
    logger.propagate = False
    # A standard error that cannot be written to takes no report of that either.
    logging.raiseExceptions = False
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(relativeCreated)6.0f ms  %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    else:
        logger.addHandler(logging.NullHandler())


def prepare_streams() -> None:
    """Make sure that there are streams, in the encoding of those who read them.

    A character that it lacks is escaped; on Windows not with backslashes, for these are between folders.
    """
    replace_missing_streams()
    codecs.register_error(_ESCAPES, _escaped)
    errors = _ESCAPES if sys.platform == "win32" else "backslashreplace"
    for stream in (sys.stdout, sys.stderr):
        # One that was put in its place, by a test for example, may be none of these.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(encoding=_encoding_for(stream), errors=errors)  # type: ignore[union-attr] # None


def _encoding_for(stream: TextIO | None) -> str | None:
    try:
        return pipe_encoding(stream.fileno()) if stream is not None else None
    except (OSError, ValueError):
        # It has no descriptor, or is closed.
        return None


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Put ``<U+65E5>`` for a character: no path of Windows has such brackets."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(f"<U+{ord(character):04X}>" for character in lacking), error.end


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, judged before it is parsed: it may be wrong in other ways."""
    words = [*arguments, ""]
    return any(
        _JSON_IN_ONE.fullmatch(word) or (_FORMAT.fullmatch(word) and following == "json")
        for word, following in itertools.pairwise(words)
    )


def _trace(error: WinpeCertsError, verbose: int) -> None:
    """Print where in the program an error came from, for those who mend it.

    With ``-v`` only of a defect, with ``-vv`` of every error.
    """
    if verbose >= _TRACED or (verbose and error.exit_code is ExitCode.DEFECT):
        _write("".join(traceback.format_exception(error)), to_stderr=True)


def verbosity_of(arguments: Sequence[str]) -> int:
    """How often a command line has ``--verbose`` or ``-v``, judged before it is parsed."""
    flags = "".join(match[1] for match in map(_FLAGS.match, arguments) if match)
    return arguments.count("--verbose") + flags.count("v")


def _print(renderable: object, *, to_stderr: bool = False) -> None:
    from winpe_certs.report.terminal import Terminal

    stream = sys.stderr if to_stderr else sys.stdout
    is_terminal = stream is not None and stream.isatty()
    has_colours = is_terminal and takes_escapes(to_stderr=to_stderr)
    console = Terminal(
        shell_of(sys.platform),
        file=io.StringIO(),
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=is_terminal,
        # Logs and pipes get whole lines: whoever searches them for a path or thumbprint must find it.
        width=None if is_terminal else _UNWRAPPED,
        color_system="auto" if has_colours else None,
        legacy_windows=False,
    )
    with console.capture() as capture:
        # Nothing is cut off: a command line stays whole, the rest is wrapped already.
        console.print(renderable, crop=False)
    _write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()), to_stderr=to_stderr)


def _write_exactly(text: str) -> None:
    """Write a text that other programs hash: into files and pipes in UTF-8, its lines ended by LF alone."""
    with contextlib.suppress(AttributeError):
        if not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr] # suppressed
    _write(text)


def _write(text: str, *, to_stderr: bool = False) -> None:
    """Write all of a text; raises `OutputLostError` when it cannot be, except into a pipe that was closed."""
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Whoever read the report has seen enough.
        _silence(to_stderr=to_stderr)
    except (OSError, ValueError, AttributeError) as error:
        # A stream that was closed before the program started is None.
        _silence(to_stderr=to_stderr)
        if not to_stderr:
            raise OutputLostError(
                "the report could not be written to the standard output",
                details=f"{_why(error)}\nThe work itself is done; only the report is lost.",
                resolution="Run the same command again with a working output; what is done stays unchanged.",
            ) from error


def _why(error: Exception) -> str:
    return system_words(error) if isinstance(error, OSError) else "It is closed."


def _silence(*, to_stderr: bool) -> None:
    """Keep the interpreter from trying again at its end what has just failed."""
    if to_stderr:
        sys.stderr = nowhere()
    else:
        sys.stdout = nowhere()
