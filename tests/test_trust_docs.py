"""docs/trust.md says what the program says: every reason's code, and the figures of the judges."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from scripts.testdata.trust_cases import AGREES
from scripts.testdata.trust_pki import cases

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "docs" / "trust.md").read_text(encoding="utf-8")
CODE = re.compile("[a-z0-9]+(-[a-z0-9]+)+|expired|disallowed|unreadable")


def _codes() -> set[str]:
    """The first argument of every `Reason`, and of the helpers that make one."""
    found = set()
    for path in (REPOSITORY / "winpe_certs" / "trust").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
                first = node.args[0]
                if node.func.id in {"Reason", "_error", "_warning"} and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_code_is_documented_and_no_other() -> None:
    documented = {
        word for word in re.findall("`([^`]+)`", TEXT) if CODE.fullmatch(word) and not word.startswith("pki")
    }
    assert _codes() - documented == set()
    assert documented - _codes() - {"check-server", "programme-signature"} == set()


def test_the_figures_are_those_of_the_matrix() -> None:
    assert f"makes {len(cases())} small PKIs" in TEXT
    differences = [case for case in cases() if case.openssl != AGREES]
    assert f"answers differently in {len(differences)} of them" in TEXT
    table = TEXT.split("| difference | cases |")[1].split("\n\n")[0]
    assert sum(int(count) for count in re.findall(r"\| (\d+) \|$", table, re.MULTILINE)) == len(differences)
