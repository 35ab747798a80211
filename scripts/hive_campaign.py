"""Runs the random edits of hives as long as asked and adds up what was done (scripts/hive-campaign)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

TEST = "tests/property/test_regf_stateful.py"
WORKERS = 2
_LABELS = ("hive", "keys")
_FIGURES = ("sequences", "edits", "saves", "refusals")


def main(arguments: list[str] | None = None) -> int:
    """Run the test in its long form, or for some minutes, and print a table; give the test's exit code."""
    parser = argparse.ArgumentParser(prog="scripts/hive-campaign", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, help="about how long; the whole long form without")
    parser.add_argument("seed", nargs="?", type=int, default=0, help="which edits; 0 unless told")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), f"--junitxml={report}", TEST]
        asked = {"WINPE_CERTS_SEED": str(options.seed)}
        if options.minutes is None:
            asked["WINPE_CERTS_LONG"] = "1"
        else:
            seconds = options.minutes * 60 * WORKERS / number_of_tests()
            asked["WINPE_CERTS_HIVE_SECONDS"] = f"{seconds:.1f}"
        code = subprocess.run(command, check=False, env={**os.environ, **asked}).returncode
        print("\n".join(table(report)))
    return code


def number_of_tests() -> int:
    """Tell over how many hives the time is to be divided."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", TEST]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return max(1, sum(line.startswith(TEST) for line in listed.splitlines()))


def table(report: Path) -> list[str]:
    """Add up the figures that the tests have recorded."""
    total: Counter[str] = Counter()
    sizes: list[int] = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by pytest a moment ago
        figures = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
        if "hive" not in figures:
            continue
        sizes.append(int(figures["keys"]))
        for name, value in figures.items():
            if name not in _LABELS:
                total[name] += int(value)
    if not sizes:
        return ["no hive was edited"]
    judges = sorted(set(total) - set(_FIGURES))
    rows = [("hives", f"{len(sizes)}, of {min(sizes):,} to {max(sizes):,} keys")]
    rows += [(name, f"{total[name]:,}") for name in _FIGURES]
    rows += [(f"reads by {name}", f"{total[name]:,}") for name in judges]
    return ["", "| what | number |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


if __name__ == "__main__":
    sys.exit(main())
