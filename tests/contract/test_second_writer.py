"""Another program, which asks for no lock, changes the image at any moment of a run: what it wrote stays.

It acts between two calls of ours. When it opens a file that is leased at that moment, it waits, as the system
makes every program wait, and acts at the next call.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts.crash.strace import why_not
from scripts.testdata import hives, images
from scripts.testdata.wim_writer import build_wim
from tests.contract.target_kinds import BARE, CERTIFICATE, FOLDER_KIND, WIM, Kind
from winpe_certs.cli.main import main
from winpe_certs.errors import VerificationFailure
from winpe_certs.files.locked import LockedFile
from winpe_certs.wim import confirm

NEWER = build_wim(images.single(images.software(hives.hive_variant("root-only.hiv")))) + bytes(70_000)
"""Another image; the zeros make it longer than any run of these tests makes the file."""
SMALLER = b"not an image at all"
ADDED = b"added by another program" * 10


def copy_over(path: Path, data: bytes) -> None:
    """Write a file as `cp` does over another, but give up at once where that would have to wait."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.truncate(0)
        file.write(data)


def replace(path: Path, data: bytes) -> None:
    """Put another file in the place."""
    other = path.with_name("theirs")
    other.write_bytes(data)
    other.replace(path)


def grow(path: Path, data: bytes) -> None:
    """Write more bytes at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND)
    os.write(descriptor, data)
    os.close(descriptor)


def remove(path: Path, _: bytes) -> None:
    """Delete the file."""
    path.unlink()


@dataclass
class Second:
    """The other program: acts before the nth of the watched calls, or as soon after it as it is let.

    What it does before our run has the file open and locked is none of our run's business (`is_early`).
    """

    path: Path
    act: Callable[[Path, bytes], None]
    data: bytes
    at: int
    calls: int = 0
    is_done: bool = False
    waited: int = 0
    is_open: bool = False
    is_early: bool = False

    def look(self) -> None:
        """Count a call, and act when it is time."""
        self.calls += 1
        if self.is_done or self.calls < self.at:
            return
        self.is_done, self.is_early = True, not self.is_open
        try:
            self.act(self.path, self.data)
        except BlockingIOError:
            self.is_done = False
            self.waited += 1


@dataclass
class Calls:
    """Puts the other program before each of the calls by which this one looks at files and changes them."""

    patch: pytest.MonkeyPatch
    seconds: list[Second] = field(default_factory=list)

    def watched(self, second: Second) -> None:
        """Patch the calls for the length of a test."""
        for owner, name in (
            (os, "fsync"),
            (os, "ftruncate"),
            (os, "pread"),
            (os, "fstat"),
            (fcntl, "fcntl"),
            (fcntl, "flock"),
            (LockedFile, "_write"),
        ):
            self.patch.setattr(owner, name, self._before(getattr(owner, name), second))
        real = LockedFile.__init__

        def opened(*given: object, **named: object) -> None:
            real(*given, **named)  # type: ignore[arg-type] # as they were given
            second.is_open = True

        self.patch.setattr(LockedFile, "__init__", opened)

    @staticmethod
    def _before(real: Callable[..., object], second: Second) -> Callable[..., object]:
        def call(*given: object) -> object:
            second.look()
            return real(*given)

        return call


ACTS = {
    "copied over": (copy_over, NEWER),
    "copied over, smaller": (copy_over, SMALLER),
    "replaced": (replace, NEWER),
    "replaced by a smaller one": (replace, SMALLER),
    "grown": (grow, ADDED),
    "removed": (remove, b""),
}


def each_moment(run: Callable[[Second], int], path: Path, act: str) -> Iterator[tuple[Second, int]]:
    """A run for each moment at which the other program may act, the last one when the run is over."""
    action, data = ACTS[act]
    at = 1
    while True:
        second = Second(path, action, data, at)
        code = run(second)
        yield second, code
        if not second.is_done:
            break
        at += 1
    assert at > 5, "there is more than one moment"


def refuse_after_commit(patch: pytest.MonkeyPatch) -> None:
    """Let the verification after the commit fail, so that the old header goes back."""
    real, calls = confirm.confirm, []

    def fail(*given: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise VerificationFailure("the disk gives back something else")
        return real(*given)  # type: ignore[arg-type] # as they were given

    patch.setattr(confirm, "confirm", fail)


def judge(path: Path, kept: bytes, second: Second, act: str) -> None:
    """Whatever the other program did is what is there."""
    if not second.is_done or second.is_early:
        return
    if act == "removed":
        assert not path.exists()
    elif act == "grown":
        found = path.read_bytes()
        assert found.endswith(ADDED), second
        assert found[208 : len(kept)] == kept[208:], second
    else:
        assert path.read_bytes() == second.data, second


@pytest.mark.parametrize(
    ("way", "act"),
    [
        *(("inject", act) for act in ACTS),
        *((way, act) for way in ("header back", "undo", "compact") for act in ("copied over", "grown")),
        ("header back", "replaced"),
        ("undo", "copied over, smaller"),
        ("compact", "replaced"),
    ],
)
def test_what_another_program_writes_at_any_moment_is_not_touched(
    way: str, act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    made = WIM.make(tmp_path)
    path, proof = made.file, tmp_path / "proof.json"
    original = path.read_bytes()
    command = ["inject", str(path), "--cert", str(CERTIFICATE), "-q"]
    if way in {"undo", "compact"}:
        assert main([*command, "--evidence", str(proof)]) == 0
    if way == "undo":
        command = ["undo", str(path), "--evidence", str(proof), "-q"]
    elif way == "compact":
        command = ["compact", str(path), "-q"]
    before = path.read_bytes()
    # Compact gives the file another layout, undo the bytes of the original.
    kept = b"" if way == "compact" else original

    def run(second: Second) -> int:
        path.unlink(missing_ok=True)
        path.write_bytes(before)
        with monkeypatch.context() as patch:
            if way == "header back":
                refuse_after_commit(patch)
            Calls(patch).watched(second)
            return main(command)

    codes = set()
    for second, code in each_moment(run, path, act):
        judge(path, kept, second, act)
        assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []
        codes.add(code)
    assert 4 in codes
    assert codes <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("kind", [FOLDER_KIND, BARE], ids=str)
@pytest.mark.parametrize("act", ["copied over", "replaced"])
def test_a_hive_that_another_program_writes_is_not_lost_before_the_rename(
    kind: Kind, act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moments up to the last look before the rename; what may happen after that is in the docs."""
    made = kind.make(tmp_path)
    theirs = hives.hive_variant("root-only.hiv")
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        ACTS[act][0](made.file, theirs)

    monkeypatch.setattr(os, "fsync", fsync)
    assert made.run("inject", "-q") == 4
    assert made.file.read_bytes() == theirs


