from __future__ import annotations

import pytest

from winpe_certs.errors import ChunkError, UnsupportedWimError
from winpe_certs.wim.codecs import lzx, xpress
from winpe_certs.wim.codecs.interface import Compression, decoder_for


def test_each_kind_has_its_decoder() -> None:
    assert decoder_for(Compression.LZX) is lzx.decompress
    assert decoder_for(Compression.XPRESS) is xpress.decompress


def test_plain_chunks_are_what_they_are() -> None:
    assert decoder_for(Compression.NONE)(b"abc", 3, 32768) == b"abc"
    for data, size, chunk_size in [(b"abc", 4, 32768), (b"abc", 2, 32768), (b"abc", 3, 2)]:
        with pytest.raises(ChunkError, match="plain chunk: 3 bytes stored"):
            decoder_for(Compression.NONE)(data, size, chunk_size)


def test_lzms_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedWimError, match="LZMS compression is not supported") as caught:
        decoder_for(Compression.LZMS)
    assert caught.value.resolution
