"""The DISM engine from the command line, with fakes of DISM.exe and reg.exe, when everything goes well.

Its results are compared with those of the direct engine, and judged by wimlib-imagex and hivex.
"""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from scripts.testdata.images import SOFTWARE, beside_data, variant
from tests.conftest import Judge
from tests.contract.dism_machine import (
    CERTIFICATE,
    EDITORS,
    STORES,
    THUMBPRINT,
    Ran,
    Station,
    called,
    snapshot,
)

AUTH_ROOT = f"Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{THUMBPRINT}"
OTHER_FILES = (
    "Windows/System32/crypt32.dll",
    "Windows/System32/config/SYSTEM",
    "Windows/System32/Größe ü 日本.txt",
    "Windows/win.ini",
)
every_editor = pytest.mark.parametrize("editor", EDITORS)


def directly(station: Station, image: Path, *, command: str = "inject", index: str = "2") -> Ran:
    """What the direct engine makes of the same certificate and image."""
    certificate = ("--cert", CERTIFICATE, "--format", "json")
    ran = called(command, image, "--index", index, *certificate, "--engine", "direct")
    assert ran.code == 0
    assert (ran.report["engine"], ran.report["engine_reason"]) == ("direct", "asked for by --engine")
    assert "dism" not in ran.report
    assert station.dism.calls == station.reg.calls == []
    return ran


# --- the same result ------------------------------------------------------------------------------


@every_editor
@pytest.mark.parametrize(("name", "index"), [("small", "2"), ("three-images", "all")])
def test_the_result_is_that_of_the_direct_engine(
    editor: str, name: str, index: str, station: Station, judge: Judge
) -> None:
    images = range(1, 4 if name == "three-images" else 3)
    station.image.write_bytes(variant(name))
    before = {
        (each, path): station.extract(judge, path, each)
        for each in images
        for path in (*OTHER_FILES, SOFTWARE)
    }
    names = [judge("wimlib-imagex", "dir", station.image, each).stdout for each in images]
    direct = directly(station, station.image, index=index)
    wanted = [station.stores(judge, each) for each in images]
    station.image.write_bytes(variant(name))

    ran = station.run(editor=editor, index=index)
    assert (ran.code, ran.err) == (0, "")
    assert ran.statuses == direct.statuses
    assert {status[1] for status in ran.statuses} == {THUMBPRINT}
    assert [station.stores(judge, each) for each in images] == wanted
    changed = images if index == "all" else [int(index)]
    for each in changed:
        assert f"AuthRoot\\Certificates\\{THUMBPRINT}" in wanted[each - 1]
    judge("wimlib-imagex", "verify", station.image)
    for (each, path), content in before.items():
        if path != SOFTWARE or each not in changed:
            assert station.extract(judge, path, each) == content, (path, each)
    assert [judge("wimlib-imagex", "dir", station.image, each).stdout for each in images] == names
    assert station.verified(index) == 0
    station.assert_nothing_left()


@every_editor
def test_the_report_tells_the_engine_and_its_program(editor: str, station: Station) -> None:
    report = station.run(editor=editor).report
    assert report["engine"] == "dism"
    assert report["engine_reason"] == "asked for by --engine; given by --dism"
    assert report["dism"] == {"path": str(station.dism.path), "version": "10.0.26100.1150"}
    assert (report["schema"], report["command"], report["ok"], report["changed"]) == (1, "inject", True, True)


@every_editor
def test_a_second_run_mounts_nothing(editor: str, station: Station) -> None:
    index = "all"
    assert station.run(editor=editor, index=index).code == 0
    content, steps, calls = station.image.read_bytes(), station.dism.steps, station.reg.calls
    again = station.run(editor=editor, index=index)
    assert (again.code, again.report["changed"]) == (0, False)
    assert {status[3] for status in again.statuses} == {"unchanged"}
    assert station.dism.steps == [*steps, "version"]
    assert station.reg.calls == calls
    assert station.image.read_bytes() == content
    station.assert_nothing_left()


