"""Files that somebody else has open, and two runs at once."""

from __future__ import annotations

import ctypes
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.unit.cli.conftest import TESTDATA, Program
from tests.windows.children import ended_at, finished, paused_at, start
from tests.windows.test_faults import DIRECT, SHARE_ALL, SHARE_READ, held
from winpe_certs.files import failures, holders, locked, windows
from winpe_certs.files.locked import LockHeldError, hold
from winpe_certs.files.name_lock import lock_name
from winpe_certs.files.new import write_new

SECOND = TESTDATA / "certs" / "corp-root-2.cer"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for a file that is held on purpose."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a Windows tree that has a SOFTWARE hive."""
    folder = tmp_path / "mount"
    config = folder / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    (config / "SOFTWARE").write_bytes((TESTDATA / "hives" / "software-1.5.hiv").read_bytes())
    return folder


def holds(run: Program, target: Path, *certificates: Path) -> bool:
    index = ("--index", "1") if target.suffix == ".wim" else ()
    return all(run("verify", target, "--cert", each, *index).code == 0 for each in certificates)


# --- what another program holds ---------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, SHARE_READ, SHARE_ALL])
@pytest.mark.usefixtures("impatient")
def test_an_image_that_another_program_has_open_is_refused(
    run: Program, single: Path, root: Path, share: int
) -> None:
    """Also one that lets everybody do everything: it may read half of a change."""
    with held(single, share):
        done = run("inject", single, "--cert", root, *DIRECT)
    assert done.code == 4
    assert ("is working on this file" if share else "has this file open") in done.err
    assert single.read_bytes() == (TESTDATA / "boot.wim").read_bytes()
    assert run("inject", single, "--cert", root, *DIRECT).code == 0


@pytest.mark.parametrize("command", [("inject", "--cert"), ("remove", "--cert")])
@pytest.mark.usefixtures("impatient")
def test_a_hive_that_is_held_is_refused_and_kept(
    run: Program, hive: Path, root: Path, command: tuple[str, str]
) -> None:
    assert command[0] == "inject" or run("inject", hive, "--cert", root).code == 0
    before = hive.read_bytes()
    with held(hive, SHARE_READ):
        done = run(command[0], hive, command[1], root)
    assert done.code == 4
    assert "another program has this file open" in done.err
    assert hive.read_bytes() == before
    assert [each.name for each in hive.parent.iterdir()] == [hive.name]


