"""The whole campaign for one target: recording, states, kills, faults; with figures for the table."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from scripts.crash import faults, full_disk, kill, signals
from scripts.crash.aftermath import Outcome, examine
from scripts.crash.judge import Expected, Image, is_temporary
from scripts.crash.operations import Recording
from scripts.crash.record import record
from scripts.crash.states import Effort, State, kills, power_failures
from scripts.crash.targets import Target, environment

_AT_ONCE: Final = 4
_LONGEST: Final = 300
_SPARE_BLOCKS: Final = 4
_MISSING: Final = (1, 100, 4096, 8191, 8192)
"""Bytes that do not fit at the end: fewer and more than a buffer holds."""
_STEP: Final = {False: 1 << 14, True: 1 << 16}


@dataclass
class Figures:
    """What a campaign counted, and what it found wrong."""

    target: str
    steps: int = 0
    states: int = 0
    distinct: int = 0
    images: Counter[Image] = field(default_factory=Counter)
    leftovers: int = 0
    kills: int = 0
    signals: int = 0
    faults: int = 0
    full: int = 0
    nothing: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, outcomes: Iterable[Outcome], *, counts: bool = False) -> int:
        """Take outcomes in; gives back how many they were. `counts` when they are judged states."""
        number = 0
        for outcome in outcomes:
            number += 1
            self.nothing += outcome.had_nothing
            if counts:
                self.images[outcome.verdict.image] += 1
                self.leftovers += bool(outcome.verdict.leftovers)
            if outcome.problem:
                self.problems.append(" ".join(f"{self.target}: {outcome}".split())[:_LONGEST])
        return number


@dataclass(frozen=True)
class Extent:
    """How far a campaign goes."""

    effort: Effort
    is_short: bool = False


def recorded(expected: Expected, root: Path) -> Recording:
    """An undisturbed run of the target; what it leaves must be what a run without strace leaves."""
    folder = expected.target.make(root / "recorded")
    recording, done = record(folder, expected.target.command(folder), environment())
    assert done.code == 0, done.error
    assert recording.end().files == expected.after, "two runs with one clock differ"
    return recording


def states_of(recordings: Iterable[Recording], target: Target, effort: Effort) -> Iterator[State]:
    """Every state that these runs may leave."""
    for recording in recordings:
        yield from kills(recording, effort)
        yield from power_failures(recording, [target.subject], effort)


def campaign(target: Target, root: Path, extent: Extent) -> Figures:
    """Do everything to one target, in new folders below `root`."""
    figures = Figures(target.name)
    expected = Expected.of(target, root / "expected")
    recording = recorded(expected, root)
    figures.steps = len(recording.steps)
    recordings = [recording]

    for name in ("KILL",) if extent.is_short else ("KILL", "INT", "TERM"):
        figures.kills += figures.add(kill.killed(expected, root, recording.steps, name))

    told = signals.thinned(
        signals.moments(target, root),
        first=2 if extent.is_short else 40,
        spread=2 if extent.is_short else 20,
    )
    for name in signals.SIGNALS:
        outcomes = (outcome for outcome, _ in signals.interrupted(expected, root, told, name))
        figures.signals += figures.add(outcomes)

    failing = recording.steps[-2:] if extent.is_short else recording.steps
    for outcome, run in faults.failing_steps(expected, root, failing):
        figures.faults += figures.add([outcome])
        recordings.append(run)
    if target.is_in_place and not extent.is_short:
        figures.faults += figures.add(faults.lasting(expected, root))
        figures.faults += figures.add(faults.failing_reads(expected, root, newest=20, every=8))
    if not target.is_undo:  # which needs no room
        figures.full = _fill_disks(figures, expected, root, extent)

    figures.add(_examined(figures, expected, recordings, extent.effort), counts=True)
    return figures


def _fill_disks(figures: Figures, expected: Expected, root: Path, extent: Extent) -> int:
    """Disks with room for nothing up to everything; gives back how many runs they were."""
    size = len(expected.new_bytes)
    last = [size - missing for missing in _MISSING]
    done = figures.add(full_disk.limited(expected, root, [*range(0, size, _STEP[extent.is_short]), *last]))
    needed = sum(map(len, expected.after.values())) // full_disk.BLOCK + _SPARE_BLOCKS
    known = len(expected.before[expected.target.subject]) if expected.target.is_in_place else 0
    grown = -(-size // full_disk.BLOCK) - -(-known // full_disk.BLOCK)
    for kind in full_disk.KINDS:
        with full_disk.small_disk(kind) as disk:
            if disk is not None:
                rooms = {
                    *range(0, needed, 16 if extent.is_short else 4),
                    *range(max(0, grown - 3), grown + 1),
                }
                done += figures.add(full_disk.full_disks(expected, disk, sorted(rooms)))
    return done


def _examined(
    figures: Figures, expected: Expected, recordings: Sequence[Recording], effort: Effort
) -> Iterator[Outcome]:
    """Judge each state once, on all processors."""

    def distinct() -> Iterator[State]:
        seen = set()
        for state in states_of(recordings, expected.target, effort):
            figures.states += 1
            key = state.key(is_temporary)
            if key not in seen:
                seen.add(key)
                figures.distinct += 1
                yield state

    # The pool ends its processes by SIGTERM; here that would be Ctrl-C, which they would tell at length.
    default = (signal.SIGTERM, signal.SIG_DFL)
    with multiprocessing.Pool(os.cpu_count(), signal.signal, default) as pool:
        yield from pool.imap_unordered(partial(examine, expected), distinct(), chunksize=_AT_ONCE)