@every_editor
@pytest.mark.parametrize("index", ["2", "all"])
def test_remove_does_what_the_direct_engine_does(
    editor: str, index: str, station: Station, judge: Judge
) -> None:
    station.image.write_bytes(variant("authroot-already"))
    direct = directly(station, station.image, command="remove", index=index)
    wanted = [station.stores(judge, each) for each in (1, 2)]
    station.image.write_bytes(variant("authroot-already"))

    ran = station.run(command="remove", editor=editor, index=index)
    assert ran.code == 0
    assert ran.statuses == direct.statuses
    assert {status[3] for status in ran.statuses} == {"removed"}
    assert [station.stores(judge, each) for each in (1, 2)] == wanted
    assert THUMBPRINT not in wanted[1]
    judge("wimlib-imagex", "verify", station.image)
    assert station.verified(index) == 1
    station.assert_nothing_left()

    content, steps, calls = station.image.read_bytes(), station.dism.steps, station.reg.calls
    again = station.run(command="remove", editor=editor, index=index)
    assert (again.code, {status[3] for status in again.statuses}) == (0, {"absent"})
    assert (station.dism.steps, station.reg.calls) == ([*steps, "version"], calls)
    assert station.image.read_bytes() == content


@every_editor
def test_several_certificates_are_written_in_one_mount(editor: str, station: Station, judge: Judge) -> None:
    more = (
        "--cert",
        CERTIFICATE.with_name("corp-issuing.cer"),
        "--cert",
        CERTIFICATE.with_name("corp-root-2.cer"),
    )
    image = station.folder / "direct.wim"
    image.write_bytes(variant("small"))
    direct = called("inject", image, "--index", "2", "--cert", CERTIFICATE, *more, "--format", "json")
    ran = station.run(*more, editor=editor)
    assert ran.code == 0
    assert ran.statuses == direct.statuses
    assert len(ran.statuses) == 3
    assert station.dism.steps == ["version", "mount", "unmount_commit"]
    hive = station.folder / "SOFTWARE"
    hive.write_bytes(judge("wimlib-imagex", "extract", image, 2, SOFTWARE, "--to-stdout").stdout)
    assert station.stores(judge) == judge("hivexregedit", "--export", hive, STORES).stdout.decode()
    station.assert_nothing_left()


def test_the_text_for_reg_has_the_name_of_its_run(station: Station) -> None:
    kept = station.folder / "kept.reg"
    reg = station.wrapped(station.reg, f'[ "$1" = import ] && cp "$2" "{kept}"\nexec "$FAKE" "$@"')
    names = []
    for command in ("inject", "remove"):
        assert station.run("--reg", reg, command=command, editor="reg").code == 0
        loaded = [call["arguments"][1] for call in station.reg.calls if call["step"] == "load"][-1]
        name = loaded.removeprefix("HKLM\\")
        assert re.fullmatch(r"winpe-offline-\d+-[0-9a-f]{8}", name)
        text = kept.read_text(encoding="utf-16")
        minus = "-" if command == "remove" else ""
        assert f"[{minus}HKEY_LOCAL_MACHINE\\{name}\\{AUTH_ROOT}]" in text.splitlines()
        assert text.count("HKEY_LOCAL_MACHINE\\") == text.count(f"HKEY_LOCAL_MACHINE\\{name}\\Microsoft\\")
        assert {call["arguments"][1].split("\\")[1] for call in station.reg.calls[-2:]} == {name}
        names.append(name)
    assert names[0] != names[1]
    station.assert_nothing_left()


_INODES = """
look() {{ for each; do case "$each" in
    /MountDir:*) find "${{each#/MountDir:}}" -name SOFTWARE -printf '%i\\n' >> "{}";;
esac; done; }}
case "$*" in */Commit*) look "$@";; esac
"$FAKE" "$@" || exit $?
case "$*" in */Mount-Image*) look "$@";; esac
"""


@every_editor
def test_the_hive_is_written_in_place(editor: str, station: Station) -> None:
    """Its access control list stays only when it is the same file before and after."""
    seen = station.folder / "seen"
    dism = station.wrapped(station.dism, _INODES.format(seen))
    assert station.run("--dism", dism, editor=editor).code == 0
    mounted, committed = seen.read_text(encoding="utf-8").split()
    assert mounted == committed


