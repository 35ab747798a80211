"""Memory of a run that changes several images with different hives: each further one takes little."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.testdata.hives import scale_hive
from scripts.testdata.images import software, windows_pe
from scripts.testdata.wim_writer import Wim, build_wim
from tests.conftest import REPOSITORY, Judge
from tests.unit.cli.conftest import TESTDATA

MEGABYTE = 1_000_000
HIVE = 6
IMAGES = 6
# Unused bytes of the base block: the hives differ, and are as sound as before.
_UNUSED_AT = 0x2C0
_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def _image(judge: Judge, folder: Path, count: int) -> Path:
    hive = scale_hive(1_700 * HIVE, HIVE * MEGABYTE)
    images = []
    for number in range(count):
        own = bytearray(hive)
        struct.pack_into("<I", own, _UNUSED_AT, number)
        images.append(replace(windows_pe([software(bytes(own))]), name=f"Image {number}"))
    raw, path = folder / "raw.wim", folder / f"{count}.wim"
    raw.write_bytes(build_wim(Wim(images, boot_index=1)))
    judge("wimlib-imagex", "export", raw, "all", path, "--compress=LZX")
    return path


def _peak(image: Path, folder: Path, *options: str) -> float:
    """Megabytes that one `inject` into all images of a fresh copy takes at most."""
    copy = shutil.copy(image, folder / "boot.wim")
    root = TESTDATA / "certs" / "corp-root.cer"
    command = [sys.executable, "-m", "winpe_certs", "inject", copy, "-i", "all", "-c", str(root), *options]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *command],
        check=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    code, peak = done.stdout.split()
    assert int(code) == 0
    return int(peak) / MEGABYTE


@pytest.mark.parametrize(
    ("options", "most"), [((), 2.6), (("--evidence", "e.json"), 3.6)], ids=["plain", "evidence"]
)
def test_each_further_hive_takes_a_part_of_what_one_needs(
    judge: Judge, tmp_path: Path, options: tuple[str, ...], most: float
) -> None:
    """Times its size; one alone needs four times that. Hives that are all kept would take 3.4 and 4.6."""
    one, several = (_image(judge, tmp_path, count) for count in (1, IMAGES))
    single = _peak(one, tmp_path, *options)
    (tmp_path / "e.json").unlink(missing_ok=True)
    further = _peak(several, tmp_path, *options) - single
    print(f"{single:.0f} MB for one, {further:.0f} MB for {IMAGES - 1} more")
    assert further < most * HIVE * (IMAGES - 1)
