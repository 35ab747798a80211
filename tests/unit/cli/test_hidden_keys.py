"""A key counts only where Windows finds it: it searches lists that other readers walk.

A wrong hash or hint, a name out of order or a symbolic link on the way hides a key from Windows; regipy and
python-registry find it still, and these tests see that they do. No command may then speak of the key, neither
to call a certificate present nor to call it not distrusted.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from scripts.testdata import pki
from scripts.testdata.hive_writer import build_hive, sealed
from scripts.testdata.hives import certificate_key, software, usual_stores
from tests.unit.cli.conftest import Program
from tests.unit.regf.walking import entries, way_to
from winpe_certs.certs.stores import store_key
from winpe_certs.verification.readers import open_readers

ROOT = pki.thumbprint("corp-root")
STORES = ("Microsoft", "SystemCertificates")
KEY = (*STORES, "AuthRoot", "Certificates", ROOT)
LEVELS = range(len(KEY))


def _hive(minor: int = 5, leaf_limit: int | None = None) -> bytes:
    stores = usual_stores()
    stores["AuthRoot"] = [certificate_key(name) for name in ("corp-root", "corp-root-2", "weak-root")]
    stores["Disallowed"] = [certificate_key(name) for name in ("disallowed-root", "expired-root", "not-a-ca")]
    return build_hive(software(stores, class_ids=40, leaf_limit=leaf_limit), minor=minor)


def _wrong_tag(hive: bytes, path: tuple[str, ...]) -> bytes:
    last = way_to(hive, *path)[-1]
    assert last.width == 8
    return sealed(hive[: last.at + 4] + b"\xef\xbe\xad\xde" + hive[last.at + 8 :])


def _out_of_order(hive: bytes, path: tuple[str, ...]) -> bytes:
    """Exchange the entry of a key with another of its list."""
    last = way_to(hive, *path)[-1]
    node = (
        way_to(hive, *path[:-1])[-1].node
        if len(path) > 1
        else 4096 + struct.unpack_from("<I", hive, 36)[0] + 4
    )
    siblings = list(entries(hive, node))
    other = next(each for each in siblings if each.at != last.at)
    changed = bytearray(hive)
    changed[last.at : last.at + last.width] = hive[other.at : other.at + other.width]
    changed[other.at : other.at + other.width] = hive[last.at : last.at + last.width]
    return sealed(bytes(changed))


def _link(hive: bytes, path: tuple[str, ...]) -> bytes:
    flags = way_to(hive, *path)[-1].node + 2
    return sealed(hive[:flags] + bytes([hive[flags] | 0x10]) + hive[flags + 1 :])


def _refused_by_all(run: Program, tmp_path: Path, certs: Path, hive: bytes, words: str) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(hive)
    root, chain = certs / "corp-root.cer", certs / "cmg-chain.pem"
    asked = ("--hostname", "cmg.contoso.example", "--at", "2027-01-31")
    for command in (
        ("verify", path, "-c", root),
        ("verify", path, "-t", ROOT),
        ("verify", path, "-c", root, "--full-check"),
        ("list", path),
        ("check-server", path, "--chain", chain, *asked),
        ("inject", path, "-c", root),
        ("remove", path, "-t", ROOT),
    ):
        done = run(*command, "--format", "json")
        assert done.code == 3, (command, done.out)
        error = done.document["error"]
        said = f"{error['message']} {error['details']}"
        assert words in said or "the structure check found" in said, (command, error)
        assert error["resolution"]
    audited = run("audit", path, "--require", root, "--format", "json")
    assert audited.code == 1, "an audit that could not read an image says no"
    assert [each["verdict"] for each in audited.document["images"]] == ["unreadable"]
    assert path.read_bytes() == hive


@pytest.mark.parametrize("minor", [3, 5])
@pytest.mark.parametrize("level", LEVELS)
def test_a_wrong_hash_or_hint_on_the_way(
    run: Program, tmp_path: Path, certs: Path, level: int, minor: int
) -> None:
    hive = _wrong_tag(_hive(minor), KEY[: level + 1])
    for reader in open_readers(hive, "walks"):
        assert ROOT in (reader.blobs(store_key("AuthRoot")) or {})
    _refused_by_all(run, tmp_path, certs, hive, f"The hash or hint of the subkey '{KEY[level]}' is wrong")


@pytest.mark.parametrize("leaf_limit", [None, 2])
@pytest.mark.parametrize("level", LEVELS)
def test_names_out_of_order_on_the_way(
    run: Program, tmp_path: Path, certs: Path, level: int, leaf_limit: int | None
) -> None:
    """With two names in a leaf the exchange may be between leaves of one list."""
    hive = _out_of_order(_hive(5, leaf_limit), KEY[: level + 1])
    for reader in open_readers(hive, "walks"):
        assert ROOT in (reader.blobs(store_key("AuthRoot")) or {})
    _refused_by_all(run, tmp_path, certs, hive, "is out of order, so Windows would not find it")


@pytest.mark.parametrize("level", LEVELS)
def test_a_symbolic_link_on_the_way(run: Program, tmp_path: Path, certs: Path, level: int) -> None:
    _refused_by_all(run, tmp_path, certs, _link(_hive(), KEY[: level + 1]), "symbolic link")


@pytest.mark.parametrize("damage", [_wrong_tag, _out_of_order])
def test_a_hidden_key_of_disallowed_is_no_yes(
    run: Program, tmp_path: Path, certs: Path, damage: object
) -> None:
    assert callable(damage)
    hidden = (*STORES, "Disallowed", "Certificates", pki.thumbprint("expired-root"))
    _refused_by_all(run, tmp_path, certs, damage(_hive(), hidden), "Windows would not find it")
    of_the_store = (*STORES, "Disallowed")
    _refused_by_all(run, tmp_path, certs, damage(_hive(), of_the_store), "Windows would not find it")
