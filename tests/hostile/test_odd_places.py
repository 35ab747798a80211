"""Images whose SOFTWARE hive Windows would not find where we look: said what it is, and not changed."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from scripts.testdata.images import variant
from tests.conftest import Judge
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.engines.folder import FolderImages
from winpe_certs.errors import TargetError
from winpe_certs.wim.layout import INTEGRITY_AT, LOOKUP_ENTRY_SIZE
from winpe_certs.wim.reader import WimFile

ROOT = TESTDATA / "certs" / "corp-root.cer"
HIVE = r"Windows\System32\config\SOFTWARE"
REPARSE_POINT, ENCRYPTED = 0x400, 0x4000
NAME_AT = 102


class Altered:
    """An uncompressed WIM with one image, whose metadata is changed in place; its SHA-1 is put right."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(variant("none"))
        with path.open("rb") as file:
            wim = WimFile(file, str(path))
            self._entry = wim.metadata_entries[0]
            self._table = wim.header.lookup_table.offset
            self.directory = wim.directory(1)
            self.places = {
                part: self._entry.resource.offset + self.directory.find(part).offset
                for part in ("Windows", r"Windows\System32", r"Windows\System32\config", HIVE)
            }
        self.data = bytearray(path.read_bytes())

    def save(self) -> Path:
        start, size = self._entry.resource.offset, self._entry.resource.plain_size
        digest = hashlib.sha1(self.data[start : start + size]).digest()
        at = self._table + self._entry.number * LOOKUP_ENTRY_SIZE + 30
        self.data[at : at + 20] = digest
        struct.pack_into("<QQQ", self.data, INTEGRITY_AT, 0, 0, 0)
        self.path.write_bytes(self.data)
        return self.path

    def mark(self, place: str, flag: int) -> None:
        at = self.places[place] + 8
        (attributes,) = struct.unpack_from("<I", self.data, at)
        struct.pack_into("<I", self.data, at, attributes | flag)

    def rename(self, place: str, at: int, letter: str) -> None:
        start = self.places[place] + NAME_AT + 2 * at
        self.data[start : start + 2] = letter.encode("utf-16-le", "surrogatepass")


def _refused(run: Program, image: Path, *words: str) -> None:
    before = image.read_bytes()
    for command in ("inject", "verify"):
        done = run(command, image, "--cert", ROOT, "-i", "1")
        assert done.code == 3, done.out
        for word in words:
            assert word in done.err
    assert image.read_bytes() == before


@pytest.mark.parametrize("place", ["Windows", r"Windows\System32", r"Windows\System32\config"])
def test_a_junction_on_the_way_is_no_folder(run: Program, tmp_path: Path, place: str) -> None:
    altered = Altered(tmp_path / "boot.wim")
    altered.mark(place, REPARSE_POINT)
    _refused(run, altered.save(), f"{place} is a reparse point (a junction or a link)")


def test_an_encrypted_hive_is_called_so(run: Program, tmp_path: Path) -> None:
    altered = Altered(tmp_path / "boot.wim")
    altered.mark(HIVE, ENCRYPTED)
    _refused(run, altered.save(), "encrypted (EFS)")


@pytest.mark.parametrize(
    ("place", "at", "letter"),
    [
        (HIVE, 0, "\u017f"),
        ("Windows", 1, "\u0131"),
        (r"Windows\System32", 1, "\uff59"),
        (HIVE, 0, "\ud800"),
    ],
    ids=["long-s", "dotless-i", "wide-y", "half-a-pair"],
)
def test_letters_are_what_they_are_to_the_file_system(
    run: Program, tmp_path: Path, place: str, at: int, letter: str
) -> None:
    altered = Altered(tmp_path / "boot.wim")
    altered.rename(place, at, letter)
    _refused(run, altered.save(), "there is no Windows")


def test_letter_case_does_not_count(run: Program, tmp_path: Path) -> None:
    altered = Altered(tmp_path / "boot.wim")
    altered.rename(HIVE, 0, "s")
    image = altered.save()
    assert run("inject", image, "--cert", ROOT, "-i", "1").code == 0


def test_in_a_folder_too(tmp_path: Path) -> None:
    for name in ("\u017fOFTWARE", "\ufb00"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(TargetError):
        FolderImages(tmp_path).locate("SOFTWARE")
    with pytest.raises(TargetError):
        FolderImages(tmp_path).locate("FF")


@pytest.mark.shared_files("cases/formats/exact-duplicate/*.wim")
def test_two_entries_of_one_exact_name(run: Program, shared_file: Path, tmp_path: Path) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(shared_file.read_bytes())
    _refused(run, image, f"2 entries are called {HIVE} exactly", "metadata offset")


def test_a_delta_wim_is_called_so(run: Program, judge: Judge, tmp_path: Path) -> None:
    tree, delta = tmp_path / "tree", tmp_path / "delta.wim"
    base = TESTDATA / "boot.wim"
    judge("wimlib-imagex", "apply", base, "1", tree)
    judge("wimlib-imagex", "capture", tree, delta, "X", f"--delta-from={base}")
    _refused(run, delta, "A delta WIM leaves out what its base has", "--ref=BASE.wim")


@pytest.mark.parametrize("name", ["boot.wim", "SOFTWARE", "media.iso"])
def test_a_file_without_bytes_is_called_empty(run: Program, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    for command in ("inject", "verify", "list"):
        done = run(command, path, *(("--cert", ROOT) if command != "list" else ()))
        assert done.code == 3
        assert "the file is empty" in done.err
