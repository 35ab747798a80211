from __future__ import annotations

import struct

import pytest

from tests.unit.regf.builder import Built, Key, build
from winpe_certs.errors import HiveError
from winpe_certs.regf.base import read_base_block
from winpe_certs.regf.cells import CellStore


def store_of(built: Built) -> CellStore:
    return CellStore(built.data, read_base_block(built.data, "hive"), "hive")


def size_at(store: CellStore, offset: int) -> int:
    return int(struct.unpack_from("<i", store.data, 4096 + offset)[0])


def free_cells(store: CellStore) -> dict[int, int]:
    """Every free cell, found by walking bins and cells as they are stored."""
    found, offset = {}, 0
    while offset < store.bins_size:
        signature, own, length = struct.unpack_from("<4sII", store.data, 4096 + offset)
        assert (signature, own) == (b"hbin", offset)
        end, offset = offset + length, offset + 32
        while offset < end:
            size = size_at(store, offset)
            assert size % 8 == 0
            assert size
            if size > 0:
                found[offset] = size
            offset += abs(size)
        assert offset == end
    return found


def test_a_cell_is_split_from_the_smallest_free_one_that_fits_and_its_slack_is_zero() -> None:
    store = store_of(build(Key(), spare_bin=4096))
    before = free_cells(store)
    smallest = min(before, key=before.__getitem__)
    store.data[4096 + smallest + 4 : 4096 + smallest + 40] = b"\xaa" * 36
    offset = store.allocate(b"123456789")
    assert offset == smallest
    assert size_at(store, offset) == -16
    assert store.data[4096 + offset + 4 : 4096 + offset + 16] == b"123456789\0\0\0"
    assert free_cells(store)[offset + 16] == before[smallest] - 16


def test_room_used_up_exactly_leaves_no_cell_behind() -> None:
    store = store_of(build(Key()))
    ((offset, size),) = free_cells(store).items()
    assert store.allocate(bytes(size - 4)) == offset
    assert free_cells(store) == {}


def test_freed_cells_merge_with_both_neighbours() -> None:
    store = store_of(build(Key()))
    before = free_cells(store)
    first, second, third = (store.allocate(bytes(20)) for _ in range(3))
    store.free(first, "cell")
    store.free(third, "cell")
    assert len(free_cells(store)) == 2
    store.free(second, "cell")
    assert free_cells(store) == before


def test_free_cells_of_different_bins_stay_apart() -> None:
    store = store_of(build(Key(), spare_bin=4096))
    cells = [store.allocate(bytes(size - 4)) for size in free_cells(store).values()]
    assert free_cells(store) == {}
    for offset in cells:
        store.free(offset, "cell")
    assert len(free_cells(store)) == 2


@pytest.mark.parametrize(("content", "length"), [(4060, 4096), (4061, 8192), (40000, 40960)])
def test_a_new_bin_is_large_enough_and_no_larger(content: int, length: int) -> None:
    store = store_of(build(Key()))
    offset = store.allocate(bytes(content))
    assert offset == 4096 + 32
    assert store.bins_size == 4096 + length
    assert len(store.data) == 4096 + store.bins_size
    free_cells(store)


@pytest.mark.parametrize("tail", [b"junk" * 3, b"junk" * 1024, b"junk" * 4096])
def test_a_new_bin_takes_the_room_behind_the_last_one_and_clears_it(tail: bytes) -> None:
    built = build(Key(), tail=tail)
    store = store_of(built)
    store.allocate(bytes(4000))
    assert b"junk" not in store.data[8192 : 8192 + 4096]
    assert store.data[12288:] == built.data[12288:]
    assert len(store.data) == max(12288, len(built.data))


def scattered() -> Built:
    """A hive with a free cell in its first 32 KiB and a better fitting one far away."""
    filler = {f"{number:02}": (3, bytes(4000)) for number in range(20)}
    return build(Key(values={**filler, "last": (3, bytes(3600))}), spare_bin=4096)


def test_chunks_that_change_anyway_come_before_better_fits_elsewhere() -> None:
    near = {f"{number:02}": (3, bytes(3960)) for number in range(6)}
    far = {f"{number:02}": (3, bytes(4044)) for number in range(6, 20)}
    store = store_of(build(Key(values={**near, **far})))
    cells = free_cells(store)
    exact = [offset for offset, size in cells.items() if size == 16]
    assert exact
    assert min(exact) + 4096 >= 32768
    offset = store.allocate(bytes(12))
    assert offset in cells
    assert offset + 4096 < 32768
    store.put_u32(4096 + exact[-1] - 8, 0)
    assert (store.allocate(bytes(12)) + 4096) >> 15 == (exact[-1] + 4096) >> 15


