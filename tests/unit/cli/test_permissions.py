"""What may not be read or written is no wrong usage: exit code 4, and a message of our own.

Root may read everything, so the calls are made by a process that has lost this right.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.unit.cli.conftest import TESTDATA, Run

pytestmark = pytest.mark.posix("modes")

Calls = Callable[[Sequence[Sequence[str]]], list[Run]]

CHILD = """
import contextlib, io, json, sys
from winpe_certs.cli.main import main
for call in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(call)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")

IMAGE = ("boot.wim", "--cert", "root.cer", "--index", "1")
UNREADABLE = [
    ["list", "secret.wim"],
    ["list", "locked"],
    ["list", "locked/boot.wim"],
    ["list", "mounted"],
    ["verify", "secret.wim", "--cert", "root.cer"],
    ["verify", "boot.wim", "--cert", "secret.cer"],
    ["verify", "boot.wim", "--cert", "locked/root.cer"],
    ["verify", "boot.wim", "--evidence", "secret.json"],
    ["verify", "boot.wim", "--evidence", "locked/evidence.json"],
    ["inject", "secret.wim", "--cert", "root.cer", "--index", "1"],
    ["inject", "mounted", "--cert", "root.cer"],
    ["inject", "boot.wim", "--cert", "secret.cer", "--index", "1"],
    ["inject", *IMAGE, "--expect-chain", "secret.cer"],
    ["inject", *IMAGE, "--expect-chain", "locked/chain.pem"],
    ["inject", *IMAGE, "--engine", "dism", "--dism", "locked/dism.exe"],
    ["inject", *IMAGE, "--replace", "secret.cer"],
    ["inject", *IMAGE, "--replace", "locked/root.cer"],
    ["inject", *IMAGE, "--replace", "locked/missing.cer"],
    ["inject", "boot.wim", "--cert", "locked", "--index", "1"],
    ["remove", "boot.wim", "--cert", "secret.cer", "--index", "1"],
    ["check-server", "boot.wim", "--chain", "secret.cer"],
    ["check-server", "boot.wim", "--server", "a.example=secret.cer"],
    ["check-server", "boot.wim", "--server", "a.example=locked/chain.pem"],
    ["audit", "boot.wim", "--require", "secret.cer"],
    ["audit", "boot.wim", "--chain", "secret.cer"],
    ["audit", "boot.wim", "--server", "a.example=secret.cer"],
    ["manifest", "secret.wim"],
    ["export", "secret.cer"],
    ["export", "locked/root.cer"],
    ["export", "secret.wim", "--thumbprint", "A" * 40],
    ["export", "locked", "--thumbprint", "A" * 40],
    ["undo", "boot.wim", "--evidence", "secret.json"],
    ["compact", "secret.wim"],
    ["compact", "locked/boot.wim"],
    ["diff", "secret.wim", "boot.wim"],
    ["diff", "boot.wim", "secret.wim"],
    ["check-media-certificate", "secret.pfx"],
    ["check-media-certificate", "locked/media.pfx"],
    ["check-media-certificate", "media.pfx", "--password-file", "secret.txt"],
    ["check-media-certificate", "media.pfx", "--password-file", "locked/password.txt"],
    ["evidence", "show", "secret.json"],
    ["evidence", "show", "locked/evidence.json"],
]
UNWRITABLE = [
    ["inject", *IMAGE, "--output", "full/out.wim"],
    ["inject", *IMAGE, "--output", "locked/out.wim"],
    ["inject", *IMAGE, "--output", "locked"],
    ["inject", *IMAGE, "--evidence", "locked/new.json"],
    ["export", "root.cer", "--output", "full/out.reg"],
    ["export", "root.cer", "--output", "locked/out.reg"],
    ["compact", "boot.wim", "--output", "full/out.wim"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files and folders that may be used, beside the same ones that may not."""
    folder = tmp_path_factory.mktemp("rights")
    certs = TESTDATA / "certs"
    mounted = folder / "mounted" / "Windows" / "System32" / "config"
    mounted.mkdir(parents=True)
    shutil.copy(TESTDATA / "hives" / "software-1.5.hiv", mounted / "SOFTWARE")
    shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim")
    shutil.copy(certs / "corp-root.cer", folder / "root.cer")
    shutil.copy(certs / "corp-root.pfx", folder / "media.pfx")
    (folder / "locked").mkdir()
    for path in folder.glob("*.*"):
        shutil.copy(path, folder / f"secret{path.suffix}")
        shutil.copy(path, folder / "locked" / path.name)
    for name in ("secret.json", "secret.txt", "locked/evidence.json", "locked/chain.pem", "locked/dism.exe"):
        (folder / name).write_text("{}")
    (folder / "full").mkdir(mode=0o500)
    closed = [*folder.glob("secret.*"), mounted / "SOFTWARE", folder / "locked"]
    for path in closed:
        path.chmod(0)
    yield folder
    for path in (folder / "locked", folder / "full"):
        path.chmod(0o700)


@pytest.fixture(scope="module")
def calls(folder: Path) -> Calls:
    """Make calls of the program in that folder, one after the other in a process without root's rights."""
    command: tuple[str, ...] = (sys.executable, "-c", CHILD)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if shutil.which(WITHOUT_OVERRIDE[0]) is None:
            pytest.skip("root may read everything, and setpriv (util-linux) is not there to take that away")
        command = (*WITHOUT_OVERRIDE, *command)

    def make(wanted: Sequence[Sequence[str]]) -> list[Run]:
        done = subprocess.run(
            command, input=json.dumps(wanted), cwd=folder, capture_output=True, text=True, check=True
        )
        return [Run(*json.loads(line)) for line in done.stdout.splitlines()]

    return make


def test_what_may_not_be_read_is_a_failure_of_the_system(calls: Calls) -> None:
    for call, done in zip(UNREADABLE, calls(UNREADABLE), strict=True):
        assert (done.code, done.out) == (4, ""), (call, done)
        assert "denied" in done.err, call
        assert "Traceback" not in done.err, call
        assert "may write" not in done.err, call


def test_what_may_not_be_written_is_one_too(calls: Calls) -> None:
    for call, done in zip(UNWRITABLE, calls(UNWRITABLE), strict=True):
        assert (done.code, done.out) == (4, ""), (call, done)
        assert "permission denied" in done.err, call


def test_that_is_a_document_too(calls: Calls) -> None:
    wanted = [[*call, "--format", "json"] for call in UNREADABLE if call[:2] != ["evidence", "show"]]
    for call, done in zip(wanted, calls(wanted), strict=True):
        assert (done.code, done.err, done.document["error"]["code"]) == (4, "", 4), call


def test_folders_that_may_not_be_looked_at_are_lines_of_the_doctor(calls: Calls) -> None:
    wanted = [["doctor", "--mount-dir", "locked/x"], ["doctor", "--scratch-dir", "locked/x"], ["doctor"]]
    for call, done in zip(wanted, calls(wanted), strict=True):
        assert done.code in {0, 1}, done
        assert ("locked/x: cannot look at it: permission denied" in done.out) == (len(call) > 1), call


def test_with_the_rights_the_same_calls_are_no_such_failure(calls: Calls, folder: Path) -> None:
    wanted = [
        ["list", "boot.wim"],
        ["verify", "boot.wim", "--cert", "root.cer"],
        ["export", "root.cer", "-n"],
    ]
    assert [done.code for done in calls(wanted)] == [0, 1, 0]
    assert sorted(path.name for path in folder.glob("*.reg")) == []
