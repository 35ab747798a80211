from __future__ import annotations

import io
import os

import pytest

from scripts.testdata.wim_writer import compressed_resource
from winpe_certs.errors import ChunkError
from winpe_certs.wim import parallel
from winpe_certs.wim.codecs.interface import Compression
from winpe_certs.wim.layout import ResourceHeader
from winpe_certs.wim.parallel import FEWEST_CHUNKS, can_share
from winpe_certs.wim.resource import ChunkDecoder, Resource

SIZE = 32768
PLAIN = b"".join(number.to_bytes(2, "little") * (SIZE // 2) for number in range(FEWEST_CHUNKS + 1)) + b"end"
STORED = compressed_resource(PLAIN, "lzx", SIZE)

pytestmark = pytest.mark.skipif(not can_share(FEWEST_CHUNKS), reason="one processor, or no fork")


def opened(stored: bytes = STORED) -> Resource:
    header = ResourceHeader(len(stored), 4, 0, len(PLAIN))
    decoder = ChunkDecoder(Compression.LZX, SIZE)
    return Resource(io.BytesIO(stored), header, decoder, file_size=len(stored), origin="hive")


def test_two_processes_read_what_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    plain = opened().read_all(progress=lambda _, done, total: seen.append((done, total)))
    assert plain == PLAIN
    assert seen == sorted(seen)
    assert all(done <= total == len(PLAIN) for done, total in seen)
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1 << 30)
    assert not can_share(FEWEST_CHUNKS)
    assert opened().read_all() == PLAIN


def test_this_process_decodes_only_the_first_half(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    real = Resource.plain_chunk

    def counted(self: Resource, number: int) -> bytes | memoryview:
        numbers.append(number)
        return real(self, number)

    monkeypatch.setattr(Resource, "plain_chunk", counted)
    resource = opened()
    assert resource.read_all() == PLAIN
    assert numbers == list(range(resource.chunk_count // 2))


def test_no_child_is_left() -> None:
    opened().read_all()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("where", [0.25, 0.75])
def test_damage_in_either_half_is_told_as_in_one_process(where: float) -> None:
    resource = opened()
    low = resource._bounds[int(resource.chunk_count * where)]
    broken = STORED[:low] + b"\xff" * 8 + STORED[low + 8 :]
    with pytest.raises(ChunkError, match="is damaged"):
        opened(broken).read_all()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_child_that_dies_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_decode_and_send", lambda *_: os._exit(1))
    assert opened().read_all() == PLAIN


def test_the_child_gives_its_chunks_in_order() -> None:
    """Reading would be right without it, only slower, so this asks the child itself."""
    second = parallel.SecondHalf(lambda number: bytes([number]) * 2, range(3, 6))
    try:
        assert second.take(6) == b"\3\3\4\4\5\5"
    finally:
        second.end()


def test_an_answer_of_another_size_is_none() -> None:
    second = parallel.SecondHalf(lambda _: b"x", range(2))
    try:
        assert second.take(3) is None
    finally:
        second.end()
