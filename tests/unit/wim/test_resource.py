from __future__ import annotations

import hashlib
import io
import struct

import pytest

from scripts.testdata.wim_writer import compressed_resource
from winpe_certs.errors import ChunkError, WimError
from winpe_certs.wim.codecs.interface import Compression
from winpe_certs.wim.layout import ResourceHeader
from winpe_certs.wim.resource import ChunkDecoder, Resource

SIZE = 32768
PLAIN = b"".join(bytes([65 + number]) * SIZE for number in range(5)) + b"the end"


class CountingDecoder(ChunkDecoder):
    """Counts the chunks that it is asked for."""

    def __init__(self) -> None:
        super().__init__(Compression.LZX, SIZE)
        self.asked = 0

    def decode(self, stored: bytes, plain_size: int) -> bytes | memoryview:
        self.asked += 1
        return super().decode(stored, plain_size)


def opened(
    stored: bytes, plain_size: int, *, flags: int = 4, decoder: ChunkDecoder | None = None
) -> Resource:
    file = b"head" + stored + b"tail"
    return Resource(
        io.BytesIO(file),
        ResourceHeader(len(stored), flags, 4, plain_size),
        decoder or ChunkDecoder(Compression.LZX, SIZE),
        file_size=len(file),
        origin="boot.wim, file",
    )


STORED = compressed_resource(PLAIN, "lzx", SIZE)


def test_reads_all_plain_bytes_and_tells_how_far_it_is() -> None:
    seen: list[tuple[str, int, int]] = []
    resource = opened(STORED, len(PLAIN))
    digest = hashlib.sha1(PLAIN).digest()
    assert resource.read_all(digest, progress=lambda *step: seen.append(step)) == PLAIN
    assert seen[-1] == ("reading", len(PLAIN), len(PLAIN))


def test_decodes_only_the_chunks_that_are_asked_for() -> None:
    decoder = CountingDecoder()
    resource = opened(STORED, len(PLAIN), decoder=decoder)
    assert resource.read(SIZE * 2 - 2, 4) == b"BBCC"
    assert decoder.asked == 2
    assert resource.read(SIZE * 2 + 5, 3) == b"CCC"
    assert decoder.asked == 2
    assert resource.read(len(PLAIN) - 3, 100) == b"end"
    assert resource.read(len(PLAIN) + 10, 5) == b""


def test_recent_chunks_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for room, kept in [(SIZE * 2, 2), (SIZE - 1, 1), (SIZE * 100, 6)]:
        monkeypatch.setattr("winpe_certs.wim.resource._RECENT_BYTES", room)
        resource = opened(STORED, len(PLAIN))
        for number in range(6):
            resource.read(SIZE * number, 1)
        assert len(resource._recent) == kept


def test_what_was_read_and_remembered_is_not_decoded_again() -> None:
    decoder = ChunkDecoder(Compression.LZX, SIZE)
    plain = opened(STORED, len(PLAIN), decoder=decoder).read_all(remember=True)
    again = opened(STORED, len(PLAIN), decoder=decoder).plain_chunk(0)
    assert isinstance(again, memoryview)
    assert again.obj is plain
    assert opened(STORED, len(PLAIN), decoder=decoder).read_all() == PLAIN


def test_reads_a_resource_that_is_stored_as_it_is() -> None:
    resource = opened(PLAIN, len(PLAIN), flags=0)
    assert resource.read_all() == PLAIN
    assert resource.read(SIZE - 1, 2) == b"AB"


def test_a_wrong_hash_is_told_with_both_values() -> None:
    with pytest.raises(WimError, match="but the lookup table says 0000"):
        opened(STORED, len(PLAIN)).read_all(bytes(20))


@pytest.mark.parametrize(
    ("plain_size", "stored", "flags", "words"),
    [
        (1 << 55, STORED, 4, "need 1099511627776 chunks"),
        (0, STORED, 4, "without plain bytes"),
        (len(PLAIN), STORED[:30], 4, "outside its bounds"),
        (len(PLAIN), struct.pack("<5I", 50, 40, 60, 70, 80) + bytes(100), 4, "outside its bounds"),
        (len(PLAIN), struct.pack("<5I", 0, 40, 60, 70, 80) + bytes(100), 4, "chunk 0 claims"),
        (len(PLAIN) - 1, PLAIN, 0, "an uncompressed resource of"),
        (len(PLAIN), STORED, 0x14, "solid or spanned"),
    ],
)
def test_refuses_impossible_resources(plain_size: int, stored: bytes, flags: int, words: str) -> None:
    with pytest.raises(WimError, match=words) as caught:
        opened(stored, plain_size, flags=flags)
    assert caught.value.message.startswith("boot.wim, file")


def test_refuses_a_resource_past_the_end_of_the_file() -> None:
    header = ResourceHeader(1000, 0, 4, 1000)
    with pytest.raises(WimError, match="but the file has only 500"):
        Resource(
            io.BytesIO(bytes(500)), header, ChunkDecoder(Compression.LZX, SIZE), file_size=500, origin="x"
        )


def test_a_damaged_chunk_is_named_by_number_and_offset() -> None:
    broken = bytearray(STORED)
    broken[5 * 4 :] = b"\xff" * (len(broken) - 20)
    with pytest.raises(ChunkError, match=r"boot\.wim, file: chunk 0 at offset 24 is damaged"):
        opened(bytes(broken), len(PLAIN)).read_all()


def test_a_compressed_resource_in_an_uncompressed_file_is_refused() -> None:
    with pytest.raises(WimError, match="names no compression"):
        opened(STORED, len(PLAIN), decoder=ChunkDecoder(Compression.NONE, 0))
