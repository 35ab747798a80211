"""The program in a process of its own that stops at a chosen step: it is ended there, or waits there.

Run as a script: the steps are those of the interpreter and of the package that change files, wrapped before
the program is loaded. Which step, and what happens there, comes as JSON in an environment variable.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SETTING = "WINPE_CERTS_TEST_CHILD"
ENDED = 77
"""The exit code of a process that was ended at its step."""
_REPOSITORY = Path(__file__).resolve().parents[2]
_LARGE = 4096


class _Steps:
    """Counts the steps by their names, and stops at the one that is asked for."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self._setting = setting
        self._counts: dict[str, int] = {}
        self.seen: list[str] = []

    def take(self, name: str, step: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        self._counts[name] = self._counts.get(name, 0) + 1
        here = f"{name} {self._counts[name]}"
        self.seen += [f"{here} before", *([f"{here} half"] if half else []), f"{here} after"]
        wanted = self._setting.get("step", "")
        if wanted == f"{here} before":
            self._stop()
        if half is not None and wanted == f"{here} half":
            half()
            self._stop()
        result = step()
        if wanted == f"{here} after":
            self._stop()
        return result

    def _stop(self) -> None:
        if "ready" not in self._setting:
            kernel: Any = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009 - only Windows has it
            kernel.GetCurrentProcess.restype = ctypes.c_void_p
            kernel.TerminateProcess(ctypes.c_void_p(kernel.GetCurrentProcess()), ENDED)
        Path(self._setting["ready"]).touch()
        while not Path(self._setting["go"]).exists():
            time.sleep(0.05)


def _wrap(steps: _Steps) -> None:
    def around(owner: Any, name: str, shown: str, data_at: int | None = None) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            half = None
            if data_at is not None and len(arguments[data_at]) > _LARGE:
                data = arguments[data_at]
                part = (*arguments[:data_at], data[: len(data) // 2], *arguments[data_at + 1 :])

                def half() -> Any:
                    return real(*part, **options)

            # What is written at the beginning of an image is its header: the moment of the commit.
            is_header = name == "_write" and arguments[1] == 0
            return steps.take("header" if is_header else shown, lambda: real(*arguments, **options), half)

        setattr(owner, name, call)

    for name in ("fsync", "ftruncate", "link", "replace", "rename", "unlink"):
        around(os, name, name)
    from winpe_certs import ranges

    # Before others take the function by its name.
    around(ranges, "write_all", "write", 1)
    around(ranges, "copy_range", "copy")
    from winpe_certs.files import locked, windows

    around(locked.LockedFile, "_write", "write in place", 2)
    around(windows, "_replace_file", "ReplaceFile")


def main() -> int:
    """Run the program with the arguments of this process."""
    sys.path.insert(0, str(_REPOSITORY))
    setting = json.loads(os.environ[SETTING])
    steps = _Steps(setting)
    _wrap(steps)
    from winpe_certs.__main__ import main as program

    code = program()
    if "list" in setting:
        Path(setting["list"]).write_text("\n".join(steps.seen), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
