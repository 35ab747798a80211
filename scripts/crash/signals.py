"""Interrupts real runs at the calls that follow the commit, and compares what they say with what is there.

The judge of the file is wimlib-imagex, or for hives the bytes of an undisturbed run. JSON report, exit code
and evidence must all say what that finds: changed or not, and the way back where there is one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.crash.aftermath import Outcome
from scripts.crash.judge import Expected, Image
from scripts.crash.strace import Call, Traced, traced
from scripts.crash.targets import Target, environment

SIGNALS: Final = ("TERM", "INT")
_CHANGING: Final = ("write", "pwrite64", "rename", "renameat", "renameat2", "link", "linkat")
_EXITS: Final = {0, 130}
# Calls that end a process or return twice.
_UNTOUCHED: Final = {"exit_group", "exit", "execve", "vfork", "fork", "clone", "clone3"}


@dataclass(frozen=True)
class Moment:
    """A call to interrupt at: the so-manieth of its name in a process, and how long after the commit."""

    name: str
    ordinal: int
    after: int

    def __str__(self) -> str:
        return f"{self.name} {self.ordinal}, call {self.after} after the commit"


def has_evidence(target: Target) -> bool:
    """Whether the verb takes `--evidence` for a file to write."""
    return target.verb in {"inject", "remove"}


def moments(target: Target, root: Path) -> list[Moment]:
    """The calls of an undisturbed run from its commit on; raises `AssertionError` when there is no commit."""
    folder = target.make(root / "undisturbed")
    done = _run(target, folder, None, "")
    assert done.code == 0, done.error
    commit = max(number for number, call in enumerate(done.calls) if _commits(call, folder, target))
    process = done.calls[commit].process
    later = [call for call in done.calls[commit:] if call.process == process]
    shutil.rmtree(folder)
    return [
        Moment(call.name, call.ordinal, number)
        for number, call in enumerate(later)
        if call.name not in _UNTOUCHED
    ]


def thinned(found: Sequence[Moment], *, first: int, spread: int) -> list[Moment]:
    """The `first` of the moments, and so many of the others at equal distances, the last one among them."""
    rest = found[first:]
    return [*found[:first], *(rest[len(rest) * number // spread - 1] for number in range(1, spread + 1))]


def interrupted(
    expected: Expected, root: Path, chosen: Sequence[Moment], signal: str
) -> Iterator[tuple[Outcome, int]]:
    """Run after run in new folders below `root`, each interrupted at one moment; with its exit code."""
    target = expected.target
    for moment in chosen:
        folder = target.make(root / "interrupted")
        done = _run(target, folder, moment, signal)
        evidence = folder.parent / f"{folder.name}.json"
        verdict = expected.judge(folder)
        problem = verdict.why or _contradiction(target, folder, done, verdict.image, evidence)
        if verdict.leftovers:
            problem = problem or "a temporary file is left"
        yield Outcome(f"SIG{signal} at {moment}", verdict, problem), done.code
        shutil.rmtree(folder)
        evidence.unlink(missing_ok=True)


def _run(target: Target, folder: Path, moment: Moment | None, signal: str) -> Traced:
    command = [*target.command(folder), "--format", "json"]
    if has_evidence(target):
        command += ["--evidence", str(folder.parent / f"{folder.name}.json")]
        if "--overwrite" not in command:
            (folder.parent / f"{folder.name}.json").unlink(missing_ok=True)
    calls = "%file,%desc,%signal" if moment is None else moment.name
    inject = [] if moment is None else [f"{moment.name}:signal={signal}:when={moment.ordinal}"]
    return traced(command, environment=environment(), trace=[calls], inject=inject)


def _commits(call: Call, folder: Path, target: Target) -> bool:
    if call.name not in _CHANGING or call.failed:
        return False
    subject = bytes(folder / target.subject)
    if call.name in {"write", "pwrite64"}:
        return target.is_in_place and target.verb != "compact" and call.is_on(subject)
    return call.strings[-1] == subject


def _contradiction(target: Target, folder: Path, done: Traced, image: Image, evidence: Path) -> str:
    """What report, exit code and evidence say that is not so; empty when all is."""
    try:
        report = json.loads(done.out)
    except ValueError:
        return f"no report; it ended with {done.code}: {done.error}"
    is_new = image is Image.NEW
    if done.code not in _EXITS:
        return f"it ended with {done.code}: {done.error}"
    if (done.code == 0) is not report["ok"]:
        return f"exit code {done.code}, but ok is {report['ok']}"
    if report["changed"] is not is_new:
        return f"the report says changed: {report['changed']}"
    if target.verb == "inject":
        statuses = {each["status"] for image in report["images"] for each in image["certificates"]}
        if statuses != ({"added"} if is_new else set()):
            return f"the report says {statuses}"
    return _evidence_contradiction(target, folder, evidence, is_new=is_new) if has_evidence(target) else ""


def _evidence_contradiction(target: Target, folder: Path, evidence: Path, *, is_new: bool) -> str:
    try:
        document: dict[str, Any] = json.loads(evidence.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        return f"no evidence: {error}"
    targets = document["targets"]
    if not is_new:
        changed = [each for each in targets if each["before"] != each["after"]]
        return "the evidence tells of a change" if changed else ""
    if len(targets) != 1:
        return f"the evidence has {len(targets)} targets"
    content = (folder / target.subject).read_bytes()
    if targets[0]["after"] != {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}:
        return "the evidence is of another file"
    if not document["certificates"]:
        return "the evidence has no certificate"
    if target.is_in_place and not targets[0]["way_back"]:
        return "the evidence has no way back"
    return ""
