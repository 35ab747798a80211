"""The grammar of the command line: every command and every option of the program is asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from scripts.testdata import pki
from tests.unit.cli.conftest import Program
from winpe_certs.cli.main import app

# Words of the parser that must not reach users: messages about wrong usage are ours.
FOREIGN = re.compile(
    r"No such|Missing |unexpected extra|is not one of '|Invalid value|requires an argument|Possible option"
    r"|does not take|in the range|not a valid|cannot be read"
)
REPEATABLE = {
    "--allow",
    "--cert",
    "--connect",
    "--hostname",
    "--index",
    "--index-b",
    "--replace",
    "--require",
    "--skip",
    "--server",
    "--store",
    "--thumbprint",
}

HELP = "The help lists what there is:\n  "


def _commands() -> Iterator[tuple[tuple[str, ...], list[TyperOption]]]:
    """Every command by its words, with its options."""
    program = typer.main.get_command(app)
    context = program.make_context("winpe-certs", ["x"], resilient_parsing=True)
    pending: list[tuple[tuple[str, ...], object]] = [((), program)]
    while pending:
        words, command = pending.pop(0)
        if isinstance(command, TyperGroup):
            pending += [((*words, name), command.get_command(context, name)) for name in command.commands]
        else:
            assert isinstance(command, TyperCommand)
            yield words, [each for each in command.params if isinstance(each, TyperOption)]


COMMANDS = list(_commands())
NAMES = [" ".join(words) for words, _ in COMMANDS]
OPTIONS = [(words, option) for words, options in COMMANDS for option in options]
FLAGS = [each for each in OPTIONS if each[1].is_flag or each[1].count]
VALUED = [each for each in OPTIONS if each not in FLAGS]
OF_ONE_VALUE = [each for each in VALUED if not each[1].multiple]


def of_all(cases: list[tuple[tuple[str, ...], TyperOption]]) -> pytest.MarkDecorator:
    """Ask each of these options of these commands."""
    names = [" ".join((*words, option.opts[0])) for words, option in cases]
    return pytest.mark.parametrize(("words", "option"), cases, ids=names)


def _forms(option: TyperOption, value: str) -> list[list[str]]:
    """All ways to write an option with a value."""
    long = [[name, value] for name in option.opts] + [
        [f"{name}={value}"] for name in option.opts if len(name) > 2
    ]
    return long + [[f"{name}{value}"] for name in option.opts if len(name) == 2]


def test_all_commands_are_asked() -> None:
    assert {words[0] for words, _ in COMMANDS} >= {"inject", "verify", "evidence", "cleanup"}
    assert len(OF_ONE_VALUE) > 60
    assert len(FLAGS) > 50


@of_all(OF_ONE_VALUE)
def test_an_option_of_one_value_given_twice_is_refused(
    run: Program, words: tuple[str, ...], option: TyperOption
) -> None:
    name = max(option.opts, key=len)
    for first, second in itertools.product(_forms(option, "one"), _forms(option, "two")):
        done = run(*words, *first, "x", *second)
        assert (done.code, done.out) == (2, "")
        values = "" if name.startswith("--password") else ": one and two"
        assert done.err.startswith(f"error: {name} is given twice{values}\nnext: ")
    # The same value twice is no better: one of the two was probably meant to be another value.
    assert "is given twice" in run(*words, name, "one", name, "one").err


@of_all(OF_ONE_VALUE)
def test_that_is_a_document_too(run: Program, words: tuple[str, ...], option: TyperOption) -> None:
    name = option.opts[0]
    form = () if name == "--format" else ("--format", "json")
    done = run(*words, "x", name, "json", name, "json", *form)
    assert (done.code, done.err) == (2, "")
    assert done.document["command"] == " ".join(words)
    assert "is given twice" in done.document["error"]["message"]


def test_the_other_options_are_repeatable() -> None:
    found = {max(option.opts, key=len) for _, options in COMMANDS for option in options if option.multiple}
    assert found == REPEATABLE


@of_all(FLAGS)
def test_a_flag_given_twice_is_harmless(run: Program, words: tuple[str, ...], option: TyperOption) -> None:
    name = option.opts[0]
    done = run(*words, name, *(name for _ in range(2)), "--nonsense")
    assert "there is no option --nonsense" in done.err


@of_all(FLAGS)
def test_a_flag_takes_no_value(run: Program, words: tuple[str, ...], option: TyperOption) -> None:
    name = max(option.opts, key=len)
    done = run(*words, f"{name}=yes")
    assert (done.code, done.err.startswith(f"error: {name} takes no value\n")) == (2, True)


@of_all(VALUED)
def test_an_option_wants_its_value(run: Program, words: tuple[str, ...], option: TyperOption) -> None:
    name = max(option.opts, key=len)
    for arguments in ([name], [name, "--format=x"], [name, name], [name, "--"], [option.opts[-1], "-v"]):
        done = run(*words, *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: {name}: its value is missing\n"), arguments
        assert done.err.endswith(f" {HELP}winpe-certs {' '.join(words)} --help\n")


@of_all(VALUED)
def test_an_empty_value_is_none(run: Program, words: tuple[str, ...], option: TyperOption) -> None:
    name = max(option.opts, key=len)
    for arguments in ([name, ""], [f"{name}="], [option.opts[-1], ""]):
        done = run(*words, "x", *arguments)
        assert (done.code, done.err.startswith(f"error: {name}: its value is empty\n")) == (2, True)


@pytest.mark.parametrize(("words", "options"), COMMANDS, ids=NAMES)
def test_wrong_usage_has_our_words(run: Program, words: tuple[str, ...], options: list[TyperOption]) -> None:
    calls = [
        [],
        ["--nonsense"],
        ["-Z"],
        ["a", "b", "c", "d", "--nonsense=x"],
        ["--format", "xml", "x"],
        ["--format", "x", "--help=x"],
        [""],
        *([option.opts[0], "\x1b[1m"] for option in options if not option.is_flag),
    ]
    for call in calls:
        done = run(*words, *call)
        # Some commands want no arguments; doctor and cleanup take any path of DISM for one that is missing.
        assert done.code == 2 or not call or words[0] in {"doctor", "cleanup"} or words == ("explain",), (
            call,
            done.err,
        )
        assert not FOREIGN.search(done.err), (call, done.err)
        assert "\x1b" not in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("value", ["--output", "--output=x", "-v", "-nvq", "--cert", "-c", "-cx", "--"])
def test_an_option_is_no_value_unless_it_is_joined(run: Program, value: str) -> None:
    assert "--output: its value is missing" in run("inject", "x", "-o", value).err
    for joined in (f"--output={value}", f"-o{value}"):
        assert "y: no such certificate file" in run("inject", "x", "-c", "y", joined).err


@pytest.mark.parametrize("value", ["-", "-1", "-x y", "--nonsense", "---", "--outputs"])
def test_what_is_no_option_of_the_command_is_a_value(run: Program, value: str) -> None:
    assert "y: no such certificate file" in run("inject", "x", "-c", "y", "-o", value).err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("-index", "--index"), ("-Index", "--index"), ("-INDEX=1", "--index"), ("-dry-run", "--dry-run")],
)
def test_a_long_option_with_one_dash_is_not_taken_for_a_short_one(
    run: Program, typed: str, meant: str
) -> None:
    done = run("inject", "x", typed, "1")
    assert done.code == 2
    assert done.err.startswith(
        f"error: {typed.partition('=')[0]}: an option of several letters has two dashes"
    )
    assert f"next: Write {meant}. " in done.err


def test_flags_in_one_word_are_no_long_option(run: Program) -> None:
    assert "there is no option --nonsense" in run("inject", "-nvq", "-nvqi1", "--nonsense").err


def test_too_many_arguments_are_said_with_what_is_taken(run: Program) -> None:
    done = run("diff", "a", "b", "c")
    assert done.err.startswith(
        "error: winpe-certs diff: an argument too many: c\n  Besides its options it takes A and B.\n"
    )
    assert "It takes options only." in run("doctor", "x").err


def test_no_message_shows_what_may_be_a_password(run: Program) -> None:
    for arguments in (
        ["--password-file", "hunter2", "--password-file", "hunter2"],
        ["--password-env", "hunter2", "--password-env=hunter2"],
        ["hunter2"],
        ["--password=hunter2"],
        ["--password", "hunter2"],
        ["-phunter2"],
        ["--verbose=hunter2"],
        ["-password-file=hunter2"],
        ["\u2013password-file=hunter2"],
    ):
        done = run("check-media-certificate", "media.pfx", *arguments)
        assert (done.code, "hunter2" in done.err) == (2, False), arguments


@pytest.mark.parametrize("arguments", [["inject", ""], ["diff", "x", ""], ["audit", "x", ""], ["export", ""]])
def test_an_empty_argument_is_none(run: Program, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert done.err.startswith(f"error: winpe-certs {arguments[0]}: an argument is empty\n")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["check-server", "x", "--chain", "a", "--chain", "b"], "give the others with --server."),
        (["audit", "x", "--chain", "a", "--chain", "b"], "give the others with --server."),
        (["inject", "x", "--expect-chain", "a", "--expect-chain", "b"], "ask check-server about the others"),
    ],
)
def test_who_wants_two_chains_is_told_the_way(run: Program, arguments: list[str], advice: str) -> None:
    assert advice in run(*arguments).err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["injct"], f"next: Did you mean inject? {HELP}winpe-certs --help"),
        (["lsit"], "Did you mean list?"),
        (["xyz"], f"next: {HELP}winpe-certs --help"),
        (["Inject"], "Did you mean inject?"),
        (["check"], "Did you mean check-server or check-media-certificate?"),
        (["boot.wim", "verify"], "next: The command comes first: put verify in front. The help"),
        (
            ["evidence", "shw"],
            f"next: Did you mean show? {HELP}winpe-certs evidence --help",
        ),
        (["evidence", "inject"], f"next: {HELP}winpe-certs evidence --help"),
        (["x" * 100_000], f"next: {HELP}winpe-certs --help"),
        (
            ["inject", "--strore"],
            f"next: Did you mean --store? {HELP}winpe-certs inject --help",
        ),
        (["inject", "--Store"], "Did you mean --store?"),
        (["inject", "--dry_run"], "Did you mean --dry-run?"),
        (["inject", "--xyz"], f"next: {HELP}winpe-certs inject --help"),
        (
            ["inject", "--" + "x" * 100_000],
            f"next: {HELP}winpe-certs inject --help",
        ),
        (["list", "--cert", "x"], "It is an option of inject, verify and remove.\nnext: The help"),
        (["inject", "--apply"], "It is an option of cleanup.\n"),
        (
            ["--format", "json1"],
            "It is an option of most commands, and comes after the name of the command.\n",
        ),
        (["--chain", "x"], "It is an option of check-server and audit, and comes after"),
        (["--verson"], "Did you mean --version?"),
        (["list", "--version"], f"next: {HELP}winpe-certs list --help"),
        (["--"], "error: winpe-certs: the command is missing\n"),
    ],
)
def test_suggestions_are_near_ones_or_none(run: Program, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert words in done.err
    assert len(done.err) < 1000


def test_what_is_missing_is_said_with_what_it_is(run: Program) -> None:
    done = run("undo", "x")
    assert done.err.startswith(
        "error: winpe-certs undo: --evidence is missing\n  The evidence of the change.\n"
    )
    assert run("diff", "x").err.startswith("error: winpe-certs diff: B is missing\n")


def test_a_thumbprint_has_no_properties_to_compare(run: Program, hive: Path, root: Path) -> None:
    run("inject", hive, "-c", root)
    assert run("verify", hive, "-c", root, "--strict-blob").code == 0
    done = run("verify", hive, "-t", pki.thumbprint("corp-root"), "--strict-blob")
    assert (done.code, "a thumbprint says nothing" in done.err) == (2, True)


@pytest.mark.parametrize("dash", ["\u2010", "\u2013", "\u2014", "\u2212", "\u2014\u2014"])
def test_a_dash_that_was_pasted_is_told_from_the_right_one(run: Program, dash: str) -> None:
    done = run("inject", "x", f"{dash}index", "1")
    assert done.code == 2
    assert done.err.startswith(f"error: {dash}index: this begins with another character than the dash")
    assert "Type the dashes of --index yourself." in done.err
    assert "no such file or folder" in run("list", f"{dash}boot.wim").err


@pytest.mark.parametrize("typed", ["-o=out.wim", "-o=", "-no=out.wim"])
def test_an_option_of_one_letter_takes_no_equals_sign(run: Program, typed: str) -> None:
    done = run("inject", "x", "-c", "y", typed)
    assert (done.code, done.err.startswith("error: -o=: an option of one letter takes no =\n")) == (2, True)
    assert "y: no such certificate file" in run("inject", "x", "-c", "y", "-o", "=out.wim").err


@pytest.mark.parametrize("instruction", ["bash_source", "source_bash", "complete_zsh", "x"])
def test_a_variable_for_completion_changes_nothing(
    run: Program, monkeypatch: pytest.MonkeyPatch, instruction: str
) -> None:
    monkeypatch.setenv("_WINPE_CERTS_COMPLETE", instruction)
    assert run("--version").code == 0
    assert "there is no command x" in run("x").err
