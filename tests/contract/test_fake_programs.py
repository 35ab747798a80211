"""The fakes of DISM.exe and reg.exe, driven through `Dism`, `Reg` and `ProcessRunner` as the real ones are.

What the fakes write is judged by wimlib-imagex and hivex; what they refuse carries DISM's numbers.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from scripts.testdata.images import SOFTWARE, variant
from tests.conftest import REPOSITORY, Judge
from tests.fakes import FakeDism, FakeReg
from winpe_certs.engines.dism_codes import DismError
from winpe_certs.engines.dism_program import Dism, MountedImage
from winpe_certs.engines.reg_program import Reg, RegError, unique_hive_name
from winpe_certs.errors import CleanupError
from winpe_certs.process import ProcessRunner, ProgramTimeoutError

BLOB_KEY: Final = r"Microsoft\SystemCertificates\AuthRoot\Certificates\00112233"


class Computer:
    """A folder with both programs, an image with two images in it, and a mount folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fake_dism, self.fake_reg = FakeDism(folder), FakeReg(folder)
        self.image, self.mount = folder / "boot.wim", folder / "mount"
        self.image.write_bytes(variant("boot"))
        self.mount.mkdir()
        self.progress: list[tuple[str, int, int]] = []
        self.dism, self.reg = self.programs(timeout=30)

    def programs(self, timeout: float) -> tuple[Dism, Reg]:
        runner = ProcessRunner()
        dism = Dism(
            self.fake_dism.path, runner, timeout=timeout, progress=lambda *call: self.progress.append(call)
        )
        return dism, Reg(self.fake_reg.path, runner, timeout=timeout, pause=lambda _: None)

    def mounted(self, index: int = 2) -> Path:
        """Mount an image; gives its SOFTWARE hive."""
        self.dism.mount(image=self.image, index=index, folder=self.mount)
        return self.mount / SOFTWARE

    def stored(self, judge: Judge, path: str, index: int = 2) -> bytes:
        """A file of the image, as wimlib reads it."""
        return judge("wimlib-imagex", "extract", self.image, index, path, "--to-stdout").stdout

    def reg_file(self, text: str, encoding: str = "utf-16") -> Path:
        path = self.folder / "import.reg"
        path.write_bytes(f"Windows Registry Editor Version 5.00\r\n\r\n{text}\r\n".encode(encoding))
        return path


@pytest.fixture
def computer(tmp_path: Path, judge: Judge) -> Computer:
    """Both fakes; skips without the programs that they build on."""
    for program in ("wimlib-imagex", "hivexregedit", "hivexget", "hivexsh"):
        judge(program, "--help", check=False)
    return Computer(tmp_path)


def facts(judge: Judge, image: Path) -> dict[str, list[str]]:
    """What must stay through a commit: place, name, description and flags of each image, and boot index."""
    text = judge("wimlib-imagex", "info", image).stdout.decode()
    wanted = (
        "Image Count",
        "Compression",
        "Boot Index",
        "Attributes",
        "Index",
        "Name",
        "Description",
        "Flags",
    )
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in wanted:
            found.setdefault(name, []).append(value.strip())
    return found


def number_of(failing: Callable[[], object]) -> int:
    with pytest.raises(DismError) as caught:
        failing()
    assert caught.value.resolution
    return caught.value.code


def test_mounting_extracts_the_image(computer: Computer, judge: Judge) -> None:
    hive = computer.mounted()
    assert hive.read_bytes() == computer.stored(judge, SOFTWARE)
    assert (computer.mount / "sources" / "setup.exe").is_file()
    assert computer.dism.mounted_images() == (MountedImage(computer.mount, computer.image, 2, True, "Ok"),)
    assert computer.fake_dism.steps == ["mount", "mounted_images"]
    assert computer.fake_dism.log[0][1:] == [
        "/Mount-Image",
        f"/ImageFile:{computer.image}",
        "/Index:2",
        f"/MountDir:{computer.mount}",
    ]
    assert computer.progress == [("mounting the image", done, 100) for done in (3, 45, 100)]


