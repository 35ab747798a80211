"""Runs the campaign on all processors and prints tables; exit code 1 when a decoder does not agree."""

from __future__ import annotations

import argparse
import ctypes.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

from scripts.chunks.campaign import LEVELS, Cell, Figures, plan, run
from scripts.chunks.libwim import LibWim
from scripts.chunks.sources import SOURCES, is_there

_HEADS = ("chunk size", "chunks", "MB", "full", "grown", "calls", "too short", "wrong")
_LEGEND = """\
chunks: coded by libwim and decoded by both. full: as long as the chunk size. grown: no smaller when coded.
calls: LZX chunks with a call opcode where calls are translated. too short: tried, but libwim codes nothing
so short. wrong: cells (codec, chunk size, level, source) in which a decoder gave other bytes."""


@cache
def _library() -> LibWim:
    path = ctypes.util.find_library("wim")
    if path is None:
        sys.exit("libwim is not installed (Debian: libwim15)")
    return LibWim(path)


def _run(cell: Cell, seed: int) -> Figures:
    return run(_library(), cell, seed)


def _table(rows: Sequence[Sequence[object]]) -> str:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in texts
    )


def _sizes(done: Sequence[Figures]) -> list[tuple[str, list[Figures]]]:
    """The figures of each codec and chunk size, and of all."""
    groups: dict[tuple[str, int], list[Figures]] = {}
    for figures in done:
        key = (figures.cell.compression.value, figures.cell.chunk_size)
        groups.setdefault(key, []).append(figures)
    return [*((f"{kind} {size}", groups[kind, size]) for kind, size in sorted(groups)), ("all", list(done))]


def _summary(done: Sequence[Figures]) -> str:
    rows: list[Sequence[object]] = [_HEADS]
    for name, group in _sizes(done):
        megabytes = sum(figures.plain_bytes for figures in group) / 1e6
        numbers = (
            sum(getattr(figures, field) for figures in group)
            for field in ("full", "grown", "with_calls", "too_short")
        )
        chunks = sum(figures.chunks for figures in group)
        rows.append((name, chunks, f"{megabytes:.1f}", *numbers, sum(bool(f.problems) for f in group)))
    return _table(rows)


def _by(done: Sequence[Figures], heads: Sequence[object], of: Callable[[Cell], object]) -> str:
    rows: list[Sequence[object]] = [("chunks", *heads)]
    for name, group in _sizes(done):
        rows.append((name, *(sum(f.chunks for f in group if of(f.cell) == head) for head in heads)))
    return _table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="scripts/codec-campaign", description=__doc__)
    parser.add_argument("chunks", type=int, nargs="?", default=10_000, help="how many (default 10000)")
    parser.add_argument("seed", type=int, nargs="?", default=1, help="of everything random (default 1)")
    options = parser.parse_args(arguments)
    _library()
    sources = [name for name in SOURCES if is_there(name)]
    if missing := SOURCES.keys() - sources:
        print(f"without {', '.join(sorted(missing))}: no such files here", file=sys.stderr)
    started = time.monotonic()
    cells = plan(options.chunks, sources)
    done: list[Figures] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for figures in pool.map(partial(_run, seed=options.seed), cells):
            done.append(figures)
            for problem in figures.problems:
                print(problem, file=sys.stderr, flush=True)
            if len(done) % 50 == 0:
                print(
                    f"{time.monotonic() - started:.0f} s: {len(done)} of {len(cells)} cells", file=sys.stderr
                )
    print(_summary(done))
    print(f"\nby libwim's level\n{_by(done, LEVELS, lambda cell: cell.level)}")
    print(f"\nby source\n{_by(done, sources, lambda cell: cell.source)}")
    print(f"\n{_LEGEND}\nseed {options.seed}, {time.monotonic() - started:.0f} seconds")
    return 1 if any(figures.problems for figures in done) else 0


if __name__ == "__main__":
    sys.exit(main())
