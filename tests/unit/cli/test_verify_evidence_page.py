"""``verify --evidence`` as a page for a change record, and its text at any width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program
from winpe_certs.cli import output

HASH = re.compile("[0-9a-f]{64}")


@pytest.fixture
def changed(run: Program, image: Path, root: Path, proof: Path) -> Path:
    assert run("inject", image, "-c", root, "-i", "all", "--evidence", proof).code == 0
    return image


def test_every_claim_is_a_line_of_a_table(run: Program, changed: Path, proof: Path) -> None:
    claims = run("verify", changed, "--evidence", proof, "-f", "json").document["evidence"][0]["claims"]
    done = run("verify", changed, "--evidence", proof, "-f", "markdown")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("# Images compared with the evidence of a change\n")
    assert f"All {len(claims)} claims of the evidence hold." in done.out
    rows = [line for line in done.out.splitlines() if line.startswith("| yes |")]
    assert len(rows) == len(claims)
    for claim in claims:
        for found in HASH.findall(claim["found"]):
            assert [row for row in rows if row.count(found) == 2]
    assert run("verify", changed, "--evidence", proof, "-f", "markdown", "-q").out == ""


def test_what_differs_is_said_and_no_is_the_answer(run: Program, changed: Path, proof: Path) -> None:
    changed.write_bytes(changed.read_bytes() + b"x")
    done = run("verify", changed, "--evidence", proof, "-f", "markdown", "-q")
    assert done.code == 1
    assert "2 of " in done.out
    assert [line for line in done.out.splitlines() if line.startswith("| no | size |")]


def test_an_error_is_on_the_page_and_on_stderr(run: Program, changed: Path, proof: Path) -> None:
    done = run("verify", changed, "missing.wim", "--evidence", proof, "-f", "markdown")
    assert done.code == 2
    assert "All " in done.out
    assert "Ended by an error: missing.wim" in done.out
    assert "missing.wim" in done.err


@pytest.mark.posix("paths")
def test_names_cannot_forge_markup(run: Program, changed: Path, proof: Path) -> None:
    forged = changed.rename(changed.parent / "a|b <img>.wim")
    out = run("verify", forged, "--evidence", proof, "-f", "markdown").out
    assert "a\\|b \\<img\\>.wim" in out


def test_it_goes_with_evidence_only(run: Program, changed: Path, root: Path) -> None:
    done = run("verify", changed, "-c", root, "-f", "markdown")
    assert done.code == 2
    assert "--evidence" in done.err


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_hash_is_cut_on_a_terminal_of_any_width(
    run: Program, changed: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    claims = run("verify", changed, "--evidence", proof, "-f", "json").document["evidence"][0]["claims"]
    monkeypatch.setattr(output, "_UNWRAPPED", width)
    shown = [
        run("verify", changed, "--evidence", proof).out,
        run("evidence", "show", proof).out,
        run("undo", changed, "--evidence", proof).out,
    ]
    hashes = {found for claim in claims for found in HASH.findall(claim["found"])}
    assert hashes
    assert [found for found in hashes if found not in shown[0] or found not in shown[1]] == []
    assert HASH.search(shown[2])
