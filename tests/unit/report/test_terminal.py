"""Command lines in the text report stay whole on the narrowest terminal."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.testdata.pki import thumbprint
from winpe_certs.command_lines import Shell
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Severity
from winpe_certs.report.remarks import finding_parts, render_error
from winpe_certs.report.terminal import Terminal

REPOSITORY = Path(__file__).resolve().parents[3]
PATHS = [
    "plain.wim",
    "my boot image of the second floor (copy) 100%.wim",
    "it's & $HOME `id`; \u202ea\nb.wim",
]


def _printed(shell: Shell, *parts: object) -> str:
    terminal = Terminal(
        shell, width=40, force_terminal=True, color_system=None, markup=False, highlight=False
    )
    with terminal.capture() as capture:
        for part in parts:
            terminal.print(part, crop=False)
    return capture.get()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shell", Shell)
def test_a_command_of_a_finding_or_an_error_is_alone_on_its_line(path: str, shell: Shell) -> None:
    command = (
        "winpe-certs",
        "remove",
        path,
        "--thumbprint",
        thumbprint("corp-root"),
        "--store",
        "Disallowed",
    )
    finding = Finding("disallowed", Severity.ERROR, "It is " + "also " * 20, "Take it out first:", command)
    error = WinpeCertsError("no", details="why " * 30, resolution="do this:", command=command, ran=command)
    shown = _printed(shell, *finding_parts(finding, 4), render_error(error))
    lines = [line.strip() for line in shown.splitlines() if line.strip().startswith("winpe-certs")]
    assert len(lines) == 3
    assert len(set(lines)) == 1
    if shell is Shell.POSIX and path.isprintable():
        assert shlex.split(lines[0]) == list(command)


def test_an_allowed_finding_is_called_so() -> None:
    finding = Finding("expired", Severity.ERROR, "It expired.", allowed=True)
    assert _printed(Shell.POSIX, *finding_parts(finding, 0)).rstrip() == "allowed (expired): It expired."


@pytest.mark.posix("terminal")
def test_on_a_terminal_of_forty_columns_a_command_can_be_copied(tmp_path: Path) -> None:
    import pty

    image = tmp_path / "my boot (copy) of the second floor" / "SOFTWARE"
    image.parent.mkdir()
    image.write_bytes((REPOSITORY / "testdata" / "hives" / "software-1.5.hiv").read_bytes())
    certificate = REPOSITORY / "testdata" / "certs" / "corp-root.cer"
    program = [sys.executable, "-m", "winpe_certs", "verify", str(image), "--cert", str(certificate)]
    ours, theirs = pty.openpty()
    surroundings = {**os.environ, "COLUMNS": "40", "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    with subprocess.Popen(program, stdout=theirs, stderr=theirs, env=surroundings) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break
            if not shown.endswith(b"\n") and running.poll() is not None:
                break
        assert running.wait(60) == 1
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "")
    commands = [line.strip() for line in text.splitlines() if line.strip().startswith("winpe-certs inject")]
    assert [shlex.split(line) for line in commands] == [
        ["winpe-certs", "inject", str(image), "--cert", str(certificate)]
    ]
