"""README shows what the program really prints, and the exit codes that it really has."""

from __future__ import annotations

import re

from scripts.readme import README, updated
from winpe_certs.errors import ExitCode


def test_every_example_and_help_text_is_what_the_program_prints() -> None:
    text = README.read_text(encoding="utf-8")
    assert updated(text) == text, "run: python -m scripts.readme"


def test_the_table_of_exit_codes_is_complete() -> None:
    text = README.read_text(encoding="utf-8")
    section = text.split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == sorted(ExitCode)


def test_links_of_the_documents_lead_somewhere() -> None:
    for page in [README, *README.parent.glob("*.md"), *README.parent.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
