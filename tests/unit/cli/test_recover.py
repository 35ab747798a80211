"""``--recover`` from the outside: a dirty hive, its log files beside it, and a certificate to put in."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from scripts.testdata.hives import plain_hive
from tests.conftest import Judge
from tests.unit.cli.conftest import Program
from tests.unit.regf.log_builder import dirty, entry, journal
from winpe_certs.certs.stores import edits_for
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply

CLEAN = plain_hive("software-1.5.hiv")
(NUMBER,) = struct.unpack_from("<I", CLEAN, 4)
MARK = "F" * 40
LATER = apply(CLEAN, edits_for(b"what the logs add", "TrustedPeople", MARK), now=1, origin="SOFTWARE")
PAGES = [
    (at, LATER[4096 + at : 8192 + at])
    for at in range(0, len(LATER) - 4096, 4096)
    if LATER[4096 + at : 8192 + at] != CLEAN[4096 + at : 8192 + at]
]
(SIZE,) = struct.unpack_from("<I", LATER, 40)
LOG = journal(CLEAN, entry(NUMBER, SIZE, PAGES), sequence=NUMBER)


@pytest.fixture
def unclean(tmp_path: Path) -> Path:
    """A bare hive with its log beside it."""
    path = tmp_path / "SOFTWARE"
    path.write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    (tmp_path / "software.log1").write_bytes(LOG)
    (tmp_path / "SOFTWARE.LOG2").write_bytes(b"")
    return path


def _lists_mark(run: Program, path: Path) -> bool:
    return MARK in run("list", path, "--format", "json").out


def test_without_the_option_a_dirty_hive_is_refused_and_the_option_named(
    run: Program, unclean: Path, root: Path
) -> None:
    before = unclean.read_bytes()
    for command in (("inject", unclean, "-c", root), ("verify", unclean, "-c", root), ("list", unclean)):
        done = run(*command)
        assert done.code == 3
        assert "--recover" in done.err
    assert unclean.read_bytes() == before


def test_the_logs_are_replayed_and_the_certificate_put_in(run: Program, unclean: Path, root: Path) -> None:
    done = run("inject", unclean, "-c", root, "--recover", "--format", "json")
    assert done.code == 0
    assert done.document["warnings"] == [
        f"{unclean}: the hive was not closed cleanly; SOFTWARE.LOG1 replayed"
    ]
    assert run("verify", unclean, "-c", root, "--full-check").code == 0
    assert _lists_mark(run, unclean)
    assert check(unclean.read_bytes()) == ()
    again = run("inject", unclean, "-c", root, "--recover", "--format", "json")
    assert (again.document["changed"], again.document["warnings"]) == (False, [])


def test_a_dry_run_recovers_in_memory(run: Program, unclean: Path, root: Path) -> None:
    before = unclean.read_bytes()
    done = run("inject", unclean, "-c", root, "--recover", "--dry-run")
    assert done.code == 0
    assert "SOFTWARE.LOG1 replayed" in done.out
    assert unclean.read_bytes() == before


def test_removing_what_is_not_there_still_writes_the_recovered_hive(
    run: Program, unclean: Path, root: Path
) -> None:
    done = run("remove", unclean, "-c", root, "--recover", "--format", "json")
    assert done.code == 0
    assert done.document["changed"] is True
    assert _lists_mark(run, unclean)


def test_an_output_gets_the_recovered_hive(run: Program, unclean: Path, root: Path, tmp_path: Path) -> None:
    before = unclean.read_bytes()
    assert run("inject", unclean, "-c", root, "--recover", "-o", tmp_path / "new").code == 0
    assert _lists_mark(run, tmp_path / "new")
    assert unclean.read_bytes() == before


def test_a_folder_has_its_logs_beside_the_hive(run: Program, root: Path, tmp_path: Path) -> None:
    config = tmp_path / "mounted" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    (config / "SOFTWARE").write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    (config / "SOFTWARE.LOG2").write_bytes(LOG)
    assert run("inject", tmp_path / "mounted", "-c", root, "--recover").code == 0
    assert _lists_mark(run, tmp_path / "mounted")
    assert (config / "SOFTWARE.LOG2").read_bytes() == LOG


def test_so_has_an_image(run: Program, judge: Judge, root: Path, tmp_path: Path) -> None:
    config = tmp_path / "tree" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    (config / "SOFTWARE").write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    (config / "SOFTWARE.LOG1").write_bytes(LOG)
    (config / "SOFTWARE.LOG2").write_bytes(b"")
    image = tmp_path / "dirty.wim"
    judge("wimlib-imagex", "capture", tmp_path / "tree", image, "dirty")
    assert run("inject", image, "-c", root).code == 3
    done = run("inject", image, "-c", root, "--recover")
    assert done.code == 0, done.err
    judge("wimlib-imagex", "verify", image)
    assert run("verify", image, "-c", root, "--full-check").code == 0
    assert _lists_mark(run, image)


@pytest.mark.parametrize("log", [None, b"", LOG[:700], b"no log"])
def test_without_a_usable_log_nothing_is_written(
    run: Program, unclean: Path, root: Path, log: bytes | None
) -> None:
    place = unclean.with_name("software.log1")
    place.unlink()
    if log is not None:
        place.write_bytes(log)
    before = unclean.read_bytes()
    done = run("inject", unclean, "-c", root, "--recover")
    assert done.code == 3
    assert "cannot be recovered" in done.err
    assert unclean.read_bytes() == before


def test_a_recovered_hive_that_is_still_broken_is_refused(run: Program, unclean: Path, root: Path) -> None:
    page = bytearray(CLEAN[4096:8192])
    page[40:60] = b"\xff" * 20
    broken = journal(CLEAN, entry(NUMBER, SIZE, [*PAGES, (0, bytes(page))]), sequence=NUMBER)
    unclean.with_name("software.log1").write_bytes(broken)
    before = unclean.read_bytes()
    done = run("inject", unclean, "-c", root, "--recover")
    assert done.code == 3
    assert "Traceback" not in done.err
    assert unclean.read_bytes() == before


def test_reg_replays_logs_itself(run: Program, unclean: Path, root: Path) -> None:
    done = run("inject", unclean, "-c", root, "--recover", "--hive-editor", "reg", "--dry-run")
    assert done.code == 2
    assert "--recover" in done.err
