"""The one door to the chunk codecs: a kind of compression in, a function that decodes one chunk out.

WIM is stored in chunks that are compressed one by one, each from a fresh state. Kinds that exist but are
not decoded here (LZMS, used by solid ESD files) are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

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