def test_who_opens_the_image_while_it_is_cut_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the cut nobody comes in, who has not had the file open before."""
    path = tmp_path / "file"
    path.write_bytes(b"head" + bytes(1000))
    real = os.ftruncate
    kept_out = []

    def ftruncate(descriptor: int, size: int) -> None:
        try:
            copy_over(path, NEWER)
        except BlockingIOError:
            kept_out.append(1)
        real(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    with LockedFile(path) as locked:
        locked.cut(500)
    if not kept_out:
        pytest.skip("this file system has no leases")
    assert path.read_bytes() == b"head" + bytes(496)
    copy_over(path, NEWER)
    assert path.read_bytes() == NEWER


def test_an_appendix_goes_over_nobody_s_bytes_even_of_a_file_that_was_open_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the file open already is not kept out by a lease; the end of the file is where we write."""
    path = tmp_path / "file"
    path.write_bytes(b"head" + bytes(1000))
    real = LockedFile._write
    with path.open("r+b", buffering=0) as other, LockedFile(path) as locked:

        def write(self: LockedFile, *given: object) -> None:
            other.seek(0, os.SEEK_END)
            other.write(ADDED)
            real(self, *given)  # type: ignore[arg-type] # as they were given

        monkeypatch.setattr(LockedFile, "_write", write)
        with (
            pytest.raises(Exception, match="another program has changed the file"),
            locked.appended(1004, [b"append", b"ix"]),
        ):
            pytest.fail("it goes on")
    assert path.read_bytes() == b"head" + bytes(1000) + ADDED + b"append" + ADDED + b"ix"


def test_the_message_says_what_is_there_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = WIM.make(tmp_path)
    real = os.fsync

    def fsync(descriptor: int) -> None:
        copy_over(made.file, NEWER)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert made.run("inject") == 4
    told = capsys.readouterr().err
    assert (
        f"{made.file}: another program has changed the file during this run; it was left as it is now" in told
    )
    assert f"There is a file of {len(NEWER)} bytes now, last written at " in told
    assert made.file.read_bytes() == NEWER


def test_cp_over_an_image_in_a_run_of_its_own(tmp_path: Path) -> None:
    """Real programs: inject is held up in its first fsync, and cp puts a newer image there meanwhile."""
    if why_not():
        pytest.skip(why_not())
    made = WIM.make(tmp_path)
    newer = tmp_path / "newer.wim"
    newer.write_bytes(NEWER)
    log = tmp_path / "log"
    delay = ["-e", "trace=fsync", "-e", "inject=fsync:delay_exit=1500000:when=1"]
    program = [sys.executable, "-m", "winpe_certs", *made.command("inject")]
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(log), *delay, *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while running.poll() is None and not (log.exists() and "fsync(" in log.read_text()):
            time.sleep(0.01)
        subprocess.run(["cp", str(newer), str(made.file)], check=True)
        _, error = running.communicate(timeout=60)
    assert running.returncode == 4, error
    assert made.file.read_bytes() == NEWER
