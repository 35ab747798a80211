"""Memory of a run: hardly more for an image forty times as large (the long form is scripts/bounds)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.bounds import LIMIT
from tests.conftest import REPOSITORY, Judge
from tests.oracle.memory import MEGABYTE, peak_of_inject

HIVE = 2
"""Megabytes."""


def _image(path: Path, size: int) -> Path:
    words = [sys.executable, "-m", "scripts.bounds", "--build", str(path), str(HIVE), str(size)]
    subprocess.run(words, check=True, cwd=REPOSITORY, timeout=120)
    return path


def test_memory_does_not_grow_with_the_image(judge: Judge, tmp_path: Path) -> None:
    judge("wimlib-imagex", "--version")
    small, large = _image(tmp_path / "small.wim", 50), _image(tmp_path / "large.wim", 2000)
    assert large.stat().st_size >= 2000 * MEGABYTE
    peaks = [peak_of_inject(image) for image in (small, large)]
    assert peaks[1] < peaks[0] + 10
    # The bound of scripts/bounds: so much beside a hive of the usual size.
    assert max(peaks) < LIMIT + HIVE
