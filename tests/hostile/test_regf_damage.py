"""Damaged and dirty hives: found by the check, refused by the editor or edited without getting worse."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest

from tests.conftest import read_hive
from tests.unit.regf.builder import Key, build, seal
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import DirtyHiveError, HiveError, WinpeCertsError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive

NOW = 133_000_000_000_000_000
STORE = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates")
NEW = (*STORE, "AB" * 20)
ADD: list[Edit] = [SetValue(NEW, "Blob", 3, bytes(1500))]

FOUND_IN_DAMAGED = {
    "big_value_without_db": "bigdata",
    "cell_sign_free": "nk-cell",
    "checksum_stale": "checksum",
    "hbin_offset_wrong": "hbin-offset",
    "hbins_size_short": "sublist-cell",
    "leaked_key": "leak",
    "lh_hash_wrong": "lh-hash",
    "list_cell_too_small": "list-size",
    "max_subkey_name_stale": "longest-subkey-name",
    "parent_wrong": "nk-parent",
    "ri_points_to_ri": "nested-ri",
    "seq_unequal": "dirty",
    "sk_flink_broken": "sk-ring",
    "sk_refcount_low": "sk-refcount-low",
    "sort_swapped": "sort-order",
    "subkey_count_high": "subkey-count",
    "subkey_cycle": "shared-cell",
    "value_larger_than_cell": "data-size",
}
"""The defect of each damaged hive, by the name in the file's."""

REFUSED = {
    "cell_sign_free": "key node",
    "checksum_stale": "checksum",
    "hbin_offset_wrong": "hive bin",
    "hbins_size_short": "subkey list",
    "lh_hash_wrong": "subkey list",
    "list_cell_too_small": "subkey list",
    "parent_wrong": "key node",
    "seq_unequal": "sequence numbers differ",
    "sort_swapped": "subkey list",
    "subkey_count_high": "subkey list",
    "subkey_cycle": "key node",
}
"""Those whose defect an added certificate would touch, and what the message names."""


def violations(data: bytes) -> set[tuple[str, int]]:
    return {(violation.invariant, violation.offset) for violation in check(data)}


def defect_of(path: Path) -> str:
    return path.name.removeprefix("damaged-").removesuffix(".hiv.xz")


@pytest.mark.shared_files("hives/synth/damaged-*.xz")
def test_each_damaged_hive_is_found_with_its_defect(shared_file: Path) -> None:
    found = {violation.invariant for violation in check(read_hive(shared_file))}
    assert FOUND_IN_DAMAGED[defect_of(shared_file)] in found


@pytest.mark.shared_files("hives/synth/damaged-*.xz")
def test_a_defect_in_the_way_is_refused_and_named(shared_file: Path) -> None:
    data = read_hive(shared_file)
    message = REFUSED.get(defect_of(shared_file))
    if message is None:
        assert violations(apply(data, ADD, now=NOW)) <= violations(data)
        return
    with pytest.raises(HiveError, match=message) as caught:
        apply(data, ADD, now=NOW, origin="boot.wim SOFTWARE")
    assert caught.value.message.startswith("boot.wim SOFTWARE: ")
    assert caught.value.details
    assert caught.value.resolution


EDITS: list[list[Edit]] = [
    ADD,
    [SetValue((), "Blob", 3, bytes(40_000))],
    [DeleteKey(("Microsoft",))],
    [DeleteKey(("Key",)), DeleteKey(("Software",))],
    [CreateKey(("aaaa", "b")), CreateKey(("zzzz",))],
]


@pytest.mark.shared_files("hives/adversarial/*.xz", "hives/synth/damaged-*.xz", "hives/dirty/*Recovered*.xz")
def test_no_edit_makes_a_damaged_hive_worse(shared_file: Path) -> None:
    data = read_hive(shared_file)
    copy = bytes(bytearray(data))
    known = violations(data)
    try:
        top = Hive(data).subkeys(()) or []
    except HiveError:
        top = []
    extra: list[list[Edit]] = [
        [edit] for name in top for edit in (DeleteKey((name,)), CreateKey((name, "n")))
    ]
    for edits in [*EDITS, *extra[:40]]:
        try:
            result = apply(data, edits, now=NOW)
        except HiveError:
            continue
        assert violations(result) <= known, edits
    assert data == copy


