"""The grammar of a command line, with our own words for what breaks it.

Typer's parser does the work. What it would accept in silence is refused here, once for all commands: an
option of one value that is given twice, an option where a value belongs, an empty value, a long option with
a single dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from typer._click.exceptions import BadOptionUsage, MissingParameter, NoSuchOption
from typer._click.parser import _OptionParser
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.models import TyperPath

from winpe_certs.cli.values import shown
from winpe_certs.errors import UsageError

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand
    from typer._click import Context, Parameter
    from typer._click.parser import _Option, _ParsingState

# What to do instead of giving such an option twice, where there is more to say than to leave one out.
_INSTEAD: Final = {
    "--chain": "It is for one server; give the others with --server.",
    "--expect-chain": "It is for one server; ask check-server about the others afterwards.",
}
_SEE: Final = "The help lists what there is:"
_UNSET: Final = "In a script, a variable that is not set is a common cause."
_MOST_LISTED: Final = 4
# Hyphens, dashes and the minus sign that look like the one of the keyboard (U+002D).
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
# A password may be given by mistake where these want a name, and no message may show it.
_UNSHOWN: Final = ("--password-file", "--password-env")


class _Parser(_OptionParser):
    """The parser of one command line; raises `UsageError` for invalid ones."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._context = ctx
        self._words_left = 0

    def _process_opts(self, arg: str, state: _ParsingState) -> None:
        self._words_left = len(state.rargs)
        name = arg.partition("=")[0]
        if not arg.startswith("--") and f"-{name}".lower() in self._long_opt:
            raise self._error(
                f"{shown(name)}: an option of several letters has two dashes", f"Write -{name.lower()}."
            )
        super()._process_opts(arg, state)

    def _get_value_from_state(
        self, option_name: str, option: _Option, state: _ParsingState
    ) -> str | Sequence[str]:
        self._refuse_no_value(option_name, option, state.rargs)
        value = super()._get_value_from_state(option_name, option, state)
        name = _long_name(option.obj)
        if option.action == "store" and option.dest in state.opts:
            before = state.opts[option.dest]
            values = "" if name in _UNSHOWN else f": {shown(str(before))} and {shown(str(value))}"
            raise UsageError(
                f"{name} is given twice{values}",
                resolution=_INSTEAD.get(name, "It takes one value: leave one of the two out."),
            )
        return value

    def _refuse_no_value(self, typed: str, option: _Option, words: Sequence[str]) -> None:
        """Raise `UsageError` unless the next word can be the value of an option."""
        name = _long_name(option.obj)
        # A value that is joined to its option was put back by the parser, in front of the words.
        is_joined = len(words) > self._words_left
        if not words or (not is_joined and self._is_option(words[0])):
            why = f"What follows, {shown(words[0])}, is an option itself. " if words else ""
            raise self._error(
                f"{name}: its value is missing",
                f"Give the value after {name}.",
                details=f"{why}{option.obj.help or ''}",
            )
        if not words[0]:
            raise self._error(
                f"{name}: its value is empty", f"Give the value, or leave {name} out.", details=_UNSET
            )
        if is_joined and not typed.startswith("--") and words[0].startswith("="):
            raise self._error(f"{typed}=: an option of one letter takes no =", f"Write {typed} and a blank.")

    def _process_args_for_args(self, state: _ParsingState) -> None:
        words = [*state.largs, *state.rargs]
        # Before a command only the first word is an argument: the rest is for the parser of the command.
        for word in words if self.allow_interspersed_args else words[:1]:
            if not word:
                raise self._error(f"{self._context.command_path}: an argument is empty", details=_UNSET)
            meant = f"--{word.lstrip(_DASHES)}".partition("=")[0]
            if word[0] in _DASHES and meant in self._long_opt:
                raise self._error(
                    f"{shown(word.partition('=')[0])}: this begins with another character than the dash of "
                    "options",
                    f"Type the dashes of {meant} yourself.",
                    details="Word processors and web pages put longer dashes in its place.",
                )
        super()._process_args_for_args(state)

    def _is_option(self, word: str) -> bool:
        """Whether the parser would take a word for an option of this command."""
        if word.startswith("--"):
            return word == "--" or word.partition("=")[0] in self._long_opt
        return word[:2] in self._short_opt

    def _error(self, message: str, resolution: str = "", *, details: str = "") -> UsageError:
        return UsageError(
            message,
            details=details,
            resolution=f"{resolution} {_SEE}".lstrip(),
            command=_help(self._context),
        )


def _show_help(ctx: Context, parameter: Parameter, value: object) -> None:  # noqa: ARG001 - a callback's
    """Print a help text as every other output: to a full disk that is a failure, to a closed pipe not."""
    if value and not ctx.resilient_parsing:
        from winpe_certs.cli.output import show_help

        show_help(ctx.get_help())
        ctx.exit()


class OneCommand(TyperCommand):
    """A command that reports wrong usage in our words."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for parameter in self.params:
            if isinstance(parameter.type, TyperPath):
                # The code that reads a file reports missing permissions: they are not wrong usage.
                parameter.type.readable = False

    def make_parser(self, ctx: Context) -> _OptionParser:
        """The parser of its options and arguments."""
        return _parser(self, ctx)

    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """The option that prints the help text."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the words after the command; raises `UsageError`."""
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except (NoSuchOption, BadOptionUsage, MissingParameter) as error:
            raise _in_our_words(error, ctx) from error
        if rest:
            raise _too_many(rest, self, ctx)
        return rest


