"""One suite for every kind of target: the whole life of a certificate, and a failure at each step of it.

A WIM in place, a WIM written to another file, a folder, a bare hive, a bare hive written to another file.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.testdata import hives, pki
from tests.conftest import Judge
from tests.contract.target_kinds import (
    BARE,
    BARE_COPY,
    CERTIFICATE,
    FOLDER_KIND,
    THUMBPRINT,
    WIM,
    Kind,
    Made,
    State,
    every_copy,
    every_kind,
    every_kind_in_place,
    immutable,
    opened,
    replace_hive,
    signalled_at_sync,
    verify,
)
from winpe_certs.cli.main import main
from winpe_certs.engines.base import Images
from winpe_certs.errors import EnvironmentFailure, VerificationFailure


def _listed(path: Path, capsys: pytest.CaptureFixture[str]) -> set[str]:
    capsys.readouterr()
    assert main(["list", str(path), "--store", "AuthRoot", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    return {found["thumbprint"] for image in report["images"] for found in image["certificates"]}


# --- the whole life -------------------------------------------------------------------------------


@every_kind
def test_inject_verify_list_remove_verify(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = kind.make(tmp_path)
    assert verify(made.path) == 1
    assert made.run("inject") == 0
    assert verify(made.result) == 0
    assert THUMBPRINT in _listed(made.result, capsys)
    assert pki.der("corp-root") in made.hive(judge)
    if made.output is None:
        assert made.run("remove") == 0
    else:
        assert verify(made.path) == 1
        assert made.run("remove", "--overwrite", image=made.output) == 2, "the output is the image itself"
        again = tmp_path / "again.bin"
        assert main(["remove", str(made.output), "--cert", str(CERTIFICATE), "-o", str(again)]) == 0
        again.replace(made.output)
    assert verify(made.result) == 1
    assert THUMBPRINT not in _listed(made.result, capsys)


@every_kind
def test_only_the_target_or_the_output_changes(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    before = made.state().files
    assert made.run("inject") == 0
    capsys.readouterr()
    after = made.state().files
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {str((made.output or made.file).relative_to(tmp_path))}


@every_kind
@pytest.mark.parametrize(("command", "injected"), [("inject", False), ("remove", True)])
def test_a_dry_run_tells_and_writes_nothing(
    kind: Kind, command: str, injected: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path, injected=injected)
    before = made.state()
    assert made.run(command, "--dry-run", "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["dry_run"], report["changed"], report["ok"]) == (True, True, True)
    assert made.state() == before


@every_kind_in_place
@pytest.mark.parametrize(("command", "injected"), [("inject", True), ("remove", False)])
def test_what_is_so_already_is_not_written_again(
    kind: Kind, command: str, injected: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path, injected=injected)
    before = made.state()
    assert made.run(command, "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["changed"] is False
    assert made.state() == before


@every_copy
def test_a_copy_is_written_even_when_nothing_changes(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = kind.make(tmp_path, injected=True)
    assert made.run("inject") == 0
    capsys.readouterr()
    assert verify(made.result) == 0
    assert made.hive(judge) == hives.hive_variant("in-authroot.hiv")


@every_copy
def test_an_existing_output_is_kept_unless_it_may_be_overwritten(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    assert made.output is not None
    made.output.write_bytes(b"somebody's file")
    before = made.state()
    assert made.run("inject") == 2
    assert str(made.output) in capsys.readouterr().err
    assert made.state() == before
    assert made.run("inject", "--overwrite") == 0
    assert verify(made.output) == 0


# --- failures -------------------------------------------------------------------------------------


def _raising_at(number: int, error: BaseException) -> Callable[[Images, int | None], None]:
    calls: list[Images] = []

    def count(images: Images, index: int | None) -> None:
        assert index in {image.index for image in images.images}
        calls.append(images)
        if len(calls) == number:
            raise error

    return count


def _untouched(made: Made, before: State, judge: Judge, *, header_written: bool = False) -> None:
    """The target is what it was but for times, and nothing else is there.

    Once the header of a WIM was written, unused bytes may stand behind its end.
    """
    contents = {name: entry[:1] + entry[2:] for name, entry in before.files.items()}
    now = {name: entry[:1] + entry[2:] for name, entry in made.state().files.items()}
    name = str(made.file.relative_to(made.path.parent.parent))
    if made.kind is WIM and header_written:
        old, new = contents.pop(name), now.pop(name)
        assert new[0][: len(old[0])] == old[0]
        assert new[1:] == old[1:]
    assert now == contents
    if made.kind.is_wim:
        judge("wimlib-imagex", "verify", made.path)


@every_kind
@pytest.mark.parametrize(
    "error",
    [VerificationFailure("not what it should be"), OSError(errno.EIO, "bad sector"), RuntimeError("defect")],
    ids=lambda error: type(error).__name__,
)
def test_a_verification_that_fails_leaves_the_target_as_it_was(
    kind: Kind, error: Exception, tmp_path: Path, judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with opened(made) as target:
        replace_hive(target)
        with pytest.raises((VerificationFailure, EnvironmentFailure, type(error))):
            target.commit(_raising_at(1, error))
    _untouched(made, before, judge, header_written=True)


@every_kind
def test_an_interrupt_during_verification_leaves_the_target_as_it_was(
    kind: Kind, tmp_path: Path, judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with opened(made) as target:
        replace_hive(target)
        with pytest.raises(KeyboardInterrupt):
            target.commit(_raising_at(1, KeyboardInterrupt()))
    _untouched(made, before, judge, header_written=True)


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE], ids=str)
@pytest.mark.parametrize("error", [VerificationFailure("changed its mind"), KeyboardInterrupt()], ids=repr)
def test_a_verification_that_fails_after_the_rename_puts_the_old_file_back(
    kind: Kind, error: BaseException, tmp_path: Path, judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with opened(made) as target:
        replace_hive(target)
        with pytest.raises(type(error)):
            target.commit(_raising_at(2, error))
    _untouched(made, before, judge)


@every_kind
def test_leaving_without_commit_writes_nothing(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with opened(made) as target:
        replace_hive(target)
        target.rehearse(lambda _, __: None)
    assert made.state() == before


def _failing_syncs(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> list[int]:
    """Let the nth sync of a run fail; gives the list of syncs so far."""
    calls: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == number:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    return calls


@every_kind
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("code", "cause"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "input/output")])
def test_a_sync_that_fails_leaves_the_target_as_it_was_or_says_that_it_is_written(
    kind: Kind,
    number: int,
    code: int,
    cause: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    judge: Judge,
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with monkeypatch.context() as patch:
        calls = _failing_syncs(patch, number, code)
        assert made.run("inject") == 4
    assert len(calls) >= number
    told = capsys.readouterr().err
    assert cause in told
    assert str(made.output or made.file) in told
    if number > 1 and not kind.is_wim and not kind.is_copy:
        assert "the file itself is written completely" in told
    else:
        _untouched(made, before, judge, header_written=number > 1)
    assert made.run("inject") == 0, "and the same command works once the cause is gone"
    assert verify(made.result) == 0


_LIMITED = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from winpe_certs.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@every_kind
@pytest.mark.parametrize("behind", [-1000, 1, 1000, 4097])
def test_a_write_that_stops_half_way_leaves_the_target_as_it_was(
    kind: Kind, behind: int, tmp_path: Path, judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    # A new hive is as long as the old one or longer by a bin: it never fits into less than the old one.
    in_place = made.kind.is_wim and not made.kind.is_copy
    limit = made.file.stat().st_size + (behind if in_place else -abs(behind))
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(limit), *made.command("inject")],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 4, done.stderr
    assert b"larger than is allowed" in done.stderr
    _untouched(made, before, judge)


@every_kind
@pytest.mark.parametrize("number", [1, 2])
def test_a_run_that_is_killed_leaves_a_sound_target_and_the_next_run_finishes_it(
    kind: Kind,
    number: int,
    tmp_path: Path,
    judge: Judge,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Times are part of what is compressed, so sizes are the same with one clock alone.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    made = kind.make(tmp_path)
    content = made.file.read_bytes()
    command = signalled_at_sync(made, number, signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    if number == 1 or made.output:
        assert made.file.read_bytes()[: len(content)] == content, "the old one, before the commit"
    if made.kind.is_wim:
        judge("wimlib-imagex", "verify", made.path)
    assert made.run("inject", "--overwrite") == 0
    assert verify(made.result) == 0
    capsys.readouterr()
    if made.kind is WIM:
        other = kind.make(tmp_path / "target")
        assert other.run("inject") == 0
        assert made.file.stat().st_size == other.file.stat().st_size, "unused bytes were used again"


# --- others at work -------------------------------------------------------------------------------


@pytest.mark.posix("locks")
@pytest.mark.parametrize("kind", [WIM, BARE, FOLDER_KIND], ids=str)
@pytest.mark.parametrize("command", ["inject", "remove"])
def test_the_second_of_two_runs_stops_with_a_clear_message(
    kind: Kind, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import fcntl

    made = kind.make(tmp_path)
    before = made.state()
    with made.file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert made.run(command) == 4
        told = capsys.readouterr().err
        assert f"{made.file}: another program is working on this file" in told
        assert verify(made.path) == 1, "looking needs no lock"
    assert made.state() == before
    assert made.run(command) == 0


@pytest.mark.posix("locks")
def test_a_lock_is_held_until_the_target_is_closed(tmp_path: Path) -> None:
    import fcntl

    made = WIM.make(tmp_path)
    with made.file.open("rb") as file:
        with opened(made), pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE, BARE_COPY], ids=str)
def test_a_hive_that_somebody_else_changes_meanwhile_is_not_overwritten(kind: Kind, tmp_path: Path) -> None:
    made = kind.make(tmp_path)
    theirs = hives.hive_variant("root-only.hiv")
    with opened(made) as target:
        replace_hive(target)
        made.file.write_bytes(theirs)
        with pytest.raises(EnvironmentFailure, match="another program has changed the file"):
            target.commit(lambda _, __: None)
    assert made.file.read_bytes() == theirs
    assert made.output is None or not made.output.exists()


def test_a_header_that_somebody_else_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    made = WIM.make(tmp_path)
    content = made.file.read_bytes()
    with opened(made) as target:
        replace_hive(target)
        with made.file.open("r+b") as file:
            file.seek(24)
            file.write(b"another GUID....")
        with pytest.raises(EnvironmentFailure, match="another program has changed the file"):
            target.commit(lambda _, __: None)
    assert made.file.read_bytes() == content[:24] + b"another GUID...." + content[40:]


# --- paths, rights, owners ------------------------------------------------------------------------


@every_kind
def test_a_symbolic_link_stays_one_and_what_it_names_is_changed(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    content = made.file.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(made.path)
    assert made.run("inject", image=link) == 0
    assert verify(made.output or link) == 0
    capsys.readouterr()
    assert link.is_symlink()
    assert link.readlink() == made.path
    assert (made.file.read_bytes() == content) == kind.is_copy
    if made.output:
        assert not made.output.is_symlink()


@every_kind_in_place
def test_a_file_that_may_not_be_written_is_named_with_a_remedy_and_left_alone(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.state()
    with immutable(made.file, judge):
        assert made.run("inject") == 4
        told = capsys.readouterr().err
        assert f"{made.file}: cannot write: the operation is not permitted" in told
        assert "-o writes elsewhere" in told
        assert made.state() == before
        assert made.run("inject", "--dry-run") == 0
        assert made.run("remove") == 0, "it is not there, so nothing has to be written"
        assert made.state() == before


@every_copy
def test_a_file_that_may_not_be_written_can_be_copied_with_the_change(
    kind: Kind, tmp_path: Path, judge: Judge
) -> None:
    made = kind.make(tmp_path)
    before = made.file.read_bytes()
    with immutable(made.file, judge):
        assert made.run("inject") == 0
        assert verify(made.result) == 0
        assert made.file.read_bytes() == before


_AS_NOBODY = """
import contextlib, io, os, sys
from winpe_certs.cli.main import main
# Once for nothing, because another user may not be able to read the modules.
with contextlib.redirect_stdout(io.StringIO()):
    assert main([*sys.argv[1:], "--dry-run"]) == 0
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@every_kind_in_place
def test_a_user_without_rights_is_told_so_and_leaves_no_trace(kind: Kind) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    # The folders of pytest are for their owner only.
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        made = kind.make(home)
        certificate = home / "root.cer"
        shutil.copyfile(CERTIFICATE, certificate)
        before = made.state()
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, "inject", made.path, "--cert", certificate],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 4, done.stderr
        assert str(made.file).encode() in done.stderr
        assert b"permission denied" in done.stderr
        assert made.state() == before


@every_kind
@pytest.mark.parametrize("mode", [0o640, 0o444, 0o604])
def test_mode_and_owner_are_kept(
    kind: Kind, mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kind.make(tmp_path)
    made.file.chmod(mode)
    owner = (os.getuid(), os.getgid())
    if os.getuid() == 0:
        owner = (12345, 23456)
        os.chown(made.file, *owner)
    assert made.run("inject") == 0
    capsys.readouterr()
    status = made.file.stat()
    assert (status.st_mode & 0o7777, (status.st_uid, status.st_gid)) == (mode, owner)
    if made.output is not None:
        umask = os.umask(0)
        os.umask(umask)
        assert made.output.stat().st_mode & 0o7777 == 0o666 & ~umask