@pytest.mark.shared_files(
    "hives/dirty/*.xz", "hives/synth/damaged-seq_unequal*", "hives/synth/damaged-check*"
)
def test_dirty_hives_and_logs_are_refused_with_what_to_do(shared_file: Path) -> None:
    data = read_hive(shared_file)
    if "Recovered" in shared_file.name:
        assert violations(apply(data, ADD, now=NOW)) <= violations(data)
        return
    with pytest.raises(HiveError) as caught:
        apply(data, ADD, now=NOW)
    if ".log" in shared_file.name.lower():
        assert "registry log" in caught.value.message
        assert not isinstance(caught.value, DirtyHiveError)
    else:
        assert isinstance(caught.value, DirtyHiveError)
        assert "Windows" in caught.value.resolution
    with pytest.raises(HiveError):
        Hive(data)


def base_hive() -> bytes:
    keys = {f"K{number:02}": Key(values={"v": (3, bytes(20))}) for number in range(40)}
    store: Key = Key(keys={"CD" * 20: Key(values={"Blob": (3, bytes(1000))})})
    for name in reversed(STORE):
        store = Key(keys={name: store})
    built = build(Key(keys={**store.keys, **keys}, values={"x": (1, b"abc")}), leaf_length=7)
    return apply(built.data, [SetValue(("K01",), "big", 3, bytes(40_000))], now=NOW)


WORK: list[list[Edit]] = [
    ADD,
    [DeleteKey(("Microsoft",)), SetValue(("K01",), "big", 3, b"small")],
    [DeleteKey((f"K{number:02}",)) for number in range(0, 40, 3)],
    [DeleteValue((*STORE, "CD" * 20), "Blob"), CreateKey(("K00", "deeper"))],
]


def mutated(data: bytes, source: random.Random) -> bytes:
    buffer = bytearray(data)
    match source.randrange(5):
        case 0:
            for _ in range(source.randint(1, 8)):
                buffer[source.randrange(len(buffer))] ^= 1 << source.randrange(8)
        case 1:
            at = source.randrange(4096, len(buffer) - 4) // 4 * 4
            struct.pack_into("<I", buffer, at, source.choice([0, 0xFFFFFFFF, 0x20, 0x7FFFFFF8, 0x80000000]))
        case 2:
            del buffer[source.randrange(4096, len(buffer)) :]
        case 3:
            length, start = source.randint(4, 400), source.randrange(4096, len(buffer) - 400)
            to = source.randrange(4096, len(buffer) - 400)
            buffer[to : to + length] = buffer[start : start + length]
        case _:
            # Swap two offsets of the structures: what points somewhere now points somewhere else.
            words = [
                at for at in range(4132, len(buffer), 4) if 0x20 <= _word(buffer, at) < len(buffer) - 4096
            ]
            first, second = source.choice(words), source.choice(words)
            struct.pack_into("<I", buffer, first, _word(buffer, second))
    return seal(bytes(buffer))


def _word(buffer: bytearray, at: int) -> int:
    return int(struct.unpack_from("<I", buffer, at)[0])


@pytest.mark.parametrize("seed", range(8))
def test_mutated_hives_raise_only_the_projects_error_and_get_no_worse(seed: int) -> None:
    source = random.Random(seed)
    base = base_hive()
    assert check(base) == ()
    worked = 0
    for _ in range(60):
        data = mutated(base, source)
        known = violations(data)
        for edits in WORK:
            try:
                result = apply(data, edits, now=NOW)
            except WinpeCertsError:
                continue
            worked += 1
            new = violations(result) - known
            # A damaged place may be reported at the offset to which a list has moved, never newly broken.
            assert {name for name, _ in new} <= {name for name, _ in known}, (seed, new)
    assert worked > 20


def test_a_small_mutation_of_the_base_block_is_never_overlooked() -> None:
    base = base_hive()
    source = random.Random(99)
    for _ in range(300):
        buffer = bytearray(base)
        at = source.choice([*range(12), *range(20, 48), *range(508, 512)])
        buffer[at] ^= 1 << source.randrange(8)
        if at < 36 or at >= 40:
            with pytest.raises(HiveError):
                apply(bytes(buffer), ADD, now=NOW)
            assert check(bytes(buffer))


