"""DISM's failure numbers: found in any language, each with a cause and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from winpe_certs.engines.dism_codes import MEANINGS, SUCCESS, DismError, explain, failure_number
from winpe_certs.errors import EnvironmentFailure, ExitCode
from winpe_certs.process import Completed

COMMAND = ("DISM.exe", "/English", "/Unmount-Image", r"/MountDir:C:\my mount", "/Commit")
BANNER = "\nDeployment Image Servicing and Management tool\nVersion: 10.0.19041.3636\n\n"
ENGLISH = (
    BANNER + "Image File : C:\\boot.wim\nImage Index : 1\nUnmounting image\n[=== 3.0% ]\n"
    "[==========================100.0%==========================]\n\n"
    "Error: 0xc1420117\n\nThe directory could not be completely unmounted.\n\n"
    "The DISM log file can be found at C:\\WINDOWS\\Logs\\DISM\\dism.log\n"
)
CHINESE = (
    "部署映像服务和管理工具\n版本: 10.0.19041.844\n\n映像文件 : G:\\install.wim\n映像索引 : 1\n正在卸载映像\n"
    "[==========================100.0%==========================]\n\n"
    "错误: 0xc1420117\n\n不能完全卸载目录。\n\n"
    "可以在 C:\\Windows\\Logs\\DISM\\dism.log 上找到 DISM 日志文件\n"
)


def completed(code: int, output: str = "") -> Completed:
    return Completed(COMMAND, code, output, 1.0)


@pytest.mark.parametrize(
    ("code", "output", "number"),
    [
        (0xC1420127, "", 0xC1420127),
        (-1052638937, "", 0xC1420127),
        (0xC1420127, "Error: 5\n", 0xC1420127),
        (1, ENGLISH, 0xC1420117),
        (1, CHINESE, 0xC1420117),
        (0x17, "Fehler: 0xC1420117\r\n", 0xC1420117),
        (1, "Erreur : 0xc1420114\n", 0xC1420114),
        (1, "错误\uff1a0xc1420114\n", 0xC1420114),
        (1, BANNER + "Error: 5\n\nAccess is denied.\n", 5),
        (740, "\nError: 740\n\nElevated permissions are required to run DISM.\n", 740),
        (228, "\nError: 740\n", 740),
        (5, "", 5),
        (1, "Error: 0x0\nError: 3010\n", 1),
        (87, "Index : 1\nImage Index : 1\n", 87),
        (1, "An error occurred (0x80070070) while saving.\n", 0x80070070),
        (1, BANNER, 1),
        (1, "Error: 99999999999\n", 1),
    ],
)
def test_the_number_is_found_in_any_language(code: int, output: str, number: int) -> None:
    assert failure_number(completed(code, output)) == number


def test_a_known_number_gets_name_cause_and_remedy() -> None:
    error = explain(completed(0xC1420117, ENGLISH), doing=r"save and unmount the image in C:\my mount")
    assert error == DismError(
        "DISM cannot save and unmount the image in C:\\my mount: not completely unmounted (0xC1420117)",
        code=0xC1420117,
        details="Something has files of the mount folder open: an Explorer window, a prompt, antivirus, or a "
        "registry hive that is still loaded. A commit may have been saved already.\n"
        "DISM: Deployment Image Servicing and Management tool\n"
        "DISM: Version: 10.0.19041.3636\n"
        "DISM: Image File : C:\\boot.wim\n"
        "DISM: Image Index : 1\n"
        "DISM: Unmounting image\n"
        "DISM: Error: 0xc1420117\n"
        "DISM: The directory could not be completely unmounted.\n"
        "DISM: The DISM log file can be found at C:\\WINDOWS\\Logs\\DISM\\dism.log\n"
        "Log: C:\\WINDOWS\\Logs\\DISM\\dism.log",
        resolution="Close it (reg unload for a hive), then unmount the folder again with /Discard.",
        command=("DISM.exe", "/Unmount-Image", "/MountDir:C:\\my mount", "/Discard"),
        ran=("DISM.exe", "/English", "/Unmount-Image", "/MountDir:C:\\my mount", "/Commit"),
    )
    assert error.code == 0xC1420117
    assert isinstance(error, EnvironmentFailure)
    assert error.exit_code is ExitCode.FAILED


def test_an_unknown_number_is_shown_with_the_last_lines_and_the_log() -> None:
    output = BANNER + "\n".join(f"line {number}" for number in range(20))
    error = explain(completed(0xC1420199, output), doing="do it", log_path=Path("/scratch/dism.log"))
    assert error.message == "DISM cannot do it: error 3242328473 (0xC1420199)"
    assert "DISM: line 19" in error.details
    assert "DISM: line 11\n" not in error.details
    assert f"Log: {Path('/scratch/dism.log')}" in error.details
    assert str(Path("/scratch/dism.log")) in error.resolution


def test_a_failure_without_a_word_is_explained_all_the_same() -> None:
    error = explain(completed(1))
    assert error.message == "DISM failed: error 1 (0x00000001)"
    assert "the log of DISM" in error.resolution


@pytest.mark.parametrize("output", [ENGLISH, CHINESE])
def test_the_log_is_found_in_any_language(output: str) -> None:
    assert explain(completed(1, output)).details.endswith("\nLog: " + explain_log(output))


def explain_log(output: str) -> str:
    return next(word for word in output.split() if word.endswith("dism.log"))


@pytest.mark.parametrize(
    "number",
    [
        0xC1420127, 0xC1510111, 0xC1420117, 0xC1420114, 0xC142011D, 0xC142010C, 0xC1420134, 0xC1420115,
        0x80070032, 0x80070005, 5, 740, 0x80070070, 112, 0x80070002, 2, 3, 87, 0x80070057, 1223, 32,
        0x80070020,
    ],
)  # fmt: skip
def test_every_number_that_users_meet_is_explained(number: int) -> None:
    error = explain(completed(number))
    assert MEANINGS[number].name in error.message
    assert MEANINGS[number].cause in error.details
    assert error.resolution == MEANINGS[number].remedy


@pytest.mark.parametrize("number", [2, 3, 5, 32, 50, 87, 112, 740, 1223])
def test_a_system_error_means_the_same_in_its_long_form(number: int) -> None:
    assert MEANINGS[number] is MEANINGS[0x80070000 | number]


def test_success_is_no_failure() -> None:
    assert frozenset({0, 3010}) == SUCCESS
    assert not SUCCESS & set(MEANINGS)


def test_texts_are_sentences() -> None:
    for meaning in MEANINGS.values():
        assert meaning.cause.endswith(".")
        assert meaning.remedy.endswith(".")
        assert meaning.name
        assert "  " not in meaning.cause + meaning.remedy
