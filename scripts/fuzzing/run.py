"""``scripts/fuzz``: fuzzes targets for some minutes, replays files, makes findings small."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.fuzzing.campaign import CURRENT, REPOSITORY, Died, contents, run
from scripts.fuzzing.findings import failure_of, minimised
from scripts.fuzzing.targets import TARGETS

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER: Final = _CACHE / "winpe_certs" / "fuzz"
_EVERY: Final = "all"
_FIGURES: Final = ("stat::", "ALARM", "SUMMARY", "==")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 1 when there are findings."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(TARGETS))
        return 0
    if options.target is None:
        parser.error(f"name a target: {_EVERY}, {', '.join(TARGETS)}")
    if options.target == _EVERY and (options.replay or options.minimise):
        parser.error("files belong to one target")
    if options.replay:
        return max([_replay(options.target, path) for path in options.replay])
    if options.minimise:
        return _minimise(options.target, options.minimise)
    names = list(TARGETS) if options.target == _EVERY else [options.target]
    return max([_fuzz(name, options) for name in names])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*TARGETS, _EVERY], metavar="TARGET")
    parser.add_argument("minutes", nargs="?", type=float, default=5, metavar="MINUTES", help="default 5")
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--plain", action="store_true", help="without atheris: own changes, no coverage")
    parser.add_argument("--seed", default=str(os.getpid()), help="of --plain; default: another each time")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"keeps corpus and findings ({FOLDER})")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="feed files to the target")
    parser.add_argument("--minimise", type=Path, metavar="FILE", help="make a finding small, in place")
    return parser


def _fuzz(name: str, options: argparse.Namespace) -> int:
    folder: Path = options.folder / name
    before = _kept(folder)
    print(f"{name}: {options.minutes:g} minutes", flush=True)
    died = False
    try:
        if options.plain:
            _plain(name, folder, options)
        else:
            _guided(name, folder, options.minutes)
    except Died as death:
        print(death)
        died = True
    new = sorted(_kept(folder) - before)
    for path in new:
        print(f"finding: {path}\n  scripts/fuzz {name} --replay {shlex.quote(str(path))}")
    return 1 if new or died else 0


def _plain(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Feed changed files; what the process dies of is a finding."""
    largest = TARGETS[name].longest
    try:
        seconds = options.minutes * 60
        print(run(name, folder, "--seed", options.seed, "--seconds", seconds, "--largest", largest))
    except Died:
        current = folder / CURRENT
        if current.exists():
            (folder / "findings").mkdir(exist_ok=True)
            current.rename(folder / "findings" / f"died-{options.seed}.bin")
        raise


def _guided(name: str, folder: Path, minutes: float) -> None:
    """Let atheris work; what it says goes to a log, its figures are shown."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "scripts.fuzzing.guided", name, "--folder", str(folder)]
    command += ["--seconds", str(max(1, round(minutes * 60)))]
    done = subprocess.run(command, cwd=REPOSITORY, check=False, stderr=subprocess.PIPE)
    log = folder / "log.txt"
    log.write_bytes(done.stderr)
    lines = done.stderr.decode(errors="replace").splitlines()
    for line in [line for line in lines if "\tDONE " in line or line.startswith(_FIGURES)]:
        print(f"  {line.strip()}")
    if done.returncode:
        raise Died(f"{name}: atheris ended with {done.returncode}, see {log}")


def _kept(folder: Path) -> set[Path]:
    """The findings that lie in a folder, without what is said about them."""
    return {path for path in folder.glob("findings/*") if path.suffix != ".txt"}


def _replay(name: str, path: Path) -> int:
    """Feed a file in a process of its own, under the limits of fuzzing."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            tally = run(name, Path(folder), "--files", path.resolve())
        except Died as death:
            print(f"{path}: {death}")
            return 1
        for finding in tally.findings:
            print(f"{path}: {Path(finding).with_suffix('.txt').read_text(encoding='utf-8')}")
    if not tally.findings:
        print(f"{path}: {'a result' if tally.accepted else 'refused'}, {tally.seconds:.2f} seconds")
    return 1 if tally.findings else 0


def _minimise(name: str, path: Path) -> int:
    """Make a finding small that raises something; it must stay the one that it is."""
    data = contents(path)
    wanted = failure_of(TARGETS[name], data)
    if wanted is None:
        print(f"{path}: nothing is raised")
        return 1
    smaller = minimised(data, lambda each: failure_of(TARGETS[name], each) == wanted)
    path.write_bytes(smaller)
    print(f"{path}: {len(data)} to {len(smaller)} bytes, {wanted}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
