"""The hives that are edited at random: what is known of each, and which of its keys deserve most edits."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts.testdata.hive_writer import build_hive, sealed
from scripts.testdata.hives import HIVES, hive_variant, software, usual_stores
from tests.conftest import read_hive
from tests.property.hive_dump import Dump, KeyPath, Unreadable
from tests.property.hive_judges import JUDGES, REGIPY, Judge
from tests.property.hive_model import Model, marks_of
from tests.unit.regf.dump import RawKeys
from winpe_certs.regf.check import check

CLEAN = ("hives/real/*.xz", "hives/minimal/*.xz", "hives/synth/synth-*.xz", "hives/dirty/*Recovered*.xz")
CLOSED = (
    "hives/dirty/regipy-*.DAT.xz",
    "hives/dirty/regipy-*.dat.xz",
    "hives/dirty/regipy-SECURITY.xz",
    "hives/dirty/yarp-OldDirtyHive.xz",
    "hives/dirty/NewDirtyHive1-NewDirtyHive.xz",
)
"""Not closed cleanly, but whole: with their sequence numbers made equal they are hives like others."""
ODD = tuple(
    f"hives/adversarial/yarp-{name}Hive.xz"
    for name in (
        "BigData",
        "BogusKeyNames",
        "DupName",
        "ExtendedASCII",
        "Remnants",
        "TwoOwners",
        "Unicode",
        "ValuesOrder",
    )
)
"""Unusual and sound."""

CANNOT_READ = {("yarp-System_Delta", "hivex")}
"""Sound hives, and the judges to which they are not."""

_MINORS = (4, 6)
GENERATED = (
    *(name for name in HIVES if name != "software-dirty.hiv"),
    *(f"version-1.{minor}.hiv" for minor in _MINORS),
)
STORE: KeyPath = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates")


def generated(name: str) -> bytes:
    """One of `GENERATED`: the test data's own variants, and one of each version that they leave out."""
    if name in HIVES:
        return hive_variant(name)
    return build_hive(software(usual_stores(), class_ids=40), minor=int(name[10]))


def closed(data: bytes) -> bytes:
    """The hive as if it had been closed cleanly; its log is not applied, which only loses changes."""
    (sequence,) = struct.unpack_from("<I", data, 4)
    return sealed(data[:8] + struct.pack("<I", sequence) + data[12:])


@dataclass
class HiveCase:
    """One hive before it is edited, and counts of what is then done with it."""

    name: str
    data: bytes
    model: Model
    raw: RawKeys
    known: frozenset[tuple[str, int]]
    judges: tuple[Judge, ...]
    file: Path
    usual: list[KeyPath]
    places: list[KeyPath]
    done: Counter[str] = field(default_factory=Counter)

    @property
    def minor(self) -> int:
        """The minor version of the hive's format."""
        return self.data[24]


def violations(data: bytes) -> frozenset[tuple[str, int]]:
    """What the structure check finds, by kind and place."""
    return frozenset((violation.invariant, violation.offset) for violation in check(data))


def open_case(name: str, data: bytes, folder: Path, *, by_all: bool = True) -> HiveCase:
    """Read a hive by one judge, and `by_all`, who must agree on it before anything is edited."""
    file = folder / "hive"
    file.write_bytes(data)
    keys = REGIPY.dump(file)
    judges = [judge for judge in JUDGES if (name, judge.name) not in CANNOT_READ]
    for judge in JUDGES if by_all else ():
        if judge in judges:
            said = judge.disagreements(keys if judge is REGIPY else judge.dump(file), keys, data[24])
            assert said == [], said[:5]
        else:
            with pytest.raises(Unreadable):
                judge.dump(file)
    model = Model(keys, marks_of(data))
    usual = remarkable(keys, model)
    return HiveCase(
        name, data, model, RawKeys(data), violations(data), tuple(judges), file, usual, sorted(keys)
    )


def shared_hive(path: Path) -> tuple[str, bytes]:
    """Name and bytes of a hive of the shared data, closed if it was not."""
    data = read_hive(path)
    is_dirty = data[4:8] != data[8:12]
    return path.name.removesuffix(".xz"), closed(data) if is_dirty else data


def remarkable(keys: Dump, model: Model) -> list[KeyPath]:
    """The root, certificate stores, and the keys that have most of something."""
    subkeys = Counter(path[:-1] for path in keys if path)
    ways = (
        lambda path: subkeys[path],
        lambda path: len(keys[path].values),
        lambda path: max((len(value.data) for value in keys[path].values), default=0),
        len,
        lambda path: len(keys[path].class_name or b""),
        lambda path: sum(ord(letter) > 0x7E for name in path[-1:] for letter in name),
        lambda path: path in model.marks.not_through,
        lambda path: any(mark[0] == path for mark in model.marks.deleted_values),
    )
    ordered = sorted(keys)
    found = [max(ordered, key=way) for way in ways]
    found += [path for path in ordered if path[-2:] == STORE[-2:]][:2]
    found += [
        max(ordered, key=lambda path: (path[:-1] == place, path)) for place in found[:1] if subkeys[place]
    ]
    return list(dict.fromkeys([(), STORE, *found]))
