"""libwim as a judge of chunks where it is installed, and data of many kinds to try it with."""

from __future__ import annotations

import ctypes.util
import random
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest

from scripts.chunks.libwim import LibWim
from tests.conftest import REQUIRED, SHARED_DATA, read_hive


def load_libwim() -> LibWim:
    """libwim, or a skip with the reason; a failure where judges are required."""
    path = ctypes.util.find_library("wim")
    if path is None:
        if "judges" in REQUIRED:
            pytest.fail("libwim is not installed, and WINPE_CERTS_REQUIRE asks for judges")
        pytest.skip("libwim is not installed")
    return LibWim(path)


@cache
def corpus(size: int) -> dict[str, bytes]:
    """About `size` bytes of each kind of data, the same at every call; hives only where shared data is."""
    generator = random.Random(20)
    words = [generator.randbytes(generator.randrange(2, 9)) for _ in range(300)]
    kinds = {
        "zeros": bytes(size),
        "random": generator.randbytes(size),
        "nibbles": bytes(generator.choices(b"0123456789abcdef", k=size)),
        "skewed": bytes(min(int(generator.expovariate(0.08)), 255) for _ in range(size)),
        "words": b"".join(generator.choices(words, k=size // 5))[:size],
        "periods": b"".join(generator.randbytes(n % 400 + 1) * 9 for n in range(40, size // 500)),
        "calls": b"".join(
            b"\xe8"
            + generator.randrange(-70_000, 13_000_000).to_bytes(4, "little", signed=True)
            + b"\x90" * 3
            for _ in range(size // 8)
        ),
    }
    source = b"".join(path.read_bytes() for path in sorted(Path(random.__file__).parent.glob("[a-d]*.py")))
    kinds["source"] = source[:size]
    found = [shutil.which(name) for name in ("wimlib-imagex", "bash", "ls", "tar")]
    programs = [Path(path).read_bytes() for path in (*found, sys.executable) if path]
    kinds["programs"] = b"".join(program[len(program) // 4 :][: size // 2] for program in programs)[:size]
    if SHARED_DATA.is_dir():
        for name in (
            "real/regipy-SYSTEM.xz",
            "real/notatin-NTUSER.DAT.xz",
            "synth/synth-winpe-like-1.5.hiv.xz",
        ):
            hive = read_hive(SHARED_DATA / "hives" / name)
            kinds[name] = hive[len(hive) // 5 :][:size]
    return kinds


def chunks_of(data: bytes, chunk_size: int) -> list[bytes]:
    return [data[at : at + chunk_size] for at in range(0, len(data), chunk_size)]
