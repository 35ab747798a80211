"""libwim, found at run time, as codecs: the chunk functions of wimlib's C interface, and nothing else of it.

Names and types are those of ``wimlib.h``, section "Compression and decompression functions". The library is
neither shipped nor required (docs/decisions/0009-libwim-as-codec.md).

A handle of the library is for one call at a time, so each thread makes its own, one for each kind and chunk
size. That leaves no lock which a fork could catch in the wrong state: a child goes on with its copy of the
memory of the only thread that it has.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from collections.abc import Callable
from functools import cache, partial
from typing import Final, Protocol

from winpe_certs.errors import ChunkError, EnvironmentFailure, UnsupportedWimError, WimError
from winpe_certs.shown import plain_words
from winpe_certs.wim.codecs.interface import PYTHON, ChunkDecoder, Compression

VARIABLE: Final = "WINPE_CERTS_LIBWIM"

OLDEST: Final = (1, 13)
_NEXT_MAJOR: Final = 2

_TYPES: Final = {Compression.XPRESS: 1, Compression.LZX: 2, Compression.LZMS: 3}
_CHUNK_SIZES: Final = {
    Compression.XPRESS: range(12, 17),
    Compression.LZX: range(15, 22),
    # The format goes to a gibibyte, DISM to 64 MiB. One chunk is one piece of memory, whatever it decodes to.
    Compression.LZMS: range(15, 27),
}
_LEVEL: Final = 50  # wimlib's own default

# Neither PATH nor the working folder is searched, as both may hold what somebody else put there. With a bare
# name the loader of Windows stays with the program's and the system's folders, and that of Linux with the
# system's; that of macOS does not, so it gets whole paths. `ctypes.util.find_library` would search PATH on
# Windows, and start programs on Linux.
_FILES: Final = {
    "win32": ("libwim-15.dll",),
    "darwin": ("/opt/homebrew/lib/libwim.15.dylib", "/usr/local/lib/libwim.15.dylib"),
}
_OTHER_FILES: Final = ("libwim.so.15",)
_INSTALL: Final = f"Install it (Debian, Ubuntu: libwim15), or name its file in {VARIABLE}."


class Library(Protocol):
    """A loaded library, as ctypes gives it."""

    def __getattr__(self, name: str) -> Callable[..., int]: ...


Opener = Callable[[str], Library]


class LibwimCodecs:
    """The codecs of a loaded libwim. May be used from any thread, and on both sides of a fork."""

    is_slow = False

    def __init__(self, library: Library, path: str) -> None:
        """Raises `EnvironmentFailure` when it is no libwim, or one of a version that is not known to fit."""
        self.path = path
        try:
            self.version = _version(library)
            _declare(library)
        except AttributeError as error:
            raise EnvironmentFailure(
                f"{path} cannot be used as libwim",
                details="It lacks a function that libwim has.",
                resolution=_INSTALL,
            ) from error
        self._library = library
        self._own = _Own()

    @property
    def name(self) -> str:
        """Name and version."""
        return "libwim " + ".".join(map(str, self.version))

    def reads(self, compression: Compression) -> bool:
        """True: there is no kind that it does not read."""
        return compression is Compression.NONE or compression in _TYPES

    def decoder(self, compression: Compression) -> ChunkDecoder:
        """The function that decodes one chunk."""
        if compression is Compression.NONE:
            return PYTHON.decoder(compression)
        return partial(self.decompress, compression)

    def decompress(self, compression: Compression, data: bytes, plain_size: int, chunk_size: int) -> bytes:
        """The plain bytes of a chunk; raises `ChunkError`."""
        # Coded chunks are smaller than plain ones in every file. libwim depends on it: its LZMS decoder reads
        # out of bounds and ends the process where the plain size is 1 or 2 (seen with 1.13.6).
        if not 0 < len(data) < plain_size <= chunk_size:
            raise ChunkError(
                f"{compression.value} chunk: {len(data)} bytes stored, "
                f"{plain_size} (at most {chunk_size}) expected"
            )
        handle = self._handle("decompressor", compression, chunk_size)
        plain = ctypes.create_string_buffer(plain_size)
        if self._library.wimlib_decompress(data, len(data), plain, plain_size, handle):
            raise ChunkError(f"{compression.value} chunk: libwim cannot decode its {len(data)} bytes")
        return plain.raw

    def compress(self, compression: Compression, plain: bytes, chunk_size: int) -> bytes | None:
        """The coded bytes of a chunk, None when they are not fewer; raises `WimError`, for LZMS always."""
        if compression is Compression.NONE:
            return None
        if compression is Compression.LZMS:
            raise UnsupportedWimError(
                "LZMS chunks are read, but not written",
                resolution="Export the image to a WIM file with LZX compression and work on that.",
            )
        if len(plain) > chunk_size:
            raise WimError(f"{len(plain)} bytes are too many for a chunk of {chunk_size}")
        if len(plain) < 2:
            return None
        handle = self._handle("compressor", compression, chunk_size)
        coded = ctypes.create_string_buffer(len(plain) - 1)
        size = self._library.wimlib_compress(plain, len(plain), coded, len(coded), handle)
        return coded.raw[:size] if size else None

    def _handle(self, what: str, compression: Compression, chunk_size: int) -> ctypes.c_void_p:
        """This thread's handle, which is freed when the thread or the codecs go."""
        handles, key = self._own.handles, (what, compression, chunk_size)
        handle = handles.get(key)
        if handle is None:
            handle = handles[key] = self._make(what, compression, chunk_size)
        return handle.pointer

    def _make(self, what: str, compression: Compression, chunk_size: int) -> _Handle:
        sizes = _CHUNK_SIZES[compression]
        if chunk_size not in {1 << order for order in sizes}:
            raise UnsupportedWimError(
                f"{compression.value} chunks of {chunk_size} bytes are not supported",
                details=f"Powers of two from {1 << sizes[0]} to {1 << sizes[-1]} are.",
                resolution="Export the image to a WIM file with LZX compression and work on that.",
            )
        pointer = ctypes.c_void_p()
        kind, library = _TYPES[compression], self._library
        if what == "compressor":
            free = library.wimlib_free_compressor
            code = library.wimlib_create_compressor(kind, chunk_size, _LEVEL, ctypes.byref(pointer))
        else:
            free = library.wimlib_free_decompressor
            code = library.wimlib_create_decompressor(kind, chunk_size, ctypes.byref(pointer))
        if code:
            raise EnvironmentFailure(
                f"libwim gives no {compression.value} {what} for chunks of {chunk_size} bytes",
                details=f"Its error code is {code} ({self.path}, {self.name}).",
                resolution="Free memory, or choose the Python codec.",
            )
        return _Handle(pointer, free)


