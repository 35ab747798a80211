"""Lets system calls of real runs fail, one after another, and looks at what is left.

A run that met an error must say so (exit code 4 and a message) and leave the old image or the new one, and no
temporary file. The recording of such a run shows what it did to clean up; a power failure may hit that too.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scripts.crash.aftermath import Outcome, aftermath
from scripts.crash.judge import Expected, Image
from scripts.crash.operations import Create, Recording, Step
from scripts.crash.record import record
from scripts.crash.strace import READS, Traced, TraceError, traced
from scripts.crash.targets import environment

ERRORS: Final = ("ENOSPC", "EIO")
LASTING: Final = (
    ("write", "ftruncate", "fsync"),
    ("write",),
    ("ftruncate",),
    ("fsync",),
    ("ftruncate", "fsync"),
)
"""Calls that keep failing together once one has failed: the clean-up fails too."""
_FAILED: Final = 4
_NEVER: Final = (1 << 16) - 1
_LOOK_BEFORE_CUT: Final = "cannot read its header again"


def failing_steps(
    expected: Expected, root: Path, steps: Sequence[Step], errors: Sequence[str] = ERRORS
) -> Iterator[tuple[Outcome, Recording]]:
    """One run for each step and error: that call fails, all others work. Also what each run did."""
    for step in steps:
        for error in errors:
            folder = _fresh(expected, root)
            recording, done = record(
                folder,
                expected.target.command(folder),
                environment(),
                inject=[f"{step.call}:error={error}:when={step.ordinal}"],
            )
            place = bytes(folder)
            if not any(call.is_injected and call.names(place) for call in done.calls):
                if isinstance(step.operation, Create):
                    # Opening files is what the interpreter does most, and not always equally often.
                    continue
                raise TraceError(f"{step} is another call than in the recorded run")
            yield _outcome(expected, folder, f"{error} from {step}", done), recording


def lasting(expected: Expected, root: Path) -> Iterator[Outcome]:
    """Runs in place in which calls on the image fail from the first, second … time on."""
    assert expected.target.is_in_place
    for names in LASTING:
        for first in range(1, _NEVER):
            folder, done = _tampered(expected, root, names, f"error=EIO:when={first}+")
            if not any(call.is_injected for call in done.calls):
                break
            yield _outcome(expected, folder, f"EIO from {', '.join(names)} #{first} on", done)


def failing_reads(expected: Expected, root: Path, *, newest: int, every: int = 0) -> Iterator[Outcome]:
    """Runs in place in which one read of the image fails: of each call the last ones, and every n-th before.

    The last reads come behind the commit, when the image is verified: then the old header must come back.
    Only `undo` looks at the file once more, when it has verified it and is about to cut it.
    """
    assert expected.target.is_in_place
    _, done = _tampered(expected, root, READS, f"error=EIO:when={_NEVER}")
    for name, total in Counter(call.name for call in done.calls).items():
        first = max(1, total - newest + 1)
        for number in (*range(1, first, every or total), *range(first, total + 1)):
            folder, done = _tampered(expected, root, [name], f"error=EIO:when={number}")
            yield _outcome(expected, folder, f"EIO from {name} #{number} of {total}", done, is_old=True)


def _fresh(expected: Expected, root: Path) -> Path:
    shutil.rmtree(root / "failed", ignore_errors=True)
    return expected.target.make(root / "failed")


def _tampered(expected: Expected, root: Path, names: Sequence[str], how: str) -> tuple[Path, Traced]:
    folder = _fresh(expected, root)
    target = expected.target
    done = traced(
        target.command(folder),
        environment=environment(),
        trace=names,
        inject=[f"{name}:{how}" for name in names],
        paths=[folder / target.subject],
    )
    return folder, done


def _outcome(expected: Expected, folder: Path, what: str, done: Traced, *, is_old: bool = False) -> Outcome:
    before = expected.judge(folder)
    outcome = aftermath(expected, folder, what, expected.target.run_here)
    problem = outcome.problem
    if "Traceback" in done.error:
        problem = f"a traceback: {done.error}"
    elif done.code == 0 and before.image is not Image.NEW:
        problem = "it claims success"
    elif done.code not in {0, _FAILED} or bool(done.code) != ("error:" in done.error):
        problem = f"exit code {done.code}: {done.error}"
    elif before.leftovers:
        problem = "a temporary file is left"
    elif is_old and before.image is not Image.OLD and _LOOK_BEFORE_CUT not in done.error:
        problem = "the old header did not come back"
    return Outcome(what, before, problem, outcome.had_nothing)
