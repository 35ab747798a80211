"""The way to sign evidence that docs/evidence.md gives: its very lines, run with the real openssl."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Judge
from tests.unit.cli.conftest import TESTDATA
from winpe_certs.cli.main import main

PAGE = (REPOSITORY / "docs" / "evidence.md").read_text(encoding="utf-8")
SIGN, VERIFY = re.findall(r"^```sh\n(openssl cms [^\n]*)\n```$", PAGE, re.MULTILINE)


def _shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(params=["emailProtection", "codeSigning"])
def folder(request: pytest.FixtureRequest, judge: Judge, tmp_path: Path) -> Path:
    """A folder with evidence of a real change, and a certificate to sign with that a root has issued."""
    image = Path(shutil.copy(TESTDATA / "boot.wim", tmp_path))
    proof, root = str(tmp_path / "change.json"), str(TESTDATA / "certs" / "corp-root.cer")
    assert main(["inject", str(image), "-c", root, "-i", "1", "--evidence", proof, "-q"]) == 0
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30")
    ca = ("-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.pem")
    judge(*new, *ca, "-subj", "/CN=Test root", "-addext", "keyUsage=critical,keyCertSign")
    signer = (
        "-keyout",
        tmp_path / "signer.key",
        "-out",
        tmp_path / "signer.pem",
        "-subj",
        "/CN=Change record",
    )
    issued = ("-CA", tmp_path / "ca.pem", "-CAkey", tmp_path / "ca.key")
    uses = (
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={request.param}",
        "basicConstraints=CA:FALSE",
    )
    judge(*new, *signer, *issued, *(word for use in uses for word in ("-addext", use)))
    return tmp_path


def test_what_is_documented_signs_and_verifies(folder: Path) -> None:
    before = (folder / "change.json").read_bytes()
    signed = _shell(SIGN, folder)
    assert signed.returncode == 0, signed.stderr
    assert (folder / "change.json").read_bytes() == before
    assert before not in (folder / "change.json.p7s").read_bytes()
    verified = _shell(VERIFY, folder)
    assert verified.returncode == 0, verified.stderr


def test_another_byte_or_another_root_is_noticed(folder: Path, judge: Judge) -> None:
    assert _shell(SIGN, folder).returncode == 0
    proof = folder / "change.json"
    sound = proof.read_bytes()
    # A line end that a transfer has changed is another byte too.
    for other in (
        sound.replace(b"inject", b"remove"),
        sound.replace(b"\n", b"\r\n"),
        sound[:-1],
        sound + b"\n",
    ):
        assert other != sound
        proof.write_bytes(other)
        assert _shell(VERIFY, folder).returncode != 0
    proof.write_bytes(sound)
    assert _shell(VERIFY, folder).returncode == 0
    strange = ("-keyout", folder / "x.key", "-out", folder / "ca.pem", "-subj", "/CN=Test root")
    judge("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *strange)
    assert _shell(VERIFY, folder).returncode != 0
