"""`diff`: what two images, hives or folders do not share, property by property."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.testdata import pki
from scripts.testdata.images import boot_image
from scripts.testdata.wim_writer import build_wim
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.edits import SetValue, ValueType
from winpe_certs.regf.hive import apply

ROOT = pki.thumbprint("corp-root")
BLOB = pki.registry_blob("corp-root")
KEY = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates", ROOT)


def element(identifier: int, data: bytes) -> bytes:
    return struct.pack("<III", identifier, 1, len(data)) + data


def certificate() -> bytes:
    return element(0x20, (TESTDATA / "certs" / "corp-root.cer").read_bytes())


def with_blob(blob: bytes, kind: ValueType = ValueType.BINARY, path: tuple[str, ...] = KEY) -> bytes:
    plain = (TESTDATA / "hives" / "software-1.5.hiv").read_bytes()
    return apply(plain, [SetValue(path, "Blob", kind, blob)], now=1)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two hives that are the same."""
    paths = tmp_path / "one.hiv", tmp_path / "two.hiv"
    for path in paths:
        path.write_bytes(with_blob(BLOB))
    return paths


def test_the_same_is_the_same(run: Program, pair: tuple[Path, Path]) -> None:
    done = run("diff", *pair)
    assert done.code == 0
    assert "the same 4 certificates" in done.out
    document = run("diff", *pair, "-f", "json").document
    assert (document["ok"], document["comparisons"][0]["equal"]) == (True, True)
    assert document["comparisons"][0]["same"] == 4
    assert run("diff", *pair, "-q").out == ""


def test_a_certificate_of_one_side(run: Program, pair: tuple[Path, Path], hive: Path) -> None:
    for paths, side, sign in (((hive, pair[0]), "second", "+"), ((pair[0], hive), "first", "-")):
        done = run("diff", *paths)
        assert done.code == 1
        assert f"  {sign} only in the {side}: AuthRoot {ROOT}" in done.out
        assert "CN=Contoso Corporate Root CA" in done.out
        document = run("diff", *paths, "-f", "json").document
        assert document["ok"] is False
        assert "error" not in document
        (found,) = document["comparisons"][0]["differences"]
        assert (found["side"], found["thumbprint"], found["properties"]) == (side, ROOT, [])


def test_stores_of_different_locations_are_different_places(run: Program, pair: tuple[Path, Path]) -> None:
    pair[1].write_bytes(with_blob(BLOB, path=("Policies", *KEY)))
    done = run("diff", *pair)
    assert f"only in the first: AuthRoot {ROOT}" in done.out
    assert f"only in the second: AuthRoot (group policy) {ROOT}" in done.out


def test_properties_are_told_in_words(run: Program, pair: tuple[Path, Path]) -> None:
    name = "Contoso\0".encode("utf-16-le")
    uses = bytes.fromhex("300A06082B06010505070301")
    time = struct.pack("<Q", 132_223_104_000_000_000)
    first = (name, uses, b"\1" * 20, (2048).to_bytes(4, "little"), b"\7" * 100)
    second = (
        "Fabrikam\0".encode("utf-16-le"),
        uses[:-1] + b"\2",
        b"\2" * 20,
        (4096).to_bytes(4, "little"),
        b"\7" * 99 + b"\1",
    )
    for path, values in zip(pair, (first, second), strict=True):
        made = [element(i, data) for i, data in zip((0x0B, 0x09, 0x14, 0x5C, 0x1234), values, strict=True)]
        made += [element(0x68, time)] if path is pair[1] else []
        path.write_bytes(with_blob(b"".join(made) + certificate()))
    done = run("diff", *pair, "-f", "json")
    assert done.code == 1
    (found,) = done.document["comparisons"][0]["differences"]
    assert found["side"] == "both"
    told = {(each["id"], each["name"]): (each["first"], each["second"]) for each in found["properties"]}
    assert told[0x0B, "FRIENDLY_NAME"] == ('"Contoso"', '"Fabrikam"')
    assert told[0x09, "ENHKEY_USAGE"] == ("serverAuth (1.3.6.1.5.5.7.3.1)", "clientAuth (1.3.6.1.5.5.7.3.2)")
    assert told[0x14, "KEY_IDENTIFIER"] == ("01" * 20, "02" * 20)
    assert told[0x5C, "SUBJECT_PUB_KEY_BIT_LENGTH"] == ("2048 bits", "4096 bits")
    assert told[0x68, "DISALLOWED_FILETIME"] == (None, "2020-01-01 00:00:00 UTC")
    long = told[0x1234, "unknown property"]
    assert long[0].startswith("07" * 16 + "... (100 bytes, SHA-256 ")
    assert long[0] != long[1]
    text = run("diff", *pair).out
    assert "0x68 DISALLOWED_FILETIME" in text
    assert "first:  (missing)" in text
    assert "second: 2020-01-01 00:00:00 UTC" in text


