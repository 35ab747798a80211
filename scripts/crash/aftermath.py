"""What an interruption came to: what is there, and whether the same command, run again, ends it well.

The second run must leave the very bytes of one undisturbed run; an output that is complete already is
unchanged, and so is an image that is undone already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.crash.judge import Expected, Image, Verdict, is_temporary, lay_out
from scripts.crash.operations import Disk
from scripts.crash.states import State
from scripts.crash.targets import Ended


@dataclass(frozen=True)
class Outcome:
    """What an interruption came to: what was done, what was found, what is wrong with that if anything is."""

    what: str
    verdict: Verdict
    problem: str = ""
    had_nothing: bool = False

    def __str__(self) -> str:
        """The one line that a person reads."""
        return f"{self.what}: {self.verdict.image.value}{f', {self.problem}' if self.problem else ''}"


def aftermath(expected: Expected, folder: Path, what: str, run: Callable[[Path], Ended]) -> Outcome:
    """Judge a folder, run the command again in it, and judge again."""
    verdict = expected.judge(folder)
    if verdict.image is Image.NEITHER:
        return Outcome(what, verdict, verdict.why)
    target = expected.target
    had_nothing = target.is_undo and (folder / target.subject).read_bytes() == expected.new_bytes
    ended = run(folder)
    problem = "" if ended.code == 0 else f"the next run ends with {ended.code}: {ended.error}"
    return Outcome(what, verdict, problem or _differences(expected, folder), had_nothing)


def examine(expected: Expected, state: State) -> Outcome:
    """The same for a state that a disk may have, in a folder of its own and in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(state.files, folder)
        return aftermath(expected, folder, state.how, expected.target.run_here)


def _differences(expected: Expected, folder: Path) -> str:
    found = {name: content for name, content in Disk.of(folder).files.items() if not is_temporary(name)}
    after = expected.after
    differing = [name for name in sorted(found.keys() | after.keys()) if found.get(name) != after.get(name)]
    if not differing:
        return ""
    sizes = ", ".join(f"{name} ({len(found.get(name, b''))} bytes)" for name in differing)
    return f"after the next run these are not what an undisturbed run leaves: {sizes}"
