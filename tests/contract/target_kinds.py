"""The kinds of targets that a certificate can go into, and what is done to them and asked of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.testdata import hives, images, pki
from scripts.testdata.build import FOLDER
from scripts.testdata.wim_writer import build_wim
from tests.conftest import Judge
from winpe_certs.cli.main import main
from winpe_certs.engines.base import Replacement, Target
from winpe_certs.engines.choose import recognise
from winpe_certs.engines.setup import EngineOptions, Machine, Opening, Workshop
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.selection import SOFTWARE_HIVE

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
THUMBPRINT = pki.thumbprint("corp-root")
HIVE = "no-free-cells.hiv"


@dataclass(frozen=True)
class Kind:
    """A kind of target: how to make one, and which of its files is the one that changes."""

    name: str
    is_wim: bool = False
    is_folder: bool = False
    is_copy: bool = False

    def __str__(self) -> str:
        return self.name

    def make(self, folder: Path, *, injected: bool = False) -> Made:
        """Make a target of this kind in a folder of its own, with or without the certificate."""
        home = folder / "target"
        home.mkdir()
        hive = hives.hive_variant("in-authroot.hiv" if injected else HIVE)
        if self.is_wim:
            path = file = home / "boot.wim"
            file.write_bytes(build_wim(images.single(images.software(hive))))
        elif self.is_folder:
            path, file = home / "mount", home / "mount" / "Windows" / "System32" / "config" / "SOFTWARE"
            file.parent.mkdir(parents=True)
            file.write_bytes(hive)
            (file.parent / "SYSTEM").write_bytes(hives.plain_hive("SYSTEM"))
        else:
            path = file = home / "SOFTWARE"
            file.write_bytes(hive)
        os.utime(file, ns=(1_600_000_000_123_456_700, 1_600_000_000_765_432_100))
        return Made(self, path, file, folder / "out.bin" if self.is_copy else None)


@dataclass(frozen=True)
class State:
    """Everything that a look at a folder tells: names, contents, times, modes, owners."""

    files: dict[str, tuple[bytes, int, int, int, int]]


@dataclass(frozen=True)
class Made:
    """A target on disk. `path` is what a person names, `file` what changes, `output` what -o gets."""

    kind: Kind
    path: Path
    file: Path
    output: Path | None

    @property
    def result(self) -> Path:
        """What a person looks at afterwards."""
        return self.output or self.path

    def command(self, name: str, *, image: Path | None = None) -> list[str]:
        """The command line of a changing command on the target, into its output if it has one."""
        into = ["-o", str(self.output)] if self.output else []
        return [name, str(image or self.path), "--cert", str(CERTIFICATE), *into]

    def run(self, command: str, *more: str, image: Path | None = None) -> int:
        """Run that command in this process."""
        return main([*self.command(command, image=image), *more])

    def state(self) -> State:
        """The state of the folder around the target, of its output too."""
        around = self.path.parent.parent
        found = {}
        for each in sorted(around.rglob("*")):
            status = each.lstat()
            content = each.read_bytes() if each.is_file() else b""
            times = status.st_mtime_ns if each.is_file() else 0
            found[str(each.relative_to(around))] = (
                content,
                times,
                status.st_mode,
                status.st_uid,
                status.st_gid,
            )
        return State(found)

    def hive(self, judge: Judge) -> bytes:
        """The hive as it stands in the result, read by no code of the package."""
        if not self.kind.is_wim:
            return (self.output or self.file).read_bytes()
        inside = f"/{images.SOFTWARE}"
        content: bytes = judge("wimlib-imagex", "extract", self.result, 1, inside, "--to-stdout").stdout
        return content


WIM, FOLDER_KIND, BARE = Kind("wim", is_wim=True), Kind("folder", is_folder=True), Kind("hive")
WIM_COPY, BARE_COPY = Kind("wim-copy", is_wim=True, is_copy=True), Kind("hive-copy", is_copy=True)
KINDS = (WIM, WIM_COPY, FOLDER_KIND, BARE, BARE_COPY)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
every_kind_in_place = pytest.mark.parametrize("kind", [WIM, FOLDER_KIND, BARE], ids=str)
every_copy = pytest.mark.parametrize("kind", [WIM_COPY, BARE_COPY], ids=str)


def verify(path: Path) -> int:
    """The exit code of `verify`: 0 with the certificate, 1 without."""
    return main(["verify", str(path), "--cert", str(CERTIFICATE), "--store", "AuthRoot"])


def opened(made: Made) -> Target:
    """The target as an engine opens it for writing."""
    workshop = Workshop(EngineOptions(), Machine())
    how = Opening(Moment.now().filetime, made.output)
    return workshop.open(recognise(made.path, reading=False), how)


def replace_hive(target: Target) -> None:
    """Hand over the hive with the certificate in it; nothing is written yet."""
    index = target.images[0].index
    old, new = target.read(index, SOFTWARE_HIVE), hives.hive_variant("in-authroot.hiv")
    assert old == hives.hive_variant(HIVE)
    target.replace(index, SOFTWARE_HIVE, Replacement(old, new, (), lambda _: b""))


_SIGNALLED = """
import os, sys
signal, number = map(int, sys.argv[1:3])
calls, real = [], os.fsync
def fsync(descriptor):
    calls.append(descriptor)
    if len(calls) == number:
        os.kill(os.getpid(), signal)
    real(descriptor)
os.fsync = fsync
from winpe_certs.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


def signalled_at_sync(made: Made, number: int, signal: int) -> list[str]:
    """The command line of a program that injects, and gets a signal just before its nth sync."""
    return [sys.executable, "-c", _SIGNALLED, str(int(signal)), str(number), *made.command("inject")]


@contextlib.contextmanager
def immutable(path: Path, judge: Judge) -> Iterator[None]:
    """Nobody, not even root, may write to a file, or give a name to a folder or take one from it.

    Files of such a folder may be written all the same.
    """
    if judge("chattr", "+i", path, check=False).returncode != 0:
        pytest.skip("this file system or user cannot make anything immutable")
    try:
        yield
    finally:
        judge("chattr", "-i", path)
