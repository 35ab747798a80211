"""Chunks that libwim compresses decode here, and chunks that the test data encoders compress decode there."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from scripts.chunks.libwim import CHUNK_SIZES, LibWim
from scripts.testdata import lzx_encoder, xpress_encoder
from tests.oracle.libwim_codecs import chunks_of, corpus, load_libwim
from winpe_certs.errors import ChunkError
from winpe_certs.wim.codecs.interface import Compression, decoder_for

LEVELS = (20, 50, 100)
KINDS = (Compression.XPRESS, Compression.LZX)
CASES = [(kind, chunk_size) for kind in KINDS for chunk_size in CHUNK_SIZES[kind]]
IDS = [f"{kind.value}-{chunk_size}" for kind, chunk_size in CASES]

ENCODERS: dict[Compression, Callable[[bytes, int], bytes | None]] = {
    Compression.XPRESS: xpress_encoder.compress,
    Compression.LZX: lzx_encoder.compress,
}


@pytest.fixture(scope="module")
def libwim() -> LibWim:
    return load_libwim()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("kind", "chunk_size"), CASES, ids=IDS)
def test_chunks_by_libwim_decode(libwim: LibWim, kind: Compression, chunk_size: int, level: int) -> None:
    """Full chunks and the short last ones of each kind of data."""
    decode = decoder_for(kind)
    compressed = 0
    size = max(chunk_size * 5 // 4, 40_000) if chunk_size < 1 << 17 else 160_000
    with libwim.compressor(kind, chunk_size, level) as compress:
        for name, data in corpus(size).items():
            for plain in chunks_of(data, chunk_size):
                stored = compress(plain)
                if stored is not None:
                    compressed += 1
                    assert decode(stored, len(plain), chunk_size) == plain, name
    assert compressed > 5


@pytest.mark.parametrize("kind", KINDS, ids=[kind.value for kind in KINDS])
def test_thousands_of_small_chunks_by_libwim_decode(libwim: LibWim, kind: Compression) -> None:
    """Small alphabets and sizes bring out codes with few symbols, odd ends and far calls."""
    generator = random.Random(7)
    decode = decoder_for(kind)
    compressed = 0
    for level in LEVELS:
        with libwim.compressor(kind, 32768, level) as compress:
            for _ in range(700):
                alphabet = generator.randbytes(generator.randrange(1, 9)) + b"\xe8" * generator.randrange(2)
                plain = bytes(generator.choices(alphabet, k=generator.randrange(2, 2500)))
                stored = compress(plain)
                if stored is not None:
                    compressed += 1
                    assert decode(stored, len(plain), 32768) == plain
    assert compressed > 1500


@pytest.mark.parametrize(("kind", "chunk_size"), CASES, ids=IDS)
def test_chunks_by_the_encoders_decode_in_libwim(libwim: LibWim, kind: Compression, chunk_size: int) -> None:
    """Both decoders read what the encoder wrote; the sizes stay near those of libwim on hives."""
    decode = decoder_for(kind)
    size = max(chunk_size * 5 // 4, 20_000) if chunk_size < 1 << 16 else 24_000
    ours = theirs = 0
    with (
        libwim.decompressor(kind, chunk_size) as decompress,
        libwim.compressor(kind, chunk_size, 50) as compress,
    ):
        for name, data in corpus(size).items():
            for plain in chunks_of(data, chunk_size):
                stored = ENCODERS[kind](plain, chunk_size)
                if stored is not None:
                    assert len(stored) < len(plain)
                    assert decompress(stored, len(plain)) == plain, name
                    assert decode(stored, len(plain), chunk_size) == plain, name
                if "SYSTEM" in name:
                    ours += len(stored or plain)
                    theirs += len(compress(plain) or plain)
    assert ours <= theirs * 1.1


def test_a_whole_window_of_matches_by_the_encoder_decodes_in_libwim(libwim: LibWim) -> None:
    """The farthest offsets of the largest window, and codewords that change from block to block."""
    chunk_size = 1 << 21
    generator = random.Random(3)
    far = generator.randbytes(4000)
    plain = far + bytes(chunk_size - 8000) + far
    stored = lzx_encoder.compress(plain, chunk_size)
    assert stored is not None
    assert len(stored) < 10_000  # 4000 once, and the headers of 64 blocks
    with libwim.decompressor(Compression.LZX, chunk_size) as decompress:
        assert decompress(stored, len(plain)) == plain
    assert decoder_for(Compression.LZX)(stored, len(plain), chunk_size) == plain


@pytest.mark.parametrize("kind", KINDS, ids=[kind.value for kind in KINDS])
def test_damaged_chunks_that_decode_are_read_as_libwim_reads_them(libwim: LibWim, kind: Compression) -> None:
    """Most flipped bits still decode; no two readers may differ about what it is that they say.

    libwim is laxer at the end of the data, where it goes on with zeros. It is stricter about a code of a
    single codeword, which no flip of one bit makes of these chunks.
    """
    generator = random.Random(11)
    decode = decoder_for(kind)
    accepted = 0
    with libwim.compressor(kind, 32768, 50) as compress, libwim.decompressor(kind, 32768) as decompress:
        for data in corpus(5000).values():
            stored = compress(data)
            if stored is None:
                continue
            for _ in range(60):
                damaged = bytearray(stored)
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
                try:
                    plain = decode(bytes(damaged), len(data), 32768)
                except ChunkError:
                    continue
                accepted += 1
                assert decompress(bytes(damaged), len(data)) == plain
    assert accepted > 100
