"""What pipelines and shells do to a program: closed streams, signals, odd paths, bundled options."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program

PROGRAM = (sys.executable, "-m", "winpe_certs")


def shell(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which ``$@`` are the program's arguments."""
    words = ["bash", "-c", command, "bash", *PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_without_arguments_it_shows_the_help(run: Program) -> None:
    done = run()
    assert (done.code, done.out) == (2, "")
    assert done.err == run("--help").out
    assert done.err.startswith("Usage: winpe-certs [OPTIONS] COMMAND [ARGS]...\n\n  Put ")
    below = run("evidence")
    assert (below.code, below.err) == (2, run("evidence", "--help").out)


@pytest.mark.posix("shell")
def test_a_reader_that_has_seen_enough_does_not_change_the_exit_code(hive: Path, root: Path) -> None:
    for form in ("text", "json"):
        done = shell('"$@" | true; exit ${PIPESTATUS[0]}', "inject", hive, "-c", root, "-f", form)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.posix("shell")
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("line", ['"$@" >/dev/full', '"$@" >&-'])
def test_a_report_that_cannot_be_written_is_a_failure_of_the_system(hive: Path, form: str, line: str) -> None:
    done = shell(line, "list", hive, "-f", form)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "the report could not be written" in done.stderr


@pytest.mark.parametrize("options", [["-qf", "json"], ["-fjson"], ["-vqf", "json"], ["--format=json"]])
def test_json_is_recognised_however_it_is_asked_for(run: Program, options: list[str]) -> None:
    assert run("inject", "missing.wim", "-c", "missing.cer", *options).document["error"]["code"] == 2


def test_verbose_shows_where_early_errors_came_from_too(run: Program) -> None:
    assert "Traceback" in run("inject", "missing.wim", "-c", "missing.cer", "-vv").err


@pytest.mark.posix("system-words")
@pytest.mark.parametrize("option", ["image", "certificate", "output"])
def test_a_name_that_is_too_long_is_no_defect(run: Program, hive: Path, root: Path, option: str) -> None:
    name = "x" * 300
    arguments = {
        "image": ["inject", name, "-c", root],
        "certificate": ["inject", hive, "-c", name],
        "output": ["inject", hive, "-c", root, "-o", name],
    }
    done = run(*arguments[option])
    assert done.code == 4
    assert "the name is too long" in done.err


def test_a_file_that_may_not_be_looked_at_is_no_defect(
    run: Program, hive: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self == hive:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    for arguments in (["list", hive], ["inject", hive, "-c", root], ["export", hive]):
        done = run(*arguments)
        assert done.code == 4
        assert "permission denied" in done.err


def test_a_managed_name_is_refused_as_output_too(run: Program, image: Path, root: Path) -> None:
    done = run("inject", image, "-c", root, "-i", "1", "-o", image.parent / "boot.ABC00012.wim")
    assert done.code == 3
    forced = ("-o", image.parent / "boot.ABC00012.wim", "--force-managed-copy")
    assert run("inject", image, "-c", root, "-i", "1", *forced).code == 0


def test_an_output_in_a_folder_that_is_missing_is_named(run: Program, hive: Path, root: Path) -> None:
    done = run("inject", hive, "-c", root, "-o", "nowhere/SOFTWARE")
    assert done.code == 2
    assert "there is no folder nowhere" in done.err


def test_a_distrusted_root_is_not_made_trusted_by_its_export(run: Program, hive: Path, root: Path) -> None:
    assert run("export", root, "--store", "Disallowed", "-o", "distrusted.reg").code == 0
    before = hive.read_bytes()
    refused = run("inject", hive, "-c", "distrusted.reg")
    assert refused.code == 3
    assert "--store Disallowed" in refused.err
    assert hive.read_bytes() == before
    assert run("inject", hive, "-c", "distrusted.reg", "--store", "Disallowed").code == 0
    missing = run("verify", hive, "-c", root, "-f", "json").document["images"][0]["certificates"][0]
    assert [finding["code"] for finding in missing["findings"]] == ["disallowed"]


def test_it_is_said_when_an_export_goes_to_another_store(run: Program, hive: Path, root: Path) -> None:
    run("export", root, "--store", "ROOT", "-o", "root.reg")
    done = run("inject", hive, "-c", "root.reg", "-f", "json")
    (certificate,) = done.document["images"][0]["certificates"]
    assert (certificate["store"], certificate["findings"][0]["code"]) == ("AuthRoot", "moved-store")


@pytest.mark.posix("signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_run_that_is_ended_reports_what_it_has_done(
    run: Program, image: Path, root: Path, name: str
) -> None:
    number = signal.Signals[name]
    second = image.parent / "second.wim"
    shutil.copy(image, second)
    code = (
        "import os, signal, sys\n"
        "from winpe_certs.engines import direct\n"
        "real = direct.WimTarget.commit\n"
        "def commit(self, verify):\n"
        "    if self._path.name == 'second.wim':\n"
        "        print('ready', file=sys.stderr, flush=True)\n"
        "        signal.pause()\n"
        "    real(self, verify)\n"
        "direct.WimTarget.commit = commit\n"
        "from winpe_certs.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["inject", str(image), str(second), "-c", str(root), "-i", "1", "-f", "json"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "ready\n"
        time.sleep(0.1)
        child.send_signal(number)
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    document = json.loads(out)
    assert [Path(entry["path"]).name for entry in document["images"]] == ["boot.wim"]
    assert document["error"]["kind"] == "interrupted"
    assert run("verify", image, "-c", root, "-i", "1").code == 0
    assert run("verify", second, "-c", root, "-i", "1").code == 1


@pytest.mark.posix("signals")
def test_an_ended_copy_leaves_no_temporary_file(image: Path, root: Path) -> None:
    code = (
        "import signal, sys\n"
        "from winpe_certs.wim import copy\n"
        "real = copy.CompactCopy.pieces\n"
        "def pieces(self, progress):\n"
        "    yield from real(self, progress)\n"
        "    print('ready', file=sys.stderr, flush=True)\n"
        "    signal.pause()\n"
        "copy.CompactCopy.pieces = pieces\n"
        "from winpe_certs.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["inject", str(image), "-c", str(root), "-i", "1", "-o", str(image.parent / "out.wim")]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)
    assert child.returncode == 130
    assert list(image.parent.iterdir()) == [image]