@pytest.mark.parametrize("index", [1, 2])
def test_a_commit_saves_and_keeps_what_it_was_not_told_to_change(
    computer: Computer, judge: Judge, index: int
) -> None:
    before = facts(judge, computer.image)
    other = computer.stored(judge, SOFTWARE, 3 - index)
    hive = computer.mounted(index)
    hive.write_bytes(b"regf changed")
    hive.with_name("SOFTWARE.LOG1").write_bytes(b"")
    (computer.mount / "Windows" / "New" / "Folder").mkdir(parents=True)
    (computer.mount / "Windows" / "New" / "Folder" / "a file.txt").write_bytes(b"new")
    (computer.mount / "Windows" / "win.ini").unlink()
    computer.dism.unmount_commit(folder=computer.mount)
    judge("wimlib-imagex", "verify", computer.image)
    assert facts(judge, computer.image) == before
    assert before["Boot Index"] == ["2"]
    assert before["Flags"] == ["9", "2"]
    assert "Integrity info" in before["Attributes"][0]
    assert computer.stored(judge, SOFTWARE, index) == b"regf changed"
    assert computer.stored(judge, SOFTWARE, 3 - index) == other
    assert computer.stored(judge, "Windows/New/Folder/a file.txt", index) == b"new"
    names = judge("wimlib-imagex", "dir", computer.image, index).stdout.decode().splitlines()
    assert "/Windows/win.ini" not in names
    assert "/Windows/System32/config/SOFTWARE.LOG1" in names
    assert "/Windows/System32/Größe ü 日本.txt" in names
    assert (list(computer.mount.iterdir()), computer.fake_dism.mounts) == ([], {})


def test_a_commit_without_changes_leaves_the_file_alone(computer: Computer) -> None:
    before = computer.image.read_bytes()
    computer.mounted()
    computer.dism.unmount_commit(folder=computer.mount)
    assert computer.image.read_bytes() == before


def test_a_discard_throws_the_changes_away(computer: Computer) -> None:
    before = computer.image.read_bytes()
    computer.mounted().write_bytes(b"changed")
    computer.dism.unmount_discard(folder=computer.mount)
    assert computer.image.read_bytes() == before
    assert (list(computer.mount.iterdir()), computer.dism.mounted_images()) == ([], ())


def test_an_image_is_mounted_for_writing_only_once(computer: Computer) -> None:
    computer.mounted()
    second = computer.folder / "second"
    second.mkdir()
    again = partial(computer.dism.mount, image=computer.image, folder=second)
    assert number_of(partial(again, index=2)) == 0xC1420127
    again(index=1)
    assert len(computer.fake_dism.mounts) == 2


def test_a_mount_of_somebody_else_is_in_the_way(computer: Computer) -> None:
    elsewhere = computer.folder / "elsewhere"
    computer.fake_dism.mount_elsewhere(computer.image, 2, elsewhere, status="Invalid")
    assert number_of(computer.mounted) == 0xC1420127
    assert [mount.status for mount in computer.dism.mounted_images()] == ["Invalid"]
    computer.dism.cleanup_mountpoints()
    computer.mounted()


def test_cleaning_up_leaves_sound_mounts(computer: Computer) -> None:
    computer.mounted()
    computer.dism.cleanup_mountpoints()
    assert list(computer.fake_dism.mounts) == [computer.mount]


def test_a_mount_can_need_remounting(computer: Computer) -> None:
    computer.mounted()
    computer.fake_dism.set_status(computer.mount, "Needs Remount")
    assert number_of(lambda: computer.dism.unmount_commit(folder=computer.mount)) == 0xC142011D
    computer.dism.remount(folder=computer.mount)
    computer.dism.unmount_commit(folder=computer.mount)


def test_what_cannot_be_mounted_says_why(computer: Computer) -> None:
    def mount(image: Path = computer.image, index: int = 2, folder: Path = computer.mount) -> int:
        return number_of(lambda: computer.dism.mount(image=image, index=index, folder=folder))

    assert mount(image=computer.folder / "no.wim") == 2
    assert mount(folder=computer.folder / "no-folder") == 3
    assert mount(index=9) == 87
    assert list(computer.mount.iterdir()) == []
    (computer.mount / "file").touch()
    assert mount() == 0xC1420114
    (computer.mount / "file").unlink()
    computer.image.chmod(0o444)
    assert mount() == 0xC1510111
    assert computer.fake_dism.mounts == {}


def test_a_folder_without_a_mount_cannot_be_unmounted(computer: Computer) -> None:
    assert number_of(lambda: computer.dism.unmount_discard(folder=computer.mount)) == 0xC1420115
    assert number_of(lambda: computer.dism.unmount_commit(folder=computer.mount)) == 0xC1420115


def test_options_are_checked(computer: Computer) -> None:
    done = subprocess.run(
        [computer.fake_dism.path, "/English", "/Mount-Image", "/Imagefil:x"], check=False, capture_output=True
    )
    assert done.returncode == 87
    assert b"\r\nError: 87\r\n" in done.stdout


