"""Random edits of every hive there is, against a plain dictionary and four readers that are not ours.

The usual suite runs a short form. WINPE_CERTS_LONG=1 runs the long one; WINPE_CERTS_HIVE_SECONDS=N repeats
the short one with other seeds for N seconds on each hive. scripts/hive-campaign does so and counts.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.hive_cases import (
    CLEAN,
    CLOSED,
    GENERATED,
    ODD,
    HiveCase,
    generated,
    open_case,
    shared_hive,
)
from tests.property.hive_judges import HIVEX, LIBREGF, Judge, require_judges
from tests.property.hive_machine import HiveMachine

LONG = os.environ.get("WINPE_CERTS_LONG") == "1"
SECONDS = float(os.environ.get("WINPE_CERTS_HIVE_SECONDS", "0"))
SEED = int(os.environ.get("WINPE_CERTS_SEED", "0"))
IS_USUAL = not LONG and not SECONDS
Record = Callable[[str, object], None]


class Profile(NamedTuple):
    """How much is done with a hive of up to so many keys."""

    keys: int
    sequences: int
    steps: int
    every_save: Judge | None
    asks_midway: bool = False
    asks_at_each_end: bool = True


SHORT = (
    Profile(300, 6, 20, LIBREGF, asks_midway=True),
    Profile(2_100, 2, 12, HIVEX),
    Profile(12_000, 1, 8, HIVEX, asks_at_each_end=False),
    # Reading by all judges takes ten seconds here, so they are asked once.
    Profile(1 << 20, 1, 4, None, asks_at_each_end=False),
)
LONG_ONES = (
    Profile(300, 120, 50, LIBREGF, asks_midway=True),
    Profile(2_100, 60, 40, LIBREGF, asks_midway=True),
    Profile(12_000, 25, 40, HIVEX, asks_midway=True),
    Profile(1 << 20, 8, 25, HIVEX),
)


def edit_at_random(case: HiveCase, profile: Profile, seed: int) -> None:
    """Edit the hive in as many sequences as the profile says."""
    first = case.done["sequences"] + 1
    members = {
        "case": case,
        "every_save": profile.every_save,
        "asks_midway": profile.asks_midway,
        "asks_from": first if profile.asks_at_each_end else first + profile.sequences - 1,
    }
    run_state_machine_as_test(
        hypothesis.seed(seed)(type("HiveMachine", (HiveMachine,), members)),
        settings=settings(
            max_examples=profile.sequences,
            stateful_step_count=profile.steps,
            deadline=None,
            database=None,
            # Making a failure smaller takes hundreds of sequences; in large hives that is too long.
            phases=[Phase.generate, Phase.shrink] if profile.keys <= SHORT[0].keys else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def run(name: str, data: bytes, folder: Path, record: Record) -> None:
    """Edit one hive for as long as asked, and record what was done."""
    end = time.monotonic() + SECONDS
    case = open_case(name, data, folder, by_all=not IS_USUAL)
    keys = len(case.places)
    profile = next(each for each in (LONG_ONES if LONG else SHORT) if keys <= each.keys)
    for number in count():
        edit_at_random(case, profile, zlib.crc32(f"{name} {SEED} {number}".encode()))
        if time.monotonic() >= end:
            break
    record("hive", case.name)
    record("keys", keys)
    for what, total in case.done.items():
        record(what, total)
    assert all(case.done[what] for what in ("saves", *(judge.name for judge in case.judges)))


@pytest.mark.timeout(300 if IS_USUAL else 7200)
@pytest.mark.shared_files(*CLEAN, *CLOSED, *ODD)
def test_a_shared_hive_is_what_a_dictionary_says(
    shared_file: Path, tmp_path: Path, record_property: Record
) -> None:
    require_judges()
    run(*shared_hive(shared_file), tmp_path, record_property)


@pytest.mark.timeout(300 if IS_USUAL else 7200)
@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_hive_is_what_a_dictionary_says(
    name: str, tmp_path: Path, record_property: Record
) -> None:
    require_judges()
    run(name, generated(name), tmp_path, record_property)
