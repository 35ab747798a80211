"""``--evidence`` that is lost when the images are changed already: the report still says what was changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program, read_document
from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.files.new import write_new
from winpe_certs.workflows.evidence import recorder


@pytest.mark.parametrize("kind", ["full disk", "appeared"])
def test_evidence_that_is_lost_is_told_with_what_was_changed(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fail(path: Path, *_: object, overwrite: bool) -> None:
        if kind == "appeared":
            path.write_text("somebody's")
            write_new(path, [], overwrite=overwrite)
        raise EnvironmentFailure(f"{path}: cannot write: the disk is full", details="errno 28")

    monkeypatch.setattr(recorder, "write_new", fail)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == 4
    assert done.document["images"][0]["changed"] is True
    assert done.document["error"]["code"] == 4
    assert (
        "The images are changed as reported; only their evidence is lost."
        in (done.document["error"]["details"])
    )
    assert run("verify", image, "-c", root, "-i", "1").code == 0


def test_the_same_with_a_disk_that_is_really_full(run: Program, image: Path, root: Path) -> None:
    try:
        os.close(os.open("/proc/version", os.O_RDONLY))
    except OSError:
        pytest.skip("this system has no /proc to look into")
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", "/proc/evidence.json", "-f", "json")
    assert done.code == 4
    assert done.document["images"][0]["changed"] is True
    assert "only their evidence is lost" in done.document["error"]["details"]


def test_ctrl_c_while_it_is_written_still_reports_the_change(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder, "write_new", interrupt)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == 130
    assert done.document["images"][0]["changed"] is True
    assert "only their evidence is lost" in done.document["error"]["details"]


@pytest.mark.parametrize("fault", ["refusal", "interrupt"])
def test_a_survey_that_fails_behind_the_change_is_no_refusal(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    real = recorder.Recorder._again

    def fail(*_: object) -> None:
        if fault == "interrupt":
            raise KeyboardInterrupt
        raise UsageError("cannot be listed")

    monkeypatch.setattr(recorder.Recorder, "_again", fail)
    done = run("inject", image, "-c", root, "-i", "1", "--evidence", proof, "-f", "json")
    assert done.code == (130 if fault == "interrupt" else 4)
    assert done.document["images"][0]["changed"] is True
    monkeypatch.setattr(recorder.Recorder, "_again", real)
    assert run("verify", image, "-c", root, "-i", "1").code == 0
    document = read_document(proof)
    assert (document["targets"], document["certificates"][0]["status"]) == ([], "added")
