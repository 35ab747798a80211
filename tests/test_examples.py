"""README and docs/ show what the program really prints, and the exit codes that it really has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.examples import HELP, PAGES, README, updated
from winpe_certs.cli.main import COMMANDS, GROUPS
from winpe_certs.errors import ExitCode

DOCUMENTS = [README, *README.parent.glob("*.md"), *README.parent.glob("docs/**/*.md")]
LONGEST_README = 200


# That page shows on any system what Windows would run; there it does not say so.
_OF_WINDOWS = pytest.mark.posix("elsewhere")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[_OF_WINDOWS] if page.name == "windows.md" else []) for page in PAGES],
    ids=lambda page: page.name,
)
def test_every_example_and_help_text_is_what_the_program_prints(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert updated(text) == text, "run: python -m scripts.examples"


def test_there_is_a_help_text_for_every_command() -> None:
    shown = re.findall(r"^\$ winpe-certs (.*)--help$", HELP.read_text(encoding="utf-8"), re.MULTILINE)
    below = [f"{group} {name}" for group, (_, commands) in GROUPS.items() for name in commands]
    assert [name.strip() for name in shown] == ["", *COMMANDS, *below]


def test_readme_is_a_page() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_table_of_exit_codes_is_complete() -> None:
    text = README.read_text(encoding="utf-8")
    section = text.split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == sorted(ExitCode)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, _, heading in re.findall(r"\]\(([^)#]*)(#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name}: {target}"
        assert not heading or heading in _headings(found), f"{page.name}: {target}#{heading}"


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in found}
