"""Damaged images, hives and certificates through the program: refused by name, quickly, and left as they are.

Every command line runs in a process of its own, so that time and peak memory are measured. What is not
refused by every command stands in a table with its reason.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.testdata import images
from scripts.testdata.build import FOLDER
from scripts.testdata.hostile import HOSTILE, hostile
from scripts.testdata.wim_writer import build_wim
from tests.conftest import Judge
from tests.hostile.isolated import Isolated, Outcome
from winpe_certs.cli.main import main

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
MAXIMUM_SECONDS = 10
MAXIMUM_PEAK = 200 << 20
REFUSED = 3

HEADER_SIZE = 208
LOOKUP, XML, BOOT_METADATA, INTEGRITY = 0x30, 0x48, 0x60, 0x7C


@dataclass(frozen=True)
class Codes:
    """Exit codes of the three commands, where not all of them refuse."""

    inject: int
    verify: int
    list: int
    reason: str


def _sound(reason: str) -> Codes:
    return Codes(0, 1, 0, reason)


def _read_only(reason: str) -> Codes:
    return Codes(REFUSED, 1, 0, reason)


_ELSEWHERE = "the damage is in a part of the image that is neither read nor changed"
_NAME = "the name belongs to another file, is legal in the format, and is carried as it is"
_UNREAD = "reading needs no integrity table; changing extends it, and refuses"
_REPLACED = "a damaged Blob of this very certificate is shown as damaged, and replaced"
_OTHER_KEY = "the damage is in a key apart from the certificate stores, which nothing reads"
_EDIT_ONLY = "looking keys up does not need this; the editor does, and refuses"
_MARK = "the mark forbids changing the file, not reading it"

NOT_REFUSED = {
    "wim/boot-metadata": _sound(
        "the header's copy of the metadata's place is for boot loaders; it is set right"
    ),
    "wim/lookup-compressed": _sound(
        "a compressed resource of one plain chunk is what it would be uncompressed"
    ),
    "wim/lookup-duplicate": _sound("both entries name readable contents; the first counts"),
    "wim/xml-no-bom": _sound("the XML is UTF-16LE with or without the mark"),
    "wim/xml-other-count": _sound("the XML only describes; an image without description has no name"),
    "wim/xml-total-not-a-number": _sound("what is no number is left as it is"),
    "wim/integrity-count": _read_only(_UNREAD),
    "wim/integrity-size": _read_only(_UNREAD),
    "wim/integrity-piece-0": _read_only(_UNREAD),
    "wim/integrity-past-end": _read_only(_UNREAD),
    "wim/integrity-digest": _sound("the wrong digest is of a piece that is not touched, and is kept wrong"),
    "wim/resource-hash": _sound(_ELSEWHERE),
    "wim/security-id": _sound("the descriptor's number is carried, not followed"),
    "wim/directory-cycle-elsewhere": _sound(_ELSEWHERE),
    "wim/directory-twice": _sound(_ELSEWHERE),
    "wim/name-with-separator": _sound(_NAME),
    "wim/name-dots": _sound(_NAME),
    "wim/name-nul": _sound(_NAME),
    "wim/name-escape": _sound(_NAME),
    "hive/bin-size-huge": _read_only(_EDIT_ONLY),
    "hive/cell-size-past-bin": _read_only(_EDIT_ONLY),
    "hive/security-no-descriptor": _read_only(_EDIT_ONLY),
    "hive/security-count": _sound("a count that is too low is set right, as reged leaves it"),
    "hive/security-none": _sound("the new key takes the descriptor of the key above it, which has one"),
    "hive/security-ring": _sound("the new key counts as a user of a descriptor; the ring is not followed"),
    "hive/value-count": _sound(_OTHER_KEY),
    "hive/value-list-past-end": _sound(_OTHER_KEY),
    "hive/segments-count": _sound(_OTHER_KEY),
    "hive/segments-list": _sound(_OTHER_KEY),
    "hive/deep": _sound("a deep tree is legal"),
    "hive/blob-empty": _sound(_REPLACED),
    "hive/blob-bare": _sound(_REPLACED),
    "hive/blob-cut": _sound(_REPLACED),
    "hive/blob-junk": _sound(_REPLACED),
    "hive/blob-length": _sound(_REPLACED),
    "hive/blob-encoding": _sound(_REPLACED),
    "hive/blob-no-certificate": _sound(_REPLACED),
    "hive/blob-broken-certificate": _sound(_REPLACED),
    "hive/blob-other-certificate": _sound(_REPLACED),
    "hive/blob-text": _sound(_REPLACED),
    "hive/blob-missing": _sound(_REPLACED),
    "hive/blob-key-name": _sound("a key that is called by no thumbprint is another key"),
    "hive/blob-key-lower-case": Codes(0, 0, 0, "names of keys compare without case: it is there already"),
    "refused/write-in-progress": _read_only(_MARK),
    "refused/read-only": _read_only(_MARK),
}

MESSAGES = {
    "wim/empty": "the file is empty",
    "wim/zeros": "neither a WIM image nor a registry hive",
    "wim/header-size": "with a header of 100 bytes",
    "wim/chunk-size-0": "a chunk size of 0 bytes is impossible for LZX (header offset 0x14)",
    "wim/image-count-2g": "the header claims 2147483648 images",
    "wim/fewer-metadata": "the header counts 2 images, but the lookup table has metadata for 1",
    "wim/boot-index": "the boot index is 9, but there are 1 images",
    "wim/lookup-odd-size": "the lookup table has 333 bytes, not a multiple of 50",
    "wim/lookup-past-end": "lookup table: the resource lies at offset 1099511627776",
    "wim/xml-malformed": "the image's XML is damaged: unclosed token",
    "wim/xml-entity-bomb": "declares a document type",
    "wim/resource-garbled": "is damaged: LZX chunk",
    "wim/chunk-descending": "chunk 1 claims the bytes",
    "wim/directory-past-end": "the folder 'config' has no end",
    "wim/entry-length-huge": "a directory entry of 1152921504606846976 bytes",
    "wim/name-length-odd": "name sizes of 15 and 0 bytes",
    "wim/hive-dirty": "its sequence numbers differ",
    "wim/hive-garbage": "not a registry hive",
    "wim/truncated-05": "the file ends inside its header (100 of 208 bytes)",
    "hive/truncated": "the hive is truncated",
    "hive/dirty": "its sequence numbers differ",
    "hive/checksum": "checksum is wrong",
    "hive/major-version": "hive format version 2.5 is unknown",
    "hive/log-file": "a registry log",
    "hive/bins-size-huge": "impossible size of the hive bins",
    "hive/subkey-list-count": "subkey list at hive offset",
    "hive/subkey-order": "subkey list at hive offset",
    "hive/subkey-hash": "subkey list at hive offset",
    "certificate/private-key": "a private key is in this file",
    "certificate/pem-request": "a certificate request (CSR)",
    "certificate/pem-bad-base64": "something that is not base64",
    "certificate/p7b-without-certificates": "this PKCS#7 file",
    "certificate/der-nested": "a DER file of another kind",
    "refused/split": "part 1 of a split image with 2 parts",
    "refused/solid-version": "solid or LZMS image (ESD)",
    "refused/read-only": "the read-only mark",
    "refused/pipable": "pipable",
    "refused/software-reparse": "a reparse point",
    "refused/software-missing": r"there is no Windows\System32\config\SOFTWARE",
    "refused/case-twins-only-other": "in different case",
}

IMAGES_AND_HIVES = [
    *(name for name in HOSTILE if not name.startswith("certificate/")),
    *(f"refused/{name}" for name in images.REFUSED),
]
CERTIFICATES = [name for name in HOSTILE if name.startswith("certificate/")]
# Its dates cannot be read, and its signature does not fit: a file of it can be made, an image is not changed.
READABLE_IN_PART = frozenset({"certificate/der-bad-time"})
READABLE_CERTIFICATES = {"certificate/utf16": "Windows tools write UTF-16, so it is read like any PEM"}


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated() as running:
        yield running


def _content(name: str) -> bytes:
    if name.startswith("refused/"):
        return images.variant(name.removeprefix("refused/"))
    return hostile(name)[0]


def _modest(outcome: Outcome) -> None:
    assert outcome.seconds < MAXIMUM_SECONDS
    assert outcome.peak < MAXIMUM_PEAK
    assert "Traceback" not in outcome.stderr + outcome.stdout


def _refused(outcome: Outcome, path: Path, name: str) -> None:
    """Exactly one error message, which names the file; nothing on stdout."""
    lines = outcome.stderr.splitlines()
    assert [line for line in lines if line.startswith("error:")] == [lines[0]]
    assert str(path) in lines[0]
    assert "defect of winpe-certs" not in outcome.stderr
    assert outcome.stdout == ""
    if name in MESSAGES:
        assert MESSAGES[name] in lines[0]


def test_the_tables_name_existing_files() -> None:
    known = {*IMAGES_AND_HIVES, *CERTIFICATES}
    assert set(NOT_REFUSED) <= known
    assert set(MESSAGES) <= known - {name for name, codes in NOT_REFUSED.items() if codes.inject == 0}
    assert set(READABLE_CERTIFICATES) <= known
    assert all(codes.reason for codes in NOT_REFUSED.values())


@pytest.mark.parametrize("name", IMAGES_AND_HIVES)
def test_a_damaged_image_or_hive_is_refused_by_name_and_left_alone(
    name: str, isolated: Isolated, tmp_path: Path, judge: Judge
) -> None:
    content = _content(name)
    path = tmp_path / name.replace("/", "-")
    path.write_bytes(content)
    written = path.stat().st_mtime_ns
    expected = NOT_REFUSED.get(name, Codes(REFUSED, REFUSED, REFUSED, ""))
    index = () if name.startswith("hive/") else ("--index", "1")
    sound_before = name.startswith("hive/") or _wimlib_accepts(path, judge)
    for command, code, more in (
        ("list", expected.list, ()),
        ("verify", expected.verify, ("--cert", CERTIFICATE)),
        ("inject", expected.inject, ("--cert", CERTIFICATE)),
    ):
        outcome = isolated.run(command, path, *more, *index)
        assert outcome.code == code, (command, outcome.stdout, outcome.stderr)
        _modest(outcome)
        if code == REFUSED:
            _refused(outcome, path, name)
        if command != "inject" or code == REFUSED:
            assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, written)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    if expected.inject == 0 and expected.verify != REFUSED:
        assert isolated.run("verify", path, "--cert", CERTIFICATE, *index).code == 0
        if sound_before and not name.startswith("hive/"):
            assert _wimlib_accepts(path, judge)


def _wimlib_accepts(path: Path, judge: Judge) -> bool:
    return judge("wimlib-imagex", "verify", path, check=False).returncode == 0


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_damaged_certificate_is_refused_by_name_and_no_image_is_touched(
    name: str, isolated: Isolated, tmp_path: Path
) -> None:
    path, image, output = tmp_path / "bad.cer", tmp_path / "boot.wim", tmp_path / "out.reg"
    path.write_bytes(_content(name))
    image.write_bytes(images.variant("single"))
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("inject", image, "--cert", path),
        ("export", path, "-o", output),
    )
    for arguments in commands:
        outcome = isolated.run(*arguments)
        _modest(outcome)
        if name in READABLE_CERTIFICATES or (arguments[0] == "export" and name in READABLE_IN_PART):
            assert outcome.code == 0
            continue
        assert outcome.code == REFUSED
        _refused(outcome, path, name)
        assert image.read_bytes() == images.variant("single")
        assert not output.exists()
    assert path.read_bytes() == _content(name)


@pytest.mark.parametrize("name", ["wim/missing", "hive/missing"])
def test_a_missing_file_is_wrong_usage(name: str, isolated: Isolated, tmp_path: Path) -> None:
    path = tmp_path / name.replace("/", "-")
    for command in ("list", "inject", "verify"):
        more = () if command == "list" else ("--cert", CERTIFICATE)
        assert isolated.run(command, path, *more).code == 2


def test_an_index_that_does_not_exist_is_wrong_usage(isolated: Isolated, tmp_path: Path) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(images.variant("single"))
    outcome = isolated.run("inject", path, "--cert", CERTIFICATE, "--index", "7")
    assert outcome.code == 2
    assert f"{path}: there is no image 7" in outcome.stderr
    assert path.read_bytes() == images.variant("single")


# --- cut off and changed at random ----------------------------------------------------------------


def _through(path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> int:
    """Verify, then inject; gives inject's exit code back after judging what every outcome has to keep."""
    path.write_bytes(content)
    assert main(["verify", str(path), "--cert", str(CERTIFICATE), "--index", "2"]) in {1, REFUSED}
    assert path.read_bytes() == content
    code = main(["inject", str(path), "--cert", str(CERTIFICATE), "--index", "2"])
    told = capsys.readouterr()
    assert code in {0, REFUSED}, told.err
    assert "Traceback" not in told.err
    if code == REFUSED:
        assert path.read_bytes() == content
        assert str(path) in told.err
    else:
        assert main(["verify", str(path), "--cert", str(CERTIFICATE), "--index", "2"]) == 0
        capsys.readouterr()
    return code


