"""What an image is after DISM has failed, was ended or was interrupted: old, new, or neither.

Only the file can say. wimlib-imagex and `verify` say it here, the report must say the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.images import SOFTWARE, variant
from tests.conftest import Judge
from tests.contract.dism_machine import Child, Ran, Station, called
from winpe_certs.engines import setup

ON_COMMIT = 'case "$*" in */Commit*) {} ;; *) exec "$FAKE" "$@";; esac'
SAVED_FIRST = ON_COMMIT.format('"$FAKE" "$@" >/dev/null; {}')
GARBAGE = 'head -c 1000 /dev/urandom > "{image}"; echo "Error: 0xc142010c"; exit {code}'


def assert_new(station: Station, judge: Judge, ran: Ran, code: int = 4) -> None:
    """The change is in the file, and is reported as made; DISM's failure is reported too."""
    assert (ran.code, ran.report["changed"]) == (code, True), ran.told
    assert ran.error["image_state"] == "new"
    assert [status for *_, status in ran.statuses] == ["added"]
    assert "image 2 is the new one, so the change is made" in ran.told
    judge("wimlib-imagex", "verify", station.image)
    assert station.verified() == 0


def assert_old(station: Station, ran: Ran, code: int = 4) -> None:
    """Nothing is changed, and that is said."""
    assert (ran.code, ran.report["changed"], ran.report["images"]) == (code, False, []), ran.told
    assert ran.error["image_state"] == "old"
    assert "image 2 is the old one, so nothing is changed" in ran.told
    assert station.image.read_bytes() == variant("small")


def assert_neither(ran: Ran, why: str, code: int = 4) -> None:
    """The file is lost: that is said first, with what DISM did and where help is."""
    assert (ran.code, ran.report["changed"]) == (code, False), ran.told
    assert ran.error["image_state"] == "neither"
    assert "neither the old one nor the new one" in ran.told
    assert why in ran.told
    assert "backup" in ran.told


@pytest.mark.parametrize("code", [0xC1420117, 0xC142011D, 740, 5])
def test_a_commit_that_saves_and_fails_counts_as_made(code: int, station: Station, judge: Judge) -> None:
    station.dism.fail("unmount_commit", code, after=True)
    ran = station.run("--evidence", station.folder / "evidence.json")
    assert_new(station, judge, ran)
    assert ran.error["kind"] == "dism"
    assert ran.error["command"] is None
    station.assert_nothing_left()
    evidence = json.loads((station.folder / "evidence.json").read_text(encoding="utf-8"))
    assert "image afterwards: new" in json.dumps(evidence)
    assert len(evidence["targets"]) == 1
    shown = called("verify", station.image, "--evidence", station.folder / "evidence.json")
    assert shown.code == 0, shown.out + shown.err


@pytest.mark.parametrize(
    "end", ["kill -9 $$", "kill -SEGV $$", "kill -TERM $$", "exit 23", "exec sleep 60"], ids=str.split
)
@pytest.mark.parametrize("is_saved", [False, True])
def test_however_dism_ends_the_file_decides(end: str, is_saved: bool, station: Station, judge: Judge) -> None:
    script = SAVED_FIRST if is_saved else ON_COMMIT
    dism = station.wrapped(station.dism, script.format(end))
    ran = station.run("--dism", dism, "--dism-timeout", "2")
    if is_saved:
        assert_new(station, judge, ran)
    else:
        assert_old(station, ran)
    if "kill" in end:
        name = "SIG" + {"9": "KILL"}.get(end.split()[1][1:], end.split()[1][1:])
        assert f"it was ended by {name}" in ran.told
    station.assert_nothing_left()
    station.dism.heal()
    assert station.run().code == 0, "the same command works afterwards"


