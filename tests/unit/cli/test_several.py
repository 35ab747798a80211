"""Several images in one call: one that fails does not stop the others, and data is no Windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import beside_data, variant, with_dirty
from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program, Run
from winpe_certs.verification import stored
from winpe_certs.workflows import reading

ROOT = thumbprint("corp-root")
AT = ("--at", "2026-06-01")
DIRTY = "the hive was not closed cleanly"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Image 1 holds drivers; 2 and 3 are Windows without the root."""
    path = tmp_path / "mixed.wim"
    path.write_bytes(beside_data())
    return path


@pytest.fixture
def estate(tmp_path: Path) -> list[Path]:
    """One with the root, one that is damaged, one that is missing, one without the root."""
    paths = [tmp_path / name for name in ("with.wim", "damaged.wim", "missing.wim", "without.wim")]
    paths[0].write_bytes(variant("authroot-already"))
    paths[1].write_bytes(variant("small")[:5000])
    paths[3].write_bytes(variant("single"))
    return paths


def _statuses(run: Run) -> list[tuple[str, int | None, list[str]]]:
    return [
        (Path(each["path"]).name, each["index"], [found["status"] for found in each["certificates"]])
        for each in run.document["images"]
    ]


def _failures(run: Run) -> list[tuple[str, int | None, int]]:
    return [
        (Path(each["path"]).name, each["index"], each["code"]) for each in run.document.get("failures", [])
    ]


def test_verify_answers_the_others_and_the_highest_code_wins(
    run: Program, estate: list[Path], root: Path
) -> None:
    done = run("verify", *estate, "-c", root, "-f", "json")
    assert (done.code, done.err) == (3, "")
    assert done.document["ok"] is False
    assert _statuses(done) == [
        ("with.wim", 1, ["present"]),
        ("with.wim", 2, ["present"]),
        ("without.wim", 1, ["missing"]),
    ]
    assert _failures(done) == [("damaged.wim", None, 3), ("missing.wim", None, 2)]
    assert "error" not in done.document
    assert run("verify", estate[0], estate[3], "-c", root).code == 1
    assert run("verify", estate[0], estate[2], "-c", root).code == 2
    assert run("verify", estate[3], estate[2], "-c", root).code == 2, "higher than the no"


def test_people_read_each_failure_once(run: Program, estate: list[Path], root: Path) -> None:
    done = run("verify", *estate, "-c", root)
    assert done.err == ""
    assert done.out.count("damaged.wim: failed") == 1
    assert done.out.count("missing.wim: no such file") == 1
    assert "3 images read, 2 failed" in done.out
    quiet = run("verify", *estate, "-c", root, "-q")
    assert "damaged.wim: failed" in quiet.out


def test_list_and_check_server_go_on_too(run: Program, estate: list[Path], certs: Path) -> None:
    listed = run("list", *estate, "-f", "json")
    assert (listed.code, len(listed.document["images"])) == (3, 3)
    assert _failures(listed) == [("damaged.wim", None, 3), ("missing.wim", None, 2)]
    chain = ("--chain", certs / "cmg-chain.pem", "--hostname", "cmg.contoso.example", *AT)
    asked = run("check-server", *estate, *chain, "-f", "json")
    assert asked.code == 3
    assert [len(each["servers"]) for each in asked.document["images"]] == [1, 1, 1]
    assert _failures(asked) == [("damaged.wim", None, 3), ("missing.wim", None, 2)]


def test_a_target_that_fails_alone_is_the_error(run: Program, estate: list[Path], root: Path) -> None:
    done = run("verify", estate[1], "-c", root, "-f", "json")
    assert done.code == 3
    assert done.document["error"]["code"] == 3
    assert "failures" not in done.document
    text = run("verify", estate[1], "-c", root)
    assert (text.out, text.err.count("error: ")) == ("", 1)


