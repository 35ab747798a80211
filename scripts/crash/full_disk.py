"""A disk that is really full: a small file system with only so many blocks left, or a limit on file sizes."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from scripts.crash.aftermath import Outcome, aftermath
from scripts.crash.judge import Expected, Image
from scripts.crash.targets import Ended, environment

BLOCK: Final = 4096
KINDS: Final = ("ext4", "tmpfs")
_SIZE: Final = 16 << 20
_FAILED: Final = 4
_TIME_LIMIT: Final = 120
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@contextlib.contextmanager
def small_disk(kind: str) -> Iterator[Path | None]:
    """A mounted file system of 16 MiB, ``ext4`` in a file or ``tmpfs``; None when that may not be."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "disk")
        place.mkdir()
        if kind == "tmpfs":
            commands = [["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)]]
        else:
            image = Path(name, "image")
            with image.open("wb") as file:
                file.truncate(_SIZE)
            commands = [
                ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK), str(image)],
                ["mount", "-o", "loop", str(image), str(place)],
            ]
        if os.getuid() != 0 or not all(_works(command) for command in commands):
            yield None
            return
        try:
            yield place.resolve()
        finally:
            assert _works(["umount", str(place)])


def _works(command: list[str]) -> bool:
    program = shutil.which(command[0], path=_PATH)
    if program is None:
        return False
    done = subprocess.run([program, *command[1:]], capture_output=True, check=False, timeout=_TIME_LIMIT)
    return done.returncode == 0


def full_disks(expected: Expected, disk: Path, free_blocks: Iterable[int]) -> Iterator[Outcome]:
    """Runs on a disk that has only so many blocks left; the next run finds room."""
    target = expected.target
    for blocks in free_blocks:
        folder = target.make(disk / "target")
        ballast = disk / "ballast"
        _fill(ballast, blocks * BLOCK)
        ended = target.run(folder)
        outcome = _judged(expected, folder, f"{blocks} blocks left on the disk", ended, ballast)
        shutil.rmtree(folder)
        yield outcome


def limited(expected: Expected, root: Path, sizes: Iterable[int]) -> Iterator[Outcome]:
    """Runs that may not make a file larger than this, by a limit of the process; the next run may."""
    target = expected.target
    for size in sizes:
        folder = target.make(root / "limited")

        def set_limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        done = subprocess.run(
            target.command(folder),
            capture_output=True,
            check=False,
            env=environment(),
            preexec_fn=set_limit,
            timeout=_TIME_LIMIT,
        )
        ended = Ended(done.returncode, done.stderr.decode(errors="replace"))
        outcome = _judged(expected, folder, f"no file above {size} bytes", ended, None)
        shutil.rmtree(folder)
        yield outcome


def _fill(ballast: Path, leave: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(BLOCK)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        os.fsync(file.fileno())
        file.truncate(max(0, file.tell() - leave))
        os.fsync(file.fileno())


def _is_as_before(expected: Expected, contents: Mapping[str, bytes]) -> bool:
    if expected.target.has_rest:
        return all(expected.before[name].startswith(content) for name, content in contents.items())
    return contents == expected.before


def _judged(expected: Expected, folder: Path, what: str, ended: Ended, ballast: Path | None) -> Outcome:
    before = expected.judge(folder)
    contents = {name: (folder / name).read_bytes() for name in expected.before}
    if ballast is not None:
        ballast.unlink()
    outcome = aftermath(expected, folder, what, expected.target.run_here)
    problem = outcome.problem
    if before.image is Image.NEW and ended.code == 0:
        pass
    elif ended.code != _FAILED or "error:" not in ended.error or "Traceback" in ended.error:
        problem = f"exit code {ended.code}: {ended.error}"
    elif before.leftovers or not _is_as_before(expected, contents):
        problem = "the disk was full and the files are not what they were"
    return Outcome(what, before, problem, outcome.had_nothing)