@pytest.mark.usefixtures("impatient")
def test_the_message_names_the_program_that_holds_the_file(
    run: Program, single: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the restart manager gives it; Wine 8 has one that knows of nobody."""
    entry = entry_of(4711, "Contoso Backup", "contosobkp")
    for module in (failures, locked):
        monkeypatch.setattr(module, "who_holds", lambda _: holders.named(list(holders.parse_holders(entry))))
    with held(single, 0):
        for command in ("inject", "verify"):
            done = run(command, single, "--cert", root, *(DIRECT if command == "inject" else ()))
            assert done.code == 4
            assert "It is open in Contoso Backup, service contosobkp (process 4711)." in done.err


def test_nobody_is_named_where_the_restart_manager_knows_nobody(single: Path) -> None:
    assert holders.who_holds(single) == ""
    assert holders.who_holds(single.with_name("missing")) == ""


class RestartManager:
    """Answers as the library of Windows does, which says at first that it needs more room."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries, self.ended = entries, 0

    def RmStartSession(self, *_: Any) -> int:  # noqa: N802 - the system's name
        return 0

    def RmRegisterResources(self, _: Any, count: int, names: Any, *__: Any) -> int:  # noqa: N802 - the system's name
        assert (count, len(names)) == (1, 1)
        assert names[0][1:3] == ":\\"
        return 0

    def RmGetList(self, _: Any, needed: Any, count: Any, room: Any, __: Any) -> int:  # noqa: N802 - the system's name
        needed._obj.value = len(self.entries)
        if count._obj.value < len(self.entries):
            return 234
        count._obj.value = len(self.entries)
        if self.entries:
            room[:] = b"".join(self.entries).ljust(len(room), b"\0")
        return 0

    def RmEndSession(self, _: Any) -> int:  # noqa: N802 - the system's name
        self.ended += 1
        return 0


def entry_of(number: int, program: str, service: str = "") -> bytes:
    """An RM_PROCESS_INFO as Microsoft lays it out, of 668 bytes."""
    names = program.encode("utf-16-le").ljust(512, b"\0") + service.encode("utf-16-le").ljust(128, b"\0")
    return struct.pack("<IQ", number, 133_000_000_000_000_000) + names + struct.pack("<iIIi", 3, 1, 2, 0)


def test_all_that_the_restart_manager_gives_is_read(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = RestartManager([entry_of(12, "Explorer"), entry_of(13, "x" * 255), entry_of(14, "", "svc\x07")])
    monkeypatch.setattr(ctypes, "WinDLL", lambda _: manager)
    words = holders.who_holds(single)
    assert words == (
        f"It is open in Explorer (process 12); {'x' * 255} (process 13); "
        "a program without a name, service svc\\x07 (process 14)."
    )
    assert manager.ended == 1
    manager.entries = []
    assert holders.who_holds(single) == ""


def test_it_is_read_only_said_at_once_and_for_each_kind(
    run: Program, single: Path, hive: Path, tree: Path, root: Path, proof: Path
) -> None:
    assert run("inject", single, "--cert", root, *DIRECT, "--evidence", proof).code == 0
    inside = tree / "Windows" / "System32" / "config" / "SOFTWARE"
    files = {each: each.read_bytes() for each in (single, hive, inside)}
    for each in files:
        each.chmod(stat.S_IREAD)
    calls: list[tuple[object, ...]] = [
        ("inject", single, "--cert", SECOND, *DIRECT),
        ("compact", single),
        ("undo", single, "--evidence", proof),
        ("inject", hive, "--cert", root),
        ("inject", tree, "--cert", root),
    ]
    try:
        for call in calls:
            done = run(*call, "-v")
            assert done.code == 4, call
            assert "read-only" in done.err
            assert "attempt" not in done.err
    finally:
        for each in files:
            each.chmod(stat.S_IREAD | stat.S_IWRITE)
    assert {each: each.read_bytes() for each in files} == files
    assert [each.name for each in inside.parent.iterdir()] == ["SOFTWARE"]


# --- two runs ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["image", "hive", "folder"])
def target(request: pytest.FixtureRequest, single: Path, hive: Path, tree: Path) -> Path:
    """Each kind of what is changed."""
    return {"image": single, "hive": hive, "folder": tree}[request.param]


def test_two_runs_at_once_are_kept_apart(run: Program, target: Path, root: Path, tmp_path: Path) -> None:
    """The first stands between its change and the end of its verification; the second is refused or waits."""
    index = ("--engine", "direct", "--index", "1") if target.suffix == ".wim" else ()
    step = "header 1 after" if target.suffix == ".wim" else "ReplaceFile 1 after"
    with paused_at(step, tmp_path, "inject", target, "--cert", root, *index):
        # Who only reads is let in, and sees the change as a whole.
        assert holds(run, target, root)
        second = run("inject", target, "--cert", SECOND, *index)
        assert second.code == 4
        assert "another program is working on this file" in second.err
        waiting = start("inject", target, "--cert", SECOND, *index, "--wait", "60", "-v")
    code, out = finished(waiting)
    assert code == 0, out
    assert holds(run, target, root, SECOND)


def test_two_runs_on_a_share_are_kept_apart(run: Program, share: str, root: Path, tmp_path: Path) -> None:
    image = Path(share) / "boot.wim"
    image.write_bytes((TESTDATA / "boot.wim").read_bytes())
    with paused_at("ReplaceFile 1 before", tmp_path, "inject", image, "--cert", root, *DIRECT):
        second = run("inject", image, "--cert", SECOND, *DIRECT)
        assert second.code == 4
        assert "another program is working on this file" in second.err
    assert run("inject", image, "--cert", SECOND, *DIRECT).code == 0
    assert holds(run, image, root, SECOND)


def test_the_name_of_an_image_is_kept_while_it_is_let_go_to_be_replaced(
    run: Program, single: Path, root: Path, tmp_path: Path
) -> None:
    assert run("inject", single, "--cert", root, *DIRECT).code == 0
    with paused_at("ReplaceFile 1 before", tmp_path, "compact", single):
        for command in (("inject", single, "--cert", SECOND, *DIRECT), ("compact", single)):
            assert run(*command).code == 4
        # Who only reads is let in.
        assert holds(run, single, root)
    assert run("inject", single, "--cert", SECOND, *DIRECT).code == 0
    assert holds(run, single, root, SECOND)


def test_the_lock_of_a_name_is_that_of_each_spelling(hive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hive.parent)
    lock = hold(hive, 0)
    assert lock is not None
    for spelling in (str(hive).upper(), f"\\\\?\\{hive}", hive.name, f"{hive.drive}{hive.name}"):
        with pytest.raises(LockHeldError):
            hold(Path(spelling), 0)
    lock.close()
    lock.close()
    again = hold(hive, 0)
    assert again is not None
    again.close()


def test_the_lock_of_a_run_that_was_ended_is_free(run: Program, hive: Path, root: Path) -> None:
    ended_at("ReplaceFile 1 before", "inject", hive, "--cert", root)
    lock_name(hive).close()
    assert run("inject", hive, "--cert", root).code == 0


# --- replacing --------------------------------------------------------------------------------------------


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """What the system is asked for when a file is replaced."""
    calls: list[tuple[Any, ...]] = []
    module: Any = windows
    kernel = module._kernel32
    real = kernel.ReplaceFileW

    class Kernel:
        def __getattr__(self, name: str) -> Any:
            return getattr(kernel, name)

        def ReplaceFileW(self, *arguments: Any) -> Any:  # noqa: N802 - the system's name
            calls.append(arguments)
            return real(*arguments)

    monkeypatch.setattr(windows, "_kernel32", Kernel())
    yield calls


def test_a_replacement_lets_nothing_be_lost(hive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No flag lets ReplaceFileW pass over an access control list or a stream; the old file has a way back."""
    with recorded(monkeypatch) as calls:
        write_new(hive, [b"new"], overwrite=True)
    ((target, replacement, backup, flags, *rest),) = calls
    assert (target, flags, rest) == (str(hive), 0, [None, None])
    assert Path(replacement).parent == Path(backup).parent == hive.parent
    assert hive.read_bytes() == b"new"
    assert [each.name for each in hive.parent.iterdir()] == [hive.name]


def test_streams_of_a_file_that_is_replaced_stay(run: Program, hive: Path, root: Path) -> None:
    stream = f"{hive}:Zone.Identifier"
    try:
        Path(stream).write_bytes(b"[ZoneTransfer]\r\nZoneId=3\r\n")
    except OSError:
        needs.cannot_here("streams")
    if f"{hive.name}:Zone.Identifier" in {each.name for each in hive.parent.iterdir()}:
        needs.cannot_here("streams")
    assert run("inject", hive, "--cert", root).code == 0
    assert Path(stream).read_bytes() == b"[ZoneTransfer]\r\nZoneId=3\r\n"


def test_the_access_control_list_of_a_file_that_is_replaced_stays(
    run: Program, hive: Path, root: Path, icacls: Any
) -> None:
    icacls(hive, "/inheritance:r", "/grant", "*S-1-1-0:(R,W,D,RC)")
    before = icacls(hive)
    if "(R,W" not in before:
        needs.cannot_here("lists")
    assert run("inject", hive, "--cert", root).code == 0
    assert icacls(hive) == before


@pytest.fixture
def icacls() -> Any:
    """Run the system's own program for access control lists."""
    import subprocess

    def call(*arguments: object) -> str:
        done = subprocess.run(["icacls", *map(str, arguments)], capture_output=True, check=False)
        return done.stdout.decode("ascii", "replace")

    return call
