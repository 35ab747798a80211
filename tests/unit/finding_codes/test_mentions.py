"""What messages, help texts and pages say of codes and commands holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import winpe_certs
from winpe_certs.cli.main import COMMANDS, GROUPS
from winpe_certs.finding_codes.registry import ALLOWABLE, ENTRIES, SKIPPABLE

PACKAGE = Path(winpe_certs.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = [PACKAGE.parent / "README.md", *sorted((PACKAGE.parent / "docs").rglob("*.md"))]
_OPTION = re.compile(r"--(allow|skip) ([a-z]+(?:-[a-z0-9]+)*)")
# Words in capitals that stand for something else, and the angle brackets that do.
_PLACEHOLDER = re.compile(
    r"\b(?:IMAGE|FILE|NAME|OUT|FOLDER|HOST|PORT|PATH|CERT|SHA1|CODE|IN\.\w+|OUT\.\w+)\b|--index N\b"
)
# What a person reads; `metavar` and `help` name arguments in capitals, which is right.
# What follows the name of an option in a sentence.
_PROSE = {"and", "for", "take", "takes", "asks", "does", "leaves", "lets", "puts", "kept"}
_SAID = {"details", "resolution", "advice", "remedy"}


def _sayings(path: Path) -> Iterator[tuple[int, str]]:
    """The strings that errors and findings are made of, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        said = [keyword.value for keyword in node.keywords if keyword.arg in _SAID]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name.endswith(("Error", "Failure", "Finding", "Reason", "Advice", "HealthLine", "Meaning")):
            said += node.args
        for value in said:
            for each in ast.walk(value):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.lineno, each.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_has_a_placeholder(path: Path) -> None:
    """A real value is used where it is known; else the text says in words what to do."""
    found = [(line, text) for line, text in _sayings(path) if _PLACEHOLDER.search(text)]
    # The XML element of that name.
    assert [each for each in found if not (path.name == "xml.py" and "IMAGE" in each[1])] == []


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda path: path.name)
def test_codes_after_an_option_are_those_that_it_takes(path: Path) -> None:
    for option, code in _OPTION.findall(path.read_text(encoding="utf-8")):
        if code in _PROSE:
            continue
        assert code in (ALLOWABLE if option == "allow" else SKIPPABLE), f"--{option} {code}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_commands_that_messages_name_exist(path: Path) -> None:
    for line, text in _sayings(path):
        for word in re.findall(r"winpe-certs ([a-z][a-z-]+)", text):
            # "winpe-certs writes it", "winpe-certs has none": the program, not a command.
            assert word in {*COMMANDS, *GROUPS, "writes", "did", "has", "left", "that"}, (
                f"{path.name}:{line}: {text}"
            )


def test_the_old_spelling_is_gone() -> None:
    for path in (*MODULES, *PAGES):
        assert "blob_differs" not in path.read_text(encoding="utf-8"), path
    assert "blob-differs" in ENTRIES