@pytest.mark.parametrize("code", [0, 12])
def test_garbage_is_told_as_such(code: int, station: Station) -> None:
    dism = station.wrapped(station.dism, SAVED_FIRST.format(GARBAGE.format(image=station.image, code=code)))
    ran = station.run("--dism", dism, "--evidence", station.folder / "evidence.json")
    assert_neither(ran, "not a WIM file")
    assert ran.error["kind"] == "image-lost"
    assert "/Commit" in ran.error["ran"]
    assert "0xc142010c" in ran.told.lower()
    assert ran.error["command"][-1] == "/Cleanup-Mountpoints"
    evidence = json.loads((station.folder / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["targets"] == []
    assert "image afterwards: neither" in json.dumps(evidence)
    station.assert_nothing_left()


def _in_mount(work: str, code: int) -> str:
    """A commit before which something happens in the mount folder $m."""
    find = 'for each; do case "$each" in /MountDir:*) m="${each#/MountDir:}";; esac; done'
    return ON_COMMIT.format(f'{find}; {work}; "$FAKE" "$@"; exit {code}')


@pytest.mark.parametrize("code", [0, 23])
def test_another_hive_in_the_image_is_neither(code: int, station: Station) -> None:
    work = f'printf Z | dd of="$m/{SOFTWARE}" bs=1 seek=5000 conv=notrunc status=none'
    ran = station.run("--dism", station.wrapped(station.dism, _in_mount(work, code)))
    assert_neither(ran, "its hive is another one")


def test_other_files_that_are_lost_are_neither(station: Station) -> None:
    work = 'rm "$m/Windows/System32/startnet.cmd"'
    ran = station.run("--dism", station.wrapped(station.dism, _in_mount(work, 23)))
    assert_neither(ran, "other files of the image are not what they were")


def test_an_image_that_is_gone_or_cut_is_neither(station: Station) -> None:
    gone = station.wrapped(station.dism, SAVED_FIRST.format(f'rm "{station.image}"; exit 23'))
    assert_neither(station.run("--dism", gone), "it is not there")
    station.image.write_bytes(variant("small"))
    half = f'truncate -s 20000 "{station.image}"; exit 23'
    assert_neither(station.run("--dism", station.wrapped(station.dism, SAVED_FIRST.format(half))), "")


def test_a_saved_image_that_stays_mounted_is_changed_and_named(
    station: Station, judge: Judge, children: list[Child]
) -> None:
    station.dism.leave_mounted()
    child = station.start()
    children.append(child)
    ran = child.end()
    station.assert_stuck(ran)
    assert_new(station, judge, ran, code=5)
    station.dism.heal()
    done = called("cleanup", "--apply", "--dism", station.dism.path, "--format", "json")
    assert done.code == 0, done.out
    assert station.dism.mounts == {}


def test_a_discard_that_works_and_fails_leaves_nothing(station: Station) -> None:
    station.dism.fail("unmount_commit", 0xC142010C)
    discard = 'case "$*" in */Discard*) "$FAKE" "$@"; echo "Error: 31"; exit 31;; *) exec "$FAKE" "$@";; esac'
    ran = station.run("--dism", station.wrapped(station.dism, discard))
    assert_old(station, ran)
    station.assert_nothing_left()


def test_a_mount_that_nobody_can_list_is_discarded(station: Station) -> None:
    station.dism.fail("mount", 0x80070070, after=True)
    station.dism.fail("mounted_images", 1450)
    ran = station.run()
    assert (ran.code, ran.error["image_state"]) == (4, "old")
    assert station.dism.steps[-1] == "unmount_discard"
    station.assert_nothing_left()


def test_a_dism_that_vanishes_leaves_nothing(station: Station) -> None:
    once = f'"$FAKE" "$@"; code=$?; rm "{station.folder / "wrapped" / station.dism.path.name}"; exit $code'
    ran = station.run("--dism", station.wrapped(station.dism, once))
    assert (ran.code, ran.error["kind"]) == (4, "program-missing")
    station.assert_nothing_left()


@pytest.mark.parametrize(
    "work",
    [
        f'rm "$m/{SOFTWARE}"; ln -s "$0" "$m/{SOFTWARE}"',
        'mv "$m/Windows/System32/config" "$m/x"; ln -s "$m/x" "$m/Windows/System32/config"',
        'rm -r "$m"/*',
        f'rm "$m/{SOFTWARE}"; mkdir "$m/{SOFTWARE}"',
    ],
    ids=["link", "linked folder", "nothing", "a folder"],
)
def test_a_mount_that_shows_something_else_is_no_fault_of_the_input(work: str, station: Station) -> None:
    find = 'for each; do case "$each" in /MountDir:*) m="${each#/MountDir:}";; esac; done'
    script = f'"$FAKE" "$@" || exit $?\ncase "$*" in */Mount-Image*) {find}; {work};; esac'
    dism = station.wrapped(station.dism, script)
    program = dism.read_bytes()
    ran = station.run("--dism", dism)
    assert ran.code == 4
    assert "the mounted hive is not the one that the change was planned for" in ran.told
    assert station.image.read_bytes() == variant("small")
    assert dism.read_bytes() == program, "nothing is written through a link"
    station.assert_nothing_left()


# --- several images -------------------------------------------------------------------------------


def _second_fails(end: str) -> str:
    """A DISM whose commit of image 2 saves and then ends in some way."""
    note = 'case "$*" in */Index:2*) : > "$0.second";; esac'
    return f'{note}\nif [ -e "$0.second" ]; then {SAVED_FIRST.format(end)}; else exec "$FAKE" "$@"; fi'


def test_of_several_images_each_is_told(station: Station, judge: Judge) -> None:
    dism = station.wrapped(station.dism, _second_fails("exit 23"))
    ran = station.run("--dism", dism, index="all")
    assert (ran.code, ran.error["image_state"]) == (4, "new")
    assert [(image["index"], image["changed"]) for image in ran.report["images"]] == [(1, True), (2, True)]
    judge("wimlib-imagex", "verify", station.image)
    assert (station.verified("1"), station.verified("2")) == (0, 0)


def test_an_image_that_was_saved_and_lost_again_is_not_told_as_changed(station: Station) -> None:
    lost = GARBAGE.format(image=station.image, code=23)
    ran = station.run("--dism", station.wrapped(station.dism, _second_fails(lost)), index="all")
    assert_neither(ran, "not a WIM file")
    assert ran.report["images"] == []


# --- interrupts -----------------------------------------------------------------------------------


@pytest.mark.posix("signals")
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("is_saved", [False, True])
def test_an_interrupt_of_the_commit_tells_what_the_image_is(
    is_saved: bool, times: int, station: Station, judge: Judge, children: list[Child]
) -> None:
    station.dism.hang("unmount_commit", times=1, after=is_saved)
    child = station.start("--evidence", station.folder / "evidence.json")
    children.append(child)
    child.wait_for(lambda: station.hangs(station.dism))
    for _ in range(times):
        child.interrupt()
        # The second reaches it while DISM is being ended.
        child.wait_for(lambda: True)
    ran = child.end()
    if is_saved:
        assert_new(station, judge, ran, code=130)
        evidence: dict[str, Any] = json.loads((station.folder / "evidence.json").read_text(encoding="utf-8"))
        assert len(evidence["targets"]) == 1
    else:
        assert_old(station, ran, code=130)
    station.assert_nothing_left()


# --- the copy of an image on a share --------------------------------------------------------------


@pytest.mark.parametrize("end", ["exit 23", "head -c 9 /dev/urandom > /dev/null; kill -9 $$"])
def test_a_copy_that_was_saved_is_not_the_original(
    end: str, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "is_remote", lambda path: path == station.image)
    ran = station.run("--dism", station.wrapped(station.dism, SAVED_FIRST.format(end)))
    assert (ran.code, ran.report["changed"], ran.report["images"]) == (4, False, [])
    assert ran.error["image_state"] == "old"
    assert f"{station.image} is unchanged" in ran.told
    assert station.image.read_bytes() == variant("small")
    station.assert_nothing_left()


def test_a_copy_that_stays_mounted_stays_and_is_named(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "is_remote", lambda path: path == station.image)
    station.dism.leave_mounted()
    ran = station.run()
    assert (ran.code, ran.error["image_state"]) == (5, "old")
    (mount,) = station.dism.mounts.values()
    assert Path(mount["image"]).is_file()
    assert station.image.read_bytes() == variant("small")
    assert len(station.recorded_mounts) == 1
