"""Starting the program in a process of its own, as `child` runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.windows.child import ENDED, SETTING

__all__ = ["ENDED", "ended_at", "paused_at", "start"]
_SCRIPT = Path(__file__).with_name("child.py")
_LIMIT = 120


def start(*arguments: object, **setting: Any) -> subprocess.Popen[bytes]:
    """Start the program; `setting` says what `child` does with it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUTF8"}
    return subprocess.Popen(
        [sys.executable, str(_SCRIPT), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment | {SETTING: json.dumps(setting)},
    )


def finished(child: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code of a child and what it has printed."""
    with child:
        out, _ = child.communicate(timeout=_LIMIT)
    return child.returncode, out.decode("ascii", "replace")


def ended_at(step: str, *arguments: object) -> None:
    """Run the program until it is ended by force at a step; fails when it does not get there."""
    code, out = finished(start(*arguments, step=step))
    assert code == ENDED, f"it was not ended at {step}: exit code {code}\n{out}"


@contextmanager
def paused_at(step: str, folder: Path, *arguments: object) -> Iterator[None]:
    """Let the program stand still at a step for the length of the block; it must succeed afterwards."""
    ready, go = folder / f"ready-{time.monotonic_ns()}", folder / f"go-{time.monotonic_ns()}"
    child = start(*arguments, step=step, ready=str(ready), go=str(go))
    try:
        deadline = time.monotonic() + _LIMIT
        while not ready.exists():
            assert child.poll() is None, finished(child)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        go.touch()
        code, out = finished(child)
    assert code == 0, out
