"""DISM's commands as they are started, what is read from its output, and which DISM.exe is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.engines.recorder import Recorder
from winpe_certs.engines.dism_codes import DismError
from winpe_certs.engines.dism_program import Dism, MountedImage, find_dism
from winpe_certs.errors import ExitCode
from winpe_certs.process import ProgramMissingError

IMAGE, FOLDER = Path("/images/boot.wim"), Path("/mounts/1")
SCRATCH = Path("/scratch")
LOG = SCRATCH / "dism.log"
MOUNTED = """
Deployment Image Servicing and Management tool
Version: 10.0.19041.3636

Mounted images:

Mount Dir : C:\\mount
Image File : C:\\sources\\boot.wim
Image Index : 1
Mounted Read/Write : Yes
Status : Ok

Mount Dir : D:\\other mount
Image File : \\\\server\\share\\install.wim
Image Index : 12
Mounted Read/Write : No
Status : Needs Remount

Mount Dir : E:\\broken
Status : Invalid

The operation completed successfully.
"""


def dism(runner: Recorder, **options: object) -> Dism:
    return Dism("DISM.exe", runner, timeout=600, **options)  # type: ignore[arg-type]


def test_every_method_runs_the_command_that_a_dry_run_prints() -> None:
    runner = Recorder()
    program = dism(runner)
    program.mount(image=IMAGE, index=2, folder=FOLDER)
    program.unmount_commit(folder=FOLDER)
    program.unmount_discard(folder=FOLDER)
    program.remount(folder=FOLDER)
    program.cleanup_mountpoints()
    program.mounted_images()
    program.version()
    assert runner.commands == [
        program.mount_command(image=IMAGE, index=2, folder=FOLDER),
        program.unmount_commit_command(folder=FOLDER),
        program.unmount_discard_command(folder=FOLDER),
        program.remount_command(folder=FOLDER),
        program.cleanup_mountpoints_command(),
        program.mounted_images_command(),
        program.version_command(),
    ]
    assert runner.commands == [
        (
            "DISM.exe",
            "/English",
            "/Mount-Image",
            f"/ImageFile:{IMAGE}",
            "/Index:2",
            f"/MountDir:{FOLDER}",
        ),
        ("DISM.exe", "/English", "/Unmount-Image", f"/MountDir:{FOLDER}", "/Commit"),
        ("DISM.exe", "/English", "/Unmount-Image", f"/MountDir:{FOLDER}", "/Discard"),
        ("DISM.exe", "/English", "/Remount-Image", f"/MountDir:{FOLDER}"),
        ("DISM.exe", "/English", "/Cleanup-Mountpoints"),
        ("DISM.exe", "/English", "/Get-MountedImageInfo"),
        ("DISM.exe", "/English", "/?"),
    ]
    assert runner.timeouts == [600] * 7


def test_log_and_scratch_folder_are_passed_on() -> None:
    program = dism(Recorder(), log_path=LOG, scratch_dir=SCRATCH)
    assert program.unmount_commit_command(folder=FOLDER) == (
        "DISM.exe",
        "/English",
        f"/LogPath:{LOG}",
        f"/ScratchDir:{SCRATCH}",
        "/Unmount-Image",
        f"/MountDir:{FOLDER}",
        "/Commit",
    )
    assert program.mounted_images_command() == (
        "DISM.exe",
        "/English",
        f"/LogPath:{LOG}",
        "/Get-MountedImageInfo",
    )


@pytest.mark.parametrize("code", [0, 3010])
def test_success_is_the_exit_code_alone(code: int) -> None:
    dism(Recorder((code, "Error: 0xc1420117\n"))).unmount_commit(folder=FOLDER)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (0xC1420127, 0xC1420127),
        (-1052638937, 0xC1420127),
        ((1, "错误: 0xc1420114\n"), 0xC1420114),
        (740, 740),
    ],
)
def test_a_failure_says_what_was_being_done(answer: int | tuple[int, str], number: int) -> None:
    program = dism(Recorder(answer), log_path=LOG)
    with pytest.raises(
        DismError, match="^" + re.escape(f"DISM cannot mount image 2 of {IMAGE} in {FOLDER}: ")
    ) as caught:
        program.mount(image=IMAGE, index=2, folder=FOLDER)
    assert caught.value.code == number
    assert f"Log: {LOG}" in caught.value.details


def test_nothing_is_run_after_a_failure() -> None:
    runner = Recorder(0xC142010C)
    with pytest.raises(DismError):
        dism(runner).unmount_commit(folder=FOLDER)
    assert len(runner.commands) == 1


def test_bars_become_progress_of_a_hundred() -> None:
    seen: list[tuple[str, int, int]] = []
    output = (
        "\nVersion: 10.0.19041.3636\nImage File : C:\\100.0% boot.wim\nSaving image\n"
        "[=                          3.0%                           ]\n"
        "[=                          3.4%                           ]\n"
        "[==========================45,5%                           ]\n"
        "[==========================100.0%==========================]\n"
        "Unmounting image\n[==========================100.0%==========================]\nDone 50%\n"
    )
    program = dism(Recorder((0, output)), progress=lambda *call: seen.append(call))
    program.unmount_commit(folder=FOLDER)
    assert seen == [
        ("saving the image", 3, 100),
        ("saving the image", 45, 100),
        ("saving the image", 100, 100),
        ("unmounting the image", 100, 100),
    ]


def test_mounted_images_are_read() -> None:
    assert dism(Recorder((0, MOUNTED))).mounted_images() == (
        MountedImage(Path("C:\\mount"), Path("C:\\sources\\boot.wim"), 1, True, "Ok"),
        MountedImage(
            Path("D:\\other mount"), Path("\\\\server\\share\\install.wim"), 12, False, "Needs Remount"
        ),
        MountedImage(Path("E:\\broken"), None, None, False, "Invalid"),
    )


def test_no_mounted_images_are_none() -> None:
    output = "Mounted images:\n\nNo mounted images found.\n\nThe operation completed successfully.\n"
    assert dism(Recorder((0, output))).mounted_images() == ()


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ((0, MOUNTED), "10.0.19041.3636"),
        ((87, "版本: 10.0.26100.1\n\n错误: 87\n"), "10.0.26100.1"),
        ((0, "nothing to see\n"), ""),
    ],
)
def test_the_version_is_that_of_the_banner(answer: tuple[int, str], version: str) -> None:
    assert dism(Recorder(answer)).version() == version


def test_a_version_that_cannot_be_shown_says_why() -> None:
    with pytest.raises(DismError, match="show its version: elevation required"):
        dism(Recorder((740, "\nError: 740\n"))).version()


KIT = r"{}\Windows Kits\10\Assessment and Deployment Kit\Deployment Tools\{}\DISM\dism.exe"
ENVIRONMENT = {
    "ProgramFiles(x86)": r"C:\Program Files (x86)",
    "ProgramFiles": r"C:\Program Files",
    "windir": r"C:\Windows",
}
KIT_AMD64 = KIT.format(r"C:\Program Files (x86)", "amd64")
KIT_ARM64 = KIT.format(r"C:\Program Files", "arm64")
SYSTEM32, SYSNATIVE = r"C:\Windows\System32\Dism.exe", r"C:\Windows\Sysnative\Dism.exe"


@pytest.mark.parametrize(
    ("there", "is_32_bit", "machine", "found", "reason"),
    [
        ({KIT_AMD64, SYSTEM32}, False, "AMD64", KIT_AMD64, "ADK"),
        ({KIT_AMD64, SYSTEM32}, True, "AMD64", KIT_AMD64, "ADK"),
        ({KIT_AMD64, SYSTEM32}, False, "ARM64", SYSTEM32, "of Windows"),
        ({KIT_ARM64}, False, "ARM64", KIT_ARM64, "ADK"),
        ({SYSTEM32, SYSNATIVE}, False, "AMD64", SYSTEM32, "of Windows"),
        ({SYSTEM32, SYSNATIVE}, True, "AMD64", SYSNATIVE, "32-bit"),
        ({SYSTEM32, SYSNATIVE}, True, "x86", SYSTEM32, "of Windows"),
        ({SYSTEM32}, False, "", SYSTEM32, "of Windows"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("upper", [False, True])
def test_dism_is_looked_for(
    there: set[str], is_32_bit: bool, machine: str, found: str, reason: str, upper: bool
) -> None:
    environment = {name.upper() if upper else name: value for name, value in ENVIRONMENT.items()}
    path, why = find_dism(None, environment, lambda path: str(path) in there, is_32_bit, machine)
    assert str(path) == found
    assert reason in why


def test_the_given_dism_wins() -> None:
    given = Path(r"D:\tools\DISM.exe")
    assert find_dism(given, ENVIRONMENT, lambda _: True, False, "AMD64") == (given, "given by --dism")


def test_a_given_dism_that_is_not_there_is_not_replaced_by_another() -> None:
    given = Path(r"D:\tools\DISM.exe")
    with pytest.raises(ProgramMissingError, match=r"no DISM\.exe") as caught:
        find_dism(given, ENVIRONMENT, lambda path: path != given, False, "AMD64")
    assert str(given) in caught.value.message
    assert caught.value.exit_code is ExitCode.FAILED


def test_without_any_dism_the_places_are_named() -> None:
    with pytest.raises(ProgramMissingError) as caught:
        find_dism(None, ENVIRONMENT, lambda _: False, True, "AMD64")
    assert KIT_AMD64 in caught.value.details
    assert SYSNATIVE in caught.value.details
    assert "--engine direct" in caught.value.resolution


def test_without_windows_the_environment_is_named() -> None:
    with pytest.raises(ProgramMissingError, match=r"no DISM\.exe on this computer") as caught:
        find_dism(None, {"PATH": "/bin"}, lambda _: True, False, "x86_64")
    assert "names no Windows folder" in caught.value.details
