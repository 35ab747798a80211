"""What to try, how often, and one cell of it: chunks of one codec, chunk size, level and source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from scripts.chunks.libwim import CHUNK_SIZES, LibWim
from scripts.chunks.sources import SOURCES, with_opcodes_at_the_ends
from winpe_certs.errors import ChunkError
from winpe_certs.wim.codecs.interface import Compression, decoder_for

# libwim changes its way of searching between these: LZX at 35, XPRESS at 30 and 60.
LEVELS = (1, 20, 29, 34, 50, 75, 100)
_CODECS = (Compression.XPRESS, Compression.LZX)
_MOST_ATTEMPTS = 20
_PROBLEMS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination, and how many chunks of it are decoded."""

    compression: Compression
    chunk_size: int
    level: int
    source: str
    quota: int

    def __str__(self) -> str:
        return f"{self.compression.value}, {self.chunk_size}, level {self.level}, {self.source}"


@dataclass(slots=True)
class Figures:
    """What came of a cell. `grown`: coded chunks that are no smaller, which a file would not hold."""

    cell: Cell
    chunks: int = 0
    full: int = 0
    grown: int = 0
    with_calls: int = 0
    too_short: int = 0
    plain_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def plan(chunks: int, sources: Sequence[str]) -> list[Cell]:
    """Every combination at least once, `chunks` or a few more in all, fewer where a chunk takes longer.

    The largest chunks come first, so that two processes end together.
    """
    pairs = [(codec, size) for codec in _CODECS for size in CHUNK_SIZES[codec]]
    weights = {
        pair: math.sqrt((1 << 21) / pair[1]) * (2 if pair[0] is Compression.LZX else 1) for pair in pairs
    }
    share = chunks / (sum(weights.values()) * len(LEVELS) * len(sources))
    cells = [
        Cell(codec, size, level, source, math.ceil(weights[codec, size] * share))
        for (codec, size), level, source in itertools.product(pairs, LEVELS, sources)
    ]
    return sorted(cells, key=lambda cell: -cell.chunk_size)


def run(library: LibWim, cell: Cell, seed: int, longest: int = 1 << 21) -> Figures:
    """Compress with libwim, decode with both, compare; plain sizes up to `longest`."""
    generator = Random(f"{seed}/{cell}")
    figures = Figures(cell)
    kind, chunk_size = cell.compression, cell.chunk_size
    decode = decoder_for(kind)
    with (
        library.compressor(kind, chunk_size, cell.level, may_grow=True) as compress,
        library.decompressor(kind, chunk_size) as decompress,
    ):
        for attempt in range(cell.quota * _MOST_ATTEMPTS):
            if figures.chunks == cell.quota:
                break
            size = min(chunk_size if attempt == 0 else _plain_size(generator, chunk_size), longest)
            plain = SOURCES[cell.source](generator, size)
            if generator.random() < 0.5:
                plain = with_opcodes_at_the_ends(generator, plain)
            stored = compress(plain)
            if stored is None:
                figures.too_short += 1
                continue
            figures.chunks += 1
            figures.full += size == chunk_size
            figures.grown += len(stored) >= size
            figures.with_calls += kind is Compression.LZX and b"\xe8" in plain[:-10]
            figures.plain_bytes += size
            try:
                ours: bytes | None = decode(stored, size, chunk_size)
            except ChunkError:
                ours = None
            theirs = decompress(stored, size)
            if not (ours == theirs == plain) and len(figures.problems) < _PROBLEMS_KEPT:
                which = [name for name, got in (("ours", ours), ("libwim's", theirs)) if got != plain]
                figures.problems.append(f"{cell}, attempt {attempt}, {size} bytes: not {' and '.join(which)}")
    return figures


def _plain_size(generator: Random, chunk_size: int) -> int:
    """Full chunks, last ones of any size, and sizes at which something ends."""
    kind = generator.random()
    if kind < 0.35:
        return chunk_size
    if kind < 0.6:
        return generator.randint(1, chunk_size)
    if kind < 0.8:
        return generator.randint(1, 700)
    edge = 1 << generator.randrange(7, chunk_size.bit_length())
    return min(chunk_size, max(1, edge + generator.randrange(-12, 13)))
