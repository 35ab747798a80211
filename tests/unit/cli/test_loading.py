"""Ctrl-C while the program is being loaded: an ordinary end, on every system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

# What Ctrl-C does, in the middle of an import: of a module that is loaded early, or late.
_START = """
import importlib.abc, signal, sys
sys.path.insert(0, {place!r})

class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.{signal})

sys.meta_path.insert(0, Interrupting())
{before}
from winpe_certs.__main__ import main
sys.exit(main())
"""


def called(module: str, before: str = "", number: str = "SIGINT") -> subprocess.CompletedProcess[str]:
    code = _START.format(place=str(REPOSITORY), module=module, signal=number, before=before)
    return subprocess.run(
        [sys.executable, "-c", code, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "module", ["winpe_certs.cli.memory", "winpe_certs.cli.main", "typer", "winpe_certs.cli.output"]
)
def test_an_interrupt_while_it_is_loaded_is_no_traceback(module: str) -> None:
    done = called(module)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[0] == "error: interrupted"
    assert "Traceback" not in done.stderr


def test_one_that_is_ignored_stays_so() -> None:
    done = called("typer", before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("winpe-certs ")


@pytest.mark.skipif(not hasattr(signal, "SIGBREAK"), reason="only Windows has Ctrl-Break")
def test_ctrl_break_is_such_an_interrupt() -> None:
    done = called("typer", number="SIGBREAK")
    assert done.returncode == 130
    assert done.stderr.startswith("error: interrupted")


def test_without_a_standard_error_it_ends_as_well() -> None:
    done = called("typer", before="import os; os.close(2)")
    assert done.returncode == 130
    assert os.name == "nt" or done.stderr == ""