def test_cells_announced_together_prefer_room_for_all_of_them() -> None:
    store = store_of(scattered())
    cells = free_cells(store)
    large = max(cells, key=cells.__getitem__)
    assert cells[large] == 4064
    for offset, size in cells.items():
        if offset + 4096 < 32768:
            assert store.allocate(bytes(size - 4)) == offset
    store.together(2000)
    first = store.allocate(bytes(30))
    assert first == large
    assert store.allocate(bytes(1500)) == first + 40


def test_a_cell_grows_in_place_when_its_neighbour_is_free() -> None:
    store = store_of(build(Key()))
    offset = store.allocate(b"a" * 12)
    assert store.replace(offset, b"b" * 100, "cell") == offset
    assert size_at(store, offset) == -104
    blocker = store.allocate(b"c" * 12)
    moved = store.replace(offset, b"d" * 200, "cell")
    assert moved > blocker
    assert store.data[4096 + moved + 4 : 4096 + moved + 204] == b"d" * 200
    assert offset in free_cells(store)


def test_a_smaller_content_keeps_the_cell_and_clears_the_rest() -> None:
    store = store_of(build(Key()))
    offset = store.allocate(b"a" * 100)
    assert store.replace(offset, b"b", "cell") == offset
    assert size_at(store, offset) == -104
    assert store.data[4096 + offset + 4 : 4096 + offset + 104] == b"b".ljust(100, b"\0")


def test_what_is_not_a_cell_is_neither_read_nor_freed() -> None:
    store = store_of(build(Key(values={"v": (3, struct.pack("<i", -16) * 20)})))
    inside = store.allocate(struct.pack("<i", -16) * 10) + 8
    with pytest.raises(HiveError, match="cell at hive offset"):
        store.free(inside, "cell")
    offset = store.allocate(bytes(20))
    store.free(offset, "cell")
    with pytest.raises(HiveError, match="cell"):
        store.free(offset, "cell")


def test_free_room_that_a_damaged_structure_refers_to_is_not_used() -> None:
    built = build(Key(values={"v": (3, bytes(100))}))
    value = 4096 + built.values[(), "v"] + 4
    ((free, size),) = free_cells(store_of(built)).items()
    store = store_of(Built(built.patched(value + 8, struct.pack("<I", free + 64)), {}, {}, 0))
    offset = store.allocate(bytes(20))
    assert offset > free + size
    assert free_cells(store)[free] == size
    last = built.u32(4096 + 36 + 40)
    assert last + 8 == free
    store.free(last, "value list")
    assert free_cells(store)[last] == size + 8
    assert store.allocate(bytes(20)) > free + size
    assert store.allocate(bytes(4)) > free + size


def test_a_cell_with_two_owners_is_refused() -> None:
    built = build(Key(values={"v": (3, bytes(100)), "w": (3, bytes(100))}))
    first, second = (4096 + built.values[(), name] + 4 for name in "vw")
    data = built.patched(second + 8, struct.pack("<I", built.u32(first + 8)))
    store = store_of(Built(data, {}, {}, 0))
    with pytest.raises(HiveError) as caught:
        store.content(built.u32(first + 8), "value data")
    assert "Two structures" in caught.value.details


@pytest.mark.parametrize(
    ("position", "new"),
    [
        pytest.param(4096, b"HBIN", id="bin signature"),
        pytest.param(4100, b"\0\1", id="bin offset"),
        pytest.param(4104, struct.pack("<I", 4095), id="bin size unaligned"),
        pytest.param(4104, struct.pack("<I", 0), id="bin size none"),
        pytest.param(4104, struct.pack("<I", 8192), id="bin over the end"),
        pytest.param(4128, struct.pack("<i", -84), id="cell size unaligned"),
        pytest.param(4128, struct.pack("<i", 0), id="cell size none"),
        pytest.param(4128, struct.pack("<i", -8192), id="cell over the end of its bin"),
    ],
)
def test_bins_and_cells_that_do_not_tile_are_refused(position: int, new: bytes) -> None:
    data = build(Key()).patched(position, new)
    with pytest.raises(HiveError, match=r"(hive bin|cell) at"):
        CellStore(data, read_base_block(data, "hive"), "hive")
