"""`compact`: dead space goes, everything else stays; the file is the old one or the new one at any time."""

from __future__ import annotations

import errno
import io
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.testdata.images import variant
from tests import needs
from tests.unit.cli.conftest import Program
from winpe_certs.certs.sources import read_certificates
from winpe_certs.ranges import FileRange, copy_range
from winpe_certs.wim.layout import LOOKUP_ENTRY_SIZE
from winpe_certs.wim.reader import WimFile

THUMBPRINT = "1A8D2CC87D14C0B37372F979E20945250B635A45"


@pytest.fixture
def patched(run: Program, image: Path, root: Path) -> Path:
    """An image that carries the dead space of one change."""
    assert run("inject", image, "-c", root, "-i", "all", "-q").code == 0
    image.chmod(0o640)
    return image


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_a_dry_run_says_how_much_it_would_save_and_that_is_what_is_saved(run: Program, patched: Path) -> None:
    before = patched.read_bytes()
    done = run("compact", patched, "--dry-run", "-f", "json")
    assert (done.code, done.document["changed"], done.document["dry_run"]) == (0, True, True)
    told = done.document["compaction"]
    assert patched.read_bytes() == before
    assert told["saved"] == told["size_before"] - told["size_after"] > 0
    assert f"would save {told['saved']} bytes" in run("compact", patched, "-n").out

    done = run("compact", patched, "-f", "json")
    assert (done.code, done.document["compaction"]) == (0, told)
    assert patched.stat().st_size == told["size_after"] == len(before) - told["saved"]
    assert told["dropped"] == 1
    assert told["resources"] == 20
    assert names(patched.parent) == {"boot.wim"}
    assert needs.IS_WINDOWS or patched.stat().st_mode & 0o777 == 0o640


def test_the_certificates_are_still_there(run: Program, patched: Path, root: Path) -> None:
    assert run("compact", patched, "-q").code == 0
    assert run("verify", patched, "-c", root, "--full-check").code == 0


def test_a_file_with_nothing_to_save_is_not_touched(run: Program, patched: Path) -> None:
    assert run("compact", patched).code == 0
    before = patched.stat()
    done = run("compact", patched)
    assert done.code == 0
    assert "nothing to save" in done.out
    assert run("compact", patched, "-f", "json").document["changed"] is False
    after = patched.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_size,
    )


def test_dead_copies_of_a_removed_certificate_are_gone(run: Program, root: Path, tmp_path: Path) -> None:
    """The hive of after the removal holds none: freed cells are wiped."""
    middle = read_certificates(root.read_bytes(), "root").entries[0].certificate.der[100:200]
    plain = tmp_path / "plain.wim"
    plain.write_bytes(variant("none"))
    assert run("inject", plain, "-c", root, "-i", "all").code == 0
    assert run("remove", plain, "-t", THUMBPRINT, "-i", "all").code == 0
    assert plain.read_bytes().count(middle) == 1
    assert run("compact", plain).code == 0
    assert plain.read_bytes().count(middle) == 0


def test_o_writes_a_copy_and_only_reads_the_original(run: Program, patched: Path, tmp_path: Path) -> None:
    before, out = patched.read_bytes(), tmp_path / "out.wim"
    assert run("compact", patched, "-o", out).code == 0
    assert patched.read_bytes() == before
    assert run("compact", patched, "-o", out).code == 0, "it is there already"
    assert run("compact", patched, "-o", patched, "--overwrite").code == 2
    first = out.read_bytes()
    assert run("compact", patched, "-o", out, "--overwrite").code == 0
    assert out.read_bytes() == first
    umask = os.umask(0)
    os.umask(umask)
    assert out.stat().st_mode & 0o777 == 0o666 & ~umask
    assert run("compact", patched).code == 0
    assert patched.read_bytes() == first

    done = run("compact", patched, "-o", out, "--overwrite")
    assert done.code == 0
    assert "copied, nothing to save" in done.out
    assert out.read_bytes() == first


