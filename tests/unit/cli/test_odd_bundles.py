"""Bundles with certificates of odd shapes, through the program: what is read goes in, the rest is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest

from scripts.testdata import der_pieces as der
from scripts.testdata.odd_case import chain_with
from scripts.testdata.odd_certificates import ROOT, SERVER, contoso, der_of
from scripts.testdata.odd_shapes import shapes
from scripts.testdata.trust_cases import TRUSTED
from tests.unit.cli.conftest import Program

GOOD = der_of(ROOT)
FAULTY = der_of(replace(ROOT, subject=contoso("Faulty"), signature=der.octets(bytes(256))))
LEAF = der_of(SERVER)
OLD = der_of(replace(ROOT, subject=contoso("Old"), ends=der.time("210101000000Z")))

JSON = ("--format", "json")


def _thumbprint(certificate: bytes) -> str:
    return hashlib.sha1(certificate).hexdigest().upper()


def _bundle(folder: Path, certificates: Iterable[bytes]) -> Path:
    path = folder / "bundle.pem"
    path.write_text("".join(map(DER_cert_to_PEM_cert, certificates)), encoding="ascii")
    return path


def test_all_that_is_refused_is_named_once(run: Program, hive: Path, tmp_path: Path) -> None:
    before = hive.read_bytes()
    done = run("inject", hive, "--cert", _bundle(tmp_path, [FAULTY, GOOD, LEAF, OLD]))
    assert done.code == 3
    for refused in (FAULTY, LEAF, OLD):
        assert done.err.count(_thumbprint(refused)) == 1
    for code in ("unreadable", "not-a-ca", "expired"):
        assert code in done.err
    assert _thumbprint(GOOD) not in done.err
    assert hive.read_bytes() == before


def test_the_rest_goes_in_when_they_are_left_out(run: Program, hive: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, [FAULTY, GOOD, LEAF, OLD])
    skips = ("--skip", "unreadable", "--skip", "not-a-ca", "--skip", "expired")
    done = run("inject", hive, "--cert", bundle, *skips)
    assert done.code == 0
    for left_out in (FAULTY, LEAF, OLD):
        assert _thumbprint(left_out) in done.out + done.err
        assert run("verify", hive, "--thumbprint", _thumbprint(left_out)).code == 1
    assert run("verify", hive, "--thumbprint", _thumbprint(GOOD)).code == 0


@pytest.mark.parametrize("store", ["AuthRoot", "ROOT"])
def test_what_cannot_be_read_goes_in_as_its_bytes(
    run: Program, hive: Path, tmp_path: Path, store: str
) -> None:
    path = tmp_path / "faulty.cer"
    path.write_bytes(FAULTY)
    assert run("inject", hive, "--cert", path, "--store", store).code == 3
    assert run("inject", hive, "--cert", path, "--store", store, "--allow", "unreadable").code == 0
    assert FAULTY in hive.read_bytes()
    assert run("verify", hive, "--thumbprint", _thumbprint(FAULTY), "--store", store).code == 0
    assert run("verify", hive, "--cert", path, "--store", store).code == 0
    assert _thumbprint(FAULTY) in run("list", hive).out


def test_roots_of_every_harmless_shape_go_in(run: Program, hive: Path, tmp_path: Path) -> None:
    roots = [
        der_of(chain_with(shape.change, "root")[1][0])
        for shape in shapes()
        if "root" in shape.places and shape.verdict == TRUSTED
    ]
    assert len(roots) > 60
    bundle = _bundle(tmp_path, roots)
    done = run("inject", hive, "--cert", bundle, *JSON)
    assert done.code == 0
    stored = {each["thumbprint"] for image in done.document["images"] for each in image["certificates"]}
    assert stored == set(map(_thumbprint, roots))
    assert run("verify", hive, "--cert", bundle).code == 0
    listed = run("list", hive, *JSON)
    assert listed.code == 0
    assert stored <= {
        each["thumbprint"] for image in listed.document["images"] for each in image["certificates"]
    }
    again = run("inject", hive, "--cert", bundle, *JSON)
    assert again.document["changed"] is False
