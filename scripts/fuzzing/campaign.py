"""Changed files by the number: each a function of target, seed and number, replayed under a watchdog.

Runs in a process of its own (``python -m scripts.fuzzing.campaign TARGET ...``), whose memory is limited; the
file at work lies in ``current.bin``, so that it is known whatever becomes of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import lzma
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from scripts.fuzzing.findings import Findings
from scripts.fuzzing.mutate import Material, mutate
from scripts.fuzzing.mutate_der import mutate_der
from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.targets import TARGETS, Target

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SECONDS_EACH: Final = 5
"""Of this processor, for each file."""
_STANDSTILL: Final = 60
ADDRESS_SPACE: Final = 3 << 30
MEMORY_EACH: Final = 256 << 20
"""How much more one file may take than all before it; a hundred times what any of them needs."""

CURRENT: Final = "current.bin"
_PEAK: Final = "VmHWM:"


class TooMuchMemory(Exception):  # noqa: N818 - a finding, not an error of this program
    """A file made a parser take more memory than anything that size can be worth."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the files: how many there were, gave a result, and took how long; where findings lie."""

    files: int
    accepted: int
    seconds: float
    slowest: float
    findings: tuple[str, ...]


def changed_files(target: Target, name: str, seed: str, largest: int) -> Iterator[bytes]:
    """Endlessly many changed files, each made from a seed of at most `largest` bytes."""
    known = seeds(name, largest)
    material = Material(known, target.words)
    number = 0
    while True:
        yield changed_file(target, material, random.Random(f"{name} {seed} {number}"))
        number += 1


def changed_file(target: Target, material: Material, dice: random.Random, data: bytes | None = None) -> bytes:
    """One changed file, made from a seed, or from the given file."""
    chosen = dice.choice(material.others) if data is None else data
    changed = mutate_der(chosen, dice, target.longest) if target.is_der and dice.random() < 0.7 else None
    if changed is None:
        changed = mutate(chosen, material, dice, target.places(chosen), target.longest)
    return target.seal(changed) if dice.random() < 0.9 else changed


def replay(
    name: str, files: Iterator[bytes], folder: Path, *, count: int, seconds: float, each: float
) -> Tally:
    """Feed files to a target until there were `count`, or the time is over."""
    target = TARGETS[name]
    findings = Findings(folder / "findings")
    folder.mkdir(parents=True, exist_ok=True)
    started = now = time.monotonic()
    fed = accepted = 0
    slowest = 0.0
    peak = _peak_memory()
    with (folder / CURRENT).open("wb", buffering=0) as current:
        for data in files:
            if fed == count or now - started > seconds:
                break
            current.seek(0)
            current.truncate()
            current.write(data)
            _allow(each)
            before = time.process_time()
            try:
                accepted += target.accepts(data)
                peak = _require_modest(peak)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                findings.add(error, data)
                peak = max(peak, _peak_memory())
            _allow(0)
            now = time.monotonic()
            slowest = max(slowest, time.process_time() - before)
            fed += 1
    (folder / CURRENT).unlink()
    return Tally(fed, accepted, now - started, slowest, tuple(map(str, findings.paths)))


def _allow(seconds: float) -> None:
    """End this process, with a traceback, when it has used so many seconds of its processor; 0: no limit.

    The clock would count other work on the machine. It only ends what waits for something that never comes.
    """
    faulthandler.register(signal.SIGPROF, chain=True)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    if seconds:
        faulthandler.dump_traceback_later(seconds * _STANDSTILL, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


def _peak_memory() -> int:
    """The most memory that this process has had, in bytes; unlike that of `getrusage` it begins with it."""
    status = Path("/proc/self/status")
    with contextlib.suppress(OSError):
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(_PEAK):
                return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _require_modest(peak: int) -> int:
    now = _peak_memory()
    if now - peak > MEMORY_EACH:
        raise TooMuchMemory(f"{(now - peak) >> 20} MiB")
    return now


class Died(Exception):  # noqa: N818 - a finding, not an error of this program
    """The process that replayed files did not survive one of them, or took too long over it."""


def run(name: str, folder: Path, *options: object) -> Tally:
    """Replay in a process of its own, with the options of this module's command line; raises `Died`."""
    command = [sys.executable, "-m", "scripts.fuzzing.campaign", name, "--folder", str(folder)]
    done = subprocess.run([*command, *map(str, options)], cwd=REPOSITORY, check=False, capture_output=True)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")
        raise Died(f"{name}: ended with {done.returncode} on {folder / CURRENT}\n{said}")
    fields = json.loads(done.stdout)
    return Tally(**{**fields, "findings": tuple(fields["findings"])})


def contents(path: Path) -> bytes:
    """The bytes of a kept file; large ones are kept as .xz."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, and print the tally as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--count", type=int, default=1 << 62)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--each", type=float, default=SECONDS_EACH, help="seconds that one file may take")
    parser.add_argument("--largest", type=int, default=1 << 20, help="largest seed in bytes")
    parser.add_argument("--files", nargs="+", type=Path, help="these files, in the place of changed ones")
    options = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    target = TARGETS[options.target]
    files = (
        map(contents, options.files)
        if options.files
        else changed_files(target, options.target, options.seed, options.largest)
    )
    tally = replay(
        options.target,
        files,
        options.folder,
        count=options.count,
        seconds=options.seconds,
        each=options.each,
    )
    print(json.dumps(asdict(tally)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