@pytest.mark.wine_cannot("links")
def test_a_link_keeps_leading_to_the_file(run: Program, patched: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.wim"
    link.symlink_to(patched)
    assert run("compact", link).code == 0
    assert link.is_symlink()
    assert "nothing to save" in run("compact", patched).out


def test_only_wim_files_are_meant(run: Program, hive: Path, tmp_path: Path) -> None:
    (tmp_path / "Windows").mkdir()
    for path in (hive, tmp_path, tmp_path / "missing.wim"):
        assert run("compact", path).code == 2


def test_a_managed_copy_needs_a_word(run: Program, patched: Path) -> None:
    managed = patched.rename(patched.with_name("boot.ABC00001.wim"))
    assert run("compact", managed).code == 3
    assert run("compact", managed, "--force-managed-copy").code == 0


def test_a_file_with_several_names_is_refused(run: Program, patched: Path) -> None:
    os.link(patched, patched.with_name("other.wim"))
    before = patched.read_bytes()
    for more in ([], ["--force-managed-copy"]):
        done = run("compact", patched, *more)
        assert done.code == 3
        assert "2 hard links" in done.err
    assert patched.read_bytes() == before
    assert run("compact", patched, "-o", "out.wim").code == 0


@pytest.mark.parametrize(
    "name", ["split", "pipable", "solid-version", "lzms", "read-only", "write-in-progress"]
)
def test_what_must_not_be_changed_is_refused(run: Program, tmp_path: Path, name: str) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(variant(name))
    for more in ([], ["-n"], ["-o", "out.wim"]):
        assert run("compact", path, *more).code == 3
    assert path.read_bytes() == variant(name)
    assert not Path("out.wim").exists()


@pytest.mark.parametrize("which", [0, -1])
def test_damage_that_the_integrity_table_knows_is_not_copied(run: Program, patched: Path, which: int) -> None:
    """Neither in contents, which nobody decodes, nor in the directory that is walked."""
    data = bytearray(patched.read_bytes())
    with patched.open("rb") as file:
        wim = WimFile(file, "boot.wim")
        assert wim.integrity_table() is not None
        entries = sorted(wim.lookup_table.entries(), key=lambda entry: entry.resource.offset)
    assert entries[which].is_metadata == (which == -1)
    data[entries[which].resource.offset + 5] ^= 1
    patched.write_bytes(data)
    for more in ([], ["-n"], ["-o", "out.wim"]):
        done = run("compact", patched, *more)
        assert done.code == 3
        assert "do not fit their integrity digest" in done.err
    assert patched.read_bytes() == data
    assert not Path("out.wim").exists()
    assert names(patched.parent) == {"boot.wim"}


def test_the_copy_fits_its_integrity_table_of_many_pieces(run: Program, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(variant("integrity-pieces"))
    assert run("inject", path, "-c", root, "-i", "all", "-q").code == 0
    assert run("compact", path, "-q").code == 0
    with path.open("rb") as file:
        wim = WimFile(file, "boot.wim")
        table = wim.integrity_table()
        assert table is not None
        assert len(table.digests) > 3
        table.verify(wim.read_at, "boot.wim")


@pytest.mark.posix("locks")
def test_another_run_at_work_stops_this_one(run: Program, patched: Path) -> None:
    import fcntl

    before = patched.read_bytes()
    with patched.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run("compact", patched)
    assert done.code == 4
    assert "another program is working on this file" in done.err
    assert patched.read_bytes() == before


@pytest.mark.posix("system-calls")
@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_full_disk_leaves_the_image_as_it_was(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch, in_kernel: bool
) -> None:
    before = patched.read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def cannot(*_: object, **__: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    with monkeypatch.context() as patch:
        patch.setattr("winpe_certs.ranges.os.copy_file_range", full if in_kernel else cannot)
        if not in_kernel:
            patch.setattr("winpe_certs.ranges.write_all", full)
        done = run("compact", patched)
    assert done.code == 4
    assert "the disk is full" in done.err
    assert patched.read_bytes() == before
    assert names(patched.parent) == {"boot.wim"}
    assert run("compact", patched).code == 0


@pytest.mark.posix("system-calls")
def test_without_the_systems_own_copying_the_result_is_the_same(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("compact", patched, "-o", "one.wim").code == 0

    def half_able(source: int, target: int, count: int, *, offset_src: int) -> int:
        """Copies a little at first, then nothing, as some network file systems do."""
        if offset_src == 208 or calls:
            return 0
        calls.append(offset_src)
        return real(source, target, min(count, 100), offset_src=offset_src)

    def unable(*_: object, **__: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    real = os.copy_file_range
    calls: list[int] = []
    for number, broken in enumerate((half_able, unable)):
        monkeypatch.setattr("winpe_certs.ranges.os.copy_file_range", broken)
        assert run("compact", patched, "-o", f"{number}.wim").code == 0
        assert Path(f"{number}.wim").read_bytes() == Path("one.wim").read_bytes()
    assert calls


Refusal = Callable[[Callable[[WimFile, io.FileIO], None]], str]


@pytest.fixture
def refusal(run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """What is said, as it must be, when a copy is damaged as it reaches the disk: ``refusal(damage)``."""
    before = patched.read_bytes()
    real = os.fsync

    def refused(damage: Callable[[WimFile, io.FileIO], None]) -> str:
        def damaging(descriptor: int) -> None:
            real(descriptor)
            (path,) = patched.parent.glob(".*.new")
            with path.open("r+b", buffering=0) as file, path.open("rb") as again:
                damage(WimFile(again, "copy"), file)

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", damaging)
            done = run("compact", patched)
        assert done.code == 4
        assert "could not be verified" in done.err
        assert patched.read_bytes() == before
        assert names(patched.parent) == {"boot.wim"}
        return done.err

    return refused


@pytest.mark.parametrize("at", [0x38, 0x50, 900, -300, -30, -5])
def test_a_copy_that_is_not_right_never_takes_the_files_place(refusal: Refusal, at: int) -> None:
    def damage(copy: WimFile, file: io.FileIO) -> None:
        file.seek(at % copy.size)
        file.write(b"\x5a")

    refusal(damage)


@pytest.mark.parametrize("bit", [1, 4])
@pytest.mark.parametrize("field", [0, 7, 8, 16, 24, 26, 30])
@pytest.mark.parametrize("is_image", [False, True])
def test_nor_does_one_with_a_wrong_lookup_table(
    refusal: Refusal, is_image: bool, field: int, bit: int
) -> None:
    """Size, flags, offset, plain size, part number, number of names, hash: of contents, and of an image."""

    def damage(copy: WimFile, file: io.FileIO) -> None:
        entry = next(each for each in copy.lookup_table.entries() if each.is_metadata == is_image)
        at = copy.header.lookup_table.offset + entry.number * LOOKUP_ENTRY_SIZE + field
        wrong = copy.read_at(at, 1)[0] ^ bit
        file.seek(at)
        file.write(bytes([wrong]))

    refusal(damage)


def test_a_wrong_byte_is_told_with_its_place(refusal: Refusal) -> None:
    """To the piece that is compared at once, of which this file has but one for each run of bytes."""
    place: list[int] = []

    def damage(copy: WimFile, file: io.FileIO) -> None:
        place.append(min(entry.resource.offset for entry in copy.lookup_table.entries()))
        file.seek(place[0] + 3)
        file.write(b"\x5a")

    told = refusal(damage)
    assert f"the bytes from offset {place[0]} on are not the original's" in told


@pytest.mark.posix("system-calls")
@pytest.mark.parametrize("output", [(), ("-o", "out.wim")])
@pytest.mark.parametrize("call", range(0, 12, 3))
def test_a_read_error_is_told_of_the_file_that_is_read(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch, output: tuple[str, ...], call: int
) -> None:
    before, calls = patched.read_bytes(), itertools.count()
    real = os.pread

    def failing(descriptor: int, size: int, offset: int) -> bytes:
        if next(calls) >= call:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, size, offset)

    with monkeypatch.context() as patch:
        patch.setattr("winpe_certs.ranges.os.pread", failing)
        done = run("compact", patched, *output)
    assert done.code == 4
    assert "boot.wim: cannot read: the disk reports an input/output error" in done.err
    assert patched.read_bytes() == before
    assert names(patched.parent) == {"boot.wim"}
    assert not Path("out.wim").exists()


@pytest.mark.posix("system-calls")
def test_a_system_that_reads_less_than_it_was_asked_for_is_asked_again(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("compact", patched, "-o", "one.wim").code == 0
    real = os.pread
    with monkeypatch.context() as patch:
        patch.setattr("winpe_certs.ranges.os.pread", lambda fd, size, at: real(fd, size // 2, at))
        assert run("compact", patched, "-o", "other.wim").code == 0
    assert Path("other.wim").read_bytes() == Path("one.wim").read_bytes()


def test_contents_that_are_not_in_the_file_are_told_with_the_path_that_names_them(
    run: Program, patched: Path
) -> None:
    data = bytearray(patched.read_bytes())
    with patched.open("rb") as file:
        wim = WimFile(file, "boot.wim")
        contents = wim.directory(1).find_file(r"Windows\System32\Boot\winload.efi").contents
        entry = wim.lookup_table.find(contents.hash)
        assert entry is not None
        at = wim.header.lookup_table.offset + entry.number * LOOKUP_ENTRY_SIZE + 30
        data[wim.header.integrity.offset : wim.size] = b""
    data[at] ^= 1
    data[0x7C : 0x7C + 24] = bytes(24)  # no integrity table, which would notice it first
    patched.write_bytes(data)
    done = run("compact", patched)
    assert done.code == 3
    assert r"the contents of Windows\System32\Boot\winload.efi (image 1) are not in the file" in done.err


def test_a_file_that_somebody_else_changes_meanwhile_is_not_replaced(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = copy_range

    def meddling(source: FileRange, target: io.FileIO) -> None:
        real(source, target)
        os.utime(patched, ns=(1, 1))

    with monkeypatch.context() as patch:
        patch.setattr("winpe_certs.files.new.copy_range", meddling)
        done = run("compact", patched)
    assert done.code == 4
    assert "another program has changed the file during this run" in done.err
    assert names(patched.parent) == {"boot.wim"}


_KILLED = """
import os, signal, sys
import pathlib, winpe_certs.ranges
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
module, name = {"copy": (winpe_certs.ranges.os, "copy_file_range"), "sync": (os, "fsync"),
                "rename": (pathlib.Path, "replace")}[sys.argv[1]]
setattr(module, name, die)
from winpe_certs.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.posix("signals")
@pytest.mark.parametrize("moment", ["copy", "sync", "rename"])
def test_a_killed_run_leaves_the_old_image(run: Program, patched: Path, moment: str) -> None:
    before = patched.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, moment, "compact", patched],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert patched.read_bytes() == before
    assert run("compact", patched).code == 0
    assert patched.stat().st_size < len(before)


def test_an_interruption_leaves_nothing_behind(
    run: Program, patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = patched.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("winpe_certs.files.new.copy_range", interrupted)
        assert run("compact", patched).code == 130
    assert patched.read_bytes() == before
    assert names(patched.parent) == {"boot.wim"}
