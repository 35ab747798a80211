"""The crash matrix in short: samples of what `scripts/crash-matrix` does in full.

Whatever ends a run of `inject` or `undo`, wimlib-imagex and our reader find the old image or the new one, and
the same command brings it to its end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from scripts.crash import faults, full_disk, kill, signals
from scripts.crash.aftermath import Outcome, examine
from scripts.crash.campaign import recorded, states_of
from scripts.crash.judge import Expected, Image, is_temporary
from scripts.crash.operations import (
    Create,
    Link,
    Operation,
    Recording,
    Rename,
    Step,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Write,
)
from scripts.crash.record import record
from scripts.crash.states import Effort, State
from scripts.crash.strace import TraceError, why_not
from scripts.crash.targets import (
    AFTER_A_KILL,
    COMPACT,
    COPY,
    COPY_OVER,
    FOLDER,
    HIVE,
    HIVE_COPY,
    IN_PLACE,
    UNDO,
    Target,
)
from tests.conftest import REQUIRED, Judge

EFFORT = Effort(random=8, every=16)
RERUNS = 10
"""Of so many states, one is also taken to its end by running the command again."""

Prepared = tuple[Expected, Recording]


@pytest.fixture(scope="session")
def tracer(judge: Judge) -> None:
    """The judges of this module: wimlib-imagex, and an strace that may trace."""
    judge("wimlib-imagex", "--version")
    judge("strace", "-V")
    if why_not():
        if "judges" in REQUIRED:
            pytest.fail(f"{why_not()}, and WINPE_CERTS_REQUIRE asks for judges")
        pytest.skip(why_not())


@pytest.fixture(scope="session")
def prepared(tracer: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Target], Prepared]:  # noqa: ARG001 - it skips first
    """What an undisturbed run of a target does and leaves, worked out once."""
    known: dict[str, Prepared] = {}

    def prepare(target: Target) -> Prepared:
        if target.name not in known:
            root = tmp_path_factory.mktemp("prepared").resolve()
            expected = Expected.of(target, root / "expected")
            known[target.name] = expected, recorded(expected, root)
        return known[target.name]

    return prepare


def _distinct(recordings: Iterable[Recording], target: Target, effort: Effort = EFFORT) -> list[State]:
    states = {state.key(is_temporary): state for state in states_of(recordings, target, effort)}
    return list(states.values())


def _steps(recording: Recording, *kinds: type[Operation]) -> list[Step]:
    return [step for step in recording.steps if isinstance(step.operation, kinds)]


def _name(value: object) -> str:
    """What a parameter is called in the name of its test."""
    if isinstance(value, tuple):
        return "-".join(kind.__name__.lower() for kind in value)
    return getattr(value, "__name__", str(value)).strip("_")


def _hold(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """All of them, none of which has a problem."""
    held = list(outcomes)
    assert [str(outcome) for outcome in held if outcome.problem] == []
    return held


# --- states -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", [IN_PLACE, AFTER_A_KILL, COPY, COPY_OVER, FOLDER, HIVE, HIVE_COPY, COMPACT, UNDO], ids=str
)
def test_every_state_is_the_old_image_or_the_new_one_and_has_a_next_step(
    target: Target, prepared: Callable[[Target], Prepared]
) -> None:
    expected, recording = prepared(target)
    states = _distinct([recording], target)
    verdicts = {state.how: expected.judge_state(state) for state in states}
    assert {how: verdict.why for how, verdict in verdicts.items() if verdict.image is Image.NEITHER} == {}
    assert {verdict.image for verdict in verdicts.values()} == {Image.OLD, Image.NEW}
    _hold(
        examine(expected, state) for state in [*states[:: RERUNS if len(states) > RERUNS else 1], states[-1]]
    )


def _without_first_sync(recording: Recording) -> Recording:
    syncs = [number for number, step in enumerate(recording.steps) if isinstance(step.operation, Sync)]
    return recording.without(syncs[0])


def _header_first(recording: Recording) -> Recording:
    *others, header, sync = range(len(recording.steps))
    return recording.ordered([header, sync, *others])


def _cut_first(recording: Recording) -> Recording:
    header, sync, *cut = range(len(recording.steps))
    return recording.ordered([*cut, header, sync])


@pytest.mark.parametrize(
    ("target", "spoil"),
    [
        (IN_PLACE, _without_first_sync),
        (IN_PLACE, _header_first),
        (UNDO, _cut_first),
        (UNDO, _without_first_sync),
        (COPY, _without_first_sync),
        (HIVE, _without_first_sync),
    ],
    ids=_name,
)
def test_a_run_that_would_not_be_safe_is_found_out(
    target: Target, spoil: Callable[[Recording], Recording], prepared: Callable[[Target], Prepared]
) -> None:
    expected, recording = prepared(target)
    spoiled = spoil(recording)
    assert spoiled.end().files == recording.end().files, "undisturbed, it is as good"
    states = _distinct([spoiled], target)
    assert any(expected.judge_state(state).image is Image.NEITHER for state in reversed(states))


# --- real runs, ended -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (IN_PLACE, (Write, Truncate, Sync)),
        (AFTER_A_KILL, (Truncate,)),
        (COPY, (Link, Unlink)),
        (FOLDER, (Rename,)),
        (HIVE, (Write, Rename)),
        (UNDO, (Write, Truncate, Sync)),
    ],
    ids=_name,
)
def test_a_run_that_is_killed_leaves_one_of_the_two_and_the_next_one_ends_it(
    target: Target, kinds: tuple[type[Operation], ...], prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, recording = prepared(target)
    steps = _steps(recording, *kinds)
    assert steps
    if target.is_in_place and Write in kinds:
        assert len(steps) == len(recording.steps), "each call that writes"
    outcomes = _hold(kill.killed(expected, tmp_path.resolve(), steps))
    assert len(outcomes) == len(steps)


@pytest.mark.parametrize("signal", ["INT", "TERM"])
def test_a_run_that_is_told_to_end_takes_down_what_it_has_set_up(
    signal: str, prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, recording = prepared(COPY)
    (outcome,) = _hold(kill.killed(expected, tmp_path.resolve(), _steps(recording, Sync), signal))
    assert outcome.verdict.leftovers == 0


@pytest.mark.parametrize("target", [IN_PLACE, COPY, FOLDER, HIVE, COMPACT, UNDO], ids=str)
def test_an_interrupt_behind_the_commit_is_told_as_it_is(
    target: Target, prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, _ = prepared(target)
    chosen = signals.thinned(signals.moments(target, tmp_path.resolve()), first=1, spread=1)
    done = list(signals.interrupted(expected, tmp_path.resolve(), chosen, "TERM"))
    _hold(outcome for outcome, _ in done)
    assert {outcome.verdict.image for outcome, _ in done} == {Image.NEW}
    assert done[0][1] == 130, "the run was ended before its report was out"


# --- real runs with failing calls -------------------------------------------------------------------


@pytest.mark.parametrize("error", faults.ERRORS)
@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (IN_PLACE, (Write, Truncate)),
        (IN_PLACE, (Sync,)),
        (COPY, (Link,)),
        (HIVE, (Write, Rename)),
        (UNDO, (Write, Truncate, Sync)),
    ],
    ids=_name,
)
def test_a_call_that_fails_is_told_and_leaves_one_of_the_two(
    target: Target,
    kinds: tuple[type[Operation], ...],
    error: str,
    prepared: Callable[[Target], Prepared],
    tmp_path: Path,
) -> None:
    expected, recording = prepared(target)
    steps = _steps(recording, *kinds)
    done = list(faults.failing_steps(expected, tmp_path.resolve(), steps, [error]))
    _hold(outcome for outcome, _ in done)
    assert len(done) == len(steps)
    # What it did to clean up may be cut short by a power failure too.
    effort = Effort(random=0, every=1 << 10)
    known = {state.key(is_temporary) for state in _distinct([recording], target, effort)}
    for state in _distinct([run for _, run in done], target, effort):
        if state.key(is_temporary) not in known:
            assert expected.judge_state(state).image is not Image.NEITHER, state.how


@pytest.mark.parametrize("target", [IN_PLACE, UNDO], ids=str)
def test_an_image_that_cannot_be_read_back_behind_the_commit_gets_its_old_header(
    target: Target, prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, _ = prepared(target)
    outcomes = _hold(faults.failing_reads(expected, tmp_path.resolve(), newest=1))
    assert {outcome.what.split()[2] for outcome in outcomes} == {"read", "pread64"}


def test_an_early_read_that_fails_is_told(prepared: Callable[[Target], Prepared], tmp_path: Path) -> None:
    expected, _ = prepared(IN_PLACE)
    _hold(faults.failing_reads(expected, tmp_path.resolve(), newest=1, every=60))


@pytest.mark.parametrize("missing", [1, 4096])
def test_bytes_that_fail_to_be_written_are_not_tried_again_behind_our_back(
    missing: int, prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, _ = prepared(IN_PLACE)
    _hold(full_disk.limited(expected, tmp_path.resolve(), [len(expected.new_bytes) - missing]))


@pytest.mark.parametrize("target", [IN_PLACE, COPY, HIVE], ids=str)
def test_a_disk_that_is_full_is_told_and_leaves_everything_as_it_was(
    target: Target, prepared: Callable[[Target], Prepared], tmp_path: Path
) -> None:
    expected, _ = prepared(target)
    with full_disk.small_disk("ext4") as disk:
        if disk is None:
            _hold(full_disk.limited(expected, tmp_path.resolve(), [1, len(expected.new_bytes) - 20_000]))
        else:
            _hold(full_disk.full_disks(expected, disk, [0, 20]))


# --- the recorder itself ----------------------------------------------------------------------------


def _recorded(folder: Path, script: str, arguments: Sequence[object] = ()) -> Recording:
    command = [sys.executable, "-c", script, *map(str, [folder, *arguments])]
    recording, done = record(folder, command, {})
    assert done.code == 0, done.error
    return recording


@pytest.mark.usefixtures("tracer")
def test_the_recorder_sees_what_a_program_does(tmp_path: Path) -> None:
    script = """
