"""The DISM engine interrupted, killed, or run twice at once, as a process of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.testdata.images import variant
from tests.conftest import Judge
from tests.contract.dism_machine import EDITORS, Child, Station, wait_for

every_editor = pytest.mark.parametrize("editor", EDITORS)


def _set_hang(station: Station, program: str, step: str, *, after: bool = False) -> Callable[[], bool]:
    fake = station.dism if program == "dism" else station.reg
    fake.hang(step, times=1, after=after)
    return lambda: station.hangs(fake)


HANGS = (
    ("dism", "version", False),
    ("dism", "mount", False),
    ("dism", "mount", True),
    ("dism", "unmount_commit", False),
    ("dism", "unmount_commit", True),
    ("reg", "load", True),
    ("reg", "import", False),
    ("reg", "import", True),
    ("reg", "query", False),
    ("reg", "unload", False),
)


@pytest.mark.parametrize(("program", "step", "after"), HANGS)
def test_ctrl_c_leaves_nothing(
    program: str, step: str, after: bool, station: Station, judge: Judge, children: list[Child]
) -> None:
    has_begun = _set_hang(station, program, step, after=after)
    child = station.start(editor="reg" if program == "reg" else "native")
    children.append(child)
    child.wait_for(has_begun)
    child.interrupt()
    ran = child.end()
    assert ran.code == 130, ran.out + ran.err
    assert ran.error["kind"] == "interrupted"
    assert "Traceback" not in ran.err
    station.assert_nothing_left()
    if (step, after) == ("unmount_commit", True):
        judge("wimlib-imagex", "verify", station.image)
        assert station.verified() == 0, "it had been saved"
    else:
        assert station.image.read_bytes() == variant("small")
    station.dism.heal()
    assert station.run().code == 0


def test_ctrl_c_when_the_mount_cannot_be_discarded_names_it(station: Station, children: list[Child]) -> None:
    has_begun = _set_hang(station, "dism", "unmount_commit")
    child = station.start()
    children.append(child)
    child.wait_for(has_begun)
    station.dism.fail("unmount_discard", 0xC1420117)
    child.interrupt()
    ran = child.end()
    station.assert_stuck(ran)
    assert station.image.read_bytes() == variant("small")


@pytest.mark.parametrize("step", ["mount", "unmount_commit"])
def test_a_second_ctrl_c_while_the_mount_is_discarded_names_it(
    step: str, station: Station, children: list[Child]
) -> None:
    has_begun = _set_hang(station, "dism", step, after=True)
    child = station.start()
    children.append(child)
    child.wait_for(has_begun)
    discarding = _set_hang(station, "dism", "unmount_discard")
    child.interrupt()
    child.wait_for(discarding)
    child.interrupt()
    ran = child.end()
    assert station.dism.mounts, "it is still mounted"
    station.assert_stuck(ran)


# --- two runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "step", "after"),
    [("dism", "mount", True), ("reg", "import", False), ("dism", "unmount_commit", False)],
)
def test_the_second_of_two_runs_is_refused_and_the_first_is_not_disturbed(
    program: str, step: str, after: bool, station: Station, children: list[Child]
) -> None:
    has_begun = _set_hang(station, program, step, after=after)
    child = station.start(editor="reg" if program == "reg" else "native")
    children.append(child)
    child.wait_for(has_begun)
    loaded, mounts, records = station.reg.hives, station.dism.mounts, station.records
    second = station.run()
    assert second.code == 4
    assert "already mounted (0xC1420127)" in second.told
    assert (station.reg.hives, station.dism.mounts, station.records) == (loaded, mounts, records)
    child.interrupt()
    assert child.end().code == 130
    assert station.image.read_bytes() == variant("small")
    station.assert_nothing_left()


@every_editor
def test_the_first_of_two_runs_finishes_its_work(
    editor: str, station: Station, judge: Judge, children: list[Child]
) -> None:
    """The first waits, in its commit, until the second has been refused."""
    go, waiting = station.folder / "go", station.folder / "waiting"
    dism = station.wrapped(
        station.dism,
        f'case "$*" in */Commit*) : > "{waiting}"; while [ ! -e "{go}" ]; do sleep 0.05; done;; esac\n'
        'exec "$FAKE" "$@"',
    )
    child = station.start("--dism", dism, editor=editor)
    children.append(child)
    wait_for(waiting.exists)
    assert "already mounted (0xC1420127)" in station.run(editor=editor).told
    go.touch()
    ran = child.end()
    assert (ran.code, ran.report["changed"], ran.err) == (0, True, "")
    judge("wimlib-imagex", "verify", station.image)
    assert station.verified() == 0
    station.assert_nothing_left()


@pytest.mark.parametrize("step", ["mount", "import"])
def test_a_run_that_is_killed_leaves_records_of_what_it_set_up(
    step: str, station: Station, children: list[Child]
) -> None:
    go, waiting = station.folder / "go", station.folder / "waiting"
    wait = f': > "{waiting}"; while [ ! -e "{go}" ]; do sleep 0.05; done;; esac\n'
    # What it has started goes on without it, and nobody reads what that says.
    work = '"$FAKE" "$@" > "$0.out" 2>&1 && : > "$0.done"'
    if step == "mount":
        program = station.wrapped(station.dism, f'case "$*" in */Mount-Image*) {wait}{work}')
        child = station.start("--dism", program, editor="reg")
    else:
        program = station.wrapped(station.reg, f'case "$1" in import) {wait}{work}')
        child = station.start("--reg", program, editor="reg")
    done = program.with_name(f"{program.name}.done")
    children.append(child)
    wait_for(waiting.exists)
    child.kill()
    done.unlink(missing_ok=True)
    go.touch()
    wait_for(done.exists)
    (folder,) = station.dism.mounts
    assert station.recorded_mounts == [(str(station.image), 2, str(folder))]
    assert set(station.reg.hives) <= set(station.recorded_hives)
    assert len(station.reg.hives) == (step == "import")
    assert station.image.read_bytes() == variant("small")


def test_ctrl_c_when_the_hive_stays_loaded_names_it(station: Station, children: list[Child]) -> None:
    has_begun = _set_hang(station, "reg", "import")
    child = station.start(editor="reg", impatient=True)
    children.append(child)
    child.wait_for(has_begun)
    station.reg.refuse_unload()
    child.interrupt()
    ran = child.end()
    station.assert_stuck(ran)
    (key,) = station.reg.hives
    assert f"the registry hive {key} is still loaded" in ran.told
    assert station.image.read_bytes() == variant("small")
