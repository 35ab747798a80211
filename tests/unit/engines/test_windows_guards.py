"""The guards for Windows, judged by facts that the tests give; the Win32 calls behind them need Windows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import pytest

from tests.unit.engines.test_live_stores import FakeRegistry
from winpe_certs.engines.windows_guards import (
    LONGEST_WORK_FOLDER,
    FolderFacts,
    MountedImage,
    controlled_folder_access,
    default_work_root,
    folder_facts,
    is_elevated,
    is_unc,
    mounted_images,
    refuse_bad_work_folder,
    refuse_mounted,
    restrict_to_administrators,
    restriction_command,
)
from winpe_certs.errors import EnvironmentFailure, GuardError
from winpe_certs.sharing import retry_sharing

MOUNTS: Final = r"SOFTWARE\Microsoft\WIMMount\Mounted Images"
GUID: Final = "{c6ee6b34-1f7d-4d5d-a5d3-4f5b9a6a5d52}"
ELSEWHERE: Final = pytest.mark.posix("elsewhere")
REMOVABLE, FIXED, REMOTE, OPTICAL = 2, 3, 4, 5


def with_mount(
    guid: str = GUID, *, image: object = r"C:\sources\boot.wim", folder: object = r"C:\mount"
) -> FakeRegistry:
    registry = FakeRegistry()
    registry.set(rf"{MOUNTS}\{guid}", "WIM Path", image, registry.REG_SZ)
    registry.set(rf"{MOUNTS}\{guid}", "Mount Path", folder, registry.REG_SZ)
    registry.set(rf"{MOUNTS}\{guid}", "Image Index", 1, registry.REG_DWORD)
    registry.set(rf"{MOUNTS}\{guid}", "Status", 2, registry.REG_DWORD)
    return registry


class TestMountedImages:
    def test_every_mount_is_listed(self) -> None:
        registry = with_mount()
        registry.set(rf"{MOUNTS}\{{other}}", "WIM Path", r"D:\winpe.wim", registry.REG_SZ)
        assert mounted_images(registry) == (
            MountedImage(r"C:\sources\boot.wim", r"C:\mount", 1, 2),
            MountedImage(r"D:\winpe.wim", "", None, None),
        )
        assert registry.open_keys == 0

    def test_no_key_means_no_mounts(self) -> None:
        assert mounted_images(FakeRegistry()) == ()

    def test_values_of_another_type_are_not_believed(self) -> None:
        registry = with_mount(image=7)
        registry.set(rf"{MOUNTS}\{GUID}", "Image Index", "1", registry.REG_SZ)
        assert mounted_images(registry) == (MountedImage("", r"C:\mount", None, 2),)

    def test_a_key_without_paths_is_no_mount(self) -> None:
        assert mounted_images(with_mount(image=b"", folder=b"")) == ()

    def test_a_mount_that_goes_while_it_is_read_is_left_out(self) -> None:
        registry = with_mount()
        registry.set(rf"{MOUNTS}\{{gone}}", "WIM Path", r"D:\winpe.wim", registry.REG_SZ)
        registry.denied.add(rf"{MOUNTS}\{GUID}")
        assert [one.path for one in mounted_images(registry)] == [r"D:\winpe.wim"]

    def test_a_registry_that_may_not_be_read_stops_nobody(self) -> None:
        registry = with_mount()
        registry.denied.add(MOUNTS)
        assert mounted_images(registry) == ()

    @ELSEWHERE
    def test_elsewhere_nothing_is_mounted(self) -> None:
        assert mounted_images() == ()


class TestRefuseMounted:
    @pytest.mark.parametrize(
        "noted",
        [
            r"C:\Sources\boot.wim",
            r"c:\SOURCES\BOOT.WIM",
            "C:/Sources/boot.wim",
            r"\\?\C:\Sources\boot.wim",
        ],
    )
    def test_a_mounted_image_is_refused_however_it_is_spelled(self, noted: str) -> None:
        mounted = (MountedImage(noted, r"C:\mount", 1, None),)
        with pytest.raises(GuardError, match=r"is mounted: image 1 in C:\\mount") as caught:
            refuse_mounted(PureWindowsPath(r"C:\Sources\boot.wim"), mounted)
        assert caught.value.command == ("DISM", "/Unmount-Image", r"/MountDir:C:\mount", "/Discard")

    def test_network_names_are_compared_too(self) -> None:
        mounted = (MountedImage(r"\\?\UNC\server\share\boot.wim", r"C:\mount", 2, None),)
        with pytest.raises(GuardError, match="image 2"):
            refuse_mounted(PureWindowsPath(r"\\SERVER\share\boot.wim"), mounted)

    def test_every_mount_of_the_image_is_named(self) -> None:
        mounted = tuple(MountedImage(r"C:\boot.wim", rf"C:\mount{n}", n, None) for n in (1, 2))
        with pytest.raises(GuardError, match=r"image 1 in C:\\mount1; image 2 in C:\\mount2"):
            refuse_mounted(PureWindowsPath(r"C:\boot.wim"), mounted)

    def test_a_mount_without_its_folder_is_freed_by_clean_up(self) -> None:
        with pytest.raises(GuardError, match="unknown folder") as caught:
            refuse_mounted(PureWindowsPath(r"C:\boot.wim"), (MountedImage(r"C:\boot.wim", "", None, None),))
        assert "/Cleanup-Mountpoints" in caught.value.resolution
        assert "/MountDir" not in caught.value.resolution

    @pytest.mark.wine_cannot("links")
    def test_another_name_of_the_same_file_is_refused(self, tmp_path: Path) -> None:
        image = tmp_path / "boot.wim"
        image.write_bytes(b"MSWIM")
        (tmp_path / "link.wim").symlink_to(image)
        with pytest.raises(GuardError):
            refuse_mounted(image, (MountedImage(str(tmp_path / "link.wim"), "/mnt", 1, None),))

    @pytest.mark.parametrize("noted", [r"C:\Sources\winpe.wim", r"D:\Sources\boot.wim", "", "\0"])
    def test_other_images_may_be_mounted(self, noted: str) -> None:
        refuse_mounted(PureWindowsPath(r"C:\Sources\boot.wim"), (MountedImage(noted, r"C:\mount", 1, None),))


GOOD: Final = FolderFacts(
    exists=True,
    is_folder=True,
    is_empty=True,
    drive_type=FIXED,
    file_system="NTFS",
    temporary=(r"C:\Users\ADMINI~1\AppData\Local\Temp", r"C:\Users\Administrator\AppData\Local\Temp"),
)


def facts(**changes: object) -> FolderFacts:
    return replace(GOOD, **changes)  # type: ignore[arg-type]


class TestWorkFolder:
    @pytest.mark.parametrize(
        "folder", [r"C:\winpe_certs\mount", r"D:\My mounts\1", r"C:\Users\Administrator\AppData\Local\Temp2"]
    )
    def test_a_short_path_on_a_fixed_ntfs_disk_is_good(self, folder: str) -> None:
        refuse_bad_work_folder(PureWindowsPath(folder), GOOD)
        refuse_bad_work_folder(PureWindowsPath(folder), facts(exists=False, is_folder=False))

    @pytest.mark.parametrize(
        ("folder", "found", "problem", "remedy"),
        [
            (r"C:\m", facts(is_folder=False, is_empty=False), "it is a file", "Name a folder"),
            (r"C:\m", facts(is_empty=False), "not empty", "Get-MountedImageInfo"),
            (
                r"C:\f\m",
                facts(exists=False, is_folder=False, blocked_by=r"C:\f"),
                r"C:\f is a file",
                "another",
            ),
            ("C:\\m\N{LATIN SMALL LETTER U WITH DIAERESIS}nt", GOOD, "outside ASCII", "plain letters"),
            ("C:\\" + "m" * (LONGEST_WORK_FOLDER - 2), GOOD, "81 characters", "short path"),
            (r"E:\m", facts(drive_type=REMOVABLE), "removable drive", "fixed NTFS"),
            (r"Z:\m", facts(drive_type=REMOTE), "network drive", "fixed NTFS"),
            (r"Z:\m", facts(drive_type=OPTICAL), "optical drive", "fixed NTFS"),
            (r"Q:\m", facts(drive_type=1, file_system=None), "no drive that is known", "fixed NTFS"),
            (r"\\server\share\m", facts(drive_type=REMOTE), "network share", "fixed NTFS"),
            (r"D:\m", facts(file_system="ReFS"), "ReFS, not NTFS", "fixed NTFS"),
            (r"D:\m", facts(file_system=None), "unknown file system", "fixed NTFS"),
            (r"C:\Users\Administrator\AppData\Local\Temp\m", GOOD, "temporary files", "outside %TEMP%"),
            (r"c:\users\admini~1\appdata\local\temp", GOOD, "temporary files", "outside %TEMP%"),
        ],
    )
    def test_each_problem_is_refused_with_its_remedy(
        self, folder: str, found: FolderFacts, problem: str, remedy: str
    ) -> None:
        with pytest.raises(GuardError, match=re.escape(problem)) as caught:
            refuse_bad_work_folder(PureWindowsPath(folder), found)
        assert remedy in caught.value.resolution
        assert caught.value.details == ""

    def test_the_longest_path_is_still_good(self) -> None:
        refuse_bad_work_folder(PureWindowsPath("C:\\" + "m" * (LONGEST_WORK_FOLDER - 3)), GOOD)

    def test_a_scratch_folder_need_not_be_empty(self) -> None:
        refuse_bad_work_folder(PureWindowsPath(r"C:\scratch"), facts(is_empty=False), must_be_empty=False)

    def test_all_problems_are_told_at_once_and_each_remedy_once(self) -> None:
        found = facts(is_empty=False, drive_type=REMOVABLE)
        with pytest.raises(GuardError, match="not empty") as caught:
            refuse_bad_work_folder(
                PureWindowsPath("E:\\m\N{LATIN SMALL LETTER U WITH DIAERESIS}" + "m" * 90), found
            )
        assert caught.value.details.count("\n") == 2
        assert caught.value.resolution.count("fixed NTFS") == 1

    def test_rules_of_windows_do_not_apply_where_nothing_is_known_of_the_drive(self) -> None:
        found = FolderFacts(exists=True, is_folder=True, is_empty=True, temporary=("/tmp",))  # noqa: S108
        refuse_bad_work_folder(PurePosixPath("/tmp", "x" * 200), found)  # noqa: S108

    @pytest.mark.parametrize(
        ("environment", "root"),
        [
            ({"SystemDrive": "D:"}, r"D:\winpe_certs"),
            ({"SYSTEMDRIVE": "C:"}, r"C:\winpe_certs"),
            ({}, r"C:\winpe_certs"),
        ],
    )
    def test_the_default_is_at_the_root_of_the_system_drive(
        self, environment: dict[str, str], root: str
    ) -> None:
        found = default_work_root(environment)
        assert str(found) == root
        assert found.is_absolute()
        refuse_bad_work_folder(found, GOOD)


@ELSEWHERE
class TestFolderFacts:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert folder_facts(tmp_path, {}) == FolderFacts(exists=True, is_folder=True, is_empty=True)

    def test_a_folder_with_something_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        assert folder_facts(tmp_path, {}) == FolderFacts(exists=True, is_folder=True, is_empty=False)

    def test_a_folder_that_is_yet_to_be_made(self, tmp_path: Path) -> None:
        wanted = FolderFacts(exists=False, is_folder=False, is_empty=True)
        assert folder_facts(tmp_path / "a" / "b", {}) == wanted

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        assert folder_facts(tmp_path / "x", {}) == FolderFacts(exists=True, is_folder=False, is_empty=False)

    def test_a_folder_that_cannot_be_made_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        found = folder_facts(tmp_path / "x" / "mount", {})
        assert (found.exists, found.blocked_by) == (False, str(tmp_path / "x"))
        with pytest.raises(GuardError, match="cannot be made"):
            refuse_bad_work_folder(tmp_path / "x" / "mount", found)

    def test_temporary_folders_are_noted_as_given_and_resolved(self, tmp_path: Path) -> None:
        (tmp_path / "long").mkdir()
        (tmp_path / "SHORT~1").symlink_to(tmp_path / "long")
        found = folder_facts(tmp_path, {"temp": str(tmp_path / "SHORT~1"), "TMP": "", "OTHER": "/x"})
        assert found.temporary == (str(tmp_path / "SHORT~1"), str(tmp_path / "long"))

    def test_a_folder_that_may_not_be_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(_: Path) -> bool:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "exists", denied)
        with pytest.raises(EnvironmentFailure, match="cannot look at: permission denied"):
            folder_facts(tmp_path, {})


class TestRestriction:
    def test_administrators_and_the_system_are_named_by_their_identifiers(self) -> None:
        assert restriction_command(PureWindowsPath(r"C:\winpe_certs"), {"SystemRoot": r"D:\Windows"}) == (
            r"D:\Windows\System32\icacls.exe",
            r"C:\winpe_certs",
            "/inheritance:r",
            "/grant:r",
            "*S-1-5-32-544:(OI)(CI)F",
            "/grant:r",
            "*S-1-5-18:(OI)(CI)F",
            "/q",
        )

    def test_the_program_is_never_left_to_the_search_path(self) -> None:
        assert restriction_command(PureWindowsPath("C:\\x"), {})[0] == r"C:\Windows\System32\icacls.exe"

    @ELSEWHERE
    def test_elsewhere_the_mode_is_set_and_nothing_is_left_to_run(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        assert restrict_to_administrators(tmp_path, {}) == ()
        assert tmp_path.stat().st_mode & 0o777 == 0o700

    @ELSEWHERE
    def test_a_folder_that_is_not_there_is_an_error_for_a_person(self, tmp_path: Path) -> None:
        with pytest.raises(EnvironmentFailure, match="restrict"):
            restrict_to_administrators(tmp_path / "gone", {})


@pytest.mark.parametrize(
    ("path", "network"),
    [
        (r"\\server\share", True),
        (r"\\server\share\boot.wim", True),
        ("//server/share/boot.wim", True),
        (r"\/server\share", True),
        (r"\\?\UNC\server\share\boot.wim", True),
        (r"\\?\unc\server\share", True),
        (r"\\.\UNC\server\share", True),
        (r"\\localhost\c$\boot.wim", True),
        (r"\\192.0.2.7\share", True),
        (r"\\?\C:\boot.wim", False),
        (r"\\.\PhysicalDrive0", False),
        (r"\\.\C:\boot.wim", False),
        (r"\\?\Volume{b75e2c83-0000-0000-0000-602f00000000}\boot.wim", False),
        (r"\\server", False),
        (r"C:\boot.wim", False),
        (r"C:boot.wim", False),
        (r"\boot.wim", False),
        ("/mnt/boot.wim", False),
        (r"boot.wim", False),
        (r"UNC\server\share", False),
        ("", False),
    ],
)
def test_network_paths_are_told_by_their_form(path: str, network: bool) -> None:
    assert is_unc(path) is network


class WindowsError(OSError):
    """An OSError as Windows raises it."""

    def __init__(self, number: int) -> None:
        super().__init__(13, f"[WinError {number}]")
        self.winerror = number


def failing(*errors: OSError) -> tuple[Callable[[], str], list[int]]:
    """An action that raises these, one at a time, and then succeeds; and the count of its calls."""
    rest, calls = list(errors), [0]

    def action() -> str:
        calls[0] += 1
        if rest:
            raise rest.pop(0)
        return "done"

    return action, calls


def no_pause(seconds: float) -> None:
    pytest.fail(f"paused for {seconds} seconds")


class TestRetrySharing:
    @pytest.mark.parametrize("number", [5, 32])
    def test_it_tries_again_after_growing_pauses(self, number: int) -> None:
        action, calls = failing(*(WindowsError(number) for _ in range(3)))
        pauses: list[float] = []
        assert retry_sharing(action, pause=pauses.append) == "done"
        assert calls == [4]
        assert pauses == sorted(set(pauses))
        assert len(pauses) == 3

    @pytest.mark.parametrize("error", [WindowsError(112), PermissionError(13, "denied"), OSError(5, "I/O")])
    def test_other_errors_pass_at_once(self, error: OSError) -> None:
        action, calls = failing(error)
        with pytest.raises(OSError, match=re.escape(str(error))) as caught:
            retry_sharing(action, pause=no_pause)
        assert caught.value is error
        assert calls == [1]

    def test_the_last_error_is_raised(self) -> None:
        errors = [WindowsError(32) for _ in range(5)]
        action, calls = failing(*errors)
        pauses: list[float] = []
        with pytest.raises(WindowsError) as caught:
            retry_sharing(action, pause=pauses.append, attempts=5)
        assert caught.value is errors[-1]
        assert (calls, len(pauses)) == ([5], 4)

    def test_a_success_pauses_never(self) -> None:
        assert retry_sharing(lambda: 7, pause=no_pause) == 7


class TestControlledFolderAccess:
    OWN = r"SOFTWARE\Microsoft\Windows Defender\Windows Defender Exploit Guard\Controlled Folder Access"
    BY_POLICY = r"SOFTWARE\Policies" + OWN.removeprefix("SOFTWARE")
    NAME = "EnableControlledFolderAccess"

    @pytest.mark.parametrize(
        ("setting", "blocks"), [(0, False), (1, True), (2, False), (3, False), (4, False)]
    )
    def test_only_one_setting_blocks_files(self, setting: int, blocks: bool) -> None:
        registry = FakeRegistry()
        registry.set(self.OWN, self.NAME, setting, registry.REG_DWORD)
        assert controlled_folder_access(registry) is blocks

    def test_policy_comes_first(self) -> None:
        registry = FakeRegistry()
        registry.set(self.OWN, self.NAME, 0, registry.REG_DWORD)
        registry.set(self.BY_POLICY, self.NAME, 1, registry.REG_DWORD)
        assert controlled_folder_access(registry) is True

    def test_a_policy_that_says_nothing_leaves_it_to_the_computer(self) -> None:
        registry = FakeRegistry()
        registry.set(self.BY_POLICY, "Other", 1, registry.REG_DWORD)
        registry.set(self.OWN, self.NAME, 1, registry.REG_DWORD)
        assert controlled_folder_access(registry) is True

    def test_nothing_set_denied_or_of_another_type_is_unknown(self) -> None:
        assert controlled_folder_access(FakeRegistry()) is None
        registry = FakeRegistry()
        registry.set(self.OWN, self.NAME, "1", registry.REG_SZ)
        assert controlled_folder_access(registry) is None
        registry.denied.add(self.OWN)
        assert controlled_folder_access(registry) is None

    @ELSEWHERE
    def test_elsewhere_it_is_unknown(self) -> None:
        assert controlled_folder_access() is None


@ELSEWHERE
def test_root_counts_as_elevated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert is_elevated() is True
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert is_elevated() is False
