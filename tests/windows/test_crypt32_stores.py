"""Stores as this program writes them, opened by Windows' crypt32; .reg files in and out by regedit."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.unit.cli.conftest import TESTDATA, Program
from tests.windows.crypt32 import FRIENDLY_NAME, SHA1_HASH, Stored, stored_below
from winpe_certs.certs.blob import Blob, Property, PropertyId, parse
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import read_certificates
from winpe_certs.regf.reading import Hive

OFFLINE = "winpe-offline"
STORES = ("Microsoft", "SystemCertificates")
# crypt32 of Wine 8 refuses a Blob for each other property that this program writes; Windows writes them too.
WINE_READS = frozenset({0x03, 0x04, 0x09, 0x0B, 0x0D, 0x0F, 0x14, 0x18, 0x19, 0x20})
NAMES = ("corp-root.cer", "corp-root-2.cer", "expired-root.cer")

# As `Any`, since mypy knows the module on Windows only.
_registry: Any = pytest.importorskip("winreg", reason="windows: the registry is used")


@pytest.fixture
def scratch() -> Iterator[str]:
    """A key of the current user, for one test only."""
    path = f"Software\\winpe-certs-test-{uuid.uuid4().hex}"
    _registry.CreateKey(_registry.HKEY_CURRENT_USER, path).Close()
    yield path
    _delete(_registry.HKEY_CURRENT_USER, path)


@pytest.fixture
def offline() -> Iterator[None]:
    """The key under which the procedure loads a hive: here a key of this machine, gone afterwards."""
    try:
        _registry.OpenKey(_registry.HKEY_LOCAL_MACHINE, OFFLINE).Close()
    except FileNotFoundError:
        yield
        _delete(_registry.HKEY_LOCAL_MACHINE, OFFLINE)
    else:
        pytest.fail(f"HKEY_LOCAL_MACHINE\\{OFFLINE} is there already: something is loaded")


def _delete(root: int, path: str) -> None:
    with _registry.OpenKey(root, path) as key:
        names = [_registry.EnumKey(key, number) for number in range(_registry.QueryInfoKey(key)[0])]
    for name in names:
        _delete(root, f"{path}\\{name}")
    _registry.DeleteKey(root, path)


def _opened_by_crypt32(path: str, blobs: Mapping[str, bytes]) -> dict[str, Stored]:
    """What crypt32 finds in a store with these Blobs, by thumbprint."""
    user = _registry.HKEY_CURRENT_USER
    for name, blob in blobs.items():
        with _registry.CreateKey(user, f"{path}\\Certificates\\{name}") as key:
            _registry.SetValueEx(key, "Blob", 0, _registry.REG_BINARY, _readable(blob))
    with _registry.OpenKey(user, path, 0, _registry.KEY_ALL_ACCESS) as key:
        return {each.properties[SHA1_HASH].hex().upper(): each for each in stored_below(key.handle)}


def _regedit(*arguments: str) -> None:
    program = Path(os.environ["SYSTEMROOT"], "regedit.exe")
    subprocess.run([str(program), *arguments], check=True, timeout=60, stdin=subprocess.DEVNULL)


def _blobs_of(hive: Path, store: str) -> dict[str, bytes]:
    read, found = Hive(hive.read_bytes()), {}
    path = (*STORES, store, "Certificates")
    for name in read.subkeys(path) or ():
        value = read.value((*path, name), "Blob")
        assert value is not None
        found[name] = value[1]
    return found


def _readable(blob: bytes) -> bytes:
    """The Blob, under Wine without the properties that its crypt32 refuses."""
    if not needs.is_wine():
        return blob
    read = parse(blob, "Blob")
    return Blob(tuple(item for item in read.properties if item.id in WINE_READS), read.end).to_bytes()


def _require_equal(stored: Stored, blob: bytes) -> None:
    """Every property of the Blob is one to crypt32, with the same bytes."""
    for item in parse(_readable(blob), "Blob").properties:
        found = stored.der if item.id == PropertyId.CERTIFICATE else stored.properties.get(item.id)
        assert found == item.data, item.id


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_that_was_put_in_is_one_to_crypt32(
    run: Program, hive: Path, certs: Path, scratch: str, name: str
) -> None:
    allow = ("--allow", "expired") if name.startswith("expired") else ()
    assert run("inject", hive, "--cert", certs / name, *allow).code == 0
    ((thumbprint, blob),) = _blobs_of(hive, "AuthRoot").items()
    found = _opened_by_crypt32(scratch, {thumbprint: blob})
    assert found.keys() == {thumbprint}
    assert found[thumbprint].der == (certs / name).read_bytes()
    _require_equal(found[thumbprint], blob)


@pytest.mark.parametrize("name", ["software-1.5", "root-only", "narrowed"])
def test_the_stores_of_a_hive_are_stores_to_crypt32(scratch: str, name: str) -> None:
    blobs: dict[str, bytes] = {}
    for store in ("AuthRoot", "ROOT", "CA", "Disallowed"):
        blobs |= _blobs_of(TESTDATA / "hives" / f"{name}.hiv", store)
    found = _opened_by_crypt32(scratch, blobs)
    assert found.keys() == blobs.keys()
    for thumbprint, blob in blobs.items():
        _require_equal(found[thumbprint], blob)


def test_a_friendly_name_comes_back(scratch: str, certs: Path) -> None:
    (entry,) = read_certificates((certs / "corp-root.cer").read_bytes(), "corp-root.cer").entries
    new = blob_for(entry.certificate)
    name = "Contoso \u65e5\u672c\0".encode("utf-16-le")
    named = Blob((Property(FRIENDLY_NAME, name), *new.properties), new.end)
    (stored,) = _opened_by_crypt32(scratch, {entry.certificate.thumbprint: named.to_bytes()}).values()
    assert stored.properties[FRIENDLY_NAME] == name


@pytest.mark.parametrize("store", ["AuthRoot", "Root", "CA"])
def test_a_certificate_comes_out_of_the_stores_of_the_user(
    run: Program, certs: Path, tmp_path: Path, store: str
) -> None:
    (entry,) = read_certificates((certs / "corp-root.cer").read_bytes(), "corp-root.cer").entries
    thumbprint, blob = entry.certificate.thumbprint, blob_for(entry.certificate).to_bytes()
    user, parent = _registry.HKEY_CURRENT_USER, r"Software\Microsoft\SystemCertificates"
    path = rf"{parent}\{store}\Certificates\{thumbprint}"
    with _registry.CreateKey(user, path) as key:
        _registry.SetValueEx(key, "Blob", 0, _registry.REG_BINARY, blob)
    try:
        done = run("export", "--thumbprint", thumbprint, "-o", tmp_path / "root.reg")
    finally:
        _registry.DeleteKey(user, path)
    assert done.code == 0, done.err
    assert "current user" in done.out
    gone = run("export", "--thumbprint", thumbprint, "-o", tmp_path / "again.reg")
    assert (gone.code, "current user" in gone.err) == (3, True)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", NAMES)
def test_a_reg_file_goes_in_by_regedit_and_comes_out_again(
    run: Program, certs: Path, tmp_path: Path, name: str
) -> None:
    reg, back = tmp_path / "root.reg", tmp_path / "back.reg"
    done = run("export", certs / name, "-o", reg)
    assert done.code == 0, done.err
    _regedit("/S", str(reg))
    (entry,) = read_certificates((certs / name).read_bytes(), name).entries
    path = "\\".join((OFFLINE, *STORES, "AuthRoot", "Certificates", entry.certificate.thumbprint))
    with _registry.OpenKey(_registry.HKEY_LOCAL_MACHINE, path) as key:
        found = _registry.QueryValueEx(key, "Blob")
    assert found == (blob_for(entry.certificate).to_bytes(), _registry.REG_BINARY)
    _regedit("/E", str(back), rf"HKEY_LOCAL_MACHINE\{path}")
    assert back.read_bytes() == reg.read_bytes()
