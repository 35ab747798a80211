"""Random edits of every hive there is, against a plain dictionary and four readers that are not ours.

Not part of the usual suite yet: it takes long, and libregf reads names with a NUL in them otherwise.
WINPE_CERTS_LONG=1 runs it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
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
    open_shared,
)
from tests.property.hive_judges import require_judges
from tests.property.hive_machine import HiveMachine

LONG = os.environ.get("WINPE_CERTS_LONG") == "1"
if not LONG:
    pytest.skip("the long form: WINPE_CERTS_LONG=1", allow_module_level=True)
SEED = int(os.environ.get("WINPE_CERTS_SEED", "0"))
Record = Callable[[str, object], None]


class Profile(NamedTuple):
    """How much is done with a hive of up to so many keys."""

    keys: int
    sequences: int
    steps: int
    reads_every_save: bool


SHORT = (
    Profile(300, 12, 25, True),
    Profile(2_100, 4, 16, True),
    Profile(12_000, 2, 14, False),
    Profile(1 << 20, 2, 8, False),
)
LONG_ONES = (
    Profile(300, 120, 50, True),
    Profile(2_100, 60, 40, True),
    Profile(12_000, 25, 40, False),
    Profile(1 << 20, 8, 25, False),
)


def run(case: HiveCase, record: Record) -> None:
    """Edit the hive in as many sequences as its size allows, and record what was done."""
    keys = len(case.places)
    profile = next(each for each in (LONG_ONES if LONG else SHORT) if keys <= each.keys)
    members = {"case": case, "reads_every_save": profile.reads_every_save}
    machine = type("HiveMachine", (HiveMachine,), members)
    run_state_machine_as_test(
        hypothesis.seed(zlib.crc32(case.name.encode()) + SEED)(machine),
        settings=settings(
            max_examples=profile.sequences,
            stateful_step_count=profile.steps,
            deadline=None,
            database=None,
            # Making a failure smaller takes hundreds of sequences; in large hives that is too long.
            phases=[Phase.generate, Phase.shrink] if keys <= SHORT[0].keys else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    record("hive", case.name)
    record("keys", keys)
    for what, count in case.done.items():
        record(what, count)
    assert case.done["saves"] > 0


@pytest.mark.timeout(7200 if LONG else 300)
@pytest.mark.shared_files(*CLEAN, *CLOSED, *ODD)
def test_a_shared_hive_is_what_a_dictionary_says(
    shared_file: Path, tmp_path: Path, record_property: Record
) -> None:
    require_judges()
    run(open_shared(shared_file, tmp_path), record_property)


@pytest.mark.timeout(7200 if LONG else 300)
@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_hive_is_what_a_dictionary_says(
    name: str, tmp_path: Path, record_property: Record
) -> None:
    require_judges()
    run(open_case(name, generated(name), tmp_path), record_property)
