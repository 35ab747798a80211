"""Time `winpe-certs audit` on 200 boot images of 20 MB, and the least that any audit of them can take.

The least: as many processes as there are processors, which read and decode the SOFTWARE hive of each image
and do nothing else. They run before and after the audit, because a shared machine is not always as fast.
The images are copies of one, each with an end of its own, so they are in the system's cache unless there is
too little memory. Memory is sampled from /proc (Linux).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from winpe_certs.wim.codecs.choice import choose
from winpe_certs.wim.parallel import keep_to_one_process
from winpe_certs.wim.reader import WimFile
from winpe_certs.workflows.selection import SOFTWARE_HIVE

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = REPOSITORY / "testdata" / "certs" / "corp-root.cer"
_PAUSE = 0.1


@dataclass
class Memory:
    """Highest memory in use, in bytes: of the first process, of any other, and of all at one time."""

    first: int = 0
    other: int = 0
    sums: list[int] = field(default_factory=list)

    def sample(self, first: int) -> None:
        """Look at every process of the session that `first` leads."""
        total = 0
        for process, resident, highest in _session(first):
            total += resident
            if process == first:
                self.first = max(self.first, highest)
            else:
                self.other = max(self.other, highest)
        self.sums.append(total)

    @property
    def drift(self) -> float:
        """How much more was in use in the last quarter of the time than in the second."""
        quarter = len(self.sums) // 4
        return max(self.sums[-quarter:]) / max(self.sums[quarter : 2 * quarter]) if quarter else 1.0


def _session(leader: int) -> Iterator[tuple[int, int, int]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if os.getsid(int(folder.name)) != leader:
                continue
            status = (folder / "status").read_text()
        except (OSError, ProcessLookupError):
            continue
        sizes = dict(
            line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM"))
        )
        if sizes:
            resident, highest = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
            yield int(folder.name), resident, highest


def build(folder: Path, count: int) -> list[Path]:
    """Make the images, unless they are there already."""
    # In a process of its own, whose memory is not this one's.
    make = (
        "import sys; from pathlib import Path; from scripts.bench_image import build_bench_image; "
        "print(build_bench_image(Path(sys.argv[1]), files=800, total=21_000_000, hive_keys=9_000,"
        " hive_bytes=5_000_000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", make, str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    base = Path(done.stdout.splitlines()[-1])
    estate = folder / "estate"
    estate.mkdir(exist_ok=True)
    images = [estate / f"boot.ABC{number:05X}.wim" for number in range(count)]
    for number, image in enumerate(images):
        if not image.exists():
            shutil.copyfile(base, image)
            with image.open("ab") as file:
                file.write(number.to_bytes(16, "little"))
    return images


def audited(estate: Path, count: int, codec: str) -> tuple[float, Memory]:
    """Seconds and memory of one audit."""
    memory = Memory()
    started = time.perf_counter()
    with (
        # Not a pipe, which would be full before anybody reads it.
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "winpe_certs",
                "audit",
                str(estate),
                "--require",
                str(ROOT),
                "--codec",
                codec,
            ],
            stdout=told,
            start_new_session=True,
            cwd=REPOSITORY,
        ) as process,
    ):
        while process.poll() is None:
            memory.sample(process.pid)
            time.sleep(_PAUSE)
        seconds = time.perf_counter() - started
        told.seek(0)
        out = told.read()
    if f"{count} images in {count} files: {count} unmet" not in out:
        raise SystemExit(f"the audit went wrong: {out[-500:]}")
    return seconds, memory


def read_and_decode(codec: str, images: Sequence[Path]) -> None:
    """Run in a process of its own: the bare reads and decodes."""
    keep_to_one_process()
    codecs = choose(codec)
    for path in images:
        with path.open("rb") as file:
            WimFile(file, str(path), codecs=codecs).read_file(1, SOFTWARE_HIVE)


def least(images: Sequence[Path], processors: int, codec: str) -> float:
    """Seconds for the bare reads and decodes, start-up of their processes not counted."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(processors) as pool:
        work = partial(read_and_decode, codec)
        pool.map(work, [images[:1]] * processors, chunksize=1)
        started = time.perf_counter()
        pool.map(work, [[image] for image in images], chunksize=1)
        return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="default 200")
    parser.add_argument(
        "--folder", type=Path, default=REPOSITORY / "build" / "bench-audit", help="keeps them"
    )
    parser.add_argument("--codec", default="auto", choices=["auto", "python", "libwim"])
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    images = build(options.folder, options.images)
    processors = len(os.sched_getaffinity(0))
    print(
        f"{len(images)} images of {images[0].stat().st_size / 1e6:.1f} MB; {processors} processors, ", end=""
    )
    print(
        f"{platform.machine()}, Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}", flush=True
    )
    before = least(images, processors, options.codec)
    seconds, memory = audited(images[0].parent, len(images), options.codec)
    after = least(images, processors, options.codec)
    bound = (before + after) / 2
    print(f"audit {seconds:.1f} s, {len(images) / seconds:.1f} images/s")
    print(f"reads and decodes alone, before and after: {before:.1f} s and {after:.1f} s; ", end="")
    print(f"ratio {seconds / bound:.2f}; load now {os.getloadavg()[0]:.1f}")
    print(
        f"peak memory: first process {memory.first / 1e6:.0f} MB, largest other {memory.other / 1e6:.0f} MB"
    )
    print(f"in use in the last quarter of the time against the second: {memory.drift:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
