"""libwim as a judge of chunks, through its C interface.

Shares nothing with the codec of the package that calls the same library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from winpe_certs.wim.codecs.interface import Compression

_TYPES = {Compression.XPRESS: 1, Compression.LZX: 2, Compression.LZMS: 3}

CHUNK_SIZES = {
    Compression.XPRESS: [1 << order for order in range(12, 17)],
    Compression.LZX: [1 << order for order in range(15, 22)],
}

# What a chunk may grow by that does not compress: code lengths, and a block header now and then.
_GROWTH = 4096


class LibWim:
    """The six functions needed, with their types."""

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
        self._free_compressor.restype = None
        self._create_decompressor = library.wimlib_create_decompressor
        self._create_decompressor.argtypes = [ctypes.c_int, size, ctypes.POINTER(handle)]
        self._decompress = library.wimlib_decompress
        self._decompress.argtypes = [data, size, data, size, handle]
        self._free_decompressor = library.wimlib_free_decompressor
        self._free_decompressor.argtypes = [handle]
        self._free_decompressor.restype = None

    @contextmanager
    def compressor(
        self, compression: Compression, chunk_size: int, level: int, *, may_grow: bool = False
    ) -> Iterator[Callable[[bytes], bytes | None]]:
        """A function from plain to stored bytes, None when not smaller (with `may_grow`: too short)."""
        handle = ctypes.c_void_p()
        assert not self._create_compressor(_TYPES[compression], chunk_size, level, ctypes.byref(handle))
        buffer = ctypes.create_string_buffer(chunk_size + _GROWTH)

        def compress(plain: bytes) -> bytes | None:
            room = len(plain) + _GROWTH if may_grow else len(plain) - 1
            size = self._compress(plain, len(plain), buffer, room, handle)
            return ctypes.string_at(buffer, size) if size else None

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
            return None if failed else ctypes.string_at(buffer, plain_size)

        try:
            yield decompress
        finally:
            self._free_decompressor(handle)
