"""Time `winpe-certs compact` against ``wimlib-imagex optimize``, in turn, on images that were patched once.

Two images of 300 MB: one whose files mostly do not compress and are stored plain, which wimlib tries to
compress once more, and one whose files all are compressed, which both copy as they are stored. Each run
starts with a fresh copy of the patched image and ends with a sync of the file, for both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.bench import PROGRAM, REPOSITORY, ROOT, Cost, machine, run
from scripts.bench_image import MIXED_NAME, NAME

WAYS = {"winpe-certs": (*PROGRAM, "compact"), "wimlib": ("wimlib-imagex", "optimize")}


def measure(rounds: int, patched: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Medians of both ways over `rounds` fresh copies of an image."""
    costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    sizes: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, command in WAYS.items():
            image = folder / "boot.wim"
            shutil.copyfile(patched, image)
            os.sync()
            work, sync = run(*command, image), run("sync", image)
            sizes[name] = image.stat().st_size
            if number:  # the first round warms the caches
                costs[name].append(Cost(work.seconds + sync.seconds, work.memory))
    return {
        name: {
            "seconds": statistics.median(cost.seconds for cost in costs[name]),
            "seconds_min": min(cost.seconds for cost in costs[name]),
            "seconds_max": max(cost.seconds for cost in costs[name]),
            "memory": statistics.median(cost.memory for cost in costs[name]),
            "size": sizes[name],
        }
        for name in WAYS
    }


def report(figures: dict[str, dict[str, float]], name: str, size: int, rounds: int) -> str:
    """The table that people read."""
    lines = [
        f"{name}, patched once: {size:,} bytes; {rounds} rounds; {machine()}",
        f"{'':14}{'median s':>10}{'min':>8}{'max':>8}{'peak MB':>10}{'size':>14}",
    ]
    for way, row in figures.items():
        lines.append(
            f"{way:14}{row['seconds']:10.2f}{row['seconds_min']:8.2f}{row['seconds_max']:8.2f}"
            f"{row['memory'] / 1e6:10.0f}{row['size']:14,.0f}"
        )
    ours, theirs = figures["winpe-certs"], figures["wimlib"]
    lines.append(f"{'ratio':14}{ours['seconds'] / theirs['seconds']:10.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default 7)")
    parser.add_argument(
        "--folder", type=Path, default=REPOSITORY / "build" / "bench", help="keeps the images"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    # As pip leaves a program behind: with its modules compiled, wherever this one is started from.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(options.folder.resolve() / "bytecode")
    found = {}
    for name, more in ((NAME, []), (MIXED_NAME, ["--mixed"])):
        # In a process of its own: the peak memory of this one would count as that of the programs it starts.
        build = [sys.executable, "-m", "scripts.bench_image", str(options.folder), *more]
        subprocess.run(build, check=True)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            patched = Path(folder, "patched.wim")
            shutil.copyfile(options.folder / name, patched)
            run(*PROGRAM, "inject", patched, "--cert", ROOT)
            found[name] = measure(options.rounds, patched, Path(folder))
            print(report(found[name], name, patched.stat().st_size, options.rounds), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
