from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testdata.evidence import sample
from tests.unit.cli.conftest import Program
from winpe_certs.evidence.canonical import to_json


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    path = tmp_path / "change.json"
    path.write_bytes(to_json(sample()).encode())
    return path


def test_the_page_is_shown(run: Program, evidence: Path) -> None:
    done = run("evidence", "show", evidence)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Evidence of a change in boot images\n")
    assert f"winpe-certs undo boot.wim --evidence {evidence}\n" in done.out


def test_markdown_is_shown(run: Program, evidence: Path) -> None:
    done = run("evidence", "show", evidence, "--format", "markdown")
    assert done.code == 0
    assert done.out.startswith(
        "# Evidence of a change in boot images\n\nOn 2026-03-01 at 08:00 UTC inject put "
    )
    assert "\n\n| what | value |\n| --- | --- |\n" in done.out


def test_json_is_the_file_itself(run: Program, evidence: Path) -> None:
    done = run("evidence", "show", evidence, "-f", "json")
    assert (done.code, done.out.encode()) == (0, evidence.read_bytes())


def test_a_changed_file_is_refused(run: Program, evidence: Path) -> None:
    evidence.write_bytes(evidence.read_bytes().replace(b'"ann"', b'"bob"'))
    done = run("evidence", "show", evidence)
    assert (done.code, done.out) == (3, "")
    assert "the file was changed after it was written" in done.err
    assert "next: " in done.err


def test_errors_in_json_name_the_whole_command(run: Program, evidence: Path) -> None:
    evidence.write_bytes(b"{}")
    document = run("evidence", "show", evidence, "--format", "json").document
    assert document["command"] == "evidence show"
    assert (document["error"]["code"], document["error"]["kind"]) == (3, "evidence")


@pytest.mark.parametrize("arguments", [["nothing.json"], ["."]])
def test_a_missing_file_is_wrong_usage(run: Program, arguments: list[str]) -> None:
    done = run("evidence", "show", *arguments)
    assert done.code == 2
    assert "no such evidence file" in done.err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["evidence", "-f", "json"], "evidence"),
        (["evidence", "tell", "-f", "json"], "evidence tell"),
        (["evidence", "show", "-f", "json"], "evidence show"),
        (["-f", "json"], None),
        (["list", "show", "-f", "json"], "list"),
    ],
)
def test_wrong_usage_is_one_json_document(run: Program, arguments: list[str], command: str | None) -> None:
    done = run(*arguments)
    assert (done.code, done.err) == (2, "")
    assert done.document["command"] == command


def test_a_boot_image_given_by_mistake_is_refused_at_once(run: Program, image: Path) -> None:
    done = run("evidence", "show", image)
    assert done.code == 3
    assert "no evidence of winpe-certs" in done.err
