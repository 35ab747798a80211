"""The state machine that edits one hive at random and holds every save against the model and the judges."""

from __future__ import annotations

import random
from functools import cache
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.property.hive_cases import HiveCase, violations
from tests.property.hive_dump import KeyPath
from tests.property.hive_judges import Judge
from tests.property.hive_model import Refused
from tests.unit.regf.dump import RawKeys
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import HiveError
from winpe_certs.regf.hive import apply

FIRST_SAVE = 133_900_000_000_000_000
MOST_PENDING = 4

KEY_NAMES = st.sampled_from(
    ["a", "B", "b_", "bZ", "Ключ", "Ä", "ÿ", "ß", "\U0001f512x", "\ufb00", "日本語", "A1" * 20, "n" * 255]
)
NEW_PATHS = st.lists(KEY_NAMES, min_size=1, max_size=4).map(tuple)
VALUE_NAMES = st.sampled_from(["", "Blob", "bLOB2", "Ж", "Größe", "\U0001f512", "v" * 300])
KINDS = st.sampled_from([3, 1, 0, 2, 4, 5, 6, 7, 8, 11, 16, 0x12345, 0xFFFF0001])
_SMALL = (0, 1, 2, 3, 4, 5, 8, 12, 13, 20, 300, 1500, 4060, 5000)
SIZES = st.sampled_from([*_SMALL, 16343, 16344, 16345, 32687, 32688, 32689, 40_000, 100_003])
FILLS = st.integers(0, 7)
PICKS = st.tuples(st.booleans(), st.integers(0, 1 << 20))
"""Which key: one of the remarkable and new ones, or any of the hive's."""


@cache
def content(size: int, fill: int) -> bytes:
    """Data without a period, so that no part of it passes for another."""
    return random.Random(fill).randbytes(size)