def timed(data: bytes) -> None:
    start = time.process_time()
    check(data)
    for edits in ([CreateKey(("new",))], [DeleteKey(("a",))], [SetValue(("a",), "v", 3, b"12345")]):
        try:
            apply(data, edits, now=NOW)
        except HiveError:
            continue
    assert time.process_time() - start < 10


def one_bin(cells: list[bytes], root: int) -> bytes:
    """A hive with one bin of these cells, closed with a free cell."""
    body = b"".join(
        struct.pack("<i", -((len(cell) + 11) // 8 * 8)) + cell.ljust((len(cell) + 11) // 8 * 8 - 4, b"\0")
        for cell in cells
    )
    size = (32 + len(body) + 8 + 4095) // 4096 * 4096
    body += struct.pack("<i", size - 32 - len(body))
    body = (struct.pack("<4sII", b"hbin", 0, size).ljust(32, b"\0") + body).ljust(size, b"\0")
    base = bytearray(4096)
    struct.pack_into("<4sIIQIIIIIII", base, 0, b"regf", 7, 7, 1, 1, 5, 0, 1, root, size, 1)
    return seal(bytes(base) + body)


def key_node(name: bytes, parent: int, subkeys: tuple[int, int], values: tuple[int, int], sk: int) -> bytes:
    fields = (parent, subkeys[0], 0, subkeys[1], 0xFFFFFFFF, *values, sk, 0xFFFFFFFF, 0, 0, 0, 0, 0)
    return struct.pack("<2sHQ15IHH", b"nk", 0x20, 1, 0, *fields, len(name), 0) + name


@pytest.mark.parametrize("leaves", [2, 60_000])
def test_a_root_that_repeats_one_leaf_costs_no_more_than_it_holds(leaves: int) -> None:
    leaf = struct.pack("<2sH", b"li", 60_000) + struct.pack("<I", 32) * 60_000
    second = 32 + 88 + 24 + 0
    root = key_node(
        b"root", 32, (60_000 * leaves, second + (len(leaf) + 11) // 8 * 8), (0, 0xFFFFFFFF), 32 + 88
    )
    ri = struct.pack("<2sH", b"ri", leaves) + struct.pack("<I", second) * leaves
    timed(one_bin([root, bytes(20), leaf, ri], 32))


def test_a_value_list_that_claims_everything_costs_no_more_than_it_holds() -> None:
    count = 1_000_000
    root = key_node(b"root", 32, (0, 0xFFFFFFFF), (count, 120), 32)
    timed(one_bin([root, struct.pack("<I", 32) * count], 32))


def test_a_hive_of_the_smallest_cells_is_walked_in_time() -> None:
    root = key_node(b"root", 32, (0, 0xFFFFFFFF), (0, 0xFFFFFFFF), 32)
    timed(one_bin([root, *[b"abcd"] * 500_000], 32))


def test_a_hive_of_the_smallest_free_cells_is_walked_in_time() -> None:
    root = key_node(b"root", 32, (0, 0xFFFFFFFF), (0, 0xFFFFFFFF), 32)
    data = bytearray(one_bin([root, *[b"abcd"] * 400_000], 32))
    for at in range(4096 + 120, 4096 + 120 + 8 * 400_000, 16):
        struct.pack_into("<i", data, at, 8)
    timed(bytes(data))


def chain(keys: int) -> bytes:
    """So many keys, each below the one before."""
    cells: list[bytes] = []
    offset = 32
    for depth in range(keys):
        subkeys = (0, 0xFFFFFFFF) if depth == keys - 1 else (1, offset + 88)
        cells.append(key_node(b"a", max(offset - 104, 32), subkeys, (0, 0xFFFFFFFF), 0xFFFFFFFF))
        cells.append(struct.pack("<2sHI", b"li", 1, offset + 104))
        offset += 104
    return one_bin(cells, 32)


@pytest.mark.parametrize(("keys", "too_deep"), [(512, False), (513, True), (5000, True)])
def test_keys_may_lie_512_levels_deep_and_no_deeper(keys: int, too_deep: bool) -> None:
    data = chain(keys)
    assert ("levels" in {violation.invariant for violation in check(data)}) == too_deep
    with pytest.raises(HiveError) as caught:
        apply(data, [DeleteKey(("a",))], now=NOW)
    assert ("levels deep" in caught.value.details) == too_deep
    timed(data)
