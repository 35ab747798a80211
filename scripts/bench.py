"""Time winpe-certs against the best that a user could do without it, in turn, on an image of 300 MB.

*inject*: ``wimlib-imagex extract``, ``hivexregedit --merge``, ``wimlib-imagex update``. Every run starts with
a fresh copy of the image. winpe-certs syncs and verifies what it wrote, the other way does not.
*verify* of 20 images: one call, against ``wimlib-imagex extract`` and ``hivexsh``, which prints the Blob, for
each. The images are 20 names of one file, so that all of them are in the system's cache.
*start-up*: ``--version`` and ``--help``, against importing Typer.
*evidence*, with ``--evidence`` and instead of all others: ``inject --evidence``, against ``inject`` without.

Printed are medians of wall-clock seconds, their ratio to the other way, peak memory of the largest process
and growth of the file.
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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from scripts.bench_image import NAME

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = REPOSITORY / "testdata" / "certs" / "corp-root.cer"
THUMBPRINT = "1A8D2CC87D14C0B37372F979E20945250B635A45"
HIVE = "/Windows/System32/config/SOFTWARE"
PROGRAM = (sys.executable, "-m", "winpe_certs")
CODECS = ("libwim", "python")
IMAGES = 20


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, peak memory of its largest process in bytes."""

    seconds: float
    memory: int


@dataclass
class Row:
    """All counted runs of one way of doing something."""

    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    growth: int | None = None

    def figures(self, other: Row) -> dict[str, float | int | None]:
        """What is written down of it, beside the way that it is compared with."""
        return {
            "seconds": statistics.median(self.seconds),
            "seconds_min": min(self.seconds),
            "seconds_max": max(self.seconds),
            "ratio": statistics.median(self.seconds) / statistics.median(other.seconds),
            "memory": self.memory,
            "growth": self.growth,
        }


Way = Callable[[], list[Cost]]
Group = Mapping[str, Way]
"""Ways of doing the same; the last one is what the others are compared with."""


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


def injection(image: Path, codec: str, *more: object) -> list[Cost]:
    """One command."""
    return [run(*PROGRAM, "inject", image, "--cert", ROOT, "--codec", codec, *more)]


def three_commands(image: Path, reg: Path) -> list[Cost]:
    """The same with other tools; the .reg is ready in the encoding that hivexregedit wants."""
    folder = image.parent
    hive = folder / "SOFTWARE"
    prefix = "HKEY_LOCAL_MACHINE\\SOFTWARE"
    return [
        run("wimlib-imagex", "extract", image, 1, HIVE, f"--dest-dir={folder}", "--no-acls"),
        run("hivexregedit", "--merge", "--prefix", prefix, hive, reg),
        run("wimlib-imagex", "update", image, 1, f"--command=add '{hive}' '{HIVE}'"),
    ]


def verification(images: Sequence[Path], codec: str) -> list[Cost]:
    """One command for all images."""
    return [run(*PROGRAM, "verify", *images, "--cert", ROOT, "--codec", codec)]


def two_commands(images: Sequence[Path], script: Path) -> list[Cost]:
    """The same with other tools, image by image."""
    folder = images[0].parent
    costs = []
    for image in images:
        costs.append(run("wimlib-imagex", "extract", image, 1, HIVE, f"--dest-dir={folder}", "--no-acls"))
        costs.append(run("hivexsh", "-f", script, folder / "SOFTWARE"))
    return costs


def measure(rounds: int, group: Group, before: Callable[[], Path | None]) -> dict[str, Any]:
    """Run all ways of a group in turn; `before` each run may make a file whose growth is told."""
    rows = {name: Row() for name in group}
    for number in range(rounds + 1):
        for name, way in group.items():
            file = before()
            size = file.stat().st_size if file else 0
            costs = way()
            row = rows[name]
            row.growth = file.stat().st_size - size if file else None
            if number:  # the first round warms the caches
                row.seconds.append(sum(cost.seconds for cost in costs))
                row.memory = max(row.memory, *(cost.memory for cost in costs))
    other = list(rows.values())[-1]
    return {name: row.figures(other) for name, row in rows.items()}