class HiveMachine(RuleBasedStateMachine):
    """Edits are collected, and saved together now and then."""

    case: ClassVar[HiveCase]
    every_save: ClassVar[Judge | None]
    """Who reads each save; all judges read when a sequence ends."""
    asks_midway: ClassVar[bool]
    asks_from: ClassVar[int]
    """The first of the case's sequences at whose end all judges are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.data = self.case.data
        self.model = self.case.model.copy()
        self.raw = self.case.raw
        self.pending: list[Edit] = []
        self.new: list[KeyPath] = []
        self.saves = self.asked = 0
        self.is_sound = True
        self.case.done["sequences"] += 1
        self.number = self.case.done["sequences"]

    # --- what to edit -----------------------------------------------------------------------------

    def key(self, pick: tuple[bool, int], other_case: bool = False) -> KeyPath:
        is_any, index = pick
        places = self.case.places if is_any else self.case.usual + self.new
        path = places[index % len(places)]
        # Only what is one letter in every reader's idea of case; the rest is the unit tests' matter.
        return tuple(name.swapcase() if name.isascii() else name for name in path) if other_case else path

    def existing_value(self, pick: tuple[bool, int], index: int) -> tuple[KeyPath, str, int, bytes] | None:
        path = self.key(pick)
        place = self.model.find(path)
        values = self.model.keys[place].values if place is not None else ()
        return (path, *values[index % len(values)]) if values else None

    def add(self, edit: Edit) -> None:
        self.pending.append(edit)
        if isinstance(edit, CreateKey | SetValue) and edit.path not in self.new:
            self.new.append(edit.path)
        if len(self.pending) >= MOST_PENDING:
            self.save()

    @rule(pick=PICKS, path=NEW_PATHS, name=VALUE_NAMES, kind=KINDS, size=SIZES, fill=FILLS)
    def add_key_with_value(
        self, pick: tuple[bool, int], path: KeyPath, name: str, kind: int, size: int, fill: int
    ) -> None:
        self.add(SetValue((*self.key(pick), *path), name, kind, content(size, fill)))

    @rule(pick=PICKS, other_case=st.booleans(), name=VALUE_NAMES, kind=KINDS, size=SIZES, fill=FILLS)
    def set_value(
        self, pick: tuple[bool, int], other_case: bool, name: str, kind: int, size: int, fill: int
    ) -> None:
        self.add(SetValue(self.key(pick, other_case), name, kind, content(size, fill)))

    @rule(pick=PICKS, index=st.integers(0, 50), kind=KINDS, size=SIZES, fill=FILLS)
    def replace_value(self, pick: tuple[bool, int], index: int, kind: int, size: int, fill: int) -> None:
        if value := self.existing_value(pick, index):
            self.add(SetValue(value[0], value[1].swapcase(), kind, content(size, fill)))

    @rule(pick=PICKS, index=st.integers(0, 50))
    def delete_existing_value(self, pick: tuple[bool, int], index: int) -> None:
        if value := self.existing_value(pick, index):
            self.add(DeleteValue(value[0], value[1]))

    @rule(pick=PICKS, name=VALUE_NAMES)
    def delete_value(self, pick: tuple[bool, int], name: str) -> None:
        self.add(DeleteValue(self.key(pick), name))

    @rule(pick=PICKS, path=NEW_PATHS, other_case=st.booleans())
    def create_key(self, pick: tuple[bool, int], path: KeyPath, other_case: bool) -> None:
        self.add(CreateKey((*self.key(pick, other_case), *path)))

    @rule(pick=PICKS, count=st.integers(2, 40))
    def create_many(self, pick: tuple[bool, int], count: int) -> None:
        self.pending += [CreateKey((*self.key(pick), f"many {number:03}")) for number in range(count - 1)]
        self.add(CreateKey((*self.key(pick), "many")))

    @rule(pick=PICKS, other_case=st.booleans())
    def delete_key(self, pick: tuple[bool, int], other_case: bool) -> None:
        if path := self.key(pick, other_case):
            self.add(DeleteKey(path))

    @rule(pick=PICKS, index=st.integers(0, 50))
    def set_what_is_there(self, pick: tuple[bool, int], index: int) -> None:
        if value := self.existing_value(pick, index):
            self.add(SetValue(*value))
        self.add(CreateKey(self.key(pick)))

    # --- saving and judging -----------------------------------------------------------------------

    @precondition(lambda self: self.pending)
    @rule()
    def save(self) -> None:
        edits, self.pending = self.pending, []
        self.is_sound = False
        self.case.done["edits"] += len(edits)
        now = FIRST_SAVE + self.saves
        model = self.model.copy()
        try:
            changes = [model.carry_out(edit, now) for edit in edits]
        except Refused:
            self.refuse(edits, now)
            return
        before = bytes(bytearray(self.data))
        result = apply(self.data, edits, now=now)
        assert self.data == before
        if not any(changes):
            assert result is self.data, "a hive that needs no change is the very same"
            self.is_sound = True
            return
        self.saves += 1
        self.case.done["saves"] += 1
        after = RawKeys(result)
        self.compare_files(result)
        self.data, self.model = result, model
        self.case.file.write_bytes(result)
        model.settle_security(after)
        self.compare_cells(after)
        if self.every_save in self.case.judges:
            self.compare(self.every_save)
        self.raw = after
        self.model.touched.clear()
        assert apply(result, edits[-1:], now=now + 1) is result, "doing it again is no change"
        self.is_sound = True

    def refuse(self, edits: list[Edit], now: int) -> None:
        before = bytes(bytearray(self.data))
        with pytest.raises(HiveError):
            apply(self.data, edits, now=now)
        assert self.data == before
        self.case.done["refusals"] += 1
        self.is_sound = True

    def compare_files(self, result: bytes) -> None:
        """The structure, and of the base block and bins only what an edit changes."""
        assert violations(result) <= self.case.known
        old, new = self.data, result
        sequence = int.from_bytes(old[4:8], "little") + 1 & 0xFFFFFFFF
        assert new[4:8] == new[8:12] == sequence.to_bytes(4, "little")
        assert len(new) >= len(old)
        for start, end in ((0, 4), (12, 40), (44, 508), (512, 4096)):
            assert new[start:end] == old[start:end], f"the base block has changed from {start} to {end}"
        bins = int.from_bytes(old[40:44], "little")
        at = 4096
        while at < 4096 + bins:
            assert new[at : at + 32] == old[at : at + 32], f"the header of the bin at {at} has changed"
            at += int.from_bytes(old[at + 8 : at + 12], "little")
        end = 4096 + int.from_bytes(new[40:44], "little")
        assert new[end:] == old[end:], "bytes behind the bins stay what they are"

    def compare_cells(self, after: RawKeys) -> None:
        """No cell of a key that is not touched has moved or changed."""
        touched = self.model.touched
        for path, found in self.raw.keys.items():
            assert path in touched or after.keys.get(path) == found, f"the cells of {path} have changed"

    def compare(self, judge: Judge) -> None:
        """A judge and the model say the same of each key."""
        wrong = judge.disagreements(judge.dump(self.case.file), self.model.keys, self.case.minor)
        assert wrong == [], wrong[:5]
        self.case.done[judge.name] += 1

    @precondition(lambda self: self.asks_midway and self.saves > self.asked)
    @rule()
    def ask_all_judges(self) -> None:
        self.is_sound = False
        self.case.file.write_bytes(self.data)
        for judge in self.case.judges:
            self.compare(judge)
        self.asked = self.saves
        self.is_sound = True

    def teardown(self) -> None:
        if self.is_sound:
            if self.pending:
                self.save()
            if self.saves > self.asked and self.number >= self.asks_from:
                self.ask_all_judges()
