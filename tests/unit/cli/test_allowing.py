"""``--allow`` and ``--skip``: what they take, and how the report calls what was allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program


@pytest.fixture
def expired(certs: Path) -> Path:
    return certs / "expired-root.cer"


def test_an_allowed_finding_is_no_error_in_the_report(run: Program, hive: Path, expired: Path) -> None:
    refused = run("inject", hive, "-c", expired)
    assert (refused.code, "--allow expired" in refused.err) == (3, True)
    done = run("inject", hive, "-c", expired, "--allow", "expired", "-f", "json")
    assert done.code == 0
    (finding,) = [
        each
        for each in done.document["images"][0]["certificates"][0]["findings"]
        if each["code"] == "expired"
    ]
    assert (finding["severity"], finding["allowed"]) == ("error", True)
    shown = run("inject", hive, "-c", expired, "--allow", "expired").out
    assert "    allowed (expired): It expired on" in shown
    assert "error (expired)" not in shown


def test_what_was_not_allowed_is_not_called_so(run: Program, hive: Path, expired: Path) -> None:
    assert run("inject", hive, "-c", expired, "--allow", "expired").code == 0
    assert "error (expired)" in run("verify", hive, "-c", expired).out


def test_skip_takes_the_others_and_names_what_it_left(
    run: Program, hive: Path, expired: Path, root: Path
) -> None:
    done = run("inject", hive, "-c", expired, "-c", root, "--skip", "expired", "-f", "json")
    assert done.code == 0
    assert len(done.document["images"][0]["certificates"]) == 1
    assert any("left out (expired)" in warning for warning in done.document["warnings"])


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("--allow", "nonsense", "there is no such finding"),
        ("--skip", "nonsense", "there is no such finding"),
        ("--allow", "weak-key", "--allow does not take weak-key"),
        ("--skip", "name-mismatch", "--skip does not take name-mismatch"),
        ("--allow", "blob_differs", "there is no such finding"),
    ],
)
def test_codes_that_an_option_does_not_take(
    run: Program, hive: Path, root: Path, option: str, code: str, words: str
) -> None:
    done = run("inject", hive, "-c", root, option, code)
    assert done.code == 2
    assert words in done.err
    assert ("\n  winpe-certs explain weak-key\n" in done.err) == (code == "weak-key")


def test_a_required_root_that_is_allowed_to_go_is_named(run: Program, tmp_path: Path) -> None:
    from tests.unit.certs import making

    (tmp_path / "SOFTWARE").write_bytes(
        (Path(__file__).resolve().parents[3] / "testdata" / "hives" / "software-1.5.hiv").read_bytes()
    )
    (tmp_path / "old.cer").write_bytes(making.make(subject="Microsoft Root Authority"))
    assert run("inject", "SOFTWARE", "-c", "old.cer").code == 0
    refused = run("remove", "SOFTWARE", "-c", "old.cer")
    assert refused.code == 3
    assert "--allow required-root" in refused.err
    assert (
        "allowed (required-root): Windows itself needs this root"
        in run("remove", "SOFTWARE", "-c", "old.cer", "--allow", "required-root").out
    )