def test_one_bad_image_does_not_stop_the_others_of_its_file(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "three.wim"
    path.write_bytes(with_dirty(2))
    done = run("verify", path, "-c", root, "-f", "json")
    assert done.code == 3
    assert [index for _, index, _ in _statuses(done)] == [1, 3]
    assert _failures(done) == [("three.wim", 2, 3)]
    assert DIRTY in done.document["failures"][0]["message"]
    assert f"{path}, image 2: failed" in run("verify", path, "-c", root).out
    assert run("verify", path, "-c", root, "-i", "1,3").code == 1
    alone = run("verify", path, "-c", root, "-i", "2", "-f", "json")
    assert (alone.code, alone.document["error"]["kind"]) == (3, "hive-dirty")


def test_images_that_fail_alike_are_named_together(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "three.wim"
    path.write_bytes(with_dirty(1, 2))
    done = run("verify", path, "-c", root)
    assert done.code == 3
    assert f"{path}, images 1 and 2: failed" in done.out
    assert done.out.count(DIRTY) == 1
    assert "1 image read, 2 failed" in done.out
    assert _failures(run("list", path, "-f", "json")) == [("three.wim", 1, 3), ("three.wim", 2, 3)]
    path.write_bytes(with_dirty(1, 2, 3))
    assert run("list", path, "-f", "json").document["error"]["kind"] == "hive-dirty"


def test_an_interrupt_ends_it_and_keeps_what_was_read(
    run: Program, estate: list[Path], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = stored.read_as_needed
    seen: list[str] = []

    def interrupted(hive: Any, origin: str) -> Any:
        seen.append(origin)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read(hive, origin)

    monkeypatch.setattr(reading, "read_as_needed", interrupted)
    done = run("verify", *estate, "-c", root, "-f", "json")
    assert done.code == 130
    # Both images of the first file have one hive, which is read once.
    assert [index for _, index, _ in _statuses(done)] == [1, 2]
    assert done.document["error"]["kind"] == "interrupted"
    assert len(seen) == 2


@pytest.mark.posix("modes")
def test_a_file_without_permission_fails_alone(
    run: Program, estate: list[Path], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refused(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "without.wim":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    done = run("verify", estate[3], estate[0], "-c", root, "-f", "json")
    assert _failures(done) == [("without.wim", None, 4)]
    assert done.code == 4
    assert len(done.document["images"]) == 2


@pytest.mark.parametrize("choice", [[], ["-i", "all"]])
def test_a_data_image_is_no_windows_and_no_error(
    run: Program, mixed: Path, root: Path, choice: list[str]
) -> None:
    done = run("verify", mixed, "-c", root, *choice, "-f", "json")
    assert done.code == 1
    assert _statuses(done) == [
        ("mixed.wim", 1, []),
        ("mixed.wim", 2, ["missing"]),
        ("mixed.wim", 3, ["missing"]),
    ]
    assert [each["windows"] for each in done.document["images"]] == [False, True, True]
    assert [each["code"] for each in done.document["images"][0]["findings"]] == ["not-windows"]
    assert "no image of Windows" in run("list", mixed).out
    assert run("list", mixed, *choice).code == 0
    assert "no certificates" not in run("list", mixed).out


def test_a_data_image_may_be_any_of_the_file(run: Program, tmp_path: Path) -> None:
    path = tmp_path / "mixed.wim"
    for index in (1, 2, 3):
        path.write_bytes(beside_data(index))
        done = run("list", path, "-f", "json")
        assert (done.code, "failures" in done.document) == (0, False)
        assert [each["index"] for each in done.document["images"] if not each["windows"]] == [index]
        assert run("remove", path, "-t", ROOT, "-i", "all").code == 0


@pytest.mark.parametrize("choice", ["1", "1,2", "drivers"])
def test_a_data_image_that_is_named_is_an_error(run: Program, mixed: Path, root: Path, choice: str) -> None:
    done = run("verify", mixed, "-c", root, "-i", choice, "-f", "json")
    assert done.code == 3
    problems = [done.document["error"]] if "error" in done.document else done.document["failures"]
    assert len(problems) == 1
    assert "there is no Windows" in problems[0]["message"]
    assert run("inject", mixed, "-c", root, "-i", choice).code == 3


def test_a_file_in_which_nothing_is_windows_is_an_error(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "data.wim"
    path.write_bytes(variant("software-missing"))
    for arguments in (["verify", path, "-c", root], ["list", path, "-i", "all"], ["diff", path, path]):
        assert run(*arguments).code == 3
    assert run("inject", path, "-c", root, "-i", "all").code == 3
    beside = run("verify", path, tmp_path / "gone.wim", "-c", root, "-f", "json")
    assert _failures(beside) == [("data.wim", None, 3), ("gone.wim", None, 2)]


def test_changes_of_all_images_pass_over_data(run: Program, mixed: Path, root: Path, proof: Path) -> None:
    assert run("inject", mixed, "-c", root).code == 2, "several images: one must be chosen"
    done = run("inject", mixed, "-c", root, "-i", "all", "--evidence", proof, "-f", "json")
    assert done.code == 0
    assert sorted((each["index"], each["windows"], each["changed"]) for each in done.document["images"]) == [
        (1, False, False),
        (2, True, True),
        (3, True, True),
    ]
    assert run("verify", mixed, "-c", root).code == 0
    assert run("verify", mixed, "--evidence", proof).code == 0
    assert run("remove", mixed, "-t", ROOT, "-i", "all").code == 0
    assert run("verify", mixed, "-c", root).code == 1


def test_diff_passes_over_data_and_says_so(run: Program, mixed: Path, hive: Path) -> None:
    hive.write_bytes(hive_variant("no-free-cells.hiv"))
    done = run("diff", mixed, hive, "-f", "json")
    assert done.code == 0
    assert [each["first"]["index"] for each in done.document["comparisons"]] == [2, 3]
    assert "image 1: not compared" in done.document["warnings"][0]
    assert run("diff", mixed, hive, "--index", "1").code == 3
