"""Ends real runs by a signal at each system call that writes, and looks at what is left.

SIGKILL comes before the call does anything, so the files are in the state of the prefix before it; SIGINT and
SIGTERM come while it is done, and the program takes down what it has set up.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scripts.crash.aftermath import Outcome, aftermath
from scripts.crash.judge import Expected
from scripts.crash.operations import Step
from scripts.crash.strace import Traced, TraceError, traced
from scripts.crash.targets import environment

_ATTEMPTS: Final = 3
_KILLED: Final = -9
_INTERRUPTED: Final = 130


def killed(expected: Expected, root: Path, steps: Sequence[Step], signal: str = "KILL") -> Iterator[Outcome]:
    """One run after another in new folders below `root`, each ended at the next step."""
    target = expected.target
    for step in steps:
        folder, done = _run_until(expected, root, step, signal)
        outcome = aftermath(expected, folder, f"SIG{signal} at {step}", target.run)
        if signal == "KILL":
            wrong = "" if done.code == _KILLED else f"it ended with {done.code}"
        elif outcome.verdict.leftovers:
            wrong = "a temporary file is left"
        else:
            wrong = "" if done.code == _INTERRUPTED else f"it ended with {done.code}: {done.error}"
        shutil.rmtree(folder)
        yield Outcome(outcome.what, outcome.verdict, outcome.problem or wrong, outcome.had_nothing)


def _run_until(expected: Expected, root: Path, step: Step, signal: str) -> tuple[Path, Traced]:
    target = expected.target
    for _ in range(_ATTEMPTS):
        shutil.rmtree(root / "killed", ignore_errors=True)
        folder = target.make(root / "killed")
        done = traced(
            target.command(folder),
            environment=environment(),
            trace=[step.call],
            inject=[f"{step.call}:signal={signal}:when={step.ordinal}"],
        )
        place = bytes(folder)
        if any(call.ordinal == step.ordinal and call.names(place) for call in done.calls):
            return folder, done
    # The interpreter's own calls may differ from run to run while it compiles modules, but not for ever.
    raise TraceError(f"{target.name}: {step} is another call than in the recorded run")