@every_editor
def test_a_folder_named_for_the_mount_is_used_and_stays(editor: str, station: Station) -> None:
    mount = station.folder / "mount"
    mount.mkdir()
    assert station.run("--mount-dir", mount, editor=editor).code == 0
    assert [call["arguments"][-1] for call in station.dism.calls if call["step"] == "mount"] == [
        f"/MountDir:{mount}"
    ]
    assert mount.is_dir()
    assert list(mount.iterdir()) == []
    station.assert_nothing_left()


def test_log_and_scratch_folder_reach_dism(station: Station) -> None:
    scratch, log = station.folder / "scratch", station.folder / "dism.log"
    scratch.mkdir()
    assert station.run("--scratch-dir", scratch, "--log-path", log).code == 0
    for call in station.dism.calls:
        assert f"/LogPath:{log}" in call["arguments"]
        assert call["step"] == "version" or f"/ScratchDir:{scratch}" in call["arguments"]


def test_the_logs_of_a_loaded_hive_do_not_keep_it_from_being_saved(station: Station, judge: Judge) -> None:
    station.reg.leave_logs()
    assert station.run(editor="reg").code == 0
    judge("wimlib-imagex", "verify", station.image)
    assert station.verified() == 0
    station.assert_nothing_left()


# --- dry runs -------------------------------------------------------------------------------------


@every_editor
def test_a_dry_run_shows_the_commands_that_a_real_run_executes(editor: str, station: Station) -> None:
    index = "all"
    mount = station.folder / "mount"
    mount.mkdir()
    plan = station.run("--dry-run", "--mount-dir", mount, editor=editor, index=index).report["plan"]
    assert station.dism.calls == station.reg.calls == []
    assert station.run("--mount-dir", mount, editor=editor, index=index).code == 0
    planned = _normalised(plan["commands"])
    by_program = {
        program: [command[1:] for command in planned if command[0] == str(program)]
        for program in (station.dism.path, station.reg.path)
    }
    assert sum(map(len, by_program.values())) == len(planned)
    executed = [call["arguments"] for call in station.dism.calls if call["step"] != "version"]
    assert by_program[station.dism.path] == _normalised(executed)
    assert by_program[station.reg.path] == _normalised(station.reg.log)


def _normalised(commands: list[list[str]]) -> list[list[str]]:
    """Commands with the number of their run, and the folder of its .reg text, left out."""
    run = r"\d+-[0-9a-f]{8}"
    return [
        [
            re.sub(
                rf"winpe-offline-{run}",
                "winpe-offline-RUN",
                re.sub(rf"^.*{run}[\\/]edits.reg$", "TEXT", word),
            )
            for word in command
        ]
        for command in commands
    ]


@every_editor
@pytest.mark.parametrize("command", ["inject", "remove"])
def test_a_dry_run_starts_and_writes_nothing(editor: str, command: str, station: Station) -> None:
    station.image.write_bytes(variant("small" if command == "inject" else "authroot-already"))
    before = snapshot(station.folder)
    ran = station.run("--dry-run", command=command, editor=editor)
    assert (ran.code, ran.err) == (0, "")
    report = ran.report
    assert (report["dry_run"], report["changed"], report["ok"]) == (True, True, True)
    assert report["engine"] == "dism"
    assert station.dism.log == station.reg.log == []
    assert snapshot(station.folder) == before


