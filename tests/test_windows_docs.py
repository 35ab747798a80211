"""docs/windows.md and the acceptance script: complete, true to the program, fit for an old PowerShell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests import needs
from winpe_certs.engines.dism_codes import MEANINGS, SUCCESS
from winpe_certs.engines.live_stores import STORES
from winpe_certs.engines.windows_guards import LONGEST_WORK_FOLDER

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PAGE: Final = REPOSITORY / "docs" / "windows.md"
SCRIPT: Final = REPOSITORY / "scripts" / "windows-acceptance.ps1"
# Numbers that people meet seldom; the program explains them, the page need not.
SELDOM: Final = {32, 87, 1223, 0xC0000135, 0xC000013A}


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> str:
    return SCRIPT.read_text(encoding="ascii")


def _rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    section = re.split(r"^#{2,3} ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_all_23_steps_of_the_procedure_are_there_in_order(page: str) -> None:
    rows = _rows(page, "## Microsoft's procedure, step by step")
    assert [row[0] for row in rows] == [str(number) for number in range(1, 24)]
    assert all(len(row) == 3 and all(row) for row in rows)


def test_every_failure_number_is_one_that_the_program_explains(page: str) -> None:
    rows = _rows(page, "## When DISM fails")
    assert all(len(row) == 3 and all(row) for row in rows)
    named = {int(number, 0) for row in rows for number in re.findall(r"0x[0-9A-F]{8}|\d+", row[0])}
    assert named <= MEANINGS.keys() | SUCCESS


def test_every_common_failure_number_is_on_the_page(page: str) -> None:
    """A number of Win32 counts when either spelling is there, plain or as 0x8007...."""
    rows = _rows(page, "## When DISM fails")
    named = {int(number, 0) for row in rows for number in re.findall(r"0x[0-9A-F]{8}|\d+", row[0])}
    plain = {number & 0xFFFF if number >> 16 == 0x8007 else number for number in named}
    common = {number & 0xFFFF if number >> 16 == 0x8007 else number for number in MEANINGS} - SELDOM
    assert common <= plain


@pytest.mark.parametrize(
    "option",
    ["--engine dism", "--engine direct", "--hive-editor reg", "--dism", "--mount-dir", "--scratch-dir",
     "--log-path", "--dism-timeout", "winpe-certs doctor", "winpe-certs cleanup", "`export"],
)  # fmt: skip
def test_every_way_to_work_on_windows_is_named(page: str, option: str) -> None:
    assert option in page


def test_the_page_says_that_nothing_was_run_on_windows_and_how_to_be_the_first(page: str) -> None:
    assert "Run under Wine with the genuine Windows build of Python, never yet on a real Windows" in page
    assert page.index("windows-acceptance.ps1") < page.index("## ")


def test_rules_for_folders_and_stores_are_those_of_the_program(page: str) -> None:
    assert f"longer than {LONGEST_WORK_FOLDER} characters" in page
    assert all(store in page for store in STORES)


def test_links_lead_somewhere(page: str) -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (PAGE.parent / target.partition("#")[0]).exists(), target


def test_the_script_is_for_windows_powershell(script: str) -> None:
    """Windows PowerShell 5.1 reads a file without a mark as ANSI, and has no operators of PowerShell 7."""
    assert "Set-StrictMode" in script
    assert "$ErrorActionPreference = 'Stop'" in script
    without_text = re.sub(r"<#.*?#>|#[^\n]*|'[^']*'|\"[^\"]*\"", "", script, flags=re.DOTALL)
    assert not re.search(r"\?\?|\?\.|&&|\|\||-Parallel\b|ConvertFrom-Json\s+-AsHashtable", without_text)
    assert without_text.count("{") == without_text.count("}")
    assert without_text.count("(") == without_text.count(")")


@pytest.mark.parametrize("parameter", ["WinPe", "Cert", "Python", "WorkFolder"])
def test_every_parameter_of_the_script_is_explained(script: str, parameter: str) -> None:
    assert re.search(rf"\[string\] \${parameter}\b", script)
    assert f".PARAMETER {parameter}\n" in script


def test_what_the_script_sets_up_it_takes_down_in_a_finally_block(script: str) -> None:
    after = [part.split("\n}\n", 1)[0] for part in script.split("finally {")[1:]]
    assert any("Remove-Hive $key" in part for part in after)
    assert any("'/Unmount-Image'" in part and "'/Discard'" in part for part in after)
    assert "/Commit" not in script


def test_every_reason_to_leave_a_test_out_is_on_the_page_and_no_other(page: str) -> None:
    rows = _rows(page, "### Tests that are left out")
    expected = [["judges", needs.JUDGES]]
    expected += [["posix", reason] for reason in needs.POSIX.values()]
    expected += [["wine_cannot", reason] for reason in needs.WINE_CANNOT.values()]
    expected += [["(none)", reason] for reason in needs.OWN]
    assert rows == expected


def test_every_reason_is_used() -> None:
    """In a mark, or for a module that is not imported."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("*.py")]
    used = set(
        re.findall(r"(?:mark\.posix|mark\.wine_cannot|cannot_here)\(\s*\"([a-z-]+)\"", "\n".join(texts))
    )
    assert used | set(needs.MODULES.values()) == set(needs.POSIX) | set(needs.WINE_CANNOT)
