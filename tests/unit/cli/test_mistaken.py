"""What people type by mistake: each is told what it is, and what would be right."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.testdata import bundles, pki
from tests.unit.cli.conftest import Program
from winpe_certs.engines.choose import is_certificate
from winpe_certs.workflows import given_files

NOT_AN_IMAGE = (
    "is a certificate, not an image\nnext: Put --cert before each certificate file, this one included.\n"
)


@pytest.fixture
def copied(certs: Path, tmp_path: Path) -> Path:
    """A folder of test certificates whose names say nothing."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for name in ("corp-root.cer", "corp-root.pem", "corp-root.pfx", "chain.p7b", "chain-pem.p7b"):
        shutil.copy(certs / name, folder / name.replace(".", "-"))
    return folder


def test_a_certificate_without_its_option_is_none_of_the_images(
    run: Program, image: Path, root: Path, certs: Path
) -> None:
    before = image.read_bytes()
    second = certs / "corp-root-2.cer"
    for arguments in (
        ("inject", image, root, "--index", "1"),
        ("inject", image, "-c", second, root, "-i", "1"),
        ("remove", image, root, "-i", "1"),
        ("verify", image, "-t", "A" * 40, root),
    ):
        done = run(*arguments)
        assert done.code == 2
        assert f"{root} {NOT_AN_IMAGE}" in done.err
    assert image.read_bytes() == before


def test_a_certificate_is_known_by_its_content(run: Program, image: Path, root: Path, copied: Path) -> None:
    run("export", root, "-o", copied / "x.reg")
    (copied / "x.reg").rename(copied / "utf-16")
    text = pki.pem("corp-root").decode()
    (copied / "printed").write_text(f"Certificate:\n{'  more' * 1500}\n{text}")
    (copied / "ber").write_bytes(b"\x30\x80\x06\x09")
    (copied / "store").write_bytes(bundles.serialized_store())
    (copied / "policy").write_bytes(bundles.policy_file())
    found = sorted(copied.iterdir())
    assert len(found) == 10
    for path in found:
        assert NOT_AN_IMAGE in run("inject", image, path, "-i", "1").err, path.name


@pytest.mark.parametrize(
    "name", ["a.cer", "a.CRT", "a.p12", "a.pfx", "a.p7b", "a.reg", "a.pem", "a.SST", "a.pol"]
)
def test_a_certificate_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"MIIB2zCCAYCgAwIBAgIUQ")
    assert is_certificate(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    assert not is_certificate(tmp_path / name)


@pytest.mark.parametrize(
    "start", [b"0\x03\x02", b"0", b"\x31\x82", b"x -----BEGIN ", b"junk regedit", b"\xff"]
)
def test_other_files_are_no_certificates(run: Program, tmp_path: Path, start: bytes) -> None:
    (tmp_path / "junk").write_bytes(start)
    assert not is_certificate(tmp_path / "junk")
    assert "neither a WIM image nor a registry hive" in run("list", "junk").err
    assert not is_certificate(tmp_path)
    assert not is_certificate(tmp_path / "missing")


def test_images_are_no_certificates_whatever_their_names(
    run: Program, image: Path, hive: Path, root: Path
) -> None:
    for path in (image, hive):
        named = path.rename(path.with_suffix(".cer"))
        assert not is_certificate(named)
        assert run("inject", named, "-c", root, "-i", "1").code == 0


def test_a_command_without_cert_does_not_name_that_option(run: Program, image: Path, root: Path) -> None:
    for arguments in (("list", root), ("diff", image, root), ("compact", root)):
        done = run(*arguments)
        assert done.code == 3
        assert f"{root}: this is a certificate, not an image" in done.err
        assert "--cert" not in done.err


@pytest.mark.parametrize("command", ["list", "inject"])
@pytest.mark.parametrize("is_folder", [False, True], ids=["hive", "folder"])
def test_what_has_no_images_has_none_to_choose(
    run: Program, hive: Path, root: Path, tmp_path: Path, command: str, *, is_folder: bool
) -> None:
    target = hive
    if is_folder:
        target = tmp_path / "mounted"
        (target / "Windows" / "System32" / "config").mkdir(parents=True)
        hive.rename(target / "Windows" / "System32" / "config" / "SOFTWARE")
    certificate = ("-c", root) if command == "inject" else ()
    done = run(command, target, "--index", "2", *certificate)
    assert done.code == 2
    assert "a registry hive or a folder has no images" in done.err
    assert done.err.endswith("next: Leave --index out.\n")
    assert "without a name" not in done.err
    assert run(command, target, "--index", "1", *certificate).code == 0


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_an_export_to_where_no_file_can_be_is_wrong_usage(
    run: Program, root: Path, tmp_path: Path, overwrite: tuple[str, ...], dry_run: tuple[str, ...]
) -> None:
    missing = run("export", root, "-o", "nosuch/x.reg", *overwrite, *dry_run)
    assert missing.code == 2
    assert f"-o {Path('nosuch/x.reg')}: there is no folder nosuch" in missing.err
    (tmp_path / "folder").mkdir()
    folder = run("export", root, "-o", "folder", *overwrite, *dry_run)
    assert folder.code == 2
    assert "folder: this is a folder" in folder.err
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.posix("places")
def test_an_empty_folder_or_a_silent_pipe_is_no_certificate_file(
    run: Program, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_files, "_PIPE_SECONDS", 0.05)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for arguments in (("inject", image, "-i", "1", "-c"), ("export",), ("audit", image, "-r")):
        folder = run(*arguments, "folder")
        assert folder.code == 2
        assert "folder: there is no certificate file in this folder" in folder.err
        pipe = run(*arguments, "pipe")
        assert (pipe.code, "pipe: nothing came out of this pipe" in pipe.err) == (4, True)
        assert "no such certificate file" in run(*arguments, "missing").err


def test_a_damaged_image_is_named_as_it_was_given(
    run: Program, image: Path, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "short.wim").write_bytes(image.read_bytes()[:5000])
    change = ("-c", root, "-i", "1")
    for arguments in (
        ("list", "short.wim"),
        ("inject", "short.wim", *change),
        ("remove", "short.wim", *change),
    ):
        done = run(*arguments)
        assert done.code == 3
        assert done.err.startswith("error: short.wim, XML: ")
    assert run("compact", "short.wim").err.startswith("error: short.wim, integrity table: ")
