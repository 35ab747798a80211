"""The program: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, ParamSpec

import typer
from typer._click.exceptions import ClickException
from typer.core import TyperCommand

from winpe_certs import __version__
from winpe_certs.cli.memory import is_no_memory, no_memory, show_no_memory
from winpe_certs.cli.output import (
    OutputLostError,
    prepare_streams,
    settled_streams,
    show_error,
    show_help,
    verbosity_of,
    wants_json,
)
from winpe_certs.cli.parsing import Commands, OneCommand
from winpe_certs.cli.signals import ended_by_signals
from winpe_certs.command_lines import PROGRAM
from winpe_certs.errors import ExitCode, Interrupted, UsageError, WinpeCertsError

if TYPE_CHECKING:
    from typer._click import Command, Context

_Arguments = ParamSpec("_Arguments")

# Where each command is, in the order of the help text: a module beside this one and a function in it.
COMMANDS: Final = {
    "inject": "writing_commands:inject",
    "verify": "reading_commands:verify",
    "list": "reading_commands:list_",
    "check-server": "reading_commands:check_server",
    "check-media-certificate": "certificate_commands:check_media_certificate",
    "audit": "estate_commands:audit",
    "manifest": "evidence_commands:manifest",
    "export": "certificate_commands:export",
    "remove": "writing_commands:remove",
    "undo": "evidence_commands:undo",
    "compact": "image_commands:compact",
    "diff": "image_commands:diff",
    "explain": "explain_command:explain",
    "doctor": "machine_commands:doctor",
    "cleanup": "machine_commands:cleanup",
}
# Commands with commands below them: what they are about, and where those are.
GROUPS: Final = {"evidence": ("Look at evidence files.", {"show": "evidence_files:show_page"})}


class _Program(Commands):
    """All commands. Each is imported and built when it is asked for; only the help text asks for all."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # For their names, which a wrong one is compared with: `get_command` gives the real ones.
        self.commands = {name: TyperCommand(name) for name in (*COMMANDS, *GROUPS)}

    def _main_shell_completion(self, *_: object, **__: object) -> None:
        """Nothing: an environment variable for shell completion, which there is none of, has no say."""

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002 - part of the interface
        """The command of a name, None when there is none."""
        made = typer.Typer(
            name=cmd_name, cls=Commands, add_completion=False, rich_markup_mode=None, no_args_is_help=True
        )
        if cmd_name in GROUPS:
            made.info.help, below = GROUPS[cmd_name]
            for name, place in below.items():
                made.command(name, cls=OneCommand)(_function(place))
            return typer.main.get_group(made)
        if cmd_name not in COMMANDS:
            return None
        made.command(cmd_name, cls=OneCommand)(_function(COMMANDS[cmd_name]))
        return typer.main.get_command(made)


app = typer.Typer(
    name="winpe-certs",
    cls=_Program,
    help="Put a root certificate into a Windows PE boot image, and prove that it is there.",
    epilog="Exit codes: 0 done or verified, 1 verification says no, 2 wrong usage, 3 input refused, "
    "4 system or program failed, 5 clean-up incomplete, 70 defect of this program, 130 interrupted.",
    add_completion=False,
    # Plain help: it looks the same in a terminal, a log and the README, and starts in half the time.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _interruptible(command: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Let Ctrl-C leave a command as our own error: Click would turn it into a bare exit code."""

    @functools.wraps(command)
    def run(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt as error:
            raise Interrupted from error

    return run


def _function(place: str) -> Callable[..., int]:
    module, _, name = place.partition(":")
    found: Callable[..., int] = getattr(import_module(f"winpe_certs.cli.{module}"), name)
    return _interruptible(found)


def _print_version(value: bool) -> None:
    if value:
        show_help(f"winpe-certs {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None, *, ends_process: bool = False) -> int:
    """Run one command line; returns the exit code. Never raises, never shows a traceback unasked.

    With `ends_process` the process has nothing else to do, and signals are not heeded afterwards.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = wants_json(arguments)
    verbose = verbosity_of(arguments)
    prepare_streams()
    try:
        with settled_streams(), ended_by_signals(ends_process=ends_process):
            return _run(arguments)
    except WinpeCertsError as error:
        failure: WinpeCertsError = error
    except Exception as error:  # noqa: BLE001 - the last stop: a defect must not look like bad input
        failure = (
            no_memory()
            if is_no_memory(error)
            else WinpeCertsError(
                f"a defect of winpe-certs: {type(error).__name__}: {error}",
                details="Nothing was committed unless a report above says so.",
                resolution="Please report it with the output of the same command and -vv.",
            )
        )
        # The frames of what ran out of memory hold that memory.
        failure.__cause__ = None if is_no_memory(error) else error
    try:
        with settled_streams(), contextlib.suppress(OutputLostError):
            show_error(failure, as_json=as_json, command=_command_in(arguments), verbose=verbose)
    except MemoryError:
        show_no_memory(as_json=as_json)
        return int(ExitCode.FAILED)
    return int(failure.exit_code)


def _command_in(arguments: list[str]) -> str | None:
    """The command that a command line names, with the one below it if it is a group: ``evidence show``."""
    words = arguments[: 2 if arguments and arguments[0] in GROUPS else 1]
    return " ".join(itertools.takewhile(lambda word: not word.startswith("-"), words)) or None


def _run(arguments: list[str]) -> int:
    if not arguments or (len(arguments) == 1 and arguments[0] in GROUPS):
        # The help, but as what it is here: an answer to a call that asks for nothing.
        with contextlib.redirect_stdout(sys.stderr):
            _run([*arguments, "--help"])
        return int(ExitCode.USAGE)
    command = typer.main.get_command(app)
    try:
        # Without expansion by Click: on Windows it would rewrite arguments that are no paths.
        code = command.main(
            args=arguments, prog_name="winpe-certs", standalone_mode=False, windows_expand_args=False
        )
    except (typer.Abort, KeyboardInterrupt) as error:
        raise Interrupted from error
    except ClickException as error:
        # Usage errors have our own words; this catches any that were not foreseen.
        raise UsageError(
            f"the command line cannot be read: {error}",
            resolution="The help lists what there is:",
            command=(PROGRAM, "--help"),
        ) from error
    return int(code or ExitCode.DONE)
