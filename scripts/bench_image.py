"""Builds the image that measurements are made on: 10,000 files, a hive of 15 MB, about 300 MB of LZX.

The directory tree comes from the test data's own writer, with security descriptors, short names and times,
as an uncompressed WIM; ``wimlib-imagex export`` then compresses it. That needs neither a mount nor an NTFS
volume, and nothing is lost on the way. The content is the same each time; the GUID is not, wimlib draws one.
"""

from __future__ import annotations

import argparse
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.testdata.hives import plain_hive, scale_hive
from scripts.testdata.images import software
from scripts.testdata.security import file_descriptors
from scripts.testdata.wim_writer import Entry, Image, Wim, build_wim

NAME = "bench-boot.wim"
MIXED_NAME = "bench-mixed.wim"
_FILES_PER_FOLDER = 40
_LONG = 5_000_000


def _contents(dice: random.Random, count: int, total: int, *, mixed: bool) -> list[bytes]:
    """Make files of very different sizes: most of the bytes are noise, a fifth is text.

    When they are `mixed`, each file is noise and then text, so that nearly all of them get smaller.
    """
    words = [bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz_", k=dice.randrange(3, 12))) for _ in range(900)]
    prose = b" ".join(dice.choices(words, k=300_000))
    weights = [dice.paretovariate(1.1) for _ in range(count)]
    scale = total / sum(min(weight, 200.0) for weight in weights)
    made = []
    for weight in weights:
        size = min(int(min(weight, 200.0) * scale) + 1, _LONG)
        if mixed:
            half = size // 2
            start = dice.randrange(len(prose))
            text = (prose[start:] + prose * (half // len(prose) + 1))[: size - half]
            made.append(dice.randbytes(half) + text)
        elif dice.random() < 0.2:
            start = dice.randrange(len(prose))
            made.append((prose[start:] + prose * (size // len(prose) + 1))[:size])
        else:
            made.append(dice.randbytes(size))
    return made


def _tree(files: int, total: int, seed: int, hive: bytes, *, mixed: bool) -> Entry:
    dice = random.Random(seed)
    contents = _contents(dice, files, total, mixed=mixed)
    folders = []
    for start in range(0, files, _FILES_PER_FOLDER):
        entries = [
            Entry(f"component-{start + position:05}.dll", content, security=position % 3)
            for position, content in enumerate(contents[start : start + _FILES_PER_FOLDER])
        ]
        number = start // _FILES_PER_FOLDER
        folders.append(
            Entry(
                f"amd64_component-{number:04}_31bf3856ad364e35_10.0.26100.1_none",
                children=entries,
                short_name=f"AMD64_~{number % 10}.NON",
                security=number % 3,
            )
        )
    config = [
        Entry("DEFAULT", plain_hive("DEFAULT"), security=3),
        software(hive),
        Entry("SYSTEM", plain_hive("SYSTEM"), security=3),
    ]
    half = len(folders) // 2
    system32 = Entry("System32", children=[Entry("config", children=config, security=2), *folders[:half]])
    windows = Entry("Windows", children=[system32, Entry("WinSxS", children=folders[half:])])
    return Entry("", children=[Entry("Users"), windows])


def build_bench_image(
    folder: Path,
    *,
    files: int = 10_000,
    total: int = 345_000_000,
    hive_keys: int = 26_000,
    hive_bytes: int = 15_000_000,
    seed: int = 1,
    mixed: bool = False,
) -> Path:
    """Build the image in `folder`, unless it is there already; `total` counts its other files' bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (MIXED_NAME if mixed else NAME)
    if target.exists():
        return target
    raw = folder / "bench-raw.wim"
    unfinished = folder / "bench-unfinished.wim"
    unfinished.unlink(missing_ok=True)
    name = "Microsoft Windows PE (x64)"
    hive = scale_hive(hive_keys, hive_bytes, seed)
    image = Image(name, _tree(files, total, seed, hive, mixed=mixed), file_descriptors(), name)
    try:
        raw.write_bytes(build_wim(Wim([image], compression="none", boot_index=1, integrity_piece=None)))
        subprocess.run(
            [
                "wimlib-imagex",
                "export",
                str(raw),
                "1",
                str(unfinished),
                "--compress=LZX",
                "--boot",
                "--check",
                "--quiet",
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=900,
        )
        unfinished.rename(target)
    finally:
        raw.unlink(missing_ok=True)
        unfinished.unlink(missing_ok=True)
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: ``python -m scripts.bench_image FOLDER``."""
    parser = argparse.ArgumentParser(prog="bench_image", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mixed", action="store_true", help="files that all compress, by half or less")
    options = parser.parse_args(arguments)
    total = 460_000_000 if options.mixed else 345_000_000
    path = build_bench_image(options.folder, total=total, mixed=options.mixed)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
