"""A computer with fake DISM.exe and reg.exe on it, and the command line run there, here or as a child."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.testdata import pki
from scripts.testdata.build import FOLDER
from scripts.testdata.images import SOFTWARE, variant
from tests import needs
from tests.conftest import Judge
from tests.fakes import FakeDism, FakeReg
from tests.fakes.state import load
from winpe_certs.cli.main import main
from winpe_certs.command_lines import Shell, command_line

CERTIFICATE: Final = FOLDER / "certs" / "corp-root.cer"
THUMBPRINT: Final = pki.thumbprint("corp-root")
EDITORS: Final = ("native", "reg")
PATIENCE: Final = 20.0
_IMPATIENT: Final = """
import sys
import winpe_certs.engines.reg_program
winpe_certs.engines.reg_program.PAUSES = (0.01,) * 4
from winpe_certs.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
STORES: Final = "\\Microsoft\\SystemCertificates"


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document, which is all that stands on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error of the document, whose number must be the exit code."""
        found: dict[str, Any] = self.report["error"]
        assert found["code"] == self.code
        assert self.report["ok"] is False
        return found

    @property
    def told(self) -> str:
        """All that the error says."""
        command = command_line(self.error["command"] or (), Shell.WINDOWS)
        return "\n".join([self.error["message"], self.error["details"], self.error["resolution"], command])

    @property
    def statuses(self) -> list[tuple[int | None, str, str, str]]:
        """Index, thumbprint, store and status of every certificate in every image."""
        return [
            (image["index"], found["thumbprint"], found["store"], found["status"])
            for image in self.report["images"]
            for found in image["certificates"]
        ]


def unless_named(options: dict[str, object], more: Sequence[object]) -> list[object]:
    """The options with their values as words, without those that are among `more`."""
    return [word for name, value in options.items() if name not in more for word in (name, value)]


class Station:
    """A folder with both programs, an image with several images in it, and the state of this program."""

    def __init__(self, folder: Path, *, image: str = "small") -> None:
        self.folder = folder
        self.dism, self.reg = FakeDism(folder), FakeReg(folder)
        self.image = folder / "boot.wim"
        self.image.write_bytes(variant(image))
        self.state = folder / "state"

    def arguments(
        self, *more: object, command: str = "inject", editor: str = "native", index: str = "2"
    ) -> list[str]:
        """The command line; of the usual programs those that `more` names itself are left out."""
        usual = [command, self.image, "--index", index, "--cert", CERTIFICATE, "--format", "json"]
        programs = {"--engine": "dism", "--dism": self.dism.path}
        if editor == "reg":
            programs |= {"--hive-editor": "reg", "--reg": self.reg.path}
        return [str(each) for each in (*usual, *unless_named(programs, more), *more)]

    def run(self, *more: object, command: str = "inject", editor: str = "native", index: str = "2") -> Ran:
        """Run a changing command through DISM, in this process."""
        return called(*self.arguments(*more, command=command, editor=editor, index=index))

    def start(
        self, *more: object, editor: str = "native", index: str = "2", impatient: bool = False
    ) -> Child:
        """Start `inject` as a process of its own; an impatient one does not wait for a hive to be let go."""
        program = ["-c", _IMPATIENT] if impatient else ["-m", "winpe_certs"]
        return Child([*program, *self.arguments(*more, editor=editor, index=index)])

    def verified(self, index: str = "2") -> int:
        """What `verify` says of the image."""
        store = ("--store", "AuthRoot", "--format", "json")
        return called("verify", self.image, "--index", index, "--cert", CERTIFICATE, *store).code

    def assert_nothing_left(self, *, mounts: int = 0) -> None:
        """Nothing is mounted but what others have mounted; no hive, record or work folder is left."""
        assert len(self.dism.mounts) == mounts
        assert self.reg.hives == {}
        assert self.records == []
        left = list((self.state / "work").rglob("*"))
        assert left == []

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of runs that are still there."""
        folder = self.state / "runs"
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*"))]

    @property
    def recorded_mounts(self) -> list[tuple[str, int, str]]:
        """Image, index and folder of every mount that a record names."""
        named = [record for record in self.records if record["mount_folder"]]
        return [(record["image"], record["index"], record["mount_folder"]) for record in named]

    @property
    def recorded_hives(self) -> list[str]:
        """The keys of loaded hives that records name."""
        return [record["hive"] for record in self.records if record["hive"]]

    def assert_stuck(self, ran: Ran) -> Path:
        """A run that could not clean up says what is mounted where and how to free it; gives the folder."""
        assert ran.code == 5
        assert (ran.error["code"], ran.error["kind"]) == (5, "cleanup")
        (folder,) = self.dism.mounts
        assert str(folder) in ran.error["message"]
        if not self.recorded_hives:
            assert f"{self.dism.path} /English /Unmount-Image /MountDir:{folder} /Discard" in ran.told
        else:
            assert ran.error["command"] == ["winpe-certs", "cleanup", "--apply"], (
                "which unloads the hive first"
            )
        assert self.recorded_mounts == [(str(self.image), 2, str(folder))]
        return folder

    def extract(self, judge: Judge, path: str, index: int = 2) -> bytes:
        """A file of the image, as wimlib reads it."""
        content: bytes = judge("wimlib-imagex", "extract", self.image, index, path, "--to-stdout").stdout
        return content

    def stores(self, judge: Judge, index: int = 2) -> str:
        """All certificate stores of an image, as wimlib and hivex read them."""
        hive = self.folder / f"SOFTWARE-{index}"
        hive.write_bytes(self.extract(judge, SOFTWARE, index))
        export: str = judge("hivexregedit", "--export", hive, STORES).stdout.decode()
        return export

    def wrapped(self, fake: FakeDism | FakeReg, script: str) -> Path:
        """Another executable for a fake: a shell script in which ``$FAKE`` is the fake itself."""
        if sys.platform == "win32":
            pytest.skip(f"posix: {needs.POSIX['shell']}")
        path = self.folder / "wrapped" / fake.path.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nFAKE={shlex.quote(str(fake.path))}\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    @staticmethod
    def hangs(fake: FakeDism | FakeReg) -> bool:
        """Whether every fault that was asked for a number of times has come as often: a hang has begun."""
        faults = load(fake.state, f"{fake.program}-behaviour").get("faults", [])
        return all(fault["times"] == 0 for fault in faults)


class Child:
    """The program as a process of its own."""

    def __init__(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
        )

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> Ran:
        """Wait until it has ended by itself."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE)
        finally:
            self.kill()
        return Ran(self._process.returncode, out.decode("utf-8"), err.decode("utf-8"))

    def kill(self) -> None:
        """End it by force, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something has come true while the process runs."""
        wait_for(lambda: condition() or self._process.poll() is not None)
        assert self._process.poll() is None, "it has ended too early"


def ready_station(folder: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Station:
    """A station in a folder; skips without the programs that the fakes build on."""
    for program in ("wimlib-imagex", "hivexregedit", "hivexget", "hivexsh"):
        judge(program, "--help", check=False)
    monkeypatch.setenv("WINPE_CERTS_STATE", str(folder / "state"))
    return Station(folder)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it has not come true in time")
        time.sleep(0.02)


def called(*arguments: object) -> Ran:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its contents, and every folder; not what the fakes remember."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if "fake-state" not in path.parts
    }
