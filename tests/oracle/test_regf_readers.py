"""What the editor writes, judged by the structure check and read back by programs of other hands."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from regipy.registry import RegistryHive

from scripts.testdata.hives import hive_variant
from tests.conftest import Judge, read_hive
from tests.unit.regf.dump import assert_others_untouched, dump
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive

NOW = 133_000_000_000_000_000
STORE = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates")
FIRST, SECOND, BIG = "5A" * 20, "0123456789" * 4, "FF" * 20
BLOB = bytes(range(250)) * 6
LARGE = (bytes(range(249)) * 161)[:40_000]
SOUND = ("hives/real/*.xz", "hives/minimal/*.xz", "hives/synth/synth-*.xz")


def violations(data: bytes) -> set[tuple[str, int]]:
    return {(violation.invariant, violation.offset) for violation in check(data)}


def spelled(data: bytes, path: KeyPath) -> KeyPath:
    """The path as the hive spells it, and as asked for where the hive has no such key."""
    hive = Hive(data)
    found: KeyPath = ()
    for name in path:
        names = {each.upper(): each for each in hive.subkeys(found) or []}
        found = (*found, names.get(name.upper(), name))
    return found


@pytest.mark.shared_files(*SOUND)
def test_the_whole_life_of_certificates_leaves_all_else_alone(shared_file: Path, tmp_path: Path) -> None:
    original = read_hive(shared_file)
    known = violations(original)
    slow = len(original) > 5_000_000
    before = dump(original, with_data=not slow)
    steps: list[Edit] = [
        SetValue((*STORE, FIRST), "Blob", 3, BLOB),
        SetValue((*STORE, SECOND), "Blob", 3, BLOB[::-1]),
        SetValue((*STORE, BIG), "Blob", 3, LARGE),
        SetValue((*STORE, FIRST), "Blob", 3, BLOB[:1400]),
        SetValue((*STORE, BIG), "blob", 3, LARGE[:20_000]),
        DeleteValue((*STORE, SECOND), "Blob"),
        DeleteKey((*STORE, SECOND)),
    ]
    store = spelled(original, STORE)
    touched = {store[:depth] for depth in range(len(store) + 1)}
    touched |= {(*store, thumbprint) for thumbprint in (FIRST, SECOND, BIG)}
    data = original
    for step in steps:
        data = apply(data, [step], now=NOW)
        if not slow:
            assert violations(data) <= known, step
    assert violations(data) <= known
    assert data[20:28] == original[20:28]
    assert_others_untouched(original, data, touched)
    after = dump(data, with_data=not slow)
    assert {path: values for path, values in after.items() if path not in touched} == {
        path: values for path, values in before.items() if path not in touched
    }
    if not slow:
        assert after[(*store, FIRST)]["Blob"] == (3, BLOB[:1400])
    back = apply(data, [DeleteKey((*STORE, FIRST)), DeleteKey((*STORE, BIG))], now=NOW)
    assert violations(back) <= known
    assert not Hive(back).key_exists((*STORE, FIRST))
    again = dump(back, with_data=not slow)
    assert {path: again[path] for path in before} == before

    path = tmp_path / "SOFTWARE"
    path.write_bytes(data)
    key = RegistryHive(str(path)).get_key("\\" + "\\".join((*store, BIG)))
    values = {value.name: value.value for value in key.get_values(trim_values=False)}
    stored = values["Blob"]
    assert (bytes.fromhex(stored) if isinstance(stored, str) else bytes(stored)) == LARGE[:20_000]


@pytest.mark.shared_files("hives/real/*NTUSER*.xz", "hives/minimal/*.xz", "hives/synth/synth-*-1.?.hiv.xz")
def test_hivex_sees_the_exact_value_and_can_go_on_from_there(
    shared_file: Path, tmp_path: Path, judge: Judge
) -> None:
    original = read_hive(shared_file)
    data = apply(original, [SetValue((*STORE, FIRST), "Blob", 3, BLOB)], now=NOW)
    path = tmp_path / "SOFTWARE"
    path.write_bytes(data)
    location = "\\".join(spelled(original, STORE)) + "\\" + FIRST
    script = f"cd \\{location}\nlsval\n".encode()
    listed = judge("hivexsh", path, stdin=script)
    text = listed.stdout.decode().replace("\\\n", "").replace(" ", "")
    assert f'"Blob"=hex(3):{BLOB.hex(",")}' in text or f'"Blob"=hex:{BLOB.hex(",")}' in text
    exported = judge("hivexregedit", "--export", path, "\\" + location).stdout.decode()
    assert BLOB.hex(",") in exported.replace("\\\n  ", "").replace("\n ", "").replace("\\", "")
    judge("hivexsh", "-w", path, stdin=f"cd \\{location}\nadd Below\ncommit\n".encode())
    assert {name for name, _ in violations(path.read_bytes())} <= {
        name for name, _ in violations(original)
    } | {"lh-version"}, "hivex itself writes lh lists into hives of any version, and nothing else amiss"


@pytest.mark.shared_files("hives/minimal/*.xz", "hives/synth/synth-winpe-like-*.xz")
def test_libregf_exports_the_exact_value(shared_file: Path, tmp_path: Path, judge: Judge) -> None:
    original = read_hive(shared_file)
    edits = [SetValue((*STORE, FIRST), "Blob", 3, BLOB), SetValue((*STORE, BIG), "Blob", 3, LARGE)]
    path = tmp_path / "SOFTWARE"
    path.write_bytes(apply(original, edits, now=NOW))
    text = judge("regfexport", path).stdout.decode(errors="replace")
    for thumbprint, content in ((FIRST, BLOB), (BIG, LARGE)):
        section = text[text.index(f"Key: {thumbprint}") :].split("Key path:")[0]
        assert f"Data size: {len(content)}" in section
        lines = re.findall(r"^[0-9a-f]{8}: ((?:[0-9a-f]{2} {1,2}){1,16})", section, re.MULTILINE)
        assert bytes.fromhex("".join(lines)) == content


@pytest.mark.shared_files("hives/real/*.xz", "hives/minimal/*.xz", "hives/synth/synth-*.xz")
def test_sound_hives_have_no_violations_but_the_known_ones(shared_file: Path) -> None:
    known = {"root-flag"} if "nt-hive" in shared_file.name else set()
    assert {violation.invariant for violation in check(read_hive(shared_file))} == known


@pytest.mark.shared_files("hives/real/*.xz")
def test_another_reader_counts_the_same_keys(shared_file: Path) -> None:
    """The structure check owns every allocated cell; here the count of keys comes from elsewhere."""
    data = read_hive(shared_file)
    hive, keys = Hive(data), 0
    pending: list[KeyPath] = [()]
    while pending:
        path = pending.pop()
        keys += 1
        pending.extend((*path, name) for name in hive.subkeys(path) or [])
        if keys > 3000:
            return
    assert keys == len(dump(data, with_data=False)) or struct.unpack_from("<I", data, 24) == (6,)


def test_a_key_whose_last_subkey_hivex_deleted_takes_new_ones(judge: Judge, tmp_path: Path) -> None:
    """hivex leaves an empty list behind: hives that other tools have worked on must not be refused."""
    path = ("Software", "Once")
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(apply(hive_variant("software-1.5.hiv"), [CreateKey((*path, "Only"))], now=1))
    judge("hivexsh", "-w", hive, stdin=b"cd \\Software\\Once\\Only\ndel\ncommit\n")
    after = apply(hive.read_bytes(), [CreateKey((*path, "Again"))], now=2)
    assert Hive(after).subkeys(path) == ["Again"]
    listed = judge("hivexsh", stdin=f"load {hive}\ncd \\Software\\Once\nls\n".encode()).stdout
    assert listed.split() == []