import os, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
old = os.path.join(sys.argv[1], "old")
with open(old, "r+b", buffering=0) as file:
    assert file.read(3) == b"abc"
    file.write(b"D")
    if os.fork() == 0:
        os.write(file.fileno(), b"E")
        os._exit(0)
    os.wait()
    file.write(b"F")
    os.pwrite(file.fileno(), b"A", 0)
    os.fsync(file.fileno())
with open(old, "ab") as file:
    file.write(b"end")
    file.flush()
    file.truncate(100)
descriptor = os.open(os.path.join(sys.argv[1], "new"), os.O_WRONLY | os.O_CREAT)
os.write(os.dup(descriptor), b"new")
os.link(old, old + "2")
os.rename(os.path.join(sys.argv[1], "new"), old)
os.unlink(old + "2")
os.fsync(folder)
print("a line for nobody")
"""
    folder = tmp_path.resolve()
    (folder / "old").write_bytes(b"abcdefghi")
    done = [step.operation for step in _recorded(folder, script).steps]
    assert done == [
        Write(0, 3, b"D"),
        Write(0, 4, b"E"),
        Write(0, 5, b"F"),
        Write(0, 0, b"A"),
        Sync(0),
        Write(0, 9, b"end"),
        Truncate(0, 100),
        Create(1, "new"),
        Write(1, 0, b"new"),
        Link(0, "old2"),
        Rename(1, "new", "old"),
        Unlink("old2"),
        SyncFolder("."),
    ]


@pytest.mark.usefixtures("tracer")
@pytest.mark.parametrize(
    "action",
    [
        "mmap.mmap(file.fileno(), 0)[0:1] = b'x'",
        "os.posix_fallocate(file.fileno(), 0, 100)",
        "os.writev(file.fileno(), [b'x', b'y'])",
        "os.mkdir(sys.argv[1] + '/folder')",
        "os.chdir(sys.argv[1])",
        "os.open('file', os.O_RDWR, dir_fd=os.open(sys.argv[1], os.O_RDONLY))",
        "os.symlink('file', sys.argv[1] + '/link')",
    ],
)
def test_the_recorder_refuses_what_it_does_not_know(action: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    script = f"import mmap, os, sys\nwith open(sys.argv[1] + '/file', 'r+b') as file:\n    {action}"
    with pytest.raises(TraceError):
        _recorded(tmp_path.resolve(), script)
