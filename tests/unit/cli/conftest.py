"""Running the program in this process, as tests of the command line need it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from winpe_certs.cli.main import main

TESTDATA = Path(__file__).resolve().parents[3] / "testdata"


@dataclass(frozen=True)
class Run:
    """What one call of the program gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded


Program = Callable[..., Run]


def read_document(path: Path) -> dict[str, Any]:
    """The JSON document of a file, such as evidence."""
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def results_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of certificates by an evidence document, once for each image, with its file and index."""
    return [
        {"file": place["file"], "index": index, **result}
        for group in document["certificates"]
        for place in group["images"]
        for index in place["indexes"] or [None]
        for result in group["results"]
    ]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    """Call the program: ``run("verify", image, "--cert", file)``, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return call


@pytest.fixture
def certs() -> Path:
    """The folder of test certificates."""
    return TESTDATA / "certs"


@pytest.fixture
def root(certs: Path) -> Path:
    """The root certificate that tests inject."""
    return certs / "corp-root.cer"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A fresh copy of the small boot.wim with two images."""
    folder = tmp_path / "adk"
    folder.mkdir()
    return Path(shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim"))


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    """A fresh copy of a bare SOFTWARE hive."""
    return Path(shutil.copy(TESTDATA / "hives" / "software-1.5.hiv", tmp_path / "SOFTWARE"))


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """Where the evidence of a change goes."""
    return tmp_path / "evidence.json"
