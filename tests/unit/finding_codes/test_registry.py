"""The registry knows every code that the program can raise, and docs/findings.md says what it knows."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import winpe_certs
from scripts.findings import PAGE, page
from winpe_certs.errors import ExitCode, InputError, WinpeCertsError
from winpe_certs.finding_codes import winhttp
from winpe_certs.finding_codes.entry import Entry
from winpe_certs.finding_codes.exit_codes import EXIT_MEANINGS
from winpe_certs.finding_codes.registry import ALLOWABLE, ENTRIES, GROUPS, SKIPPABLE
from winpe_certs.findings import Severity

PACKAGE = Path(winpe_certs.__file__).parent
RAISERS = {"Finding", "Reason"}
HELPERS_OF_TRUST = {"_error", "_warning", "_open"}
# What is there instead of a literal: parameters of the helpers above, kinds of errors, and the code of a
# finding that is passed on.
NOT_LITERAL = {
    "trust/limits.py": {"code"},
    "trust/revocation.py": {"code"},
    "workflows/audit_image.py": {"error.kind"},
    "workflows/inject.py": {"f.code"},
}


def _raised() -> Iterator[tuple[str, str, list[str]]]:
    """Module, code and the severities named for each finding in the syntax trees."""
    constants = {"BLOB_DIFFERS": "blob-differs"}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            if node.func.id not in (RAISERS | HELPERS_OF_TRUST if module.startswith("trust/") else RAISERS):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                code = str(first.value)
            elif isinstance(first, ast.Name) and first.id in constants:
                code = constants[first.id]
            else:
                assert ast.unparse(first) in NOT_LITERAL.get(module, set()), f"{module}:{node.lineno}"
                continue
            named = [
                each.attr
                for each in ast.walk(node.args[1])
                if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "Severity"
            ]
            yield module, code, [str(Severity[name]) for name in named]


def test_every_code_that_is_raised_is_in_the_registry_with_its_severity() -> None:
    found = list(_raised())
    assert len(found) > 70
    for module, code, severities in found:
        assert code in ENTRIES, f"{module}: {code}"
        assert set(severities) <= set(map(str, ENTRIES[code].severities)), f"{module}: {code}"


def test_every_code_of_the_registry_is_raised_somewhere() -> None:
    raised = {code for _, code, _ in _raised()}
    assert {code for code, entry in ENTRIES.items() if entry.exit_code is None} - raised == set()


def _errors(kind: type[WinpeCertsError] = WinpeCertsError) -> Iterator[type[WinpeCertsError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _errors(below)


def test_every_kind_of_error_is_in_the_registry_with_its_exit_code() -> None:
    for module in pkgutil.walk_packages([str(PACKAGE)], "winpe_certs."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    # A family is never raised itself.
    raised = [error for error in _errors() if error is not InputError]
    kinds = {error.kind: int(error.exit_code) for error in raised if error.__module__.startswith("winpe_")}
    known = {code: entry.exit_code for code, entry in ENTRIES.items() if entry.exit_code is not None}
    assert kinds == known


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: str(entry.code))
def test_entries_are_whole(entry: Entry) -> None:
    assert entry.code == entry.code.lower()
    assert "_" not in entry.code
    for text in (entry.meaning, entry.cause, entry.remedy):
        assert text.endswith(".")
        assert "\n" not in text
    assert not entry.winhttp or entry.winhttp in winhttp.NAMES
    # A finding that is never an error refuses nothing, so there is nothing to allow.
    assert not entry.allow or Severity.ERROR in entry.severities


def test_no_code_is_in_two_groups() -> None:
    assert sum(map(len, GROUPS.values())) == len(ENTRIES)


def test_what_the_options_took_before_there_was_a_registry_they_still_take() -> None:
    assert {
        "not-a-ca", "expired", "broken-signature", "disallowed", "narrowed-eku", "narrowed-names",
        "narrowed-disabled", "narrowed-disallowed-eku", "narrowed-archived", "narrowed-not-before",
        "wrong-cached-hash", "required-root", "unreadable",
    } == ALLOWABLE  # fmt: skip
    assert {"not-a-ca", "expired", "unreadable"} <= SKIPPABLE


def test_every_exit_code_and_every_name_of_winhttp_has_its_words() -> None:
    assert set(EXIT_MEANINGS) == set(ExitCode)
    assert set(winhttp.NAMES) == {*winhttp.FLAGS.values(), *winhttp.ERRORS.values()}


def test_the_page_of_the_codes_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m scripts.findings"
