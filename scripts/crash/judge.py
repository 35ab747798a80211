"""Says of a folder whether its image is the old one, the new one, or neither.

Of a WIM file two judge: wimlib-imagex (``verify``, and the hive of every image by its SHA-256) and our own
reader. They must agree. Hives must be the old or the new one byte for byte, and every other file unchanged.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from scripts.crash.operations import Disk
from scripts.crash.states import State
from scripts.crash.targets import Target
from scripts.testdata.images import SOFTWARE
from winpe_certs.engines.direct import open_for_reading
from winpe_certs.errors import WinpeCertsError
from winpe_certs.workflows.selection import SOFTWARE_HIVE

WIMLIB: Final = "wimlib-imagex"
_TIME_LIMIT: Final = 60


class Image(Enum):
    """What an image was found to be."""

    OLD = "old"
    NEW = "new"
    NEITHER = "neither"


@dataclass(frozen=True)
class Verdict:
    """What was found, why it is neither if it is, and how many temporary files lie beside it."""

    image: Image
    why: str = ""
    leftovers: int = 0


@dataclass(frozen=True)
class Expected:
    """The files before a run and after an undisturbed one, and what the judges see in both subjects."""

    target: Target
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    old: Sequence[str] | None
    new: Sequence[str]

    @property
    def new_bytes(self) -> bytes:
        """The subject after an undisturbed run."""
        return self.after[self.target.subject]

    @classmethod
    def of(cls, target: Target, folder: Path) -> Expected:
        """Make the target in a new folder and run it undisturbed there; raises `AssertionError`."""
        folder = target.make(folder)
        before = Disk.of(folder).files
        old = _seen(wimlib, folder, target) if target.subject in before else None
        ended = target.run(folder)
        assert ended == type(ended)(0, ""), ended
        after = Disk.of(folder).files
        new = _seen(wimlib, folder, target)
        assert old != new
        assert {name for name in after if after[name] != before.get(name)} == {target.subject}
        return cls(target, before, after, old, new)

    def judge(self, folder: Path) -> Verdict:
        """What stands in a folder."""
        return self._judge(folder, Disk.of(folder).files)

    def judge_state(self, state: State) -> Verdict:
        """What stands in a folder with these files."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            lay_out(state.files, folder)
            return self._judge(folder, state.files)

    def _judge(self, folder: Path, files: Mapping[str, bytes]) -> Verdict:
        leftovers = sum(map(is_temporary, files))
        for name in files.keys() | self.before.keys():
            if (
                name != self.target.subject
                and not is_temporary(name)
                and files.get(name) != self.before.get(name)
            ):
                return Verdict(Image.NEITHER, f"{name} is another file", leftovers)
        subject = files.get(self.target.subject)
        if subject is None:
            image = Image.OLD if self.old is None else Image.NEITHER
            return Verdict(image, "" if self.old is None else "it is gone", leftovers)
        try:
            seen = _seen(wimlib, folder, self.target)
            ours = _seen(own_reader, folder, self.target)
        except UnsoundError as error:
            return Verdict(Image.NEITHER, str(error), leftovers)
        if seen != ours:
            return Verdict(Image.NEITHER, f"wimlib sees {seen}, our reader {ours}", leftovers)
        for image, expected in ((Image.OLD, self.old), (Image.NEW, self.new)):
            if seen == expected:
                return Verdict(image, "", leftovers)
        return Verdict(Image.NEITHER, f"sound, but of other contents: {seen}", leftovers)


def _seen(judge: Callable[[Path, Sequence[int]], list[str]], folder: Path, target: Target) -> list[str]:
    place = folder / target.subject
    size = [str(place.stat().st_size)] if target.keeps_hives else []
    return judge(place, target.images) + size


class UnsoundError(Exception):
    """A judge does not accept the file."""


def is_temporary(name: str) -> bool:
    """Whether a name is one that our temporary files have."""
    last = Path(name).name
    return last.startswith(".") and last.endswith(".new")


def lay_out(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by their names below a folder."""
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def wimlib(place: Path, images: Sequence[int]) -> list[str]:
    """The digests of the hives in an image as wimlib sees them, or of the file; raises `UnsoundError`."""
    if not images:
        return [_digest(place.read_bytes())]
    _run(WIMLIB, "verify", place)
    return [_digest(_run(WIMLIB, "extract", place, index, f"/{SOFTWARE}", "--to-stdout")) for index in images]


def own_reader(place: Path, images: Sequence[int]) -> list[str]:
    """The same as our reader sees it, the integrity table checked; raises `UnsoundError`."""
    if not images:
        return [_digest(place.read_bytes())]
    try:
        with open_for_reading(place) as opened:
            table = opened.wim.integrity_table()
            if table is not None:
                table.verify(opened.wim.read_at, str(place))
            return [_digest(opened.read(index, SOFTWARE_HIVE)) for index in images]
    except WinpeCertsError as error:
        raise UnsoundError(f"our reader: {error.message}") from error


def _run(program: str, *arguments: object) -> bytes:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed")
    done = subprocess.run(
        [path, *map(str, arguments)],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        timeout=_TIME_LIMIT,
    )
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise UnsoundError(f"{program} {arguments[0]}: exit {done.returncode}: {' '.join(told)[-300:]}")
    return done.stdout


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
