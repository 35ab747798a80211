from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable

import pytest

from scripts.testdata.wim_writer import compressed_resource
from tests.unit.conftest import Children, two_processes
from winpe_certs.errors import ChunkError
from winpe_certs.wim import parallel
from winpe_certs.wim.codecs.interface import Compression
from winpe_certs.wim.layout import ResourceHeader
from winpe_certs.wim.parallel import FEWEST_CHUNKS, FEWEST_QUICK_CHUNKS, SharedDecoding, can_share
from winpe_certs.wim.resource import ChunkDecoder, Resource

SIZE = 32768
PLAIN = b"".join(number.to_bytes(2, "little") * (SIZE // 2) for number in range(FEWEST_CHUNKS + 1)) + b"end"
STORED = compressed_resource(PLAIN, "lzx", SIZE)

pytestmark = two_processes


def opened(stored: bytes = STORED) -> Resource:
    header = ResourceHeader(len(stored), 4, 0, len(PLAIN))
    decoder = ChunkDecoder(Compression.LZX, SIZE)
    return Resource(io.BytesIO(stored), header, decoder, file_size=len(stored), origin="hive")


def fronts(resource: Resource) -> memoryview:
    assert resource._ahead
    return resource._ahead._fronts


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_quick_decoder_wants_more_chunks() -> None:
    assert FEWEST_CHUNKS < FEWEST_QUICK_CHUNKS
    assert can_share(FEWEST_QUICK_CHUNKS, is_slow=False)
    assert not can_share(FEWEST_QUICK_CHUNKS - 1, is_slow=False)


def test_two_processes_read_what_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    plain = opened().read_all(progress=lambda _, done, total: seen.append((done, total)))
    assert plain == PLAIN
    assert seen == sorted(seen)
    assert all(done <= total == len(PLAIN) for done, total in seen)
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1 << 30)
    assert not can_share(FEWEST_CHUNKS)
    assert opened().read_all() == PLAIN


@pytest.mark.parametrize("is_ahead", [False, True])
def test_this_process_decodes_only_what_the_child_has_not(
    monkeypatch: pytest.MonkeyPatch, is_ahead: bool
) -> None:
    numbers: list[int] = []
    real = Resource.plain_chunk

    def counted(self: Resource, number: int) -> bytes | memoryview:
        numbers.append(number)
        if number == 0:
            # The child is through with all others before this process is with its first.
            wait_until(lambda: fronts(resource)[parallel._DONE] == 1)
        return real(self, number)

    monkeypatch.setattr(Resource, "plain_chunk", counted)
    resource = opened()
    if is_ahead:
        resource.read_ahead()
        wait_until(lambda: fronts(resource)[parallel._DONE] == 0)
    assert resource.read_all() == PLAIN
    assert numbers == ([] if is_ahead else [0])


def test_a_child_that_is_slower_gets_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading would be right without it, only slower, so this looks at where the two have met."""
    real = SharedDecoding._put
    parent = os.getpid()

    def slowly(self: SharedDecoding, number: int, plain: bytes | memoryview) -> None:
        time.sleep(0.0 if os.getpid() == parent else 0.2)
        real(self, number, plain)

    monkeypatch.setattr(SharedDecoding, "_put", slowly)
    resource = opened()
    resource.read_ahead()
    shared = fronts(resource)
    assert resource.read_all() == PLAIN
    assert resource.chunk_count // 2 < shared[parallel._OURS]


def assert_gone(children: Children) -> None:
    assert len(children.started) == 1
    assert children.are_gone()


def test_no_child_is_left(children: Children) -> None:
    opened().read_all()
    assert_gone(children)


def test_a_process_that_is_one_of_many_starts_none(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_alone", False)
    parallel.keep_to_one_process()
    assert opened().read_all() == PLAIN
    assert children.started == []


@pytest.mark.parametrize("where", [0.25, 0.75])
def test_damage_in_either_half_is_told_as_in_one_process(where: float, children: Children) -> None:
    resource = opened()
    low = resource._bounds[int(resource.chunk_count * where)]
    broken = STORED[:low] + b"\xff" * 8 + STORED[low + 8 :]
    with pytest.raises(ChunkError, match="is damaged"):
        opened(broken).read_all()
    assert_gone(children)


def test_a_child_that_dies_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedDecoding, "_help", lambda *_: os._exit(1))
    assert opened().read_all() == PLAIN


def test_nothing_counts_of_a_child_that_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: SharedDecoding, *_: object) -> None:
        self._plain[:] = bytes(len(PLAIN))
        self._fronts[parallel._TAKEN] = self._fronts[parallel._DONE] = 0
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(SharedDecoding, "_help", wrong)
    assert opened().read_all() == PLAIN


def test_a_chunk_that_was_taken_and_not_decoded_is_decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(self: SharedDecoding, *_: object) -> None:
        self._fronts[parallel._TAKEN] = 3
        os._exit(0)

    monkeypatch.setattr(SharedDecoding, "_help", lazy)
    assert opened().read_all() == PLAIN


def test_a_child_that_somebody_else_has_waited_for_counts_as_failed() -> None:
    resource = opened()
    resource.read_ahead()
    assert resource._ahead
    os.waitpid(resource._ahead._child, 0)
    assert resource.read_all() == PLAIN


def test_what_is_begun_and_not_asked_for_is_ended() -> None:
    resource = opened()
    resource.read_ahead()
    assert resource._ahead
    child = resource._ahead._child
    resource.leave()
    resource.leave()
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
    assert resource.read_all() == PLAIN


def test_the_child_of_a_process_that_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    resource = opened()
    resource.read_ahead()
    assert resource._ahead
    assert resource._ahead._ended_well()
    assert fronts(resource)[parallel._DONE] == resource.chunk_count
    resource.leave()
