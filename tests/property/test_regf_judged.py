"""Where readers go different ways: long values, and names with a NUL. And hives that are damaged or odd."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import pytest

from scripts.testdata.hives import HIVES, hive_variant
from tests.conftest import REPOSITORY, read_hive
from tests.property.hive_cases import violations
from tests.property.hive_dump import Dump, Key, KeyPath, Unreadable, Value, bounded
from tests.property.hive_judges import JUDGES, LIBREGF, Judge, require_judges
from tests.unit.regf.builder import Key as BuiltKey
from tests.unit.regf.builder import build
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.hive import apply

NOW = 133_900_000_000_000_000
SEGMENT = 16344
MOST_KEYS_EDITED = 3
LONGEST_READ = 2
"""Seconds."""
Seen: TypeAlias = Counter[tuple[KeyPath, tuple[Value, ...]]]


@pytest.mark.parametrize("minor", [4, 5, 6])
@pytest.mark.parametrize("size", [SEGMENT + 1, SEGMENT + 4, 2 * SEGMENT - 3, 2 * SEGMENT, 2 * SEGMENT + 1])
def test_all_readers_see_the_end_of_a_long_value(minor: int, size: int, tmp_path: Path) -> None:
    require_judges()
    content = random.Random(size).randbytes(size)
    file = tmp_path / "hive"
    file.write_bytes(apply(build(BuiltKey(), minor=minor).data, [SetValue((), "Blob", 3, content)], now=NOW))
    # libregf takes hives of version 1.4 for older than they are, and so reads the record for the data.
    judges = [judge for judge in JUDGES if (judge, minor) != (LIBREGF, 4)]
    assert [judge.dump(file)[()].values for judge in judges] == [(Value("Blob", 3, content),)] * len(judges)


def test_only_names_with_a_nul_are_excused_in_libregf() -> None:
    stored: Dump = {("a\0b", "c"): Key((Value("d\0e", 3, b"12345"),)), ("f",): Key(())}
    said: Dump = {("a", "c"): Key((Value("d", 3, b"12345"),)), ("f",): Key(())}
    assert LIBREGF.disagreements(said, stored, 5) == []
    assert all(judge.disagreements(said, stored, 5) for judge in JUDGES if judge is not LIBREGF)
    for path in (("a\0b", "c"), ("a",)):
        wrong: Dump = {path: said["a", "c"]}
        assert LIBREGF.disagreements({**wrong, ("f",): Key(())}, stored, 5)
    other: Dump = {("a", "c"): Key((Value("", 3, b"12345"),)), ("f",): Key(())}
    assert LIBREGF.disagreements(other, stored, 5)


def seen_by(judge: Judge, file: Path) -> Seen | None:
    """What a judge sees, doubled keys and all; None when it cannot read the hive to its end.

    Lists that lead back into themselves keep some readers busy for ever, so each has a process of its own.
    """
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)
    reader = fork.Process(target=_send_what_is_seen, args=(judge, file, sending))
    reader.start()
    try:
        if not receiving.poll(LONGEST_READ):
            return None
        seen: Seen | None = receiving.recv()
        return seen
    finally:
        reader.kill()
        reader.join()


def _send_what_is_seen(judge: Judge, file: Path, sending: Connection) -> None:
    try:
        sending.send(Counter((path, key.values) for path, key in bounded(judge.read(str(file)))))
    except (Unreadable, UnicodeDecodeError):
        sending.send(None)


def edits_for(before: Seen, random_source: random.Random) -> list[Edit]:
    """Edits of all kinds in a few keys, and those of a certificate."""
    paths = sorted({path for path, _ in before if "\0" not in "".join(path)} | {()}, key=len)
    chosen = list(dict.fromkeys([(), *random_source.sample(paths, min(MOST_KEYS_EDITED, len(paths)))]))
    edits: list[Edit] = [
        SetValue(("Microsoft", "SystemCertificates", "AuthRoot", "A1"), "Blob", 3, bytes(1500))
    ]
    for number, path in enumerate(chosen):
        edits.append(SetValue(path, f"new {number}", 3, random_source.randbytes(20_000)))
        edits.append(CreateKey((*path, f"new {number}", "below")))
        names = [value.name for seen, values in before for value in values if seen == path]
        if names:
            edits.append(SetValue(path, names[0], 3, random_source.randbytes(50)))
            edits.append(DeleteValue(path, names[-1]))
    return edits + [DeleteKey(path) for path in chosen[-2:] if path]


def differing(before: Seen, after: Seen) -> set[KeyPath]:
    """The paths at which something is otherwise."""
    return {path for path, _ in chain(before - after, after - before)}


def is_touched(path: KeyPath, edit: Edit) -> bool:
    """Tell whether an edit may have changed what is at a path."""
    if isinstance(edit, DeleteKey):
        return path[: len(edit.path)] == edit.path
    if isinstance(edit, DeleteValue):
        return path == edit.path
    return path == edit.path[: len(path)]


def edit_or_refuse(data: bytes, file: Path) -> tuple[int, int]:
    """Edit a hive of which nothing is promised; tell how many edits were carried out and how many refused."""
    file.write_bytes(data)
    readable = (seen for judge in JUDGES if (seen := seen_by(judge, file)))
    edits = edits_for(next(readable, Counter()), random.Random(len(data)))
    known = violations(data)
    copy, result = bytes(bytearray(data)), data
    done: list[Edit] = []
    for edit in edits:
        held = bytes(bytearray(result))
        try:
            changed = apply(result, [edit], now=NOW)
        except HiveError:
            assert result == held
            continue
        assert violations(changed) <= known, edit
        result = changed
        done.append(edit)
    assert data == copy
    for judge in JUDGES if done else ():
        compare(judge, data, result, done, file)
    return len(done), len(edits) - len(done)


def compare(judge: Judge, data: bytes, result: bytes, done: list[Edit], file: Path) -> None:
    """What a judge could read before it reads afterwards, with the edits and with nothing else changed."""
    file.write_bytes(data)
    before = seen_by(judge, file)
    if before is None:
        return
    file.write_bytes(result)
    after = seen_by(judge, file)
    assert after is not None, f"{judge.name} could read the hive before it was edited"
    for path in differing(before, after):
        assert any(is_touched(path, edit) for edit in done), (judge.name, path)
    for edit in done:
        assert_carried_out(judge, after, edit, done, data[24])


def assert_carried_out(judge: Judge, seen: Seen, edit: Edit, done: list[Edit], minor: int) -> None:
    """The judge sees what the edit has made, unless a later one has made it otherwise."""
    later = done[done.index(edit) + 1 :]
    if any(isinstance(other, DeleteKey) and is_touched(edit.path, other) for other in later):
        return
    there = [values for path, values in seen if path == edit.path]
    named = [value for values in there for value in values if value.name == getattr(edit, "name", None)]
    match edit:
        case DeleteKey():
            assert not there, (judge.name, edit)
        case CreateKey():
            assert there, (judge.name, edit)
        case DeleteValue():
            assert not named, (judge.name, edit)
        case SetValue(path, name, kind, data) if DeleteValue(path, name) not in later:
            stored = Value(name, kind, data)
            assert any(value == stored or judge.may_say(value, stored, minor) for value in named), (
                judge.name,
                (path, name),
            )


@pytest.mark.shared_files("hives/adversarial/*.xz", "hives/synth/damaged-*.xz", "hives/dirty/*Hive.xz")
def test_a_hive_of_any_kind_is_refused_or_edited_as_asked(shared_file: Path, tmp_path: Path) -> None:
    require_judges()
    done, refused = edit_or_refuse(read_hive(shared_file), tmp_path / "hive")
    assert done + refused > 0


REGRESSIONS = sorted(
    path
    for path in (REPOSITORY / "tests" / "hostile" / "regressions").rglob("*")
    if path.is_file() and path.read_bytes()[:4] == b"regf"
)


@pytest.mark.parametrize("file", REGRESSIONS, ids=lambda file: file.name)
def test_a_hive_that_fuzzing_found_is_refused_or_edited_as_asked(file: Path, tmp_path: Path) -> None:
    require_judges()
    done, refused = edit_or_refuse(file.read_bytes(), tmp_path / "hive")
    assert done + refused > 0


@pytest.mark.parametrize("place", range(6))
def test_a_generated_hive_with_flipped_bytes_is_refused_or_edited_as_asked(
    place: int, tmp_path: Path
) -> None:
    require_judges()
    data = bytearray(hive_variant(sorted(HIVES)[place % len(HIVES)]))
    dice = random.Random(place)
    for _ in range(3):
        data[4096 + dice.randrange(len(data) - 4096)] ^= 1 << dice.randrange(8)
    done, refused = edit_or_refuse(bytes(data), tmp_path / "hive")
    assert done + refused > 0


def test_the_editor_carries_out_what_it_does_not_refuse(tmp_path: Path) -> None:
    """The measure of the above: in a sound hive nothing is refused."""
    require_judges()
    data = build(BuiltKey(keys={"a": BuiltKey(values={"v": (3, bytes(50))})})).data
    done, refused = edit_or_refuse(data, tmp_path / "hive")
    assert (done > 5, refused) == (True, 0)
    assert check(data) == ()
