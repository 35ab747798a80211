"""docs/trust.md says what the program says: every reason's code, and the figures of the judges."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.trust_cases import AGREES, UNDOCUMENTED, Case
from scripts.testdata.trust_pki import cases
from tests.oracle.test_microsoft_programme import CERTIFICATES_IN_2026_10_27
from tests.oracle.test_trust_cryptography import DIFFERENCES
from tests.windows.test_crypt32_chains import DIFFERENCES as DIFFERENCES_OF_CRYPT32
from tests.windows.test_crypt32_chains import reason_for

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "docs" / "trust.md").read_text(encoding="utf-8")
CODE = re.compile("[a-z0-9]+(-[a-z0-9]+)+|expired|disallowed|unreadable|damaged")


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


@pytest.mark.parametrize(
    ("made", "heading", "cases"),
    [
        ("makes {} small PKIs", "| difference | cases |", cases()),
        ("makes {} more out of certificates", "| difference | chains |", odd_cases()),
    ],
    ids=["matrix", "odd"],
)
def test_the_figures_are_those_of_the_matrix(made: str, heading: str, cases: tuple[Case, ...]) -> None:
    assert made.format(len(cases)) in TEXT
    differences = [case for case in cases if case.openssl != AGREES]
    before, after = TEXT.split(heading)
    (figure,) = re.findall(r"answers differently in (\d+)", before.rsplit("\n\n", 2)[1])
    assert int(figure) == len(differences)
    table = after.split("\n\n")[0]
    assert sum(int(count) for count in re.findall(r"\| (\d+) \|$", table, re.MULTILINE)) == len(differences)


def test_the_figures_of_crypt32() -> None:
    text = TEXT.split("## What crypt32 says")[1]
    both = [*cases(), *odd_cases()]
    small = [case for case in cases() if reason_for(case.name)]
    for reason in DIFFERENCES_OF_CRYPT32:
        count = sum(reason_for(case.name) == reason for case in both)
        assert f"| {reason} | {count} |" in text
    total = sum(reason_for(case.name) is not None for case in both)
    assert f"otherwise in {total}, {len(small)} of them small PKIs" in text
    assert f"the {len(cases())} small PKIs and the {len(odd_cases())} odd chains" in text


def test_the_figure_of_what_is_undocumented() -> None:
    undocumented = [case for case in odd_cases() if UNDOCUMENTED in case.verdicts]
    assert f'is "undocumented" in {len(undocumented)} of them' in TEXT


def test_the_figure_of_what_cryptography_sees_otherwise() -> None:
    assert f"differences of cryptography ({len(DIFFERENCES)}:" in TEXT


def test_the_figure_of_microsofts_programme() -> None:
    assert f"2026.10.27, {CERTIFICATES_IN_2026_10_27} roots" in TEXT
