"""Time `winpe-certs inject` against the best that a user could do without it, in turn, on a 300 MB image.

The other way: ``wimlib-imagex extract``, ``hivexregedit --merge``, ``wimlib-imagex update``.
Each round starts with a fresh copy of the image for both. Printed are medians of wall-clock seconds, their
ratio, peak memory of the largest process and growth of the file.
winpe-certs syncs and verifies what it wrote, the other way does not. With ``--evidence`` its own way is timed
with and without evidence instead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench_image import NAME

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = REPOSITORY / "testdata" / "certs" / "corp-root.cer"
HIVE = "/Windows/System32/config/SOFTWARE"
PROGRAM = (sys.executable, "-m", "winpe_certs")


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, peak memory of its largest process in bytes."""

    seconds: float
    memory: int


Ways = Mapping[str, Callable[[Path, Path], list[Cost]]]


def run(*command: object) -> Cost:
    """Run one command to its end; raises on failure."""
    words = list(map(str, command))
    started = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            message = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise SystemExit(f"{words[0]} failed with {process.returncode}: {message}")
    return Cost(seconds, usage.ru_maxrss * 1024)


def ours(image: Path, _: Path) -> list[Cost]:
    """One command."""
    return [run(*PROGRAM, "inject", image, "--cert", ROOT)]


def theirs(image: Path, folder: Path) -> list[Cost]:
    """Three commands, with the .reg ready in the encoding that hivexregedit wants."""
    reg = folder / "root.reg"
    if not reg.exists():
        run(*PROGRAM, "export", ROOT, "-o", folder / "utf16.reg", "--hive-name", "SOFTWARE")
        reg.write_text((folder / "utf16.reg").read_text(encoding="utf-16"), encoding="utf-8")
    hive = folder / "SOFTWARE"
    prefix = "HKEY_LOCAL_MACHINE\\SOFTWARE"
    return [
        run("wimlib-imagex", "extract", image, 1, HIVE, f"--dest-dir={folder}", "--no-acls"),
        run("hivexregedit", "--merge", "--prefix", prefix, hive, reg),
        run("wimlib-imagex", "update", image, 1, f"--command=add '{hive}' '{HIVE}'"),
    ]


def with_evidence(image: Path, folder: Path) -> list[Cost]:
    """One command that also writes evidence."""
    options = ("--evidence", folder / "evidence.json", "--overwrite")
    return [run(*PROGRAM, "inject", image, "--cert", ROOT, *options)]


WAYS: Ways = {"winpe-certs": ours, "pipeline": theirs}
EVIDENCE_WAYS: Ways = {"evidence": with_evidence, "none": ours}


def measure(rounds: int, base: Path, folder: Path, ways: Ways) -> dict[str, dict[str, float]]:
    """Medians of both ways over `rounds` fresh copies of `base`."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory: dict[str, list[int]] = {name: [] for name in ways}
    growth: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            image = folder / "boot.wim"
            shutil.copyfile(base, image)
            os.sync()
            costs = way(image, folder)
            growth[name] = image.stat().st_size - base.stat().st_size
            if number:  # the first round warms the caches
                seconds[name].append(sum(cost.seconds for cost in costs))
                memory[name].append(max(cost.memory for cost in costs))
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "seconds_min": min(seconds[name]),
            "seconds_max": max(seconds[name]),
            "memory": statistics.median(memory[name]),
            "growth": growth[name],
        }
        for name in seconds
    }


def startup(rounds: int) -> str:
    """Median start-up of ``--help`` and of the bare interpreter, in milliseconds."""
    commands = {"--help": (*PROGRAM, "--help"), "bare interpreter": (sys.executable, "-c", "pass")}
    medians = {
        name: 1000 * statistics.median(run(*command).seconds for _ in range(rounds))
        for name, command in commands.items()
    }
    return "start-up: " + ", ".join(f"{name} {median:.0f} ms" for name, median in medians.items())


def machine() -> str:
    """What the figures were measured on."""
    return f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"


def report(figures: dict[str, dict[str, float]], base: Path, rounds: int) -> str:
    """The table that people read."""
    lines = [
        f"{base.name}: {base.stat().st_size / 1e6:.0f} MB; {rounds} rounds; {machine()}",
        f"{'':14}{'median s':>10}{'min':>8}{'max':>8}{'peak MB':>10}{'growth':>12}",
    ]
    for name, row in figures.items():
        lines.append(
            f"{name:14}{row['seconds']:10.2f}{row['seconds_min']:8.2f}{row['seconds_max']:8.2f}"
            f"{row['memory'] / 1e6:10.0f}{row['growth']:12,.0f}"
        )
    mine, other = figures.values()
    lines.append(
        f"{'ratio':14}{mine['seconds'] / other['seconds']:10.2f}{'':16}"
        f"{mine['memory'] / other['memory']:10.2f}{mine['growth'] / other['growth']:12.3f}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default 7)")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "bench", help="keeps the image")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--evidence", action="store_true", help="time inject with and without evidence")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    # In a process of its own: the peak memory of this one would count as that of every program it starts.
    subprocess.run([sys.executable, "-m", "scripts.bench_image", str(options.folder)], check=True)
    base = options.folder / NAME
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(options.rounds, base, Path(folder), EVIDENCE_WAYS if options.evidence else WAYS)
    print(report(figures, base, options.rounds))
    print(startup(options.rounds))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
