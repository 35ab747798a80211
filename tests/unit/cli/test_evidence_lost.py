"""``--evidence`` that cannot be written: the image stays old, or the report still says what was changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.unit.cli.conftest import Program, read_document, results_in
from winpe_certs.errors import UsageError
from winpe_certs.evidence import canonical
from winpe_certs.files import new, reserved
from winpe_certs.workflows.evidence import recorder


def _is_untouched(folder: Path, image: Path, before: bytes) -> bool:
    return image.read_bytes() == before and not list(folder.glob(".*.new"))


@contextlib.contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes; skips where none can be mounted."""
    folder.mkdir()
    if not sys.platform.startswith("linux") or not shutil.which("mount"):
        pytest.skip(needs.SMALL_DISK)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(needs.SMALL_DISK)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", [4096, 40_960, 135_168])
def test_a_disk_without_room_for_evidence_leaves_the_image_as_it_was(
    run: Program, image: Path, root: Path, tmp_path: Path, size: int
) -> None:
    before = image.read_bytes()
    with _small_disk(tmp_path / "disk", size) as disk:
        done = run("inject", image, "-c", root, "-i", "1", "--evidence", disk / "e.json", "-f", "json")
        assert (done.code, done.document["changed"]) == (4, False)
        assert "Without its evidence the change is not made." in done.document["error"]["details"]
        assert _is_untouched(disk, image, before)


@pytest.mark.posix("places")
def test_a_place_that_cannot_be_written_leaves_the_image_as_it_was(
    run: Program, image: Path, root: Path
) -> None:
    before = image.read_bytes()
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", "/proc/evidence.json", "-f", "json")
    assert (done.code, done.document["changed"]) == (4, False)
    assert image.read_bytes() == before


def test_evidence_that_would_be_too_large_leaves_the_image_as_it_was(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image.read_bytes()
    monkeypatch.setattr(canonical, "_MOST_WRITTEN", 1_050)
    done = run("inject", image, "-c", root, "-i", "all", "--evidence", proof, "-f", "json")
    assert (done.code, done.document["changed"]) == (2, False)
    assert "Split the run" in done.document["error"]["resolution"]
    assert _is_untouched(proof.parent, image, before)


def test_room_for_evidence_is_enough_for_it(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[int] = []
    real = reserved.ReservedFile.reserve

    def noted(self: reserved.ReservedFile, size: int) -> None:
        rooms.append(size)
        real(self, size)

    monkeypatch.setattr(reserved.ReservedFile, "reserve", noted)
    assert run("inject", image, "-c", root, "-i", "all", "--evidence", proof).code == 0
    assert proof.stat().st_size <= max(rooms)


def test_a_failed_run_leaves_no_half_file(run: Program, image: Path, root: Path, proof: Path) -> None:
    assert run("inject", image, "-c", root, "-i", "9", "--evidence", proof).code
    assert list(proof.parent.glob(".*.new")) == []
    assert not proof.exists() or read_document(proof)["targets"] == []


def test_a_file_that_has_appeared_meanwhile_stays_and_the_evidence_lies_beside_it(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recorder.Recorder._again

    def appear(*arguments: object) -> object:
        proof.write_text("somebody's")
        return real(*arguments)  # type: ignore[arg-type] # as they were given

    monkeypatch.setattr(recorder.Recorder, "_again", appear)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert (done.code, done.document["changed"]) == (4, True)
    assert proof.read_text() == "somebody's"
    (beside,) = proof.parent.glob(".*.new")
    assert str(beside) in done.document["error"]["details"]
    assert read_document(beside)["targets"][0]["way_back"]


@pytest.mark.posix("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["survey", "writing"])
def test_an_interrupt_behind_the_commit_costs_neither_report_nor_evidence(
    run: Program,
    image: Path,
    root: Path,
    proof: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    number: signal.Signals,
) -> None:
    owner, name = (recorder.Recorder, "_again") if moment == "survey" else (reserved.ReservedFile, "finish")
    real = getattr(owner, name)

    def interrupted(*arguments: object) -> object:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(owner, name, interrupted)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert (done.code, done.document["changed"]) == (130, True)
    assert done.document["images"][0]["certificates"][0]["status"] == "added"
    assert read_document(proof)["targets"][0]["way_back"]
    assert run("undo", image, "--evidence", proof).code == 0


@pytest.mark.posix("signals")
def test_an_interrupt_behind_one_target_leaves_the_next_and_names_it(
    run: Program, image: Path, root: Path, proof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.wim"
    shutil.copyfile(image, other)
    before = other.read_bytes()
    real = recorder.Recorder._again

    def interrupted(*arguments: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)  # type: ignore[arg-type] # as they were given

    monkeypatch.setattr(recorder.Recorder, "_again", interrupted)
    done = run("inject", image, other, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert (done.code, done.document["changed"]) == (130, True)
    assert [each["path"] for each in done.document["images"]] == [str(image)]
    assert any(str(other) in warning for warning in done.document["warnings"])
    assert other.read_bytes() == before
    assert [each["file"] for each in read_document(proof)["targets"]] == [str(image)]


def test_a_hive_whose_folder_cannot_be_synced_is_told_as_changed(
    run: Program, hive: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = new._sync_folder

    def fail(_: Path) -> None:
        monkeypatch.setattr(new, "_sync_folder", real)
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(new, "_sync_folder", fail)
    done = run("inject", hive, "-c", root, "--evidence", proof, "-f", "json")
    assert (done.code, done.document["changed"]) == (4, True)
    assert run("verify", hive, "-c", root).code == 0
    (target,) = read_document(proof)["targets"]
    assert target["before"] != target["after"]


def test_a_survey_that_fails_behind_the_change_is_no_refusal(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recorder.Recorder._again

    def fail(*_: object) -> None:
        raise UsageError("cannot be listed")

    monkeypatch.setattr(recorder.Recorder, "_again", fail)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == 4
    assert done.document["images"][0]["changed"] is True
    monkeypatch.setattr(recorder.Recorder, "_again", real)
    assert run("verify", image, "-c", root, "-i", "1").code == 0
    document = read_document(proof)
    assert (document["targets"], results_in(document)[0]["status"]) == ([], "added")


def test_what_is_written_can_be_read_also_when_a_later_target_is_refused(
    run: Program, image: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan of the target that is refused is in the evidence too."""
    monkeypatch.setattr(canonical, "_MOST_WRITTEN", 1_400)
    monkeypatch.setattr(canonical, "MOST_VALUES", 2_800)
    images = [shutil.copy(image, tmp_path / f"{number}.wim") for number in range(9)]
    proof = tmp_path / "e.json"
    done = run("inject", *images, "--cert", root, "-i", "1", "--evidence", proof)
    assert done.code == 2
    assert "too large to be read again" in done.err
    assert run("evidence", "show", proof).code == 0
    changed = [each for each in images if Path(each).read_bytes() != image.read_bytes()]
    assert 0 < len(changed) < len(images)
    assert run("undo", changed[0], "--evidence", proof).code == 0
