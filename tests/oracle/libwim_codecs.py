"""libwim as a judge of chunks, through its C interface; and data of many kinds to try it with."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REQUIRED, SHARED_DATA, read_hive
from winpe_certs.wim.codecs.interface import Compression

_TYPES = {Compression.XPRESS: 1, Compression.LZX: 2}

CHUNK_SIZES = {
    Compression.XPRESS: [1 << order for order in range(12, 17)],
    Compression.LZX: [1 << order for order in range(15, 22)],
}


class LibWim:
    """The four functions needed, with their types."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        handle = ctypes.c_void_p
        size = ctypes.c_size_t
        data = ctypes.c_char_p
        self._create_compressor = library.wimlib_create_compressor
        self._create_compressor.argtypes = [ctypes.c_int, size, ctypes.c_uint, ctypes.POINTER(handle)]
        self._compress = library.wimlib_compress
        self._compress.argtypes = [data, size, data, size, handle]
        self._compress.restype = size
        self._free_compressor = library.wimlib_free_compressor
        self._free_compressor.argtypes = [handle]
        self._create_decompressor = library.wimlib_create_decompressor
        self._create_decompressor.argtypes = [ctypes.c_int, size, ctypes.POINTER(handle)]
        self._decompress = library.wimlib_decompress
        self._decompress.argtypes = [data, size, data, size, handle]
        self._free_decompressor = library.wimlib_free_decompressor
        self._free_decompressor.argtypes = [handle]

    @contextmanager
    def compressor(
        self, compression: Compression, chunk_size: int, level: int
    ) -> Iterator[Callable[[bytes], bytes | None]]:
        """A function from plain to stored bytes, None when that is not smaller."""
        handle = ctypes.c_void_p()
        assert not self._create_compressor(_TYPES[compression], chunk_size, level, ctypes.byref(handle))
        buffer = ctypes.create_string_buffer(chunk_size)

        def compress(plain: bytes) -> bytes | None:
            size = self._compress(plain, len(plain), buffer, len(plain) - 1, handle)
            return buffer.raw[:size] if size else None

        try:
            yield compress
        finally:
            self._free_compressor(handle)

    @contextmanager
    def decompressor(
        self, compression: Compression, chunk_size: int
    ) -> Iterator[Callable[[bytes, int], bytes | None]]:
        """A function from stored bytes and plain size to plain bytes, None when they do not decode."""
        handle = ctypes.c_void_p()
        assert not self._create_decompressor(_TYPES[compression], chunk_size, ctypes.byref(handle))
        buffer = ctypes.create_string_buffer(chunk_size)

        def decompress(stored: bytes, plain_size: int) -> bytes | None:
            failed = self._decompress(stored, len(stored), buffer, plain_size, handle)
            return None if failed else buffer.raw[:plain_size]

        try:
            yield decompress
        finally:
            self._free_decompressor(handle)


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
