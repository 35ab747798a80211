"""The one door to the chunk codecs: a kind of compression in, a function that decodes one chunk out.

WIM is stored in chunks that are compressed one by one, each from a fresh state. Kinds that exist but are
not decoded here (LZMS, used by solid ESD files) are refused by name. `Codecs` is what stands behind the door:
Python, which is always there, or a library (`choice`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from winpe_certs.errors import ChunkError, UnsupportedWimError
from winpe_certs.wim.codecs import lzx, xpress

ChunkDecoder = Callable[[bytes, int, int], bytes]
"""Stored bytes, plain size and the chunk size of the WIM in; plain bytes out; `ChunkError` when damaged."""


class Compression(Enum):
    """How the chunks of a WIM resource are compressed."""

    NONE = "none"
    XPRESS = "XPRESS"
    LZX = "LZX"
    LZMS = "LZMS"


def _plain(data: bytes, plain_size: int, chunk_size: int) -> bytes:
    if len(data) != plain_size or plain_size > chunk_size:
        raise ChunkError(
            f"plain chunk: {len(data)} bytes stored, {plain_size} (at most {chunk_size}) expected"
        )
    return bytes(data)


_DECODERS: dict[Compression, ChunkDecoder] = {
    Compression.NONE: _plain,
    Compression.XPRESS: xpress.decompress,
    Compression.LZX: lzx.decompress,
}


def decoder_for(compression: Compression) -> ChunkDecoder:
    """Return the function that decodes one chunk, or raise `UnsupportedWimError` for LZMS."""
    decoder = _DECODERS.get(compression)
    if decoder is None:
        raise UnsupportedWimError(
            f"{compression.value} compression is not supported",
            details="Only uncompressed, XPRESS and LZX resources can be read.",
            resolution="Export the image to a WIM file with LZX compression and work on that.",
        )
    return decoder


class Codecs(Protocol):
    """What codes the chunks of a file."""

    @property
    def name(self) -> str:
        """What it is, for reports."""

    @property
    def is_slow(self) -> bool:
        """Whether a large resource is worth a second process."""

    def reads(self, compression: Compression) -> bool:
        """Whether it decodes this kind."""

    def decoder(self, compression: Compression) -> ChunkDecoder:
        """The function that decodes one chunk; raises `UnsupportedWimError` where `reads` says no."""

    def compress(self, compression: Compression, plain: bytes, chunk_size: int) -> bytes | None:
        """The coded bytes of a chunk, None when it is to be stored plain."""


@dataclass(frozen=True, slots=True)
class PythonCodecs:
    """The decoders of this package. They come without encoders: chunks are stored plain."""

    name: str = "Python"
    is_slow: bool = True

    def reads(self, compression: Compression) -> bool:
        """Whether it decodes this kind."""
        return compression in _DECODERS

    def decoder(self, compression: Compression) -> ChunkDecoder:
        """The function that decodes one chunk; raises `UnsupportedWimError` for LZMS."""
        return decoder_for(compression)

    def compress(self, compression: Compression, plain: bytes, chunk_size: int) -> bytes | None:  # noqa: ARG002 - see `Codecs`
        """None, for every chunk: Python's encoders are too slow to be worth it."""
        return None


PYTHON: Final = PythonCodecs()
