"""What the crash matrix runs: `inject` on every kind of target and `undo`, with a clock that stands still."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final
from unittest import mock

from scripts.testdata import images
from scripts.testdata.build import FOLDER as TESTDATA
from winpe_certs.cli.main import main

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CERTIFICATE: Final = TESTDATA / "certs" / "corp-root.cer"
CLOCK: Final = {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONDONTWRITEBYTECODE": "1"}
EVIDENCE: Final = "evidence.json"
SOFTWARE: Final = Path("mount", *images.SOFTWARE.split("/"))
_TIME_LIMIT: Final = 120


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    error: str


@dataclass(frozen=True)
class Target:
    """A kind of target. Paths are relative to the folder that it is made in.

    `named` is what the command line names, `subject` the file that is to be the old or the new one, `images`
    the numbers of the images in it (none: it is a hive), `options` what else the command line has. With
    `has_rest` there are bytes behind the image, which mean nothing and may be cut off.
    """

    name: str
    fill: Callable[[Path], None]
    named: str
    subject: str
    images: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    has_rest: bool = False
    verb: str = "inject"

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_place(self) -> bool:
        """Whether the very file is written that is there."""
        return bool(self.images) and self.named == self.subject and self.verb != "compact"

    @property
    def keeps_hives(self) -> bool:
        """Whether the hives are the same before and after, so that only its size tells the file."""
        return self.verb == "compact"

    @property
    def is_undo(self) -> bool:
        """Whether it takes a change back; done twice, that says that there is nothing to undo."""
        return self.verb == "undo"

    def make(self, folder: Path) -> Path:
        """Make it in a new folder; gives back the folder with links resolved."""
        folder.mkdir(parents=True)
        folder = folder.resolve()
        self.fill(folder)
        return folder

    def arguments(self, folder: Path) -> list[str]:
        """The command line behind the name of the program."""
        places = {self.subject, EVIDENCE}
        options = [str(folder / word) if word in places else word for word in self.options]
        given = [] if self.verb in {"undo", "compact"} else ["--cert", str(CERTIFICATE)]
        return [self.verb, str(folder / self.named), *given, *options]

    def command(self, folder: Path) -> list[str]:
        """The whole command line."""
        return [sys.executable, "-m", "winpe_certs", *self.arguments(folder)]

    def run(self, folder: Path) -> Ended:
        """Run it, as a process of its own."""
        done = subprocess.run(
            self.command(folder), capture_output=True, check=False, env=environment(), timeout=_TIME_LIMIT
        )
        return Ended(done.returncode, done.stderr.decode(errors="replace"))

    def run_here(self, folder: Path) -> Ended:
        """Run it in this process, which is quicker."""
        return _run_here(self.arguments(folder))


def _run_here(arguments: list[str]) -> Ended:
    with (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as out,
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as error,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        mock.patch.dict(os.environ, CLOCK),
    ):
        code = main(arguments)
        error.seek(0)
        return Ended(code, error.read())


def environment() -> dict[str, str]:
    """The environment that runs get."""
    return {**os.environ, **CLOCK}


def _boot(folder: Path) -> None:
    shutil.copyfile(TESTDATA / "boot.wim", folder / "boot.wim")


def _boot_with_rest(folder: Path) -> None:
    _boot(folder)
    with (folder / "boot.wim").open("ab") as file:
        file.write(random.Random(1).randbytes(300_001))


def _boot_and_output(folder: Path) -> None:
    _boot(folder)
    shutil.copyfile(TESTDATA / "boot.wim", folder / "out.wim")


def _variant(name: str, folder: Path) -> None:
    (folder / "boot.wim").write_bytes(images.variant(name))


def _hive(folder: Path) -> None:
    shutil.copyfile(TESTDATA / "hives" / "software-1.5.hiv", folder / "SOFTWARE")


def _mounted(folder: Path) -> None:
    (folder / SOFTWARE).parent.mkdir(parents=True)
    shutil.copyfile(TESTDATA / "hives" / "software-1.5.hiv", folder / SOFTWARE)
    shutil.copyfile(TESTDATA / "hives" / "software-1.3.hiv", folder / SOFTWARE.parent / "SYSTEM")


@cache
def _changed() -> tuple[bytes, bytes]:
    """An image that was changed in place, and the evidence of it; made once: evidence has the time in it."""
    with tempfile.TemporaryDirectory() as name:
        image, evidence = Path(name, "boot.wim"), Path(name, EVIDENCE)
        _boot(Path(name))
        options = [*_ALL, "--cert", str(CERTIFICATE), "--evidence", str(evidence)]
        ended = _run_here(["inject", str(image), *options])
        assert ended == Ended(0, ""), ended
        return image.read_bytes(), evidence.read_bytes()


def _to_undo(folder: Path) -> None:
    for name, content in zip(("boot.wim", EVIDENCE), _changed(), strict=True):
        (folder / name).write_bytes(content)


def _to_compact(folder: Path) -> None:
    (folder / "boot.wim").write_bytes(_changed()[0])


_ALL: Final = ("--index", "all")
IN_PLACE: Final = Target("in place", _boot, "boot.wim", "boot.wim", (1, 2), _ALL)
AFTER_A_KILL: Final = Target(
    "in place, rest behind", _boot_with_rest, "boot.wim", "boot.wim", (1, 2), _ALL, has_rest=True
)
COPY: Final = Target("-o", _boot, "boot.wim", "out.wim", (1, 2), (*_ALL, "-o", "out.wim"))
COPY_OVER: Final = Target(
    "-o --overwrite", _boot_and_output, "boot.wim", "out.wim", (1, 2), (*_ALL, "-o", "out.wim", "--overwrite")
)
FOLDER: Final = Target("folder", _mounted, "mount", str(SOFTWARE))
HIVE: Final = Target("hive", _hive, "SOFTWARE", "SOFTWARE")
HIVE_COPY: Final = Target("hive -o", _hive, "SOFTWARE", "out.hiv", (), ("-o", "out.hiv"))
COMPACT: Final = Target("compact", _to_compact, "boot.wim", "boot.wim", (1, 2), verb="compact")
UNDO: Final = Target("undo", _to_undo, "boot.wim", "boot.wim", (1, 2), ("--evidence", EVIDENCE), verb="undo")
TARGETS: Final = (
    IN_PLACE,
    Target("in place, one image", _boot, "boot.wim", "boot.wim", (1, 2), ("--index", "2")),
    AFTER_A_KILL,
    Target("in place, no table", partial(_variant, "no-integrity"), "boot.wim", "boot.wim", (1, 2), _ALL),
    Target("in place, XPRESS", partial(_variant, "xpress"), "boot.wim", "boot.wim", (1, 2), _ALL),
    COPY,
    COPY_OVER,
    FOLDER,
    HIVE,
    HIVE_COPY,
    COMPACT,
    UNDO,
)
