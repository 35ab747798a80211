"""Damaged chunks: the decoders give bytes of the announced size or a `ChunkError`, and are quick about it."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable

import pytest

from scripts.testdata import lzx_encoder, xpress_encoder
from winpe_certs.errors import ChunkError
from winpe_certs.wim.codecs.interface import Compression, decoder_for

KINDS = (Compression.XPRESS, Compression.LZX)
IDS = [kind.value for kind in KINDS]
CHUNK = 32768
ENCODERS: dict[Compression, Callable[[bytes, int], bytes | None]] = {
    Compression.XPRESS: xpress_encoder.compress,
    Compression.LZX: lzx_encoder.compress,
}
BYTES_HELD = 8 << 20
"""Far more than a chunk and its tables, far less than what a runaway loop takes."""


def attempt(kind: Compression, data: bytes, plain_size: int, chunk_size: int = CHUNK) -> bool:
    """Decode; true when bytes came out, false when the chunk was refused."""
    started = time.process_time()
    try:
        plain = decoder_for(kind)(data, plain_size, chunk_size)
    except ChunkError as error:
        assert kind.value in error.message  # noqa: PT017 - both outcomes are right
        return False
    finally:
        assert time.process_time() - started < 1
    assert len(plain) == plain_size
    return True


def sound_chunks(kind: Compression) -> list[tuple[bytes, int]]:
    generator = random.Random(5)
    words = [generator.randbytes(generator.randrange(2, 12)) for _ in range(12)]
    chunks = []
    for size in (700, 4000, 20000):
        plain = b"".join(generator.choices(words, k=size))[:size]
        stored = ENCODERS[kind](plain, CHUNK)
        assert stored is not None
        assert decoder_for(kind)(stored, size, CHUNK) == plain
        chunks.append((stored, size))
    return chunks


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_changed_bytes(kind: Compression) -> None:
    generator = random.Random(1)
    refused = 0
    for stored, size in sound_chunks(kind):
        for _ in range(300):
            damaged = bytearray(stored)
            for _ in range(generator.choice([1, 1, 2, 10])):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            refused += not attempt(kind, bytes(damaged), size)
    assert refused > 100


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_changed_headers(kind: Compression) -> None:
    """Block headers and code lengths are where a wrong bit has the widest effect."""
    generator = random.Random(2)
    for stored, size in sound_chunks(kind):
        for _ in range(300):
            damaged = bytearray(stored)
            damaged[generator.randrange(min(256, len(damaged)))] ^= 1 << generator.randrange(8)
            attempt(kind, bytes(damaged), size)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_cut_chunks(kind: Compression) -> None:
    """A chunk without its last bits never decodes to something else than the whole chunk does."""
    for stored, size in sound_chunks(kind)[:2]:
        plain = decoder_for(kind)(stored, size, CHUNK)
        for end in range(0, len(stored), 1 + len(stored) // 400):
            if attempt(kind, stored[:end], size):
                assert decoder_for(kind)(stored[:end], size, CHUNK) == plain
                assert end > len(stored) - 5
        assert not attempt(kind, stored[: len(stored) // 2], size)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_other_sizes_than_the_chunk_has(kind: Compression) -> None:
    for stored, size in sound_chunks(kind):
        for other in (1, 2, size - 1, size + 1, CHUNK):
            attempt(kind, stored, other)
        assert not attempt(kind, stored, CHUNK)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_noise(kind: Compression) -> None:
    generator = random.Random(3)
    for chunk_size in (1 << 15, 1 << 16) if kind is Compression.XPRESS else (1 << 15, 1 << 21):
        for _ in range(300):
            noise = generator.randbytes(generator.randrange(600))
            if generator.randrange(2):  # LZX: more of them get past the block type and size
                noise = b"\0" + bytes((generator.choice((0x30, 0x20, 0x50, 0x60)),)) + noise
            attempt(kind, noise, generator.randrange(1, chunk_size), chunk_size)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
@pytest.mark.parametrize("byte", [0x00, 0x11, 0x55, 0x88, 0x99, 0xAA, 0xFF])
def test_monotony(kind: Compression, byte: int) -> None:
    for size in (0, 1, 2, 3, 255, 256, 257, 260, 300, 32767):
        attempt(kind, bytes((byte,)) * size, CHUNK)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_memory_stays_bounded(kind: Compression) -> None:
    """The largest chunk is announced, and the code promises as much as it can."""
    chunk_size = 1 << 21 if kind is Compression.LZX else 1 << 16
    generator = random.Random(4)
    attempt(kind, sound_chunks(kind)[0][0], chunk_size, chunk_size)  # the entries that are made once
    tracemalloc.start()
    try:
        for data in (b"\x11" * 5000, generator.randbytes(5000), sound_chunks(kind)[2][0]):
            attempt(kind, data, chunk_size, chunk_size)
        assert tracemalloc.get_traced_memory()[1] < BYTES_HELD
    finally:
        tracemalloc.stop()
