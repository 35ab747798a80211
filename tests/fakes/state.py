"""What the fake programs share: state on disk, the call log, faults, the way out."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

MOUNTS = "mounts"
HIVES = "hives"


class Step:
    """The names of the steps that can be made to fail."""

    DISM = frozenset(
        {
            "mount", "unmount_commit", "unmount_discard", "remount", "cleanup_mountpoints", "mounted_images",
            "version",
        }
    )  # fmt: skip
    REG = frozenset({"load", "import", "query", "unload"})


def load(state: Path, name: str) -> dict[str, Any]:
    """A document of the state folder; empty when there is none."""
    path = state / f"{name}.json"
    if not path.exists():
        return {}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def save(state: Path, name: str, document: dict[str, Any]) -> None:
    """Replace a document of the state folder as a whole: a killed program leaves none half written."""
    temporary = state / f"{name}.{os.getpid()}.new"
    temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
    temporary.replace(state / f"{name}.json")


def note_call(state: Path, program: str, step: str, arguments: list[str]) -> None:
    """Add to the call log."""
    with (state / f"{program}-calls.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"step": step, "arguments": arguments}) + "\n")


def take_fault(state: Path, program: str, step: str, *, after: bool) -> dict[str, Any] | None:
    """The fault that a step is to show now, counted down."""
    behaviour = load(state, f"{program}-behaviour")
    for fault in behaviour.get("faults", []):
        if fault["step"] == step and fault["after"] == after and fault["times"] != 0:
            if fault["times"] is not None:
                fault["times"] -= 1
                save(state, f"{program}-behaviour", behaviour)
            found: dict[str, Any] = fault
            return found
    return None


def say(text: str = "", *, end: str = "\r\n") -> None:
    """Print as Windows programs do."""
    # Programs of Windows speak the code page of the console, "oem" to Python there.
    sys.stdout.buffer.write((text + end).encode("oem" if sys.platform == "win32" else "utf-8", "replace"))
    sys.stdout.buffer.flush()


def make_noise(size: int) -> None:
    """Fill standard error."""
    for _ in range(0, size, 100):
        sys.stderr.buffer.write(b"n" * 98 + b"\r\n")
    sys.stderr.buffer.flush()


def hang(*, stubborn: bool) -> NoReturn:
    """Never end."""
    if stubborn:
        signal.signal(getattr(signal, "SIGBREAK", signal.SIGTERM), signal.SIG_IGN)
    while True:
        time.sleep(60)


def leave(code: int) -> NoReturn:
    """End with a code of 32 bits, of which Linux passes on the low 8; a failure never looks like success."""
    if sys.platform == "win32":
        sys.stderr.flush()
        os._exit(ctypes.c_int32(code).value)
    sys.exit(0 if code == 0 else code & 0xFF or 1)
