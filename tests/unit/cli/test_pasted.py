"""Commands that the program prints, pasted into `sh` in the same folder, do what they say."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.testdata import pki
from tests.unit.cli.conftest import Program
from winpe_certs.certs.stores import Store, certificate_key
from winpe_certs.edits import SetValue, ValueType
from winpe_certs.regf.hive import apply

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = [
    "plain",
    "two words",
    "-leads with a dash",
    'it\'s "quoted"',
    "$HOME `id` $(id) ; & | > < ( ) * ? [a] ! # ~",
    "100% %PATH% ^",
    "a\\b",
    "Zürich 東京",
    "line\nfeed\ttab",
    "\u202egnirts\u200e",
    "--help",
]
pytestmark = pytest.mark.posix("shell")


def _lines(text: str, command: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith(f"winpe-certs {command}")]


def _pasted(line: str, folder: Path) -> int:
    """The exit code of a line in `sh`, where ``winpe-certs`` is this program."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    program = bin_folder / "winpe-certs"
    quoted = " ".join(map(shlex.quote, [sys.executable, "-m", "winpe_certs"]))
    program.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    program.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=surroundings, check=False, timeout=60
    ).returncode


@pytest.mark.parametrize("name", NAMES)
def test_what_verify_offers_puts_the_root_in(
    run: Program, hive: Path, root: Path, tmp_path: Path, name: str
) -> None:
    Path(f"{name}.hiv").write_bytes(hive.read_bytes())
    Path(f"{name}.cer").write_bytes(root.read_bytes())
    # A name that begins like an option is typed with its folder.
    image, certificate = f"./{name}.hiv", f"./{name}.cer"
    shown = run("verify", image, "--cert", certificate)
    assert shown.code == 1
    (line,) = _lines(shown.out, "inject")
    assert _pasted(line, tmp_path) == 0
    assert run("verify", image, "--cert", certificate).code == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_verify_offers_takes_a_distrusted_root_out_of_disallowed(
    run: Program, hive: Path, root: Path, tmp_path: Path, name: str
) -> None:
    assert run("inject", hive, "--cert", root).code == 0
    path = certificate_key(Store.DISALLOWED, pki.thumbprint("corp-root"))
    edit = SetValue(path, "Blob", ValueType.BINARY, pki.registry_blob("corp-root"))
    Path(f"{name}.hiv").write_bytes(apply(hive.read_bytes(), [edit], now=1))
    image = f"./{name}.hiv"
    shown = run("verify", image, "--cert", root)
    assert shown.code == 1
    (line,) = _lines(shown.out, "remove")
    assert _pasted(line, tmp_path) == 0
    assert run("verify", image, "--cert", root).code == 0