class _Own(threading.local):
    """What belongs to one thread."""

    def __init__(self) -> None:
        self.handles: dict[tuple[str, Compression, int], _Handle] = {}


class _Handle:
    """A pointer of the library that is given back to it once."""

    def __init__(self, pointer: ctypes.c_void_p, free: Callable[..., int]) -> None:
        self.pointer = pointer
        weakref.finalize(self, free, pointer)


def _version(library: Library) -> tuple[int, int, int]:
    get_version = library.wimlib_get_version
    packed = get_version()
    version = (packed >> 20, packed >> 10 & 0x3FF, packed & 0x3FF)
    if not OLDEST <= version[:2] < (_NEXT_MAJOR, 0):
        raise EnvironmentFailure(
            f"libwim {'.'.join(map(str, version))} is not supported",
            details=f"Versions from {'.'.join(map(str, OLDEST))} and before {_NEXT_MAJOR} are.",
            resolution=_INSTALL,
        )
    return version


def _declare(library: Library) -> None:
    """Say the types of the functions: without them ctypes cuts sizes and pointers to 32 bits."""
    integer, size, data, handle = ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
    made = ctypes.POINTER(handle)
    for name, result, arguments in (
        ("create_decompressor", integer, (integer, size, made)),
        ("decompress", integer, (data, size, data, size, handle)),
        ("free_decompressor", None, (handle,)),
        ("create_compressor", integer, (integer, size, ctypes.c_uint, made)),
        ("compress", size, (data, size, data, size, handle)),
        ("free_compressor", None, (handle,)),
    ):
        function = getattr(library, f"wimlib_{name}")
        function.restype = result
        function.argtypes = arguments


def is_named() -> bool:
    """Whether a person has said which file libwim is."""
    return bool(os.environ.get(VARIABLE))


def load() -> LibwimCodecs:
    """The codecs of this system's libwim; raises `EnvironmentFailure` when there is none that fits."""
    return _load(os.environ.get(VARIABLE, ""))


@cache
def _load(named: str) -> LibwimCodecs:
    return find(named, ctypes.CDLL)


def find(named: str, opener: Opener) -> LibwimCodecs:
    """What `opener` opens under the name that a person gave, else under the names that libwim has here."""
    reasons = []
    for name in (named,) if named else _FILES.get(sys.platform, _OTHER_FILES):
        try:
            library = opener(name)
        except OSError as error:
            reasons.append(plain_words(error) or f"{name} cannot be loaded")
        else:
            return LibwimCodecs(library, name)
    where = f"{VARIABLE} names {named}, but it cannot be loaded" if named else "libwim is not installed"
    raise EnvironmentFailure(where, details="; ".join(reasons), resolution=_INSTALL)
