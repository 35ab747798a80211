from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import variant
from scripts.testdata.isos import make_iso
from winpe_certs.engines.choose import Kind
from winpe_certs.engines.estate import Source, contents_hash, opened, read, sources
from winpe_certs.errors import EnvironmentFailure, MissingFileError, TargetError, UsageError, WimError
from winpe_certs.workflows.selection import SOFTWARE_HIVE

WIM = variant("small")


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _names(found: list[Source], root: Path) -> list[tuple[str, Kind | None]]:
    return [(each.path.relative_to(root).as_posix(), each.kind) for each in found]


def test_files_are_told_by_what_they_hold(tmp_path: Path) -> None:
    _put(tmp_path / "adk/BOOT.WIM", WIM)
    _put(tmp_path / "adk/readme.txt", b"text")
    _put(tmp_path / "pxe/boot.img", WIM + bytes(1 << 20))
    _put(tmp_path / "pxe/large.bin", bytes(1 << 20))
    _put(tmp_path / "pxe/small.bin", WIM[:4000])
    _put(tmp_path / "iso/media.iso", make_iso({"sources/boot.wim": WIM}))
    _put(tmp_path / "iso/renamed.wim", make_iso({"sources/boot.wim": WIM}))
    _put(tmp_path / "odd/empty.wim", b"")
    _put(tmp_path / "odd/pointer.wim", b"version https://git-lfs.github.com/spec/v1\n")
    _put(tmp_path / "odd/SOFTWARE", hive_variant("root-only.hiv"))
    found = sources([tmp_path])
    assert _names(found, tmp_path) == [
        ("adk/BOOT.WIM", Kind.WIM),
        ("iso/media.iso", Kind.ISO),
        ("iso/renamed.wim", Kind.ISO),
        ("odd/empty.wim", None),
        ("odd/pointer.wim", None),
        ("pxe/boot.img", Kind.WIM),
    ]
    errors = [each.error.message for each in found if each.error is not None]
    assert "it is empty" in errors[0]
    assert "Git LFS pointer" in errors[1]


def test_a_hive_counts_when_it_is_named(tmp_path: Path) -> None:
    hive = _put(tmp_path / "SOFTWARE", hive_variant("root-only.hiv"))
    assert sources([hive]) == [Source(hive, Kind.HIVE)]
    other = _put(tmp_path / "notes.txt", b"text")
    (found,) = sources([other])
    assert isinstance(found.error, TargetError)
    with pytest.raises(UsageError):
        sources([tmp_path / "missing"])


def test_a_windows_tree_is_one_image_and_is_not_searched(tmp_path: Path) -> None:
    _put(tmp_path / "mounted/windows/System32/CONFIG/software", hive_variant("root-only.hiv"))
    _put(tmp_path / "mounted/windows/System32/Recovery/winre.wim", WIM)
    _put(tmp_path / "mounted/images/boot.wim", WIM)
    _put(tmp_path / "Windows/boot.wim", WIM)
    assert _names(sources([tmp_path]), tmp_path) == [
        ("Windows/boot.wim", Kind.WIM),
        ("mounted", Kind.FOLDER),
        ("mounted/images/boot.wim", Kind.WIM),
    ]


@pytest.mark.posix("places")
def test_links_are_not_followed_and_a_file_is_taken_once(tmp_path: Path) -> None:
    outside = _put(tmp_path / "outside/boot.wim", WIM)
    inside = _put(tmp_path / "estate/a/boot.wim", WIM)
    (tmp_path / "estate/b").symlink_to(tmp_path / "outside")
    (tmp_path / "estate/a/loop").symlink_to(tmp_path / "estate")
    (tmp_path / "estate/c.wim").symlink_to(outside)
    (tmp_path / "estate/dangling.wim").symlink_to(tmp_path / "nowhere")
    os.link(inside, tmp_path / "estate/z.wim")
    shutil.copy(inside, tmp_path / "estate/y.wim")
    estate = tmp_path / "estate"
    # Files of a folder come before its folders, so the other name of the first file is met first.
    assert [each.path.name for each in sources([estate, estate, inside])] == ["y.wim", "z.wim"]
    linked = tmp_path / "link.wim"
    linked.symlink_to(outside)
    assert sources([linked]) == [Source(linked, Kind.WIM)]


def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path / "a/boot.wim", WIM)
    _put(tmp_path / "b/boot.wim", WIM)
    listed = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    locked, other = sources([tmp_path])
    assert isinstance(locked.error, EnvironmentFailure)
    assert (other.path.parent.name, other.kind) == ("b", Kind.WIM)


@pytest.mark.posix("paths")
def test_a_folder_that_cannot_even_be_looked_at_is_told(tmp_path: Path) -> None:
    name, levels = "d" * 255, 17
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (found,) = sources([tmp_path])
    assert (found.kind, type(found.error)) == (None, EnvironmentFailure)
    shutil.rmtree(tmp_path / name)


@pytest.mark.posix("places")
def test_a_pipe_in_the_way_is_passed_by(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wim")
    assert sources([tmp_path]) == []
    (given,) = sources([tmp_path / "pipe.wim"])
    assert "not a plain file" in str(given.error)


def test_the_images_of_every_kind_are_read(tmp_path: Path) -> None:
    hive = hive_variant("no-free-cells.hiv")
    _put(tmp_path / "a.wim", WIM)
    _put(tmp_path / "b.iso", make_iso({"x/1.wim": WIM, "x/2.wim": b"no image", "x/3.wim": variant("single")}))
    _put(tmp_path / "c/Windows/System32/config/SOFTWARE", hive)
    bare = _put(tmp_path / "bare/SOFTWARE", hive)
    seen = []
    for source in sources([tmp_path, bare]):
        with opened(source) as containers:
            for container in containers:
                try:
                    images = container.open()
                except WimError as error:
                    seen.append((source.path.name, container.inside, type(error).__name__))
                    continue
                for image in images.images:
                    assert read(images, image, SOFTWARE_HIVE) == hive
                    digest = contents_hash(images, image, SOFTWARE_HIVE)
                    assert (digest is None) == (image.index is None)
                    seen.append((source.path.name, container.inside, str(image.index)))
    assert seen == [
        ("a.wim", "", "1"),
        ("a.wim", "", "2"),
        ("b.iso", "x/1.wim", "1"),
        ("b.iso", "x/1.wim", "2"),
        ("b.iso", "x/2.wim", "WimError"),
        ("b.iso", "x/3.wim", "1"),
        ("c", "", "None"),
        ("SOFTWARE", "", "None"),
    ]


def test_a_missing_hive_has_an_error_of_its_own(tmp_path: Path) -> None:
    source = Source(_put(tmp_path / "data.wim", variant("software-missing")), Kind.WIM)
    with opened(source) as (container,):
        images = container.open()
        with pytest.raises(MissingFileError):
            contents_hash(images, images.images[0], SOFTWARE_HIVE)
