"""Memory of a run: hardly more for an image forty times as large (the long form is scripts/bounds)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.bench import injection
from tests.conftest import REPOSITORY, Judge

MEGABYTE = 1_000_000


def _image(path: Path, size: int) -> Path:
    words = [sys.executable, "-m", "scripts.bounds", "--build", str(path), "2", str(size)]
    subprocess.run(words, check=True, cwd=REPOSITORY, timeout=120)
    return path


def test_memory_does_not_grow_with_the_image(judge: Judge, tmp_path: Path) -> None:
    judge("wimlib-imagex", "--version")
    small, large = _image(tmp_path / "small.wim", 50), _image(tmp_path / "large.wim", 2000)
    assert large.stat().st_size >= 2000 * MEGABYTE
    peaks = [injection(image, "auto")[0].memory / MEGABYTE for image in (small, large)]
    assert peaks[1] < peaks[0] + 10
    # What the process that starts them takes itself counts at most, not on top: so this is no tight bound.
    assert max(peaks) < 400