def test_faults_come_as_often_as_asked(computer: Computer) -> None:
    computer.fake_dism.fail("mount", 740, times=2)
    assert [number_of(computer.mounted) for _ in range(2)] == [740, 740]
    computer.mounted()
    with pytest.raises(ValueError, match="no step umount"):
        computer.fake_dism.fail("umount", 5)


def test_a_failing_commit_leaves_the_mount_and_the_image(computer: Computer) -> None:
    before = computer.image.read_bytes()
    computer.mounted().write_bytes(b"changed")
    computer.fake_dism.fail("unmount_commit", 0xC142010C, message="No space.")
    with pytest.raises(DismError, match="commit failed") as caught:
        computer.dism.unmount_commit(folder=computer.mount)
    assert "DISM: No space." in caught.value.details
    assert f"Log: {computer.fake_dism.state / 'dism.log'}" in caught.value.details
    assert computer.image.read_bytes() == before
    computer.dism.unmount_discard(folder=computer.mount)
    assert computer.fake_dism.mounts == {}


def test_a_mount_that_stays_behind(computer: Computer, judge: Judge) -> None:
    computer.fake_dism.leave_mounted()
    computer.mounted().write_bytes(b"changed")
    assert number_of(lambda: computer.dism.unmount_commit(folder=computer.mount)) == 0xC1420117
    assert computer.stored(judge, SOFTWARE) == b"changed"
    assert number_of(lambda: computer.dism.unmount_commit(folder=computer.mount)) == 0xC142011D
    assert number_of(lambda: computer.dism.unmount_discard(folder=computer.mount)) == 0xC1420117
    computer.fake_dism.heal()
    computer.dism.unmount_discard(folder=computer.mount)
    assert computer.fake_dism.mounts == {}


@pytest.mark.parametrize(
    ("language", "word"),
    [
        pytest.param("zh", "错误: 0xc1420127", marks=pytest.mark.wine_cannot("code-page")),
        ("de", "Fehler: 0xc1420127"),
    ],
)
def test_translated_words_do_not_hide_the_number(computer: Computer, language: str, word: str) -> None:
    computer.fake_dism.localise(language)
    computer.fake_dism.fail("mount", 0xC1420127)
    with pytest.raises(DismError, match="already mounted") as caught:
        computer.mounted()
    assert word in caught.value.details
    assert computer.dism.version() == "10.0.26100.1150"


def test_a_megabyte_of_noise_hides_nothing(computer: Computer) -> None:
    computer.fake_dism.noise()
    computer.mounted()
    assert [mount.index for mount in computer.dism.mounted_images()] == [2]
    computer.fake_dism.fail("unmount_discard", 5)
    assert number_of(lambda: computer.dism.unmount_discard(folder=computer.mount)) == 5


@pytest.mark.parametrize("after", [False, True])
def test_a_hanging_mount_is_ended(computer: Computer, after: bool) -> None:
    computer.fake_dism.hang("mount", after=after)
    dism, _ = computer.programs(timeout=2)
    with pytest.raises(ProgramTimeoutError):
        dism.mount(image=computer.image, index=2, folder=computer.mount)
    assert [mount.folder for mount in computer.dism.mounted_images()] == [computer.mount] * after


@pytest.mark.posix("signals")
def test_an_interrupted_commit_can_be_discarded(computer: Computer) -> None:
    computer.mounted()
    computer.fake_dism.hang("unmount_commit", times=1)

    def interrupt() -> None:
        while "unmount_commit" not in computer.fake_dism.steps:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        computer.dism.unmount_commit(folder=computer.mount)
    computer.dism.unmount_discard(folder=computer.mount)
    assert computer.fake_dism.mounts == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_a_hive_is_loaded_changed_and_saved_with_its_image(
    computer: Computer, judge: Judge, encoding: str
) -> None:
    hive, name = computer.mounted(), unique_hive_name()
    key = f"HKLM\\{name}"
    root = f"HKEY_LOCAL_MACHINE\\{name}"
    with computer.reg.loaded(key, hive):
        assert computer.reg.loaded_hives("winpe-offline") == (key,)
        assert not computer.reg.has(f"{key}\\{BLOB_KEY}")
        blob = '"Blob"=hex:03,00,00,00,\\\r\n  01,ff'
        computer.reg.import_file(computer.reg_file(f"[{root}\\{BLOB_KEY}]\r\n{blob}\r\n", encoding))
        assert computer.reg.has(f"{key}\\{BLOB_KEY}")
        shown = computer.reg.query(f"{key}\\{BLOB_KEY}").splitlines()
        assert f"{root}\\{BLOB_KEY}" in shown
        assert "    Blob    REG_BINARY    0300000001FF" in shown
        assert f"{root}\\Microsoft" in computer.reg.query(key).splitlines()
    assert (computer.fake_reg.hives, computer.reg.loaded_hives("winpe-offline")) == ({}, ())
    assert computer.fake_reg.steps.count("unload") == 1
    computer.dism.unmount_commit(folder=computer.mount)
    saved = computer.folder / "SOFTWARE"
    saved.write_bytes(computer.stored(judge, SOFTWARE))
    assert b"03,00,00,00,01,ff" in judge("hivexget", saved, f"\\{BLOB_KEY}").stdout


