"""The PowerShell module: its grammar, and that it fits the program. It is parsed here and never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import tree_sitter_powershell
import typer
from tree_sitter import Language, Node, Parser

from tests.conftest import REPOSITORY
from tests.pasting import arguments_in
from tests.unit.cli.conftest import TESTDATA, Program, certs, image, run
from winpe_certs.cli.main import app

__all__ = ["certs", "image", "run"]

MODULE: Final = REPOSITORY / "powershell" / "WinPECerts"
SOURCE: Final = MODULE / "WinPECerts.psm1"
FILES: Final = (SOURCE, MODULE / "WinPECerts.psd1", REPOSITORY / "scripts" / "windows-acceptance.ps1")
PUBLIC: Final = {
    "Add-WinPECertificate": "inject",
    "Remove-WinPECertificate": "remove",
    "Get-WinPECertificate": "list",
    "Test-WinPECertificate": "verify",
    "Test-WinPEServerTrust": "check-server",
}
# Microsoft, "Approved Verbs for PowerShell Commands", of the groups Common, Lifecycle, Diagnostic and Data.
APPROVED: Final = {"Add", "Remove", "Get", "Test", "Find", "New", "Invoke", "ConvertTo"}
CHANGING: Final = {"Add-WinPECertificate", "Remove-WinPECertificate"}


def _parsed(path: Path) -> Node:
    parser = Parser(Language(tree_sitter_powershell.language()))
    return parser.parse(path.read_bytes()).root_node


def _nodes(node: Node, kind: str) -> Iterator[Node]:
    if node.type == kind:
        yield node
    for child in node.children:
        yield from _nodes(child, kind)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _functions() -> dict[str, str]:
    found = {}
    for node in _nodes(_parsed(SOURCE), "function_statement"):
        (name,) = (child for child in node.children if child.type == "function_name")
        found[_text(name)] = _text(node)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_grammar_takes_it_and_it_is_ascii(path: Path) -> None:
    """Windows PowerShell 5.1 reads a file without a mark in the ANSI code page."""
    assert path.read_bytes().isascii()
    root = _parsed(path)
    assert not [each.start_point for kind in ("ERROR", "MISSING") for each in _nodes(root, kind)]
    assert not root.has_error


def test_what_is_not_powershell_is_noticed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.psm1"
    broken.write_bytes(SOURCE.read_bytes().replace(b"process {", b"process {{", 1))
    assert _parsed(broken).has_error


def test_what_is_exported_is_there_and_named_by_approved_verbs() -> None:
    functions = _functions()
    assert functions.keys() >= PUBLIC.keys()
    verbs = {name.split("-")[0] for name in functions}
    assert verbs <= APPROVED
    for path in (SOURCE, MODULE / "WinPECerts.psd1"):
        text = path.read_text(encoding="ascii")
        begin = "Export-ModuleMember" if path == SOURCE else "FunctionsToExport"
        exported = text.split(begin, 1)[1].split(")")[0]
        assert set(re.findall(r"'([A-Za-z]+-[A-Za-z]+)'", exported)) == PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_help_covers_every_parameter_and_has_examples(name: str) -> None:
    text = _functions()[name]
    help_text, code = text.split("#>", 1)
    block = code.split("param(", 1)[1].split("\n    )\n", 1)[0]
    parameters = set(re.findall(r"\]\s*\$([A-Za-z]+)", block))
    assert parameters
    assert set(re.findall(r"\.PARAMETER (\w+)", help_text)) == parameters
    assert help_text.count(".EXAMPLE") >= 2
    for part in (".SYNOPSIS", ".DESCRIPTION", ".OUTPUTS", ".LINK"):
        assert part in help_text


@pytest.mark.parametrize("name", PUBLIC)
def test_commands_that_change_images_can_be_asked_what_they_would_do(name: str) -> None:
    text = _functions()[name]
    assert ("SupportsShouldProcess = $true" in text) is (name in CHANGING)
    assert ("$PSCmdlet.ShouldProcess(" in text) is (name in CHANGING)
    assert ("'--dry-run'" in text) is (name in CHANGING)


def _options(command: str) -> set[str]:
    group: Any = typer.main.get_command(app)
    found: set[str] = set()
    for parameter in group.get_command(None, command).params:
        found |= set(parameter.opts)
    return found


@pytest.mark.parametrize(("name", "command"), PUBLIC.items())
def test_every_option_that_it_passes_is_one_of_the_command(name: str, command: str) -> None:
    text = _functions()[name]
    assert f"$words.Add('{command}')" in text
    passed = set(re.findall(r"'(--[a-z-]+)'", text))
    assert passed
    assert passed <= _options(command)


def _names_read(function: str, variable: str) -> set[str]:
    return set(re.findall(rf"\${variable}\.([a-z_0-9]+)", _functions()[function]))


def test_every_value_that_it_reads_is_in_the_reports(run: Program, image: Path, certs: Path) -> None:
    listed = run("inject", image, "-i", "1", "-c", certs / "corp-root.cer", "-f", "json").document
    (entry,) = listed["images"]
    assert _names_read("ConvertTo-WinPECertificate", "image") <= entry.keys()
    assert _names_read("ConvertTo-WinPECertificate", "certificate") <= entry["certificates"][0].keys()
    chain = certs / "cmg-chain.pem"
    words = (
        "check-server",
        image,
        "-i",
        "1",
        "--chain",
        chain,
        "--hostname",
        "cmg.contoso.example",
        "-f",
        "json",
    )
    checked = run(*words).document
    (entry,) = checked["images"]
    (answer,) = entry["servers"]
    assert answer["verdict"] == "trusted"
    assert _names_read("ConvertTo-WinPEServerTrust", "image") <= entry.keys()
    assert _names_read("ConvertTo-WinPEServerTrust", "answer") <= answer.keys()
    assert _names_read("ConvertTo-WinPECertificate", "Report") <= listed.keys()
    assert _names_read("ConvertTo-WinPEServerTrust", "Report") <= checked.keys()
    error = run("verify", TESTDATA / "no.wim", "-c", certs / "corp-root.cer", "-f", "json").document["error"]
    asked = set(re.findall(r"-From \$failure -Name '(\w+)'", _functions()["New-WinPECertsError"]))
    assert asked
    assert asked <= error.keys()


def _quoted(word: str) -> str:
    """What `ConvertTo-WinPECertsArgument` makes of a word: its own expressions, carried out by `re`."""
    text = _functions()["ConvertTo-WinPECertsArgument"]
    (plain,) = re.findall(r"-notmatch '([^']+)'", text)
    steps = re.findall(r"-replace '([^']+)', '([^']+)'", text)
    assert len(steps) == 2
    if word and not re.search(plain, word):
        return word
    for pattern, replacement in steps:
        # "$1" of .NET is "\1" here, and a backslash means itself there.
        template = replacement.replace("\\", r"\\").replace("$1", r"\1")
        word = re.sub(pattern, template, word)
    return f'"{word}"'


@pytest.mark.parametrize(
    "word",
    [
        "",
        "a",
        "a b",
        'say "x"',
        "C:\\a b\\",
        "C:\\a\\",
        '\\"',
        '\\\\"x',
        "x\\\\",
        "a\tb",
        '"',
        "50% & more",
        "'",
    ],
)
def test_its_words_come_back_by_the_rules_of_windows(word: str) -> None:
    assert arguments_in(f"program {_quoted(word)} end") == ["program", word, "end"]
