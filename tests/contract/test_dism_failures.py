"""The DISM engine when something goes wrong, at each step: what is said, what stays, what is freed.

Fakes of DISM.exe and reg.exe fail, hang and speak other languages; wimlib-imagex judges the image.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.testdata import hives
from scripts.testdata.images import SOFTWARE, variant
from tests.conftest import Judge
from tests.contract.dism_machine import EDITORS, Ran, Station, called, ready_station

every_editor = pytest.mark.parametrize("editor", EDITORS)
MEGABYTE = 1_000_000


@pytest.fixture
def station(tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Station:
    """Both fakes and an image; nobody waits long for a hive to be let go."""
    monkeypatch.setattr("winpe_certs.engines.reg_program.PAUSES", (0.01,) * 4)
    return ready_station(tmp_path, judge, monkeypatch)


def refused(station: Station, ran: Ran, *words: str) -> None:
    """A run that failed said why, left the image as it was, and left nothing else."""
    assert ran.code == 4
    assert ran.report["changed"] is False
    for word in words:
        assert word in ran.told, word
    assert ran.error["resolution"]
    assert station.image.read_bytes() == variant("small")
    station.assert_nothing_left(mounts=len([m for m in station.dism.mounts if "elsewhere" in m.name]))


# --- DISM says no ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "number", "words"),
    [
        ("mount", 740, ("elevation required (740)", "Run as administrator")),
        ("mount", 5, ("access denied (5)", "Run as administrator")),
        ("mount", 0xC1510111, ("no permission to change the image (0xC1510111)", "attrib -r")),
        ("mount", 0xC1420134, ("removable media (0xC1420134)", "fixed NTFS disk")),
        ("mount", 0x80070032, ("not supported there (0x80070032)", "NTFS")),
        ("mount", 0x80070070, ("disk full (0x80070070)", "Free some space")),
        ("mount", 0xC1420999, ("error 3242330521 (0xC1420999)",)),
        ("unmount_commit", 0xC142010C, ("commit failed (0xC142010C)", "Free some space")),
        ("unmount_commit", 0xC142011D, ("partly unmounted (0xC142011D)",)),
        ("unmount_commit", 0x80070070, ("disk full (0x80070070)", "Free some space")),
    ],
    ids=lambda value: f"{value:#x}" if isinstance(value, int) else value if isinstance(value, str) else "",
)
def test_what_dism_refuses_is_told_with_its_number_and_a_remedy(
    step: str, number: int, words: tuple[str, ...], station: Station
) -> None:
    station.dism.fail(step, number)
    ran = station.run()
    assert ran.error["kind"] == "dism"
    assert str(station.dism.state / "dism.log") in ran.told
    refused(station, ran, *words)
    discarded = ["unmount_discard"] if step == "unmount_commit" else []
    assert [each for each in station.dism.steps if each == "unmount_discard"] == discarded
    assert (ran.report["engine"], ran.report["dism"]["version"]) == ("dism", "10.0.26100.1150")


@every_editor
def test_the_same_command_works_once_the_cause_is_gone(editor: str, station: Station) -> None:
    station.dism.fail("unmount_commit", 0xC142010C, times=1)
    refused(station, station.run(editor=editor), "commit failed (0xC142010C)")
    assert station.run(editor=editor).code == 0
    assert station.verified() == 0
    station.assert_nothing_left()


@pytest.mark.parametrize("status", ["Ok", "Needs Remount", "Invalid"])
def test_the_mount_of_somebody_else_is_left_alone(status: str, station: Station) -> None:
    elsewhere = station.folder / "elsewhere"
    station.dism.mount_elsewhere(station.image, 2, elsewhere, status=status)
    refused(station, station.run(), "already mounted (0xC1420127)", "/Get-MountedImageInfo")
    assert station.dism.mounts[elsewhere]["status"] == status
    assert not {"unmount_discard", "unmount_commit", "cleanup_mountpoints"} & set(station.dism.steps)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_mount_of_somebody_else_in_the_same_folder_is_left_alone(hangs: bool, station: Station) -> None:
    """The folder looks empty, for example because the mount is Invalid, or has only just begun."""
    mount = station.folder / "elsewhere"
    mount.mkdir()
    station.dism.mount_elsewhere(station.image, 1, mount)
    if hangs:
        station.dism.hang("mount")
    ran = station.run("--mount-dir", mount, "--dism-timeout", "1")
    assert mount in station.dism.mounts, "it is not discarded unasked"
    refused(station, ran)


def test_a_mount_folder_with_something_in_it_is_refused(station: Station) -> None:
    mount = station.folder / "mount"
    mount.mkdir()
    (mount / "precious.txt").write_text("mine", encoding="utf-8")
    ran = station.run("--mount-dir", mount)
    assert ran.code in {3, 4}
    assert f"{mount}: not a folder to mount in: it is not empty" in ran.told
    assert (mount / "precious.txt").read_text(encoding="utf-8") == "mine"
    assert "mount" not in station.dism.steps
    assert station.image.read_bytes() == variant("small")
    station.assert_nothing_left()


def test_a_read_only_image_is_left_alone(station: Station) -> None:
    station.image.chmod(0o444)
    refused(station, station.run(), "no permission to change the image (0xC1510111)", "attrib -r")
    assert station.image.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("given", [True, pytest.param(False, marks=pytest.mark.wine_cannot("dism"))])
def test_without_dism_nothing_is_begun(given: bool, station: Station) -> None:
    nowhere = station.folder / "nowhere" / "DISM.exe"
    arguments = station.arguments()
    where = arguments.index("--dism")
    del arguments[where : where + 2]
    ran = station.run("--dism", nowhere) if given else called(*arguments)
    refused(station, ran, f"{nowhere}: there is no DISM.exe" if given else "there is no DISM.exe")
    assert not station.state.exists()


def test_a_file_that_is_no_program_is_told(station: Station) -> None:
    program = station.folder / "text.exe"
    program.write_text("no program", encoding="utf-8")
    refused(station, station.run("--dism", program), str(program))


@pytest.mark.parametrize("step", ["version", "mount", "unmount_commit"])
def test_a_dism_that_hangs_is_ended(step: str, station: Station) -> None:
    station.dism.hang(step)
    ran = station.run("--dism-timeout", "1")
    refused(station, ran, "did not end within 1 seconds, and was ended")
    assert ran.error["kind"] == "program-timeout"


def test_a_mount_that_was_made_before_it_hung_is_discarded(station: Station) -> None:
    station.dism.hang("mount", after=True)
    refused(station, station.run("--dism-timeout", "2"), "did not end within 2 seconds")
    assert station.dism.steps[-1] == "unmount_discard"


def test_a_mount_that_was_made_though_dism_failed_is_discarded(station: Station) -> None:
    station.dism.fail("mount", 0x80070070, after=True)
    refused(station, station.run(), "disk full (0x80070070)")
    assert station.dism.steps[-1] == "unmount_discard"


@pytest.mark.parametrize(
    ("language", "word"),
    [pytest.param("zh", "错误: ", marks=pytest.mark.wine_cannot("code-page")), ("de", "Fehler: ")],
)
@pytest.mark.parametrize(("step", "number"), [("mount", 0xC1420127), ("unmount_commit", 740)])
def test_translated_failures_keep_their_number(
    language: str, word: str, step: str, number: int, station: Station
) -> None:
    station.dism.localise(language)
    station.dism.fail(step, number)
    shown = f"0x{number:08x}" if number > 0x80000000 else str(number)
    ran = station.run()
    refused(station, ran, f"{word}{shown}")
    assert ran.error["message"].endswith(f"({shown.replace('c', 'C')})")


@every_editor
def test_other_languages_and_noise_change_nothing(editor: str, station: Station) -> None:
    for fake in (station.dism, station.reg):
        fake.noise(MEGABYTE)
        fake.localise("zh")
    ran = station.run(editor=editor)
    assert (ran.code, ran.err) == (0, "")
    assert ran.report["dism"]["version"] == "10.0.26100.1150"
    assert station.verified() == 0
    station.assert_nothing_left()


def test_noise_hides_no_failure(station: Station) -> None:
    station.dism.noise(MEGABYTE)
    station.dism.fail("unmount_commit", 0x80070070)
    ran = station.run()
    assert len(ran.out) < 10_000
    refused(station, ran, "disk full (0x80070070)")


# --- what stays behind ----------------------------------------------------------------------------


@every_editor
def test_a_mount_that_cannot_be_discarded_is_named(editor: str, station: Station) -> None:
    station.dism.fail("unmount_commit", 0xC142010C)
    station.dism.fail("unmount_discard", 0xC1420117)
    ran = station.run(editor=editor)
    folder = station.assert_stuck(ran)
    assert "commit failed (0xC142010C)" in ran.told
    assert "not completely unmounted (0xC1420117)" in ran.told
    assert ran.error["kind"] == "cleanup"
    assert station.image.read_bytes() == variant("small")
    assert station.reg.hives == {}
    assert list(folder.parent.glob("*.reg")) == []


def test_a_saved_image_that_stays_mounted_is_named(station: Station, judge: Judge) -> None:
    station.dism.leave_mounted()
    station.assert_stuck(station.run())
    judge("wimlib-imagex", "verify", station.image)
    assert station.verified() == 0


def test_a_mount_made_though_dism_failed_that_cannot_be_discarded_is_named(station: Station) -> None:
    station.dism.fail("mount", 0x80070070, after=True)
    station.dism.fail("unmount_discard", 0xC1420117)
    station.assert_stuck(station.run())
    assert station.image.read_bytes() == variant("small")


def test_a_discard_that_hangs_is_named(station: Station) -> None:
    station.dism.fail("unmount_commit", 0xC142010C)
    station.dism.hang("unmount_discard")
    station.assert_stuck(station.run("--dism-timeout", "1"))


def test_images_saved_before_a_failure_are_told(station: Station, judge: Judge) -> None:
    dism = station.wrapped(
        station.dism,
        f'case "$*" in */Index:2*) exec "{station.folder / "wrapped" / "no"}";; esac\nexec "$FAKE" "$@"',
    )
    no = station.folder / "wrapped" / "no"
    no.write_text('#!/bin/sh\necho "Error: 0x80070070"\nexit 112\n', encoding="utf-8")
    no.chmod(0o755)
    ran = station.run("--dism", dism, index="all")
    assert ran.code == 4
    judge("wimlib-imagex", "verify", station.image)
    assert (station.verified("1"), station.verified("2")) == (0, 1)
    station.assert_nothing_left()
    assert "disk full" in ran.told
    changed = [image["index"] for image in ran.report["images"] if image["changed"]]
    assert changed == [1] or "image 1" in ran.told, "image 1 has been changed, and that is said"


def test_files_changed_before_a_failure_are_told(station: Station) -> None:
    second = station.folder / "winpe.wim"
    second.write_bytes(variant("small"))
    second.chmod(0o444)
    ran = station.run(second)
    assert ran.code == 4
    assert "no permission to change the image (0xC1510111)" in ran.told
    assert [(image["path"], image["changed"]) for image in ran.report["images"]] == [
        (str(station.image), True)
    ]
    assert station.verified() == 0
    assert second.read_bytes() == variant("small")
    station.assert_nothing_left()


@every_editor
def test_a_commit_that_saves_nothing_is_noticed(editor: str, station: Station) -> None:
    dism = station.wrapped(
        station.dism, 'case "$*" in */Commit*) set -- "$1" "$2" "$3" /Discard;; esac\nexec "$FAKE" "$@"'
    )
    ran = station.run("--dism", dism, editor=editor)
    refused(station, ran, "DISM has committed image 2, but it could not be verified")


# --- the mounted hive -----------------------------------------------------------------------------


@every_editor
def test_a_mounted_hive_that_is_another_one_is_left_alone(editor: str, station: Station) -> None:
    other = station.folder / "other.hiv"
    other.write_bytes(hives.hive_variant("root-only.hiv"))
    dism = station.wrapped(
        station.dism,
        '"$FAKE" "$@" || exit $?\ncase "$*" in */Mount-Image*) for each; do case "$each" in '
        f'/MountDir:*) cp "{other}" "${{each#/MountDir:}}/{SOFTWARE}";; esac; done;; esac',
    )
    ran = station.run("--dism", dism, editor=editor)
    refused(station, ran, "the mounted hive is not the one that the change was planned for")
    assert station.reg.calls == []
    assert station.dism.steps == ["version", "mount", "unmount_discard"]


def test_a_mounted_hive_that_changes_after_the_edit_is_not_saved(station: Station) -> None:
    hive = hives.hive_variant("root-only.hiv")
    (station.folder / "other.hiv").write_bytes(hive)
    reg = station.wrapped(
        station.reg,
        'if [ "$1" = load ]; then printf %s "$3" > "$0.hive"; fi\n"$FAKE" "$@" || exit $?\n'
        f'if [ "$1" = unload ]; then cp "{station.folder / "other.hiv"}" "$(cat "$0.hive")"; fi',
    )
    refused(station, station.run("--reg", reg, editor="reg"), "do not see the edit of")
    assert station.dism.steps[-1] == "unmount_discard"


# --- reg.exe says no ------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["load", "import"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_what_reg_refuses_is_told_and_the_mount_discarded(step: str, language: str, station: Station) -> None:
    station.reg.localise(language)
    station.reg.fail(step, 1, message="Ein Fehler.")
    ran = station.run(editor="reg")
    assert ran.error["kind"] == "reg"
    refused(station, ran, f"reg.exe cannot {step}", "Ein Fehler.")
    assert station.reg.steps == (["load"] if step == "load" else ["load", "import", "unload"])
    assert station.dism.steps[-1] == "unmount_discard"


def test_a_reg_that_is_not_there_is_told_and_the_mount_discarded(station: Station) -> None:
    nowhere = station.folder / "nowhere" / "reg.exe"
    refused(station, station.run("--reg", nowhere, editor="reg"), str(nowhere))


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_an_import_that_does_nothing_is_noticed(language: str, station: Station) -> None:
    station.reg.localise(language)
    station.reg.fail("import", 0, message="The operation completed successfully.")
    ran = station.run(editor="reg")
    assert ran.error["kind"] == "verification"
    refused(station, ran, "reg.exe has imported the edits, but", "is not there")
    assert station.reg.steps == ["load", "import", "query", "unload"]
    assert station.dism.steps[-1] == "unmount_discard"


def test_a_removal_that_does_nothing_is_noticed(station: Station) -> None:
    station.image.write_bytes(variant("authroot-already"))
    station.reg.fail("import", 0)
    ran = station.run(command="remove", editor="reg")
    assert ran.code == 4
    assert "is still there" in ran.told
    assert station.image.read_bytes() == variant("authroot-already")
    station.assert_nothing_left()


def test_an_import_of_something_else_is_noticed(station: Station) -> None:
    """The key is there afterwards, and the Blob is another one: only the readers can tell."""
    reg = station.wrapped(
        station.reg,
        'if [ "$1" = import ]; then iconv -f utf-16 -t utf-8 "$2" | '
        'sed -E \'s/hex:[0-9a-f]{2},/hex:ff,/\' > "$0.reg"; set -- import "$0.reg"; fi\n'
        'exec "$FAKE" "$@"',
    )
    assert shutil.which("iconv")
    ran = station.run("--reg", reg, editor="reg")
    refused(station, ran, "do not see the edit of")
    assert station.reg.steps == ["load", "import", "query", "unload"]


def test_a_hive_that_is_let_go_after_a_while_is_unloaded(station: Station) -> None:
    station.reg.refuse_unload(times=3)
    assert station.run(editor="reg").code == 0
    assert station.reg.steps.count("unload") == 4
    assert station.verified() == 0
    station.assert_nothing_left()


@pytest.mark.parametrize("step", ["unload", "import"])
def test_a_hive_that_stays_loaded_is_named_with_its_mount(step: str, station: Station) -> None:
    if step == "import":
        station.reg.fail("import", 1)
    station.reg.refuse_unload()
    ran = station.run(editor="reg")
    folder = station.assert_stuck(ran)
    (key,) = station.reg.hives
    assert station.recorded_hives == [key]
    assert station.image.read_bytes() == variant("small")
    assert list(folder.parent.glob("*.reg")) == []
    assert f"the registry hive {key} is still loaded" in ran.told


@pytest.mark.wine_cannot("code-page")
def test_the_documents_are_plain_ascii(station: Station) -> None:
    station.dism.localise("zh")
    station.dism.fail("mount", 0xC1420127)
    ran = station.run()
    assert ran.out.isascii()
    assert "错误" in ran.told
