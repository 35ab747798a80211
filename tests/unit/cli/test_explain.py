"""``explain``: everything that this program, DISM or smsts.log shows, in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.conftest import Program
from winpe_certs.engines.dism_codes import MEANINGS
from winpe_certs.errors import ExitCode
from winpe_certs.finding_codes import winhttp
from winpe_certs.finding_codes.registry import ENTRIES


def explained(run: Program, *words: object) -> list[dict[str, Any]]:
    done = run("explain", "-f", "json", *words)
    assert (done.code, done.err) == (0, ""), done.err
    found: list[dict[str, Any]] = done.document["explanations"]
    return found


def _topics(run: Program, *words: object) -> list[tuple[str, str]]:
    return [(each["topic"], each["name"]) for each in explained(run, *words)]


@pytest.mark.parametrize("code", ENTRIES)
def test_every_code_is_explained(run: Program, code: str) -> None:
    (found,) = explained(run, code)
    entry = ENTRIES[code]
    assert (found["meaning"], found["cause"], found["remedy"]) == (entry.meaning, entry.cause, entry.remedy)
    if entry.exit_code is None:
        assert (found["allow"], found["skip"]) == (entry.allow, entry.skip)
    else:
        assert f"exit code {entry.exit_code}" in found["related"]


@pytest.mark.parametrize("number", MEANINGS)
def test_every_number_of_dism_is_explained_however_it_is_written(run: Program, number: int) -> None:
    signed = number - (1 << 32) if number >= 1 << 31 else number
    for text in (str(number), f"0x{number:08X}", f"0x{number:x}", f"dism {number}"):
        names = [each["name"] for each in explained(run, text) if each["topic"] == "number of DISM"]
        assert len(names) == 1, text
    assert ("number of DISM", names[0]) in _topics(run, "--", str(signed))
    assert MEANINGS[number].source


@pytest.mark.parametrize(
    "number", [11, 13, 87, 740, 1392, 0x80040154, 0x80070241, 0xC142011C, 0xC144012E, 0xC1420127]
)
def test_these_have_cause_remedy_and_source(run: Program, number: int) -> None:
    (found,) = [each for each in explained(run, hex(number)) if each["topic"] == "number of DISM"]
    assert all(found[part] for part in ("meaning", "cause", "remedy", "source"))


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(run: Program, code: ExitCode) -> None:
    for words in (
        [str(int(code))],
        ["exit", str(int(code))],
        ["exit code", str(int(code))],
        [f"exit={code}"],
    ):
        assert ("exit code of winpe-certs", str(int(code))) in _topics(run, *words)
    assert _topics(run, "exit", str(int(code))) == [("exit code of winpe-certs", str(int(code)))]


def test_a_number_that_means_several_things_is_explained_for_each(run: Program) -> None:
    assert _topics(run, "5") == [("exit code of winpe-certs", "5"), ("number of DISM", "5")]
    assert _topics(run, "dism", "5") == [("number of DISM", "5")]
    shown = run("explain", "5").out
    assert "5 (exit code of winpe-certs)\n" in shown
    assert "\n\n5 (number of DISM)\n" in shown


@pytest.mark.parametrize("name", winhttp.NAMES)
@pytest.mark.parametrize("prefix", ["", "WINHTTP_CALLBACK_STATUS_FLAG_", "ERROR_WINHTTP_"])
def test_every_name_of_winhttp_is_explained(run: Program, name: str, prefix: str) -> None:
    assert ("WinHTTP", name) in _topics(run, prefix + name)
    assert ("WinHTTP", name) in _topics(run, (prefix + name).lower())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0x8", ["INVALID_CA"]),
        ("0x28", ["INVALID_CA", "CERT_DATE_INVALID"]),
        ("0x80000000", ["SECURITY_CHANNEL_ERROR"]),
        ("0x80072f8f", ["SECURE_FAILURE"]),
        ("12175", ["SECURE_FAILURE"]),
        ("0x80072EE7", ["NAME_NOT_RESOLVED"]),
    ],
)
def test_numbers_of_the_log_are_explained(run: Program, text: str, names: list[str]) -> None:
    assert [name for topic, name in _topics(run, text) if topic == "WinHTTP"] == names


def test_what_goes_with_a_name_of_winhttp_is_named(run: Program) -> None:
    (found,) = explained(run, "INVALID_CA")
    assert "root-not-in-image" in found["related"]
    (found,) = explained(run, "root-not-in-image")
    assert "INVALID_CA" in found["related"]


def test_underscores_are_dashes(run: Program) -> None:
    assert _topics(run, "BLOB_DIFFERS") == [("finding", "blob-differs")]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["expird"], "Perhaps you mean expired."),
        (["not-a"], "Perhaps you mean not-a-ca."),
        (["xyzzy"], "next: explain without a code lists"),
        (["99999"], "next: explain without a code lists"),
        (["9" * 400], "next: explain without a code lists"),
        (["x" * 100_000], "next: explain without a code lists"),
        (["exit", "99"], "next: explain without a code lists"),
        (["\x1b[31m"], "next: explain without a code lists"),
        (["\u202e"], "next: explain without a code lists"),
        (["dism", "expired"], "Perhaps you mean dism."),
    ],
)
def test_what_nobody_knows_gets_near_ones_or_none(run: Program, words: list[str], advice: str) -> None:
    done = run("explain", *words)
    assert (done.code, done.out) == (2, "")
    assert advice in done.err
    assert "\x1b" not in done.err
    assert len(done.err) < 1_000


def test_without_a_code_all_are_listed_one_line_each(run: Program) -> None:
    shown = run("explain").out
    for name in (*ENTRIES, *winhttp.NAMES, *(str(int(code)) for code in ExitCode), "0xC1420127", "1392"):
        assert len([line for line in shown.splitlines() if line.split()[:1] == [name]]) >= 1, name
    everything = explained(run)
    assert len(shown.splitlines()) <= len(everything) + 12


def test_the_command_of_a_number_can_be_pasted(run: Program) -> None:
    assert "\n    DISM /Get-MountedImageInfo\n" in run("explain", "0xC1420127").out
    assert explained(run, "0xC1420127")[0]["command"] == ["DISM", "/Get-MountedImageInfo"]
    assert explained(run, "0xC1420117")[0]["command"] is None, "the mount folder is not known"