@pytest.mark.parametrize(
    ("first", "second", "what", "shown"),
    [
        (element(0x0B, b"a\0\0\0"), element(0x0B, b"a\0"), "FRIENDLY_NAME", ('"a"', "6100")),
        (element(0x7E, b"1" * 8), element(0x7E, b"2" + b"1" * 7), "NOT_BEFORE", ("31" * 8, "32" + "31" * 7)),
        (element(3, b"1") + element(4, b"2"), element(4, b"2") + element(3, b"1"), "order", ("0x03", "0x04")),
        (element(3, b"1") * 2, element(3, b"1"), "SHA1_HASH", ("31", None)),
        (element(0x13, b""), b"", "ARCHIVED", ("empty", None)),
        (element(0x68, b"x"), element(0x68, b"\xff" * 8), "DISALLOWED_FILETIME", ("78", "FFFFFFFFFFFFFFFF")),
    ],
)
def test_every_difference_of_the_bytes_is_shown(
    run: Program,
    pair: tuple[Path, Path],
    first: bytes,
    second: bytes,
    what: str,
    shown: tuple[str, str | None],
) -> None:
    for path, blob in zip(pair, (first, second), strict=True):
        path.write_bytes(with_blob(blob + certificate()))
    done = run("diff", *pair, "-f", "json")
    assert done.code == 1
    (found,) = done.document["comparisons"][0]["differences"][0]["properties"]
    assert what in found["name"]
    for side, expected in zip(("first", "second"), shown, strict=True):
        assert found[side] == expected or found[side].startswith(expected)


def test_damaged_blobs_are_compared_as_a_whole(run: Program, pair: tuple[Path, Path]) -> None:
    pair[1].write_bytes(with_blob(BLOB[:-5]))
    done = run("diff", *pair, "-f", "json")
    assert done.code == 1
    (found,) = done.document["comparisons"][0]["differences"]
    assert found["subject"].startswith("CN=Contoso Corporate Root CA")
    (whole,) = found["properties"]
    assert (whole["id"], whole["name"]) == (None, "Blob")
    assert "not a certificate Blob" not in whole["first"]
    assert "not a certificate Blob" in whole["second"]

    pair[0].write_bytes(pair[1].read_bytes())
    assert run("diff", *pair).code == 0, "damaged in the same way is the same"
    pair[0].write_bytes(with_blob("Blob\0".encode("utf-16-le"), ValueType.SZ))
    assert "no binary value" in run("diff", *pair).out


def test_a_blob_of_very_many_properties_is_cut_short(run: Program, pair: tuple[Path, Path]) -> None:
    for number, path in enumerate(pair):
        many = b"".join(element(0x1000 + i, bytes([number])) for i in range(5000))
        path.write_bytes(with_blob(many + certificate()))
    found = run("diff", *pair, "-f", "json").document["comparisons"][0]["differences"][0]["properties"]
    assert len(found) == 201
    assert found[-1]["name"] == "more properties differ"


def test_names_from_files_cannot_forge_lines(run: Program, pair: tuple[Path, Path]) -> None:
    forged = "x\r\n  + only in the second: ROOT 00\x1b[2J\u202e\0".encode("utf-16-le")
    pair[0].write_bytes(with_blob(element(0x0B, forged) + certificate()))
    evil = ("Microsoft", "SystemCertificates", "Evil\n+ only", "Certificates", "A\x1b[31m")
    pair[1].write_bytes(with_blob(BLOB, path=evil))
    out = run("diff", *pair).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "ROOT 00" not in [line[-7:] for line in out.splitlines()]
    assert "Evil\\n+ only" in out


def test_images_are_compared_by_index(run: Program, image: Path, root: Path) -> None:
    before = Path(shutil.copy(image, "before.wim"))
    assert run("inject", image, "-c", root, "-i", "2").code == 0
    done = run("diff", before, image, "-f", "json")
    assert done.code == 1
    assert [each["equal"] for each in done.document["comparisons"]] == [True, False]
    assert [each["first"]["index"] for each in done.document["comparisons"]] == [1, 2]
    assert run("diff", before, image, "--index", "1").code == 0
    assert run("diff", before, image, "--index", "2").code == 1
    assert run("diff", image, image, "--index", "1", "--index-b", "2").code == 1
    assert run("diff", before, image, "--index", "3").code == 2


def test_one_image_is_held_against_each_of_the_other(run: Program, image: Path, hive: Path) -> None:
    done = run("diff", hive, image, "-f", "json")
    assert [each["second"]["index"] for each in done.document["comparisons"]] == [1, 2]
    assert {each["first"]["index"] for each in done.document["comparisons"]} == {None}
    assert run("diff", image, hive).code == done.code


def test_an_image_without_a_counterpart_is_a_difference(run: Program, image: Path, tmp_path: Path) -> None:
    wim = boot_image((TESTDATA / "hives" / "software-1.5.hiv").read_bytes())
    longer = tmp_path / "longer.wim"
    longer.write_bytes(build_wim(replace(wim, images=[*wim.images, wim.images[0]])))
    done = run("diff", image, longer)
    assert done.code == 1
    assert "image 3" in done.out
    assert "the first has no such image" in done.out
    assert run("diff", longer, image, "-f", "json").document["comparisons"][2]["second"] is None


def test_folders_and_media_folders_can_be_compared(
    run: Program, image: Path, hive: Path, root: Path, tmp_path: Path
) -> None:
    config = tmp_path / "applied" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    shutil.copy(hive, config / "SOFTWARE")
    media = tmp_path / "media" / "sources"
    media.mkdir(parents=True)
    shutil.copy(image, media / "boot.wim")
    assert run("diff", tmp_path / "applied", hive).code == 0
    assert run("diff", tmp_path / "media", image).code == 0
    assert run("inject", hive, "-c", root).code == 0
    assert run("diff", tmp_path / "applied", hive).code == 1


def test_what_cannot_be_read_is_neither_the_same_nor_different(
    run: Program, hive: Path, tmp_path: Path
) -> None:
    assert run("diff", hive, "missing.wim").code == 2
    assert run("diff", hive).code == 2
    bad = tmp_path / "bad.hiv"
    bad.write_bytes(hive.read_bytes()[:5000])
    assert run("diff", hive, bad).code == 3
    assert run("diff", bad, hive, "-f", "json").document["ok"] is False
