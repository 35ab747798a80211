"""reg.exe's commands, and a hive that is unloaded on every way out."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.unit.engines.recorder import Recorder
from winpe_certs.engines.reg_program import PAUSES, Reg, RegError, unique_hive_name
from winpe_certs.errors import CleanupError, ExitCode, HiveError
from winpe_certs.process import ProgramMissingError, ProgramTimeoutError

KEY, HIVE = "HKLM\\winpe-offline-1-ab", Path("/mounts/1/SOFTWARE")
LOAD, UNLOAD = ("reg.exe", "load", KEY, str(HIVE)), ("reg.exe", "unload", KEY)
LIST = ("reg.exe", "query", "HKLM")
IN_USE = (1, "ERROR: The process cannot access the file because it is being used by another process.\n")
STILL = (0, "\nHKEY_LOCAL_MACHINE\\SOFTWARE\nHKEY_LOCAL_MACHINE\\winpe-offline-1-ab\n")
GONE = (0, "\nHKEY_LOCAL_MACHINE\\SOFTWARE\nHKEY_LOCAL_MACHINE\\winpe-offline-1-abc\n")


def reg(*answers: int | tuple[int, str] | BaseException) -> tuple[Reg, Recorder, list[float]]:
    runner, pauses = Recorder(*answers), list[float]()
    return Reg("reg.exe", runner, timeout=60, pause=pauses.append), runner, pauses


def test_every_method_runs_the_command_that_a_dry_run_prints() -> None:
    program, runner, pauses = reg(0, 0, (0, "shown\n"), 0)
    program.load(KEY, HIVE)
    program.import_file(Path("a.reg"))
    assert program.query(KEY) == "shown\n"
    program.unload(KEY)
    assert runner.commands == [
        program.load_command(KEY, HIVE),
        program.import_file_command(Path("a.reg")),
        program.query_command(KEY),
        program.unload_command(KEY),
    ]
    assert runner.commands == [LOAD, ("reg.exe", "import", "a.reg"), ("reg.exe", "query", KEY), UNLOAD]
    assert runner.timeouts == [60] * 4
    assert pauses == []


def test_a_failure_says_what_was_being_done_and_what_reg_said() -> None:
    program, _, _ = reg((1, "ERROR: Access is denied.\n\n"))
    with pytest.raises(RegError) as caught:
        program.load(KEY, HIVE)
    assert caught.value == RegError(
        f"reg.exe cannot load the hive {HIVE} as {KEY} (exit code 1)",
        details="reg.exe: ERROR: Access is denied.",
        ran=LOAD,
        resolution=caught.value.resolution,
    )
    assert "Run as administrator" in caught.value.resolution
    assert caught.value.exit_code is ExitCode.FAILED


@pytest.mark.parametrize(("code", "answer"), [(0, True), (1, False)])
def test_a_key_is_there_or_not(code: int, answer: bool) -> None:
    assert reg(code)[0].has(KEY) is answer


def test_loaded_hives_are_found_by_prefix() -> None:
    listing = (
        "\nHKEY_LOCAL_MACHINE\\SOFTWARE\nHKEY_LOCAL_MACHINE\\winpe-offline-1-ab\r\n"
        "HKEY_LOCAL_MACHINE\\WinPE-offline-2-cd\nHKEY_USERS\\winpe-offline-3-ef\n"
    )
    program, runner, _ = reg((0, listing), (0, listing))
    assert program.loaded_hives("winpe-offline") == (KEY, "HKLM\\WinPE-offline-2-cd")
    assert program.loaded_hives("other") == ()
    assert runner.commands == [LIST, LIST]


def test_names_are_unique() -> None:
    names = {unique_hive_name() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(rf"winpe-offline-{os.getpid()}-[0-9a-f]{{8}}", name) for name in names)


def test_unloading_is_tried_again_after_growing_pauses() -> None:
    program, runner, pauses = reg(IN_USE, STILL, IN_USE, STILL, IN_USE, STILL, 0)
    program.unload(KEY)
    assert pauses == [0.1, 0.2, 0.5]
    assert runner.commands == [UNLOAD, LIST, UNLOAD, LIST, UNLOAD, LIST, UNLOAD]


def test_a_hive_that_is_gone_needs_no_second_attempt() -> None:
    program, runner, pauses = reg((1, "ERROR: The parameter is incorrect.\n"), GONE)
    program.unload(KEY)
    assert runner.commands == [UNLOAD, LIST]
    assert pauses == []


def test_unloading_gives_up_with_the_command_that_frees_the_hive() -> None:
    program, runner, pauses = reg(*[IN_USE, STILL] * 20)
    with pytest.raises(CleanupError) as caught:
        program.unload(KEY)
    assert pauses == list(PAUSES) == sorted(pauses)
    assert runner.commands.count(UNLOAD) == len(PAUSES) + 1
    assert caught.value.exit_code is ExitCode.CLEANUP_INCOMPLETE
    assert KEY in caught.value.message
    assert caught.value.command == ("reg", "unload", KEY)
    assert "being used by another process" in caught.value.details


def test_a_time_out_of_unloading_is_not_waited_for_eight_times() -> None:
    program, runner, _ = reg(ProgramTimeoutError("reg.exe did not end"))
    with pytest.raises(CleanupError) as caught:
        program.unload(KEY)
    assert runner.commands == [UNLOAD]
    assert isinstance(caught.value.__cause__, ProgramTimeoutError)


def test_an_interrupt_of_unloading_waits_until_the_hive_is_unloaded() -> None:
    program, runner, _ = reg(KeyboardInterrupt(), IN_USE, STILL, 0)
    with pytest.raises(KeyboardInterrupt):
        program.unload(KEY)
    assert runner.commands == [UNLOAD, UNLOAD, LIST, UNLOAD]


def test_a_second_interrupt_of_unloading_is_obeyed_and_told() -> None:
    program, runner, _ = reg(KeyboardInterrupt(), KeyboardInterrupt())
    with pytest.raises(CleanupError, match="still loaded"):
        program.unload(KEY)
    assert runner.commands == [UNLOAD, UNLOAD]


def test_a_loaded_hive_is_unloaded_after_the_block() -> None:
    program, runner, _ = reg()
    with program.loaded(KEY, HIVE):
        assert runner.commands == [LOAD]
    assert runner.commands == [LOAD, UNLOAD]


@pytest.mark.parametrize("first", [HiveError("damaged"), KeyboardInterrupt(), SystemExit(3)])
def test_a_loaded_hive_is_unloaded_when_the_block_raises(first: BaseException) -> None:
    program, runner, _ = reg()
    with pytest.raises(type(first)) as caught, program.loaded(KEY, HIVE):
        raise first
    assert caught.value is first
    assert runner.commands == [LOAD, UNLOAD]


def test_a_hive_that_stays_loaded_is_told_and_keeps_the_first_error() -> None:
    first = HiveError("the hive is damaged")
    program, _, _ = reg(0, *[IN_USE, STILL] * 20)
    with pytest.raises(CleanupError) as caught, program.loaded(KEY, HIVE):
        raise first
    assert caught.value.__cause__ is first
    assert "Before that: the hive is damaged" in caught.value.details
    assert caught.value.command == ("reg", "unload", KEY)


def test_a_hive_that_stays_loaded_after_a_good_block_is_told() -> None:
    program, _, _ = reg(0, *[IN_USE, STILL] * 20)
    with pytest.raises(CleanupError), program.loaded(KEY, HIVE):
        pass


@pytest.mark.parametrize("error", [(1, "ERROR: Access is denied.\n"), ProgramMissingError("no reg.exe")])
def test_a_hive_that_was_not_loaded_is_not_unloaded(error: tuple[int, str] | ProgramMissingError) -> None:
    program, runner, _ = reg(error)
    with pytest.raises((RegError, ProgramMissingError)), program.loaded(KEY, HIVE):
        pytest.fail("the block must not be entered")
    assert runner.commands == [LOAD]


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), ProgramTimeoutError("reg.exe did not end")])
@pytest.mark.parametrize(("listing", "then"), [(STILL, [UNLOAD]), (GONE, [])])
def test_a_load_that_was_ended_may_have_loaded_the_hive(
    ended: BaseException, listing: tuple[int, str], then: list[tuple[str, ...]]
) -> None:
    program, runner, _ = reg(ended, listing)
    with pytest.raises(type(ended)), program.loaded(KEY, HIVE):
        pytest.fail("the block must not be entered")
    assert runner.commands == [LOAD, LIST, *then]
