"""A certificate in an image is found by its SHA-256 as well as by its thumbprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program
from winpe_certs.certs.certificate_files import Form
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.export_images import export_from_images

ROOT = thumbprint("corp-root")


@pytest.fixture
def sha256(root: Path) -> str:
    digest = hashlib.sha256(root.read_bytes()).hexdigest().upper()
    return "sha256 Fingerprint=" + ":".join(digest[at : at + 2] for at in range(0, 64, 2))


def test_it_is_verified_exported_and_removed(run: Program, hive: Path, root: Path, sha256: str) -> None:
    missing = run("verify", hive, "-t", sha256, "-f", "json")
    assert missing.code == 1
    assert missing.document["images"][0]["certificates"][0]["status"] == "missing"
    assert run("inject", hive, "-c", root).code == 0
    found = run("verify", hive, "-t", sha256, "-f", "json")
    assert found.code == 0
    (certificate,) = found.document["images"][0]["certificates"]
    assert (certificate["status"], certificate["thumbprint"]) == ("present", ROOT)
    export_from_images(
        [hive], [sha256], form=Form.DER, hive_name="x", output=Path("out.cer"), moment=Moment.now()
    )
    assert Path("out.cer").read_bytes() == root.read_bytes()
    removed = run("remove", hive, "-t", sha256, "-f", "json")
    assert removed.code == 0
    (certificate,) = removed.document["images"][0]["certificates"]
    assert (certificate["status"], certificate["thumbprint"]) == ("removed", ROOT)
    assert run("verify", hive, "-c", root).code == 1
    again = run("remove", hive, "-t", sha256, "-f", "json")
    assert (again.code, again.document["changed"]) == (0, False)


def test_it_is_replaced(run: Program, hive: Path, root: Path, certs: Path, sha256: str) -> None:
    assert run("inject", hive, "-c", root).code == 0
    assert run("inject", hive, "-c", certs / "corp-root-2.cer", "--replace", sha256).code == 0
    assert run("verify", hive, "-c", root).code == 1
    assert run("inject", hive, "-c", root, "--replace", sha256).code == 2


def test_the_stores_of_this_computer_are_searched_by_thumbprint(run: Program, sha256: str) -> None:
    done = run("export", "-t", sha256)
    assert done.code == 2
    assert "is a SHA-256 fingerprint, not a thumbprint" in done.err
