"""Tens of thousands of changed files through every parser: a result or our own error, and no running away.

Every file is a function of its target, seed and number, so the same ones come each time. They are fed in
processes of their own, under the watchdog and the limits of `scripts.fuzzing.campaign`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.fuzzing import campaign
from scripts.fuzzing.campaign import REPOSITORY, changed_files
from scripts.fuzzing.mutate import Material, mutate
from scripts.fuzzing.mutate_der import mutate_der
from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.targets import TARGETS
from scripts.testdata import pki
from winpe_certs.certs.der import read_element
from winpe_certs.regf.base import read_base_block

FILES = {
    "certificate": 2000,
    "blob": 2000,
    "trust-list": 2000,
    "reg": 2000,
    "pkcs12": 1200,
    "chain": 1200,
    "constraints": 2000,
    "evidence": 2000,
    "host": 2000,
    "hive-reader": 2000,
    "hive-editor": 2000,
    "hive-check": 2000,
    "hive-log": 1500,
    "stored": 2000,
    "wim": 2000,
    "wim-patch": 2000,
    "wim-header": 1000,
    "wim-lookup": 1000,
    "wim-metadata": 2000,
    "wim-xml": 2000,
    "wim-integrity": 1000,
    "iso": 2000,
    "lzx": 2000,
    "xpress": 2000,
}
"""How many changed files each target gets; the slower it is, the fewer. `scripts/fuzz` goes on from there."""

SHARD = 2000
LARGEST_SEED = 20_000
REFUSES_NOTHING = {"hive-check", "constraints", "trust-list"}
"""Their answer to a damaged file is what they found, or a chain that does not hold."""

SHARDS = [
    (name, start, min(SHARD, count - start))
    for name, count in FILES.items()
    for start in range(0, count, SHARD)
]


def test_there_are_at_least_twenty_thousand_files_and_some_for_every_target() -> None:
    assert set(FILES) == set(TARGETS)
    assert sum(count for _, _, count in SHARDS) == sum(FILES.values()) >= 20_000


@pytest.mark.parametrize(("name", "start", "count"), SHARDS, ids=[f"{each[0]}-{each[1]}" for each in SHARDS])
def test_changed_files_give_a_result_or_our_own_error(
    name: str, start: int, count: int, tmp_path: Path
) -> None:
    tally = campaign.run(
        name, tmp_path, "--seed", f"suite {start}", "--count", count, "--largest", LARGEST_SEED
    )
    told = [Path(path).with_suffix(".txt").read_text(encoding="utf-8") for path in tally.findings]
    assert not told, "\n".join(told)
    assert tally.files == count
    # Both fates: what is always refused at the first look tries nothing.
    assert count // 100 < tally.accepted
    assert tally.accepted < count or name in REFUSES_NOTHING


# --- the tools themselves -------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGETS)
def test_most_seeds_are_sound(name: str) -> None:
    known = seeds(name, LARGEST_SEED)
    accepted = sum(TARGETS[name].accepts(data) for data in known)
    assert accepted * 2 >= len(known) > 1


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_seed_makes_the_same_files_and_hardly_any_twice(name: str) -> None:
    first, again, other = (
        list(itertools.islice(changed_files(TARGETS[name], name, seed, LARGEST_SEED), 40))
        for seed in ("1", "1", "2")
    )
    assert first == again != other
    assert len(set(first)) > 30


def _replayed(parse: str, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Replay three files with a parser of one's own in the place of one of the targets."""
    code = f"""
import sys
from scripts.fuzzing import campaign, targets
from winpe_certs.errors import EnvironmentFailure, InputError
def parse(data):
    {parse}
targets.TARGETS["host"] = targets.Target(parse)
sys.exit(campaign.main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", code, "host", "--folder", str(folder), "--count", "3", *options]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False, capture_output=True)


@pytest.mark.parametrize(
    ("parse", "finding"),
    [
        ("raise InputError('refused')", ""),
        ("return None", ""),
        ("raise KeyError(1)", "KeyError"),
        ("raise EnvironmentFailure('not about the file')", "EnvironmentFailure"),
        ("raise InputError('')", "InputError"),
        ("data = b'x' * (300 << 20)", "TooMuchMemory"),
        ("data = b'x' * (5 << 30)", "MemoryError"),
    ],
)
def test_what_counts_as_a_finding(parse: str, finding: str, tmp_path: Path) -> None:
    done = _replayed(parse, tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)["findings"]
    assert [Path(path).name.split("-")[0] for path in found] == ([finding] if finding else [])
    assert all(Path(path).is_file() for path in found)
    assert not (tmp_path / campaign.CURRENT).exists()


def test_a_file_without_end_is_stopped_and_kept(tmp_path: Path) -> None:
    done = _replayed("\n    while True: pass", tmp_path, "--each", "1")
    assert done.returncode != 0
    assert b"most recent call first" in done.stderr
    first = next(changed_files(TARGETS["host"], "host", "0", 1 << 20))
    assert (tmp_path / campaign.CURRENT).read_bytes() == first


def test_a_dead_process_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(campaign.Died, match="FileNotFoundError"):
        campaign.run("host", tmp_path, "--files", tmp_path / "no such file.bin")


def test_changed_hives_have_their_checksum_mostly() -> None:
    sealed = 0
    for data in itertools.islice(changed_files(TARGETS["hive-reader"], "hive-reader", "3", 9000), 200):
        try:
            read_base_block(data, "x")
        except Exception:  # noqa: BLE001, S112 - any refusal counts as one
            continue
        sealed += 1
    assert sealed > 80


def test_elements_are_changed_and_lengths_still_fit() -> None:
    whole = 0
    der = pki.der("cmg-server")
    for number in range(300):
        changed = mutate_der(der, random.Random(number))
        assert changed is not None
        if changed:
            try:
                whole += read_element(changed).end == len(changed)
            except ValueError:
                continue
    assert whole > 200
    assert mutate_der(b"", random.Random(1)) is None


@pytest.mark.parametrize("data", [b"", b"a", bytes(300)])
def test_any_file_can_be_changed(data: bytes) -> None:
    material = Material([data, b"another file"], (b"word",))
    for number in range(500):
        places = [range(1000, 2000), range(1)] if number % 2 else ()
        assert len(mutate(data, material, random.Random(number), places, 400)) <= 400
