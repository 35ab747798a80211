"""Measure what `winpe-certs inject` needs of memory, by the size of the image and by that of the hive.

The bound is 120 MB beside the hive for hives of the usual size, and five times the hive's growth for all.
Images are grown by a hole in front of their lookup table, which costs no disk; the hive is read, edited and
verified in full each time. Printed is the peak of the largest process, as the system counts it.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.bench import injection, machine
from scripts.testdata.hives import scale_hive
from scripts.testdata.images import single, software
from scripts.testdata.wim_writer import build_wim

MEGABYTE = 1_000_000
IMAGES = (50, 300, 1_000, 2_000)
HIVES = (1, 4, 8, 15, 30)
LIMIT = 120
"""Megabytes that a run may take beside the size of the hive, up to the usual size of one."""
USUAL = 15
SLOPE = 5
"""Megabytes that a run may take more for each megabyte that the hive is larger."""

_LOOKUP_OFFSET, _XML_OFFSET = 56, 80
_KEYS_PER_MEGABYTE = 1_700


def build(path: Path, hive_megabytes: int, size: int) -> None:
    """An LZX image with a hive and hardly anything else, and a hole that makes it `size` bytes long."""
    hive = scale_hive(_KEYS_PER_MEGABYTE * hive_megabytes, hive_megabytes * MEGABYTE)
    raw, packed = path.with_suffix(".raw"), path.with_suffix(".lzx")
    raw.write_bytes(build_wim(single(software(hive))))
    command = ["wimlib-imagex", "export", str(raw), "1", str(packed), "--compress=LZX", "--quiet"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=600)
    data = packed.read_bytes()
    raw.unlink()
    packed.unlink()
    (lookup,) = struct.unpack_from("<Q", data, _LOOKUP_OFFSET)
    (xml,) = struct.unpack_from("<Q", data, _XML_OFFSET)
    hole = max(0, size - len(data))
    head = bytearray(data[:lookup])
    struct.pack_into("<Q", head, _LOOKUP_OFFSET, lookup + hole)
    struct.pack_into("<Q", head, _XML_OFFSET, xml + hole)
    with path.open("wb") as file:
        file.write(head)
        file.seek(lookup + hole)
        file.write(data[lookup:])


def peak(image: Path) -> float:
    """Megabytes that one inject into a fresh copy takes at most."""
    (cost,) = injection(image, "auto")
    return cost.memory / MEGABYTE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; ends with 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(prog="bounds", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two sizes of each instead of all")
    parser.add_argument("--build", nargs=3, metavar=("PATH", "HIVE_MB", "MB"), help="build one image only")
    asked = parser.parse_args(arguments)
    if asked.build:
        path, hive_megabytes, megabytes = asked.build
        build(Path(path), int(hive_megabytes), int(megabytes) * MEGABYTE)
        return 0
    images = IMAGES[::3] if asked.short else IMAGES
    hives = HIVES[:3:2] if asked.short else HIVES
    print(machine())
    broken = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'hive MB':>8}{'image MB':>10}{'peak MB':>9}{'allowed':>9}")
        usual = hives[-1] if asked.short else USUAL
        cases = [(size, 50) for size in hives] + [(usual, size) for size in images[1:]]
        smallest = 0.0
        for megabytes, size in cases:
            image = folder / "boot.wim"
            # In a process of its own, whose memory does not count as that of the program it starts.
            words = [sys.executable, "-m", "scripts.bounds", "--build", str(image), str(megabytes), str(size)]
            subprocess.run(words, check=True, timeout=900)
            found = peak(image)
            smallest = smallest or found
            allowed = smallest + SLOPE * (megabytes - hives[0]) + 2
            if megabytes <= USUAL:
                allowed = min(allowed, LIMIT + megabytes)
            print(f"{megabytes:8}{size:10}{found:9.1f}{allowed:9.1f}", flush=True)
            if found > allowed:
                broken.append((megabytes, size))
    if broken:
        print(f"above the bound: {broken}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
