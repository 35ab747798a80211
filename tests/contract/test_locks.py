"""Who takes a lock and who does not, what two runs at once do to one target, and how long a run waits."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.crash.strace import traced, why_not
from scripts.testdata import hives
from scripts.testdata.build import FOLDER
from tests.conftest import Judge
from tests.contract.target_kinds import (
    BARE,
    BARE_COPY,
    CERTIFICATE,
    FOLDER_KIND,
    WIM,
    WIM_COPY,
    Kind,
    Made,
    every_copy,
    every_kind_in_place,
    immutable,
    opened,
    replace_hive,
    verify,
)
from winpe_certs.cli.main import main
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.workflows import planning, writing

OTHER = FOLDER / "certs" / "corp-issuing.cer"
WINPE_CERTS = [sys.executable, "-m", "winpe_certs"]


def inject(made: Made, certificate: Path, *more: str) -> int:
    """Put a certificate in by this process."""
    return main(["inject", str(made.path), "--cert", str(certificate), "-q", *more])


def has(path: Path, certificate: Path) -> bool:
    """Whether a certificate is in the target."""
    return main(["verify", str(path), "--cert", str(certificate), "-q"]) == 0


# --- two runs on one target -----------------------------------------------------------------------


@every_kind_in_place
def test_of_two_runs_at_once_one_is_refused_and_both_certificates_can_be_had(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    with opened(made) as target:
        replace_hive(target)
        assert inject(made, OTHER) == 4
        told = capsys.readouterr().err
        assert f"{made.file}: another program is working on this file" in told
        assert "--wait" in told
        target.commit(lambda _, __: None)
        assert inject(made, OTHER) == 4, "it is locked until the target is closed"
    assert inject(made, OTHER) == 0
    assert has(made.path, CERTIFICATE)
    assert has(made.path, OTHER)


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE], ids=str)
def test_a_hive_that_is_verified_in_its_place_is_nobody_else_s_yet(kind: Kind, tmp_path: Path) -> None:
    """Else its old contents might go back over what a second run has put there."""
    made = kind.make(tmp_path)
    codes: list[int] = []

    def look(_: object, __: object) -> None:
        if made.file.read_bytes() != hives.hive_variant("no-free-cells.hiv"):
            codes.append(inject(made, OTHER))
            raise EnvironmentFailure("the disk gives back something else")

    with opened(made) as target:
        replace_hive(target)
        with pytest.raises(EnvironmentFailure, match="could not be verified"):
            target.commit(look)
    assert codes == [4]
    assert made.file.read_bytes() == hives.hive_variant("no-free-cells.hiv")


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE], ids=str)
def test_old_contents_do_not_go_back_over_a_hive_that_was_replaced(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    theirs = hives.hive_variant("root-only.hiv")

    def look(_: object, __: object) -> None:
        if made.file.read_bytes() != hives.hive_variant("no-free-cells.hiv"):
            (tmp_path / "theirs").write_bytes(theirs)
            (tmp_path / "theirs").replace(made.file)
            raise EnvironmentFailure("this is another hive")

    with opened(made) as target:
        replace_hive(target)
        with pytest.raises(EnvironmentFailure, match="another program has changed the file"):
            target.commit(look)
    assert made.file.read_bytes() == theirs
    assert [each.name for each in made.file.parent.iterdir() if each.name.endswith(".new")] == []


@every_kind_in_place
def test_many_runs_at_once_lose_no_certificate(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    given = [CERTIFICATE, OTHER]
    runs = [
        subprocess.Popen([*WINPE_CERTS, "inject", str(made.path), "--cert", str(each), "-q", "--wait", "60"])
        for each in given
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert [has(made.path, each) for each in given] == [True, True]


def second_name(made: Made, how: str) -> Path:
    """Another name of the file."""
    name = made.path.with_name("other-name")
    if how == "link":
        name.symlink_to(made.path)
    else:
        name.hardlink_to(made.path)
    return name


@pytest.mark.parametrize("how", ["link", "hard link"])
@pytest.mark.parametrize("kind", [WIM, BARE], ids=str)
def test_two_names_of_one_file_have_one_lock(kind: Kind, how: str, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    name = second_name(made, how)
    with opened(made) as target:
        replace_hive(target)
        command = ["inject", str(name), "--cert", str(OTHER), "-q", "--force-managed-copy"]
        assert main(command) == 4
    assert main(command) == 0
    assert has(name, OTHER)


@pytest.mark.parametrize("held", ["inject", "undo", "compact"])
@pytest.mark.parametrize("command", ["inject", "remove", "undo", "compact"])
def test_commands_keep_each_other_out(
    held: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = WIM.make(tmp_path)
    proof = tmp_path / "proof.json"
    commands = {
        "inject": ["inject", str(made.path), "--cert", str(OTHER), "-q"],
        "remove": ["remove", str(made.path), "--cert", str(CERTIFICATE), "-q"],
        "undo": ["undo", str(made.path), "--evidence", str(proof), "-q"],
        "compact": ["compact", str(made.path), "-q"],
    }
    assert inject(made, CERTIFICATE, "--evidence", str(proof)) == 0
    real = os.fsync
    codes: list[int] = []

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if not codes:
            codes.append(-1)
            before = made.file.read_bytes()
            codes.append(main(commands[command]))
            assert made.file.read_bytes() == before

    monkeypatch.setattr(os, "fsync", fsync)
    assert main(commands[held]) == 0
    assert codes == [-1, 4]


# --- waiting --------------------------------------------------------------------------------------


def holding(path: Path, seconds: float, before: Callable[[], object] = lambda: None) -> threading.Thread:
    """Hold the lock of a file for some time, do something, and let go."""
    file = path.open("rb")
    fcntl.flock(file, fcntl.LOCK_EX)

    def hold() -> None:
        time.sleep(seconds)
        before()
        file.close()

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


@every_kind_in_place
@pytest.mark.parametrize("command", ["inject", "remove"])
def test_a_run_that_may_wait_goes_on_when_the_lock_is_free(kind: Kind, command: str, tmp_path: Path) -> None:
    made = kind.make(tmp_path, injected=command == "remove")
    thread = holding(made.file, 0.3)
    assert made.run(command, "-q", "--wait", "60") == 0
    thread.join()
    assert verify(made.path) == (0 if command == "inject" else 1)


@every_kind_in_place
def test_after_waiting_the_file_is_read_afresh(kind: Kind, tmp_path: Path) -> None:
    made, other = kind.make(tmp_path), kind.make(_folder(tmp_path / "other"))
    assert inject(other, OTHER) == 0
    thread = holding(made.file, 0.3, lambda: other.file.replace(made.file))
    assert made.run("inject", "-q", "--wait", "60") == 0
    thread.join()
    assert has(made.path, OTHER)
    assert has(made.path, CERTIFICATE)


@pytest.mark.parametrize("command", ["undo", "compact"])
def test_undo_and_compact_wait_as_well(command: str, tmp_path: Path) -> None:
    made = WIM.make(tmp_path)
    before = made.file.read_bytes()
    proof = tmp_path / "proof.json"
    assert inject(made, CERTIFICATE, "--evidence", str(proof)) == 0
    words = [command, str(made.path), *(["--evidence", str(proof)] if command == "undo" else [])]
    changed = made.file.read_bytes()
    thread = holding(made.file, 0.3)
    assert main([*words, "-q"]) == 4
    assert main([*words, "-q", "--wait", "60"]) == 0
    thread.join()
    assert made.file.read_bytes() == before if command == "undo" else made.file.stat().st_size < len(changed)


@every_kind_in_place
def test_when_the_time_is_over_it_is_said_what_to_do(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with made.file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert made.run("inject", "--wait", "0.2") == 4
    told = capsys.readouterr().err
    assert "another program is working on this file" in told
    assert "--wait" in told
    assert made.state() == before


@pytest.mark.parametrize("kind", [WIM, BARE], ids=str)
def test_an_interrupt_ends_the_waiting(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with made.file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        command = [*WINPE_CERTS, *made.command("inject"), "--wait", "600", "-v"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            line = ""
            while "waiting" not in line:
                line = run.stderr.readline()
                assert line
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
    assert run.returncode == 130
    assert made.state() == before


@pytest.mark.parametrize("text", ["-1", "nan", "86401", "long", ""])
def test_a_time_to_wait_that_is_none(text: str, tmp_path: Path) -> None:
    made = WIM.make(tmp_path)
    assert made.run("inject", "--wait", text) == 2


# --- reading only ---------------------------------------------------------------------------------


def dry_runs(made: Made, folder: Path) -> Iterator[list[str]]:
    """The ways to run a changing command that write nothing to the target."""
    name, certificate = str(made.path), str(CERTIFICATE)
    yield ["inject", name, "--cert", certificate, "-n"]
    yield ["remove", name, "--cert", certificate, "-n"]
    if made.kind is not FOLDER_KIND:
        yield ["inject", name, "--cert", certificate, "-o", str(folder / "inject.out")]
    if made.kind is WIM:
        yield ["compact", name, "-n"]
        yield ["compact", name, "-o", str(folder / "compact.out")]


@every_kind_in_place
def test_who_only_reads_takes_no_lock_and_waits_for_none(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    with made.file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for words in dry_runs(made, tmp_path):
            assert main([*words, "-q"]) == 0, words


def test_a_dry_run_of_undo_takes_no_lock(tmp_path: Path) -> None:
    made = WIM.make(tmp_path)
    proof = tmp_path / "proof.json"
    assert inject(made, CERTIFICATE, "--evidence", str(proof)) == 0
    with made.file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["undo", str(made.path), "--evidence", str(proof), "-n", "-q"]) == 0


@every_copy
def test_four_copies_are_made_at_once(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    command = [*WINPE_CERTS, "inject", str(made.path), "--cert", str(CERTIFICATE), "-q", "-o"]
    runs = [subprocess.Popen([*command, str(tmp_path / f"{number}.out")]) for number in range(4)]
    assert [run.wait(timeout=120) for run in runs] == [0] * 4
    assert [verify(tmp_path / f"{number}.out") for number in range(4)] == [0] * 4


@every_kind_in_place
def test_an_overlay_is_not_copied_up_by_who_only_reads(kind: Kind, tmp_path: Path, judge: Judge) -> None:
    (lower := tmp_path / "lower").mkdir()
    made = kind.make(lower)
    (upper := tmp_path / "upper").mkdir()
    (whole := tmp_path / "whole").mkdir()
    if judge("mount", "-t", "tmpfs", "tmpfs", upper, check=False).returncode != 0:
        pytest.skip("this user may not mount")
    try:
        (upper / "up").mkdir()
        (upper / "work").mkdir()
        where = f"lowerdir={lower},upperdir={upper / 'up'},workdir={upper / 'work'}"
        if judge("mount", "-t", "overlay", "overlay", "-o", where, whole, check=False).returncode != 0:
            pytest.skip("this system has no overlay file system")
        try:
            seen = Made(
                kind, whole / made.path.relative_to(lower), whole / made.file.relative_to(lower), None
            )
            for words in dry_runs(seen, tmp_path):
                assert main([*words, "-q"]) == 0, words
            assert [each for each in (upper / "up").rglob("*") if each.is_file()] == []
        finally:
            judge("umount", whole)
    finally:
        judge("umount", upper)


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
@pytest.mark.parametrize("kind", [WIM], ids=str)
def test_without_locks_reading_works_and_writing_in_place_is_refused_with_advice(
    kind: Kind, error: str, tmp_path: Path
) -> None:
    if why_not():
        pytest.skip(why_not())
    made = kind.make(tmp_path)
    before = made.state()

    def run(*words: str) -> tuple[int, str]:
        inject = [f"flock:error={error}"]
        done = traced([*WINPE_CERTS, *words], trace=["flock"], inject=inject)
        return done.code, done.error

    code, told = run(*made.command("inject"))
    assert code == 4
    assert f"{made.file}: this file system knows no locks" in told
    assert "-o" in told
    assert made.state() == before
    if error == "ENOSYS":
        assert run("list", str(made.path))[0] == 0
        for words in dry_runs(made, tmp_path):
            assert run(*words)[0] == 0, words


@every_copy
@pytest.mark.parametrize("more", [[], ["-n"]], ids=["copy", "dry run"])
@pytest.mark.parametrize("how", ["written", "replaced", "same size"])
def test_a_copy_of_a_file_that_changes_meanwhile_is_refused(
    kind: Kind,
    more: list[str],
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other program acts while the last look is taken at what was made."""
    made = kind.make(tmp_path)
    real = planning.confirm
    calls: list[int] = []

    def confirm(*given: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            data = made.file.read_bytes()
            if how == "replaced":
                (tmp_path / "theirs").write_bytes(data)
                (tmp_path / "theirs").replace(made.file)
            else:
                made.file.write_bytes(data[:-1] + b"x" + (b"y" if how == "written" else b""))
        return real(*given)  # type: ignore[arg-type] # as they were given

    monkeypatch.setattr(writing, "confirm", confirm)
    assert made.run("inject", *more) == 4
    assert "another program has changed the file during this run" in capsys.readouterr().err
    assert made.output is not None
    assert not made.output.exists()
    assert len(calls) == 2


def test_compact_to_another_file_notices_that_the_image_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = WIM.make(tmp_path)
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        os.utime(made.file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert main(["compact", str(made.path), "-o", str(tmp_path / "out.wim"), "-q"]) == 4
    assert not (tmp_path / "out.wim").exists()


@pytest.mark.parametrize("kind", [WIM_COPY, BARE_COPY], ids=str)
def test_an_image_that_nobody_may_write_to_is_copied(kind: Kind, tmp_path: Path, judge: Judge) -> None:
    made = kind.make(tmp_path)
    with immutable(made.file, judge):
        assert made.run("inject", "-q") == 0
        assert made.run("inject", "-q", "-n", "--overwrite") == 0
    assert verify(made.result) == 0


def test_a_pipe_in_the_place_of_a_hive_holds_nobody_up(tmp_path: Path) -> None:
    made = FOLDER_KIND.make(tmp_path)
    made.file.unlink()
    os.mkfifo(made.file)
    done = subprocess.run([*WINPE_CERTS, *made.command("inject")], check=False, timeout=60)
    assert done.returncode == 3


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