def test_keys_are_deleted_by_an_import(computer: Computer) -> None:
    hive, key, root = computer.mounted(), "HKLM\\offline", "HKEY_LOCAL_MACHINE\\offline"
    with computer.reg.loaded(key, hive):
        computer.reg.import_file(computer.reg_file(f'[{root}\\Probe\\A]\r\n"x"=dword:00000005\r\n'))
        assert computer.reg.has(f"{key}\\Probe")
        assert "    x    REG_DWORD    0x5" in computer.reg.query(f"{key}\\Probe\\A").splitlines()
        computer.reg.import_file(computer.reg_file(f"[-{root}\\Probe]\r\n[-{root}\\Never\\There]\r\n"))
        assert not computer.reg.has(f"{key}\\Probe")
        assert computer.reg.has(f"{key}\\Microsoft")


def test_a_loaded_hive_keeps_its_image_from_being_unmounted(computer: Computer) -> None:
    hive = computer.mounted()
    computer.reg.load("HKLM\\offline", hive)
    assert number_of(lambda: computer.dism.unmount_discard(folder=computer.mount)) == 0xC1420117
    computer.reg.unload("HKLM\\offline")
    computer.dism.unmount_discard(folder=computer.mount)


def test_an_open_handle_is_waited_for(computer: Computer) -> None:
    hive = computer.mounted()
    computer.fake_reg.refuse_unload(times=3)
    with computer.reg.loaded("HKLM\\offline", hive):
        pass
    assert computer.fake_reg.steps.count("unload") == 4
    assert computer.fake_reg.hives == {}


def test_a_handle_that_stays_open_is_told(computer: Computer) -> None:
    hive = computer.mounted()
    computer.fake_reg.refuse_unload()
    with pytest.raises(CleanupError) as caught, computer.reg.loaded("HKLM\\offline", hive):
        pass
    assert caught.value.command == ("reg", "unload", "HKLM\\offline")
    assert "being used by another process" in caught.value.details
    assert computer.fake_reg.hives == {"HKLM\\offline": hive.resolve()}


def test_transaction_logs_stay_behind_when_asked_for(computer: Computer, judge: Judge) -> None:
    computer.fake_reg.leave_logs()
    with computer.reg.loaded("HKLM\\offline", computer.mounted()):
        pass
    computer.dism.unmount_commit(folder=computer.mount)
    assert computer.stored(judge, f"{SOFTWARE}.LOG2") == b""


def test_what_reg_refuses(computer: Computer) -> None:
    hive = computer.mounted()
    with pytest.raises(RegError, match="cannot load"):
        computer.reg.load("HKLM\\offline", computer.folder / "no-hive")
    with pytest.raises(RegError, match="cannot load"):
        computer.reg.load("HKLM\\offline", computer.image)
    with pytest.raises(RegError, match="cannot load"):
        computer.reg.load("HKLM\\SOFTWARE", hive)
    with computer.reg.loaded("HKLM\\offline", hive):
        with pytest.raises(RegError, match="cannot load"):
            computer.reg.load("HKLM\\OFFLINE", hive)
        for text in ("[HKEY_LOCAL_MACHINE\\elsewhere\\A]\r\n", '"no"="key"\r\n'):
            with pytest.raises(RegError, match="cannot import"):
                computer.reg.import_file(computer.reg_file(text))
    computer.reg.unload("HKLM\\offline")
    assert computer.fake_reg.steps[-2:] == ["unload", "query"]


def test_a_hanging_unload_is_told(computer: Computer) -> None:
    hive = computer.mounted()
    _, reg = computer.programs(timeout=2)
    computer.fake_reg.hang("unload")
    with pytest.raises(CleanupError) as caught, reg.loaded("HKLM\\offline", hive):
        pass
    assert isinstance(caught.value.__cause__, ProgramTimeoutError)


def test_the_fakes_share_no_code_with_the_package() -> None:
    for path in (REPOSITORY / "tests" / "fakes").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("winpe_certs")], path
