"""How much memory one `inject` takes, without that of the process which asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.unit.cli.conftest import TESTDATA

MEGABYTE = 1_000_000
# A child of the tests would count their memory as its own: until it runs its program it is a copy of them.
# So a small process stands between.
_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak_of_inject(image: Path, *options: str) -> float:
    """Megabytes that the largest process of one `inject` takes at most; all images of it are changed."""
    root = TESTDATA / "certs" / "corp-root.cer"
    command = [
        sys.executable,
        "-m",
        "winpe_certs",
        "inject",
        str(image),
        "-i",
        "all",
        "-c",
        str(root),
        *options,
    ]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *command],
        check=True,
        capture_output=True,
        cwd=image.parent,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    code, peak = done.stdout.split()
    assert int(code) == 0
    return int(peak) / MEGABYTE
