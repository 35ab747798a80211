"""Runs the campaign on every target and prints a table; exit code 1 when a promise does not hold."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.crash.campaign import Extent, Figures, campaign
from scripts.crash.judge import Image
from scripts.crash.states import Effort
from scripts.crash.strace import why_not
from scripts.crash.targets import COPY, FOLDER, HIVE, IN_PLACE, TARGETS

_REAL = ("kills", "signals", "faults", "full", "nothing", "wrong")
_HEADS = ("target", "steps", "states", "distinct", "old", "new", "neither", "left", *_REAL)
_LEGEND = """\
steps: system calls that write, in one run. states: what a kill or a power failure may leave, and how many of
them are distinct; each was judged and the command run again. left: of these, states with a temporary file.
kills, faults, full: real runs ended by a signal, with failing calls, on a full disk. signals: real runs with
--evidence and --format json, interrupted by SIGTERM or SIGINT at a call after the commit, whose report, exit
code and evidence were compared with the file. nothing: next runs that had nothing left to undo. wrong:
promises not kept."""


def row(figures: Figures) -> list[str]:
    """One line of the table."""
    images = [figures.images[image] for image in (Image.OLD, Image.NEW, Image.NEITHER)]
    numbers = [figures.steps, figures.states, figures.distinct, *images, figures.leftovers, figures.kills]
    numbers += [figures.signals, figures.faults, figures.full, figures.nothing, len(figures.problems)]
    return [figures.target, *map(str, numbers)]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="scripts/crash-matrix", description=__doc__)
    parser.add_argument("--short", action="store_true", help="four targets, samples of everything")
    parser.add_argument(
        "--random", type=int, default=200, help="random states for each situation (default 200)"
    )
    parser.add_argument(
        "--target", action="append", choices=[target.name for target in TARGETS], help="only this; repeatable"
    )
    options = parser.parse_args(arguments)
    if why_not():
        sys.exit(why_not())
    # Like Ctrl-C: what is mounted is unmounted on the way out. A job in the background has its Ctrl-C
    # ignored, and would hand that on to the runs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    extent = Extent(Effort(12, every=8) if options.short else Effort(options.random), options.short)
    done = []
    usual = (IN_PLACE, COPY, FOLDER, HIVE) if options.short else TARGETS
    for target in [each for each in TARGETS if each.name in options.target] if options.target else usual:
        with tempfile.TemporaryDirectory() as name:
            done.append(campaign(target, Path(name).resolve(), extent))
            print(f"{time.monotonic() - started:.0f} s: {target}", file=sys.stderr, flush=True)
            for problem in done[-1].problems:
                print(problem, file=sys.stderr, flush=True)
    print(table([_HEADS, *map(row, done)]))
    print(f"\n{_LEGEND}\n{time.monotonic() - started:.0f} seconds")
    return 1 if any(figures.problems for figures in done) else 0


if __name__ == "__main__":
    sys.exit(main())
