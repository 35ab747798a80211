"""Plain bytes of many kinds: made up with a purpose, or cut out of real files."""

from __future__ import annotations

import lzma
import os
import random
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

Source = Callable[[Random, int], bytes]
"""Makes so many plain bytes."""

_CALL = 0xE8
_FILE_SIZE = 12_000_000  # what LZX takes every file's size to be when it translates calls
_POOL = 48 << 20

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_DATA = Path(os.environ.get("WINPE_CERTS_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")


def noise(generator: Random, size: int) -> bytes:
    """Bytes of an alphabet of one to all: from no entropy to full, flat or steep."""
    kinds = 1 << generator.randrange(9)
    if kinds == 256:
        return generator.randbytes(size)
    alphabet = generator.randbytes(kinds)
    weights = [0.75**n for n in range(kinds)] if generator.random() < 0.5 else None
    return bytes(generator.choices(alphabet, weights, k=size))


def text(generator: Random, size: int) -> bytes:
    """Words of a small vocabulary, in one byte or (as hives have them) two."""
    letters = "etaoinshrdlu ETAOIN_0123"
    words = ["".join(generator.choices(letters, k=generator.randrange(2, 12))) for _ in range(400)]
    written = " ".join(generator.choices(words, k=size // 3 + 1))
    return written.encode(generator.choice(("ascii", "utf-16-le")))[:size].ljust(size, b".")


def periods(generator: Random, size: int) -> bytes:
    """Repetitions near and far: runs, short periods, and what came long before with a byte changed."""
    made = bytearray(generator.randbytes(generator.randrange(1, 200)))
    while len(made) < size:
        kind = generator.randrange(3)
        if kind == 0:
            made += generator.randbytes(generator.randrange(1, 9)) * generator.randrange(2, 900)
        elif kind == 1:
            start = generator.randrange(len(made))
            made += made[start : start + generator.randrange(2, 5000)]
            made[-1] ^= 1
        else:
            made += generator.randbytes(generator.randrange(1, 60))
    return bytes(made[:size])


def calls(generator: Random, size: int) -> bytes:
    """x86-like: call opcodes close together, at both ends, with targets on every edge of the translation."""
    made = bytearray()
    density = generator.choice((6, 9, 30, 200))
    while len(made) < size:
        made += b"\x90\x55\x8b\xec\x5d\xc3"[: generator.randrange(7)] * generator.randrange(1, density)
        made.append(_CALL)
        made += _target(generator, len(made) - 1)
    del made[size:]
    return bytes(made)


def _target(generator: Random, position: int) -> bytes:
    edges = (0, -position, _FILE_SIZE - position, _FILE_SIZE, -_FILE_SIZE)
    target = generator.choice(edges) + generator.randrange(-2, 3)
    if generator.random() < 0.5:
        target = generator.randrange(-70_000, 70_000)
    if generator.random() < 0.1:
        return generator.choice((b"\xe8" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"))
    return target.to_bytes(4, "little", signed=True)


def mixed(generator: Random, size: int) -> bytes:
    """All of these in turns, so that codes change from block to block."""
    made = b""
    while len(made) < size:
        source = generator.choice((noise, text, periods, calls))
        made += source(generator, generator.randrange(1, max(2, min(size, 40_000))))
    return made[:size]


def with_opcodes_at_the_ends(generator: Random, plain: bytes) -> bytes:
    """The same with call opcodes sown where the translation starts and stops."""
    made = bytearray(plain)
    for _ in range(generator.randrange(1, 6)):
        at = generator.randrange(14)
        if at < len(made):
            made[-1 - at if generator.random() < 0.8 else at] = _CALL
    return bytes(made)


def _hives() -> list[Path]:
    folder = SHARED_DATA / "hives"
    return [path for kind in ("real", "synth", "dirty") for path in folder.glob(f"{kind}/*.xz")]


def _libraries() -> list[Path]:
    folders = {sysconfig.get_path("platstdlib"), sysconfig.get_path("platlib"), "/usr/lib"}
    return [path for folder in folders for path in Path(folder).rglob("*.so*")]


def _programs() -> list[Path]:
    return [path for folder in ("/usr/bin", "/usr/sbin") for path in Path(folder).glob("*")]


def _scripts() -> list[Path]:
    return list(Path(sysconfig.get_path("stdlib")).glob("*.py"))


_REAL = {"hives": _hives, "libraries": _libraries, "programs": _programs, "scripts": _scripts}


@cache
def _pool(name: str) -> bytes:
    """Real files one behind the other, in an order that is the same each time; empty where there are none."""
    paths = sorted(path for path in _REAL[name]() if path.is_file() and not path.is_symlink())
    random.Random(name).shuffle(paths)
    pieces: list[bytes] = []
    room = _POOL
    for path in paths:
        if room <= 0:
            break
        try:
            data = path.read_bytes()
        except OSError:
            continue
        pieces.append((lzma.decompress(data) if path.suffix == ".xz" else data)[: _POOL // 4])
        room -= len(pieces[-1])
    return b"".join(pieces)


def _cut_from(name: str) -> Source:
    def cut(generator: Random, size: int) -> bytes:
        pool = _pool(name)
        start = generator.randrange(max(1, len(pool) - size))
        return pool[start : start + size].ljust(size, b"\0")

    return cut


MADE: dict[str, Source] = {
    "noise": noise,
    "text": text,
    "periods": periods,
    "calls": calls,
    "mixed": mixed,
}
SOURCES: dict[str, Source] = {**MADE, **{name: _cut_from(name) for name in _REAL}}


def is_there(name: str) -> bool:
    """Whether this system has files for a source."""
    return name in MADE or bool(_pool(name))