class Commands(TyperGroup):
    """Commands below one name, which report wrong usage in our words."""

    def make_parser(self, ctx: Context) -> _OptionParser:
        """The parser of what comes before the command."""
        return _parser(self, ctx)

    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """The option that prints the help text."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the words before the command; raises `UsageError`."""
        try:
            return super().parse_args(ctx, args)
        except (NoSuchOption, BadOptionUsage) as error:
            raise _in_our_words(error, ctx) from error

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, AnyCommand | None, list[str]]:
        """The command that the first word names; raises `UsageError`."""
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None:
            raise self._no_such_command(name, rest, ctx)
        return name, command, rest

    def invoke(self, ctx: Context) -> Any:
        """Run the command that the words name; raises `UsageError` without one."""
        if not ctx._protected_args:  # noqa: SLF001 - click has no public name for them
            raise UsageError(
                f"{ctx.command_path}: the command is missing", resolution=_SEE, command=_help(ctx)
            )
        return super().invoke(ctx)

    def _no_such_command(self, name: str, rest: Sequence[str], ctx: Context) -> UsageError:
        from winpe_certs.cli.near import near_ones

        names = list(self.commands)
        meant = _meant(near_ones(name, names))
        later = next((word for word in rest if word in names), None)
        if not meant and later:
            meant = f"The command comes first: put {later} in front. "
        return UsageError(
            f"{ctx.command_path}: there is no command {shown(name)}",
            resolution=f"{meant}{_SEE}",
            command=_help(ctx),
        )


def _parser(command: AnyCommand, ctx: Context) -> _Parser:
    parser = _Parser(ctx)
    for parameter in command.get_params(ctx):
        parameter.add_to_parser(parser, ctx)
    return parser


def _in_our_words(error: NoSuchOption | BadOptionUsage | MissingParameter, ctx: Context) -> UsageError:
    if isinstance(error, NoSuchOption):
        return _no_such_option(error.option_name, ctx)
    if isinstance(error, BadOptionUsage):
        # What is missing a value is refused before; the rest has one that it does not take.
        name = shown(error.option_name)
        return UsageError(f"{name} takes no value", resolution=f"Write {name} without = and what follows it.")
    parameter = cast("Parameter", error.param)
    is_option = parameter.param_type_name == "option"
    what = _long_name(parameter) if is_option else _metavar(parameter, ctx)
    return UsageError(
        f"{ctx.command_path}: {what} is missing",
        details=getattr(parameter, "help", None) or "",
        resolution=_SEE,
        command=_help(ctx),
    )


def _no_such_option(name: str, ctx: Context) -> UsageError:
    from winpe_certs.cli.near import near_ones

    root = ctx.find_root()
    elsewhere = _commands_with(name, root)
    own = [option for each in ctx.command.get_params(ctx) for option in each.opts if option.startswith("--")]
    details = meant = ""
    if elsewhere:
        where = _listed(elsewhere) if len(elsewhere) <= _MOST_LISTED else "most commands"
        after = ", and comes after the name of the command" if ctx is root else ""
        details = f"It is an option of {where}{after}."
    else:
        meant = _meant(near_ones(name, own) if name.startswith("--") else ())
    return UsageError(
        f"{ctx.command_path}: there is no option {shown(name)}",
        details=details,
        resolution=f"{meant}{_SEE}",
        command=_help(ctx),
    )


def _commands_with(option: str, root: Context) -> list[str]:
    """The commands of the program that have exactly this option; imports them all, which an error may."""
    found = []
    pending = [(root.command, "")]
    while pending:
        command, path = pending.pop(0)
        if isinstance(command, Commands):
            below = ((command.get_command(root, name), name) for name in command.commands)
            pending += [(each, f"{path} {name}".lstrip()) for each, name in below if each is not None]
        elif any(option in each.opts for each in command.params):
            found.append(path)
    return found


def _too_many(rest: Sequence[str], command: AnyCommand, ctx: Context) -> UsageError:
    taken = [_metavar(each, ctx) for each in command.params if each.param_type_name == "argument"]
    has_secret = any(option in _UNSHOWN for each in command.params for option in each.opts)
    which = "" if has_secret else f": {shown(rest[0])}"
    takes = f"Besides its options it takes {' and '.join(taken)}." if taken else "It takes options only."
    return UsageError(
        f"{ctx.command_path}: an argument too many{which}",
        details=takes,
        resolution=f"A value with blanks needs quotes, and follows its option. {_SEE}",
        command=_help(ctx),
    )


def _long_name(parameter: Parameter) -> str:
    return max(parameter.opts, key=len)


def _metavar(parameter: Parameter, ctx: Context) -> str:
    return parameter.make_metavar(ctx)


def _meant(names: Sequence[str]) -> str:
    return f"Did you mean {' or '.join(names)}? " if names else ""


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _help(ctx: Context) -> tuple[str, ...]:
    return (*ctx.command_path.split(), "--help")