def copied(base: Path, image: Path) -> Path:
    """A fresh copy, on the disk before anything is timed."""
    shutil.copyfile(base, image)
    os.sync()
    return image


def measure_evidence(rounds: int, base: Path, folder: Path) -> dict[str, Any]:
    """What keeping evidence costs."""
    image = folder / "boot.wim"
    proof = ("--evidence", folder / "evidence.json", "--overwrite")
    ways = {
        "with evidence": partial(injection, image, "auto", *proof),
        "without": partial(injection, image, "auto"),
    }
    return {"evidence": measure(rounds, ways, partial(copied, base, image))}


def measure_all(rounds: int, base: Path, folder: Path) -> dict[str, Any]:
    """All groups but that one."""
    image, reg, script = folder / "boot.wim", folder / "root.reg", folder / "look.hivexsh"
    fresh = partial(copied, base, image)
    run(*PROGRAM, "export", ROOT, "-o", folder / "utf16.reg", "--hive-name", "SOFTWARE")
    reg.write_text((folder / "utf16.reg").read_text(encoding="utf-16"), encoding="utf-8")
    figures = {
        "inject": measure(
            rounds,
            {
                **{f"winpe-certs, {codec}": partial(injection, image, codec) for codec in CODECS},
                "the three commands": partial(three_commands, image, reg),
            },
            fresh,
        )
    }
    injection(fresh(), "auto")
    images = [folder / f"boot-{number:02}.wim" for number in range(IMAGES)]
    for name in images:
        name.hardlink_to(image)
    key = f"\\Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{THUMBPRINT}"
    script.write_text(f"cd {key}\nlsval Blob\n", encoding="utf-8")
    figures[f"verify of {IMAGES}"] = measure(
        rounds,
        {
            **{f"winpe-certs, {codec}": partial(verification, images, codec) for codec in CODECS},
            "two commands each": partial(two_commands, images, script),
        },
        lambda: None,
    )
    figures["start-up"] = measure(
        2 * rounds,
        {
            "--version": lambda: [run(*PROGRAM, "--version")],
            "--help": lambda: [run(*PROGRAM, "--help")],
            "bare interpreter": lambda: [run(sys.executable, "-c", "pass")],
            "import typer": lambda: [run(sys.executable, "-c", "import typer")],
        },
        lambda: None,
    )
    return figures


def machine() -> str:
    """What the figures were measured on, and how busy it was with other things before."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}, {load}"


def report(figures: Mapping[str, Any], heading: str) -> str:
    """The table that people read."""
    lines = [heading, f"{'':36}{'median s':>10}{'min':>8}{'max':>8}{'ratio':>8}{'peak MB':>9}{'growth':>11}"]
    for group, rows in figures.items():
        for name, row in rows.items():
            growth = "" if row["growth"] is None else f"{row['growth']:,}"
            lines.append(
                f"{group + ': ' + name:36}{row['seconds']:10.3f}{row['seconds_min']:8.3f}"
                f"{row['seconds_max']:8.3f}{row['ratio']:8.2f}{row['memory'] / 1e6:9.0f}{growth:>11}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default 7)")
    parser.add_argument("--evidence", action="store_true", help="time evidence, and nothing else")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "bench", help="keeps the image")
    parser.add_argument("--json", type=Path, help="write the figures here (default: FOLDER/bench.json)")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    # In a process of its own: the peak memory of this one would count as that of every program it starts.
    subprocess.run([sys.executable, "-m", "scripts.bench_image", str(options.folder)], check=True)
    base = options.folder / NAME
    # As pip leaves a program behind: with its modules compiled, wherever this one is started from.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(options.folder.resolve() / "bytecode")
    heading = f"{base.name}: {base.stat().st_size / 1e6:.0f} MB; {options.rounds} rounds; {machine()}"
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measured = measure_evidence if options.evidence else measure_all
        figures = measured(options.rounds, base, Path(folder))
    print(report(figures, heading))
    document = {"measured_on": heading, "rounds": options.rounds, "figures": figures}
    target = options.json or options.folder / "bench.json"
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
