from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from winpe_certs import interrupts
from winpe_certs.cli.signals import ended_by_signals
from winpe_certs.errors import EnvironmentFailure, Interrupted, UsageError
from winpe_certs.files import new
from winpe_certs.files.failures import system_errors
from winpe_certs.files.locked import LockedFile
from winpe_certs.files.new import write_new


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.write_bytes(b"head" + b"old" * 10)
    return path


class UnwantedError(Exception):
    """Raised by a test's check."""


def refuse(_: Path) -> None:
    raise UnwantedError


def test_a_new_file_appears_complete_with_the_usual_mode(tmp_path: Path) -> None:
    seen: list[bytes] = []
    path = tmp_path / "new"
    write_new(path, [b"one", b"two"], check=lambda written: seen.append(written.read_bytes()))
    assert path.read_bytes() == b"onetwo"
    assert seen == [b"onetwo"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.posix("modes")
def test_the_temporary_file_is_for_its_owner_only(tmp_path: Path) -> None:
    modes: list[int] = []

    def pieces() -> Iterator[bytes]:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        yield b"x"

    write_new(tmp_path / "new", pieces())
    assert modes == [0o600]


def test_an_existing_file_needs_overwrite(target: Path) -> None:
    before = target.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write_new(target, [b"new"])
    assert target.read_bytes() == before
    write_new(target, [b"new"], overwrite=True)
    assert target.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new"

    def appear(_: Path) -> None:
        path.write_bytes(b"theirs")

    with pytest.raises(EnvironmentFailure):
        write_new(path, [b"ours"], check=appear)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_after_a_replacement_is_told(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "_sync_folder", failing(errno.EIO))
    with pytest.raises(new.WrittenError, match="sync its folder"):
        write_new(target, [b"new"], overwrite=True)
    assert target.read_bytes() == b"new"
    with pytest.raises(EnvironmentFailure) as caught:
        write_new(target.with_name("another"), [b"new"])
    assert not isinstance(caught.value, new.WrittenError)
    assert not target.with_name("another").exists()


@pytest.mark.posix("signals")
def test_an_interrupt_after_the_rename_is_told_with_the_file_in_place(
    target: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(interrupts.reset)

    synced: list[Path] = []

    def interrupt(folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        synced.append(folder)

    monkeypatch.setattr(new, "_sync_folder", interrupt)
    with pytest.raises(Interrupted) as caught, ended_by_signals():
        write_new(target, [b"new"], overwrite=True)
    assert caught.value.details == f"{target}: written completely."
    assert (target.read_bytes(), synced) == (b"new", [target.parent])


def test_a_check_that_raises_leaves_everything_as_it_was(target: Path) -> None:
    before = target.read_bytes()
    with pytest.raises(UnwantedError):
        write_new(target, [b"new"], overwrite=True, check=refuse)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.posix("modes")
def test_a_replaced_file_keeps_mode_and_owner(target: Path) -> None:
    target.chmod(0o640)
    write_new(target, [b"new"], overwrite=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_uid == os.getuid()


def test_an_appendix_is_the_new_end_of_the_file(target: Path) -> None:
    with LockedFile(target) as locked:
        with locked.appended(10, [b"append", b"ix"]):
            assert target.read_bytes() == b"headoldoldappendix"
        locked.commit(b"head", b"HEAD")
    assert target.read_bytes() == b"HEADoldoldappendix"


def test_an_error_before_the_commit_takes_the_appendix_away(target: Path) -> None:
    before = target.read_bytes()
    with (
        LockedFile(target) as locked,
        pytest.raises(UnwantedError),
        locked.appended(len(before), [b"append", b"ix"]),
    ):
        raise UnwantedError
    assert target.read_bytes() == before


def test_after_the_commit_has_begun_nothing_is_truncated(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = target.stat().st_size
    with LockedFile(target) as locked:
        appendix = locked.appended(size, [b"append", b"ix"])
        with pytest.raises(UnwantedError), appendix:
            commit_that_fails(locked, monkeypatch)
    assert target.read_bytes().endswith(b"appendix")


def commit_that_fails(locked: LockedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(EnvironmentFailure):
        locked.commit(b"head", b"HEAD")
    raise UnwantedError


def failing(number: int) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.posix("locks")
def test_a_head_that_somebody_else_changed_is_not_overwritten(target: Path) -> None:
    size = target.stat().st_size
    with LockedFile(target) as locked:
        locked.file.read(4)
        with target.open("r+b") as other:
            other.write(b"THEY")
        with pytest.raises(EnvironmentFailure, match="another program has changed"):  # noqa: SIM117
            with locked.appended(size, [b"append", b"ix"]):
                locked.commit(b"head", b"HEAD")
    assert target.read_bytes() == b"THEY" + b"old" * 10


def test_a_second_lock_is_refused_with_advice(target: Path) -> None:
    with LockedFile(target), pytest.raises(EnvironmentFailure, match="another program") as caught:
        LockedFile(target)
    assert "Wait" in caught.value.resolution
    with LockedFile(target):
        pass


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output error"),
        (errno.ENOENT, "not there"),
        (errno.EPIPE, "Broken pipe"),
    ],
)
def test_system_errors_say_what_to_do(number: int, words: str) -> None:
    with pytest.raises(EnvironmentFailure) as caught, system_errors(Path("boot.wim"), "write"):
        raise OSError(number, os.strerror(number))
    assert words in caught.value.message
    assert caught.value.message.startswith("boot.wim: cannot write: ")
    assert f"system error {number}" in caught.value.details
    assert caught.value.resolution
    assert isinstance(caught.value.__cause__, OSError)


def test_cutting_a_locked_file_is_synced_and_what_was_read_of_it_forgotten(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(target.read_bytes()))
    with LockedFile(target) as locked:
        assert locked.file.read(20).startswith(b"headold")
        locked.cut(7)
        assert synced == [b"headold"]
        locked.file.seek(0)
        assert locked.file.read() == b"headold"
    assert target.read_bytes() == b"headold"


def test_a_cut_that_fails_names_the_file(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "bad sector")

    before = target.read_bytes()
    monkeypatch.setattr(os, "ftruncate", fail)
    with LockedFile(target) as locked, pytest.raises(EnvironmentFailure, match="cannot cut off its end"):
        locked.cut(4)
    assert target.read_bytes() == before


def test_a_write_that_fails_behind_bytes_read_ahead_can_still_be_closed(target: Path) -> None:
    """The buffer holds bytes from behind the place of the write; closing must not step back over them."""
    target.write_bytes(b"head" + bytes(100_000))
    with LockedFile(target) as locked:
        assert locked.file.read(4) == b"head"
        kept, reading = os.dup(locked.file.fileno()), os.open(target, os.O_RDONLY)
        os.dup2(reading, locked.file.fileno())
        os.close(reading)
        with pytest.raises(EnvironmentFailure, match="cannot write the header"):
            locked._write_head(b"HEAD")
        os.close(kept)
    assert target.read_bytes().startswith(b"head")