@pytest.mark.posix("elsewhere")
@every_editor
def test_a_dry_run_needs_no_windows(editor: str, station: Station) -> None:
    before = snapshot(station.folder)
    certificate = ("--cert", CERTIFICATE, "--hive-editor", editor, "--format", "json")
    ran = called("inject", station.image, "--index", "all", *certificate, "--engine", "dism", "--dry-run")
    assert ran.code == 0
    plan = ran.report["plan"]
    assert [(image["path"], image["index"]) for image in plan["images"]] == [
        (str(station.image), 1),
        (str(station.image), 2),
    ]
    for image in plan["images"]:
        _assert_adds_the_certificate(image["edits"])
    mounts = [command for command in plan["commands"] if "/Mount-Image" in command]
    assert [command[0] for command in mounts] == ["DISM.exe"] * 2
    folder = mounts[0][-1].removeprefix("/MountDir:")
    assert re.fullmatch(r"C:\\winpe_certs\\\d+-[0-9a-f]{8}\\mount", folder)
    expected = []
    for index in (1, 2):
        image = ("DISM.exe", "/English", "/Mount-Image", f"/ImageFile:{station.image}", f"/Index:{index}")
        expected.append([*image, f"/MountDir:{folder}"])
        expected += _reg_commands(PureWindowsPath(folder)) if editor == "reg" else []
        expected.append(["DISM.exe", "/English", "/Unmount-Image", f"/MountDir:{folder}", "/Commit"])
    assert plan["commands"] == expected
    assert ran.report["dism"] == {"path": "DISM.exe", "version": None}
    assert snapshot(station.folder) == before
    assert station.dism.log == station.reg.log == []


def _reg_commands(mount: PureWindowsPath) -> list[list[str]]:
    key = f"HKLM\\winpe-offline-{mount.parent.name}"
    program = r"C:\Windows\System32\reg.exe"
    return [
        [program, "load", key, str(mount / "Windows" / "System32" / "config" / "SOFTWARE")],
        [program, "import", str(mount.parent / "edits.reg")],
        [program, "query", f"{key}\\{AUTH_ROOT}"],
        [program, "unload", key],
    ]


def _assert_adds_the_certificate(edits: list[dict[str, Any]]) -> None:
    assert [(edit["edit"], edit["key"], edit["value"], edit["type"]) for edit in edits] == [
        ("set-value", AUTH_ROOT, "Blob", 3)
    ]
    assert CERTIFICATE.read_bytes() in bytes.fromhex(edits[0]["data"])


def test_a_dry_run_without_a_change_plans_no_command(station: Station) -> None:
    station.image.write_bytes(variant("authroot-already"))
    report = station.run("--dry-run").report
    assert report["plan"]["commands"] == []
    assert [image["edits"] for image in report["plan"]["images"]] == [[]]


# --- what cannot be meant -------------------------------------------------------------------------


@pytest.mark.posix("elsewhere")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "direct", "--hive-editor", "reg"), "--hive-editor reg needs a hive in a folder"),
        (("--engine", "auto", "--hive-editor", "reg"), "--hive-editor reg needs a hive in a folder"),
        (("--engine", "fuse"), "--engine fuse: there is no such engine"),
        (("--engine", "DISM.exe"), "there is no such engine"),
        (("--hive-editor", "regedit"), "--hive-editor regedit: there is no such editor"),
        (("-o", "out.wim"), "-o works with the direct engine only"),
        (("--dism-timeout", "0"), "--dism-timeout"),
        (("--dism-timeout", "soon"), "--dism-timeout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], words: str, dry_run: bool, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(station.folder)
    before = snapshot(station.folder)
    ran = station.run(*arguments, *["--dry-run"] * dry_run)
    assert ran.code == 2
    assert words in ran.told
    assert "mount" not in station.dism.steps
    assert station.reg.log == []
    assert snapshot(station.folder) == before


def test_an_output_is_refused_before_dism_is_looked_for(station: Station) -> None:
    ran = station.run("-o", station.folder / "out.wim", "--dism", station.folder / "nowhere.exe")
    assert ran.code == 2
    assert "-o works with the direct engine only" in ran.told


@every_editor
def test_an_image_of_drivers_is_passed_over_and_never_mounted(editor: str, station: Station) -> None:
    station.image.write_bytes(beside_data())
    ran = station.run(editor=editor, index="all")
    assert (ran.code, ran.err) == (0, "")
    found = {each["index"]: (each["windows"], each["changed"]) for each in ran.report["images"]}
    assert found == {1: (False, False), 2: (True, True), 3: (True, True)}
    mounts = [call["arguments"] for call in station.dism.calls if call["step"] == "mount"]
    assert ["/Index:2" in mount or "/Index:3" in mount for mount in mounts] == [True, True]
