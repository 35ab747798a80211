"""Fake DISM.exe and reg.exe for Linux: real executables with state on disk, a call log, and faults on demand.

::

    dism = FakeDism(tmp_path)                        # an executable at dism.path
    dism.fail("unmount_commit", 0xC142010C, times=1)
    ...                                              # then look at dism.steps, dism.log, dism.mounts

Both share one state folder: an image with a loaded hive in its mount folder cannot be unmounted.
They build on wimlib-imagex and hivex and import nothing of the package under test.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.fakes.state import HIVES, MOUNTS, Step, load, save

_REPOSITORY = Path(__file__).resolve().parents[2]


def _windows_program(module: str, state: Path) -> bytes:
    """A program of Windows that runs a module with this Python: distlib's launcher, a line, a zip."""
    import distlib

    stub = Path(str(distlib.__file__)).with_name("t64.exe").read_bytes()
    code = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(_REPOSITORY)!r})\n"
        f"sys.argv = [sys.argv[0], {str(state)!r}, *sys.argv[1:]]\n"
        f"runpy.run_module({module!r}, run_name='__main__')\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", code)
    return stub + f'#!"{sys.executable}"\n'.encode() + packed.getvalue()


class _Fake:
    """What both programs can be told to do."""

    program: str
    steps_known: frozenset[str]

    def __init__(self, folder: Path) -> None:
        """Install the program in `folder`, which later installations there share."""
        self.state = folder / "fake-state"
        self.state.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{self.program}.exe"
        if sys.platform == "win32":
            self.path.write_bytes(_windows_program(f"tests.fakes.{self.program}", self.state))
            return
        command = [sys.executable, "-S", "-P", "-m", f"tests.fakes.{self.program}", str(self.state)]
        self.path.write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_REPOSITORY))} exec {shlex.join(command)} "$@"\n',
            encoding="utf-8",
        )
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Every call: its ``step`` and its ``arguments``."""
        path = self.state / f"{self.program}-calls.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    @property
    def log(self) -> list[list[str]]:
        """The arguments of every call."""
        return [call["arguments"] for call in self.calls]

    @property
    def steps(self) -> list[str]:
        """What every call was for, as the names that `fail` takes."""
        return [call["step"] for call in self.calls]

    def fail(
        self, step: str, code: int, *, times: int | None = None, message: str = "", after: bool = False
    ) -> None:
        """Let a step fail, always or so many times; with `after`, once its work is done."""
        self._fault(step, {"kind": "fail", "code": code, "message": message, "after": after}, times)

    def hang(
        self, step: str, *, times: int | None = None, after: bool = False, stubborn: bool = False
    ) -> None:
        """Let a step never end; a `stubborn` one does not listen to a polite request either."""
        self._fault(step, {"kind": "hang", "after": after, "stubborn": stubborn}, times)

    def noise(self, size: int = 1_000_000) -> None:
        """Write so many bytes to standard error in every call."""
        self._set("noise", size)

    def localise(self, language: str) -> None:
        """Speak ``zh`` or ``de`` where it is not asked to speak English, and in errors even then."""
        self._set("language", language)

    def heal(self) -> None:
        """Forget all faults and settings."""
        save(self.state, f"{self.program}-behaviour", {})

    def _fault(self, step: str, fault: dict[str, object], times: int | None) -> None:
        if step not in self.steps_known:
            message = f"{self.program} has no step {step}, only {sorted(self.steps_known)}"
            raise ValueError(message)
        behaviour = load(self.state, f"{self.program}-behaviour")
        behaviour.setdefault("faults", []).append({"step": step, "times": times, **fault})
        save(self.state, f"{self.program}-behaviour", behaviour)

    def _set(self, name: str, value: object) -> None:
        behaviour = load(self.state, f"{self.program}-behaviour")
        save(self.state, f"{self.program}-behaviour", {**behaviour, name: value})


class FakeDism(_Fake):
    """A DISM.exe that mounts by extracting, and commits by updating the image with what has changed."""

    program = "dism"
    steps_known = Step.DISM

    @property
    def mounts(self) -> dict[Path, dict[str, Any]]:
        """What is mounted: folder to ``image``, ``index``, ``writable``, ``status``."""
        wanted = ("image", "index", "writable", "status")
        mounts = load(self.state, MOUNTS)
        return {Path(folder): {name: mount[name] for name in wanted} for folder, mount in mounts.items()}

    def leave_mounted(self) -> None:
        """Let somebody hold a file of every mount open: nothing can be unmounted completely until `heal`."""
        for step in ("unmount_commit", "unmount_discard"):
            self.fail(step, 0xC1420117, after=step == "unmount_commit")

    def mount_elsewhere(self, image: Path, index: int, folder: Path, *, status: str = "Ok") -> None:
        """Note a mount of somebody else: nothing is extracted."""
        mount = {"image": str(image), "index": index, "writable": True, "status": status}
        mount |= {"before": {}, "partly": False}
        save(self.state, MOUNTS, {**load(self.state, MOUNTS), os.path.normpath(folder): mount})

    def set_status(self, folder: Path, status: str) -> None:
        """Make a mount ``Needs Remount`` or ``Invalid``."""
        mounts = load(self.state, MOUNTS)
        mounts[os.path.normpath(folder)]["status"] = status
        save(self.state, MOUNTS, mounts)


class FakeReg(_Fake):
    """A reg.exe whose loaded hives are files that hivex works on."""

    program = "reg"
    steps_known = Step.REG

    @property
    def hives(self) -> dict[str, Path]:
        r"""What is loaded: key such as ``HKLM\name`` to hive file."""
        return {key: Path(path) for key, path in load(self.state, HIVES).items()}

    def refuse_unload(self, times: int | None = None) -> None:
        """Let somebody hold a handle open for so many attempts, or for ever."""
        self.fail("unload", 1, times=times, message=IN_USE)

    def leave_logs(self) -> None:
        """Leave transaction logs beside every hive that is loaded, as Windows does."""
        self._set("logs", True)


IN_USE = "The process cannot access the file because it is being used by another process."
