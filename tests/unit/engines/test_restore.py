"""The way back, on files that are no images: only headers, sizes and digests count."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

import pytest

from winpe_certs.engines.restore import Known, restore
from winpe_certs.engines.survey import Part, hash_parts
from winpe_certs.errors import EnvironmentFailure, EvidenceError, GuardError
from winpe_certs.files.locked import LockedFile
from winpe_certs.progress import silent

OLD, NEW = b"o" * 208, b"n" * 208
BODY, ADDED = bytes(range(256)) * 5000, b"appended" * 999


def known(data: bytes) -> Known:
    return Known(len(data), hashlib.sha256(data).hexdigest())


BEFORE, AFTER = known(OLD + BODY), known(NEW + BODY + ADDED)


def accept(file: BinaryIO) -> None:
    """The judge of files that are no images."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(NEW + BODY + ADDED)
    return path


def test_the_header_goes_back_and_the_file_is_cut(file: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    cut = restore(file, OLD, BEFORE, AFTER, judge=accept, progress=lambda *step: seen.append(step))
    assert cut == len(ADDED)
    assert file.read_bytes() == OLD + BODY
    assert {name for name, _, _ in seen} == {"hashing"}


def test_a_dry_run_leaves_it(file: Path) -> None:
    restore(file, OLD, BEFORE, AFTER, judge=accept, dry_run=True)
    assert file.read_bytes() == NEW + BODY + ADDED


def test_half_way_needs_no_second_header(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(OLD + BODY + ADDED)
    monkeypatch.delattr(LockedFile, "commit")
    restore(file, OLD, BEFORE, AFTER, judge=accept)
    assert file.read_bytes() == OLD + BODY


@pytest.mark.parametrize(
    "found",
    [
        OLD + BODY + ADDED + b"x",
        NEW + BODY,
        NEW + BODY + ADDED + b"x",
        NEW + BODY[:-1] + b"x" + ADDED,
        NEW[:100],
        b"",
    ],
    ids=["half way, longer", "cut", "longer", "another byte", "short", "empty"],
)
def test_any_other_file_is_refused(file: Path, found: bytes) -> None:
    file.write_bytes(found)
    with pytest.raises(GuardError):
        restore(file, OLD, BEFORE, AFTER, judge=accept)
    assert file.read_bytes() == found


def test_the_original_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(OLD + BODY)
    for name in ("commit", "cut"):
        monkeypatch.delattr(LockedFile, name)
    assert restore(file, OLD, BEFORE, AFTER, judge=accept) == 0
    assert file.read_bytes() == OLD + BODY


def test_evidence_whose_parts_do_not_go_together_changes_nothing(file: Path) -> None:
    for header, before in ((NEW, BEFORE), (OLD, Known(len(BODY) + 400, BEFORE.sha256)), (OLD, AFTER)):
        with pytest.raises(GuardError, match="not the one that the evidence was written for"):
            restore(file, header, before, AFTER, judge=accept)
        assert file.read_bytes() == NEW + BODY + ADDED


def test_a_judge_who_refuses_is_asked_before_anything_is_written(file: Path) -> None:
    def refuse(_: BinaryIO) -> None:
        raise EvidenceError("no image")

    for found in (NEW + BODY + ADDED, OLD + BODY + ADDED):
        file.write_bytes(found)
        with pytest.raises(EvidenceError):
            restore(file, OLD, BEFORE, AFTER, judge=refuse)
        assert file.read_bytes() == found


@pytest.mark.posix("locks")
def test_the_order_is_header_sync_hash_cut_sync(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[bytes] = []
    real = LockedFile.cut

    def cut(locked: LockedFile, size: int) -> None:
        states.append(file.read_bytes())
        real(locked, size)
        states.append(file.read_bytes())

    monkeypatch.setattr(LockedFile, "cut", cut)
    restore(file, OLD, BEFORE, AFTER, judge=accept)
    assert states == [OLD + BODY + ADDED, OLD + BODY]


def test_a_file_that_somebody_has_locked_is_left_alone(file: Path) -> None:
    with LockedFile(file), pytest.raises(EnvironmentFailure):
        restore(file, OLD, BEFORE, AFTER, judge=accept)
    assert file.read_bytes() == NEW + BODY + ADDED


# --- hashing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 207, 208, 209, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("head", [b"", b"h" * 208])
def test_parts_are_hashed_in_one_pass(size: int, head: bytes) -> None:
    data = (bytes(range(251)) * 20_000)[: 3 << 20]
    found = hash_parts(io.BytesIO(data), [Part(size, head), Part(len(data)), Part(5)], silent)
    expected = head + data[len(head) : size]
    assert found == [hashlib.sha256(part).hexdigest() for part in (expected, data, data[:5])]