def _boundaries() -> list[int]:
    """Where a part of the committed image begins or ends, and places between."""
    content = (FOLDER / "boot.wim").read_bytes()
    parts = []
    for at in (LOOKUP, XML, BOOT_METADATA, INTEGRITY):
        stored, offset = (
            int.from_bytes(content[at : at + 7], "little"),
            struct.unpack_from("<Q", content, at + 8)[0],
        )
        parts += [offset, offset + stored]
    near = {place + step for place in parts for step in (-1, 0, 1)}
    even = {len(content) * step // 20 for step in range(20)}
    return sorted(place for place in near | even | {8, 100, 207, 208} if place < len(content))


@pytest.mark.parametrize("size", _boundaries())
def test_an_image_cut_off_anywhere_is_refused(
    size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (FOLDER / "boot.wim").read_bytes()
    assert _through(tmp_path / "boot.wim", content[:size], capsys) == REFUSED


def _mutations(seed: int, count: int) -> Iterator[bytes]:
    """The committed image with one byte changed anywhere, or up to four where the numbers are."""
    dice = random.Random(seed)
    content = (FOLDER / "boot.wim").read_bytes()
    (metadata,) = struct.unpack_from("<Q", content, BOOT_METADATA + 8)
    if seed % 4:
        # The integrity table would give most changes away, so it mostly is left out.
        content = content[:INTEGRITY] + bytes(24) + content[INTEGRITY + 24 :]
    for number in range(count):
        places = [dice.randrange(len(content))]
        if number % 2:
            first, end = dice.choice([(0, HEADER_SIZE), (metadata, len(content))])
            places = [dice.randrange(first, end) for _ in range(dice.randint(1, 4))]
        changed = bytearray(content)
        for place in places:
            changed[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        yield bytes(changed)


@pytest.mark.parametrize("seed", range(12))
def test_changed_bytes_are_refused_or_survived_and_never_make_an_image_worse(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    path = tmp_path / "boot.wim"
    codes = []
    for changed in _mutations(seed, 25):
        path.write_bytes(changed)
        accepted = _wimlib_accepts(path, judge)
        codes.append(_through(path, changed, capsys))
        if accepted and codes[-1] == 0:
            done = judge("wimlib-imagex", "verify", path, check=False)
            assert done.returncode == 0, re.sub(r".*\r", "", done.stderr.decode(errors="replace"))
    assert REFUSED in codes
    assert 0 in codes or seed % 4 == 0


def _changed_metadata(dice: random.Random) -> bytes:
    """A sound file but for one to three numbers of its metadata, with the right hash."""

    def edit(plain: bytes) -> bytes:
        changed = bytearray(plain)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(plain) // 4) * 4
            old = struct.unpack_from("<I", plain, at)[0]
            new = dice.choice((0, 1, old + 1, old - 8, old << 8, old ^ 1 << dice.randrange(32), 0x7FFFFFFF))
            struct.pack_into("<I", changed, at, new & 0xFFFFFFFF)
        return bytes(changed)

    wim = images.single(images.software(images.small_hive()))
    return build_wim(replace(wim, integrity_piece=None, edit_metadata=edit))


@pytest.mark.parametrize("seed", range(8))
def test_changed_metadata_is_refused_or_survived_and_never_makes_an_image_worse(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    dice = random.Random(f"metadata {seed}")
    path, copy = tmp_path / "boot.wim", tmp_path / "copy.wim"
    codes = []
    for _ in range(15):
        changed = _changed_metadata(dice)
        path.write_bytes(changed)
        copy.unlink(missing_ok=True)
        accepted = _wimlib_accepts(path, judge)
        command = ["inject", str(path), "--cert", str(CERTIFICATE)]
        into_copy, in_place = main([*command, "-o", str(copy)]), main(command)
        told = capsys.readouterr().err
        assert "Traceback" not in told
        assert {into_copy, in_place} <= {0, REFUSED}, told
        assert copy.exists() == (into_copy == 0)
        if in_place == REFUSED:
            assert path.read_bytes() == changed
        for code, written in ((in_place, path), (into_copy, copy)):
            if accepted and code == 0:
                assert _wimlib_accepts(written, judge)
        codes += [in_place, into_copy]
    assert set(codes) == {0, REFUSED}, "mutations of both fates"


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_of_changed_bytes_is_refused_or_no_worse_and_the_original_is_only_read(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    path, copy = tmp_path / "boot.wim", tmp_path / "copy.wim"
    codes = []
    for changed in _mutations(100 + seed, 20):
        path.write_bytes(changed)
        accepted = _wimlib_accepts(path, judge)
        copy.unlink(missing_ok=True)
        command = ["inject", str(path), "--cert", str(CERTIFICATE), "--index", "2", "-o", str(copy)]
        codes.append(main(command))
        told = capsys.readouterr().err
        assert path.read_bytes() == changed
        assert "Traceback" not in told
        if codes[-1] == REFUSED:
            assert str(path) in told
            assert not copy.exists()
        elif accepted:
            assert _wimlib_accepts(copy, judge)
    assert set(codes) <= {0, REFUSED}
