"""Memory of a run that changes several images with different hives: each further one takes little."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path

from scripts.testdata.hives import scale_hive
from scripts.testdata.images import software, windows_pe
from scripts.testdata.wim_writer import Wim, build_wim
from tests.conftest import Judge
from tests.oracle.memory import MEGABYTE, peak_of_inject

HIVE = 4
IMAGES = 6
# Unused bytes of the base block: the hives differ, and are as sound as before.
_UNUSED_AT = 0x2C0


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


def test_each_further_hive_takes_a_part_of_what_one_needs(judge: Judge, tmp_path: Path) -> None:
    """Times its size; one alone needs four times that. Hives that are all kept would take 3.4 and 4.6."""
    images = [_image(judge, tmp_path, count) for count in (1, IMAGES)]
    for options, most in (((), 1.9), (("--evidence", "e.json"), 3.2)):
        peaks = []
        for image in images:
            (tmp_path / "e.json").unlink(missing_ok=True)
            copy = Path(shutil.copy(image, tmp_path / "boot.wim"))
            peaks.append(peak_of_inject(copy, *options))
        single, further = peaks[0], peaks[1] - peaks[0]
        print(f"{single:.0f} MB for one, {further:.0f} MB for {IMAGES - 1} more {options}")
        assert further < most * HIVE * (IMAGES - 1)
