"""Links and names that somebody planted where a run reads or writes: they lead nowhere, and forge nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from scripts.testdata import pki
from scripts.testdata.hive_writer import build_hive
from scripts.testdata.hives import plain_hive, software, usual_stores
from winpe_certs.cli.main import main

TESTDATA = Path(__file__).resolve().parents[2] / "testdata"
ROOT = str(TESTDATA / "certs" / "corp-root.cer")
VICTIM = b"somebody else's file"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_bytes(VICTIM)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return Path(shutil.copy(TESTDATA / "boot.wim", tmp_path / "boot.wim"))


def _config(tmp_path: Path) -> Path:
    folder = tmp_path / "mounted" / "Windows" / "System32" / "config"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.wine_cannot("links")
@pytest.mark.parametrize("to_folder", [False, True])
def test_a_link_in_the_place_of_the_output_is_replaced_and_never_followed(
    tmp_path: Path, image: Path, victim: Path, to_folder: bool
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    link = out / "boot.wim"
    link.symlink_to(victim)
    given = out if to_folder else link
    arguments = ["inject", str(image), "-c", ROOT, "-i", "1", "-o", str(given), "-q"]
    assert main(arguments) == 2
    assert (victim.read_bytes(), link.is_symlink()) == (VICTIM, True)
    assert main([*arguments, "--overwrite"]) == 0
    assert (victim.read_bytes(), link.is_symlink()) == (VICTIM, False)


@pytest.mark.wine_cannot("links")
def test_so_is_one_in_the_place_of_an_export(tmp_path: Path, victim: Path) -> None:
    link = tmp_path / "root.reg"
    link.symlink_to(victim)
    assert main(["export", ROOT, "-o", str(link), "-q"]) == 2
    assert main(["export", ROOT, "-o", str(link), "--overwrite", "-q"]) == 0
    assert (victim.read_bytes(), link.is_symlink()) == (VICTIM, False)


def test_a_link_in_the_place_of_the_hive_is_refused(tmp_path: Path, victim: Path) -> None:
    victim.write_bytes(plain_hive("software-1.5.hiv"))
    before = victim.read_bytes()
    (_config(tmp_path) / "SOFTWARE").symlink_to(victim)
    for command in ("inject", "verify"):
        assert main([command, str(tmp_path / "mounted"), "-c", ROOT, "-q"]) == 3
    assert victim.read_bytes() == before


def test_a_link_in_the_place_of_a_folder_on_the_way_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    (real / "SOFTWARE").write_bytes(plain_hive("software-1.5.hiv"))
    _config(tmp_path).rmdir()
    (tmp_path / "mounted" / "Windows" / "System32" / "config").symlink_to(real)
    before = (real / "SOFTWARE").read_bytes()
    assert main(["inject", str(tmp_path / "mounted"), "-c", ROOT, "-q"]) == 3
    assert (real / "SOFTWARE").read_bytes() == before


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_link_in_the_place_of_a_log_is_no_log(tmp_path: Path, victim: Path, is_folder: bool) -> None:
    from tests.unit.cli.test_recover import CLEAN, LOG, NUMBER
    from tests.unit.regf.log_builder import dirty

    folder = _config(tmp_path)
    (folder / "SOFTWARE").write_bytes(dirty(CLEAN, NUMBER + 1, NUMBER))
    victim.write_bytes(LOG)
    (folder / "SOFTWARE.LOG1").symlink_to(victim)
    target = tmp_path / "mounted" if is_folder else folder / "SOFTWARE"
    assert main(["inject", str(target), "-c", ROOT, "--recover", "-q"]) == 3


@pytest.mark.posix("modes")
def test_what_a_run_is_still_writing_nobody_else_can_read(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every new file is for its owner alone until it is whole, whatever the umask."""
    modes: list[int] = []
    real = os.fsync

    def look(descriptor: int) -> None:
        modes.append(os.fstat(descriptor).st_mode)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        assert main(["inject", str(image), "-c", ROOT, "-i", "1", "-o", str(tmp_path / "new.wim"), "-q"]) == 0
    finally:
        os.umask(before)
    assert modes[0] & 0o777 == 0o600


@pytest.mark.parametrize("command", ["list", "verify", "inject", "check-server"])
def test_names_in_certificates_forge_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(build_hive(software(usual_stores(), class_ids=40)))
    markup = str(TESTDATA / "certs" / "markup-root.cer")
    main(["inject", str(hive), "-c", markup, "-q"])
    capsys.readouterr()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pki.pem("cmg-server", "markup-root"))
    more = {
        "list": [],
        "verify": ["-c", markup],
        "inject": ["-c", markup],
        "check-server": ["--chain", str(chain), "--hostname", "x.example"],
    }
    main([command, str(hive), *more[command]])
    shown = "".join(capsys.readouterr())
    assert "\x1b" not in shown
    if command != "check-server":
        assert "[bold red]Fake[/]" in shown
    main([command, str(hive), *more[command], "--format", "json"])
    text = capsys.readouterr().out
    assert text.isascii()
    json.loads(text)
