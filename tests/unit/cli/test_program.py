from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs import __version__
from winpe_certs.cli.main import COMMANDS, GROUPS
from winpe_certs.errors import CleanupError, ExitCode
from winpe_certs.workflows import reading


def test_version(run: Program) -> None:
    done = run("--version")
    assert (done.code, done.out) == (0, f"winpe-certs {__version__}\n")


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "winpe_certs", "--version"], capture_output=True, check=True, text=True
    )
    assert done.stdout == f"winpe-certs {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["inject"],
        ["nonsense"],
        ["inject", "--nonsense"],
        ["list", "x", "--index"],
        ["verify", "x", "-f", "xml"],
    ],
)
def test_wrong_usage_is_one_message_and_exit_two(run: Program, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"], ["-f", "json"], ["-fjson"]])
def test_json_is_one_document_for_wrong_usage_too(run: Program, form: list[str]) -> None:
    done = run("inject", "--nonsense", *form)
    assert done.code == 2
    assert done.err == ""
    assert done.document["error"]["code"] == 2
    assert done.document["command"] == "inject"
    assert (done.document["ok"], done.document["images"]) == (False, [])


def test_json_is_ascii(run: Program, tmp_path: Path) -> None:
    done = run("list", tmp_path / "größe.wim", "-f", "json")
    assert done.code == 2
    assert done.out.isascii()
    assert "größe.wim" in done.document["error"]["message"]


def test_a_defect_says_so_without_a_traceback(
    run: Program, hive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(reading, "read_as_needed", broken)
    done = run("list", hive)
    assert done.code == 70
    assert "a defect of winpe-certs: KeyError" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in run("list", hive, "--verbose").err
    assert run("list", hive, "-f", "json").document["error"]["code"] == 70


def test_an_interrupted_run_says_so(run: Program, hive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "read_as_needed", interrupted)
    done = run("list", hive)
    assert done.code == 130
    assert done.err.startswith("error: interrupted\n")
    assert run("list", hive, "-f", "json").document["error"]["code"] == 130


def test_verbose_twice_shows_where_an_error_came_from(run: Program, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk")
    for form in ([], ["--verbose"], ["-v"], ["-qv"]):
        assert "Traceback" not in run("list", junk, *form).err, form
    for form in (["--verbose", "-v"], ["-vv"], ["-qvv"], ["-v", "-qvf", "text"]):
        assert "Traceback" in run("list", junk, *form).err, form


def test_steps_are_told_without_a_traceback(run: Program, hive: Path, root: Path) -> None:
    done = run("inject", hive, "-c", root, "-v")
    assert (done.code, " ms  " in done.err, "Traceback" in done.err) == (0, True, False)


def test_a_traceback_leaves_the_document_alone(run: Program, tmp_path: Path) -> None:
    done = run("list", tmp_path / "missing", "-vv", "-f", "json")
    assert (done.document["error"]["code"], "Traceback" in done.err) == (2, True)


@pytest.mark.posix("shell")
def test_a_closed_pipe_ends_the_program_quietly(hive: Path) -> None:
    command = f"{sys.executable} -m winpe_certs list {hive} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_names_that_the_console_lacks_are_escaped(
    hive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from winpe_certs.cli.main import main

    place = tmp_path / "größe→"
    place.write_bytes(hive.read_bytes())
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["list", str(place)]) == 0
    stream.flush()
    # On Windows a backslash stands between folders.
    escape = b"<U+2192>" if sys.platform == "win32" else b"\\u2192"
    assert b"gr\xf6\xdfe" + escape in stream.buffer.getvalue()


def test_exit_codes_are_the_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "NO": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "FAILED": 4,
        "CLEANUP_INCOMPLETE": 5,
        "DEFECT": 70,
        "INTERRUPTED": 130,
    }
    assert CleanupError.exit_code == 5


def test_the_front_page_has_every_exit_code() -> None:
    page = (TESTDATA.parent / "README.md").read_text(encoding="utf-8")
    told = [int(line.split("|")[1]) for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert told == [code.value for code in ExitCode]


def test_heavy_modules_wait_until_they_are_used() -> None:
    """`--help` must not pay for what only a command needs."""
    code = (
        "import sys; from winpe_certs.cli.main import main; main(['--help']); "
        "heavy = {'cryptography', 'regipy', 'Registry', 'rich.console', 'winpe_certs.wim'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_needs_no_command() -> None:
    code = (
        "import sys; from winpe_certs.cli.main import main; main(['--version']); "
        "print(sorted(name for name in sys.modules if name.startswith('winpe_certs.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "commands" not in done.stdout.splitlines()[-1]


@pytest.mark.posix("elsewhere")
def test_a_change_in_place_imports_nothing_of_the_other_ways(image: Path, root: Path) -> None:
    command = ["inject", str(image), "--cert", str(root), "--index", "1"]
    code = (
        f"import sys; from winpe_certs.cli.main import main; main({command!r}); "
        "other = {'dism', 'hive_writer', 'reg_program', 'records', 'staging', 'survey'}; "
        "print(sorted(name for name in other if f'winpe_certs.engines.{name}' in sys.modules)); "
        "print('importlib.metadata' in sys.modules, 'winpe_certs.regf.check' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "False False"]


@pytest.mark.parametrize("words", [*([name] for name in COMMANDS), ["evidence", "show"]])
def test_every_command_is_found_and_named(run: Program, words: list[str]) -> None:
    shown = run(*words, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: winpe-certs {' '.join(words)} ")


def test_every_summary_is_whole_in_a_narrow_terminal(run: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("--help").out
    lines = shown[shown.index("Commands:") :].split("\n\n")[0].splitlines()[1:]
    assert len(lines) == len(COMMANDS) + len(GROUPS), "each on a line of its own"
    assert [line for line in lines if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["inject"], "winpe-certs inject"),
        (["inject", "--nonsense"], "winpe-certs inject"),
        (["list", "x", "--index"], "winpe-certs list"),
        (["evidence", "show", "--format"], "winpe-certs evidence show"),
        (["evidence", "show"], "winpe-certs evidence show"),
        (["evidence", "nonsense"], "winpe-certs evidence"),
        (["nonsense"], "winpe-certs"),
        (["--nonsense"], "winpe-certs"),
    ],
)
def test_wrong_usage_names_the_help_of_its_own_command(
    run: Program, arguments: list[str], program: str
) -> None:
    assert run(*arguments).err.endswith(f" The help lists what there is:\n  {program} --help\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit", "--min-days", "x"], "--min-days x: this is not a whole number from 0 to 36500"),
        (["audit", "--min-days", "36501"], "--min-days 36501: this is not a whole number from 0 to 36500"),
        (
            ["check-server", "--connect-timeout", "x y"],
            "--connect-timeout x y: this is not a number of",
        ),
        (["check-server", "--connect-timeout", "nan"], "--connect-timeout nan: this is not a number of"),
        (
            ["inject", "--dism-timeout", "0"],
            "--dism-timeout 0: this is not a number of seconds from 1",
        ),
        (["inject", "--dism-timeout", "inf"], "--dism-timeout inf: this is not a number of seconds from 1"),
        (["audit", "--min-days", "1" * 5000], f"--min-days {'1' * 100}...: this is not a whole number"),
    ],
)
def test_a_number_that_does_not_fit_is_told_its_range(run: Program, arguments: list[str], words: str) -> None:
    done = run(*arguments, "x")
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize(("command", "chain"), [("inject", "--expect-chain"), ("audit", "--chain")])
def test_what_cannot_connect_does_not_speak_of_it(
    run: Program, hive: Path, root: Path, command: str, chain: str
) -> None:
    shown = run(command, "--help").out
    assert "--connect" not in shown
    assert f"reach the server of {chain}." in " ".join(shown.split())
    certificate = ("-c", root) if command == "inject" else ()
    done = run(command, hive, *certificate, "--hostname", "a.b")
    assert done.code == 2
    assert "--connect" not in done.err
    assert f"Add {chain} with" in done.err


def test_a_name_without_a_chain_is_no_name_of_another_server(run: Program, hive: Path, certs: Path) -> None:
    server = ("--server", f"cmg.contoso.example={certs / 'cmg-chain.pem'}")
    done = run("audit", hive, *server, "--hostname", "a.b")
    assert (done.code, "--connect" in done.err) == (2, False)


def test_a_wrong_command_is_compared_with_the_right_ones(run: Program) -> None:
    refused = run("injekt")
    assert refused.code == ExitCode.USAGE
    assert "Did you mean inject?" in refused.err
