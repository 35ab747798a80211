"""``-o`` run again: what is there already, as it would be written now, is left alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program


def _kept(path: Path) -> tuple[bytes, int, int]:
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino


@pytest.mark.parametrize("kind", ["wim", "hive"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_the_same_output_is_unchanged(
    run: Program, image: Path, hive: Path, root: Path, tmp_path: Path, kind: str, dry: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    given = [image, "-i", "all"] if kind == "wim" else [hive]
    command = ["inject", *given, "-c", root, "-o", out]
    assert run(*command).code == 0
    kept = _kept(out)
    time.sleep(0.01)
    done = run(*command, *dry, "-f", "json")
    assert (done.code, done.document["changed"], done.document["dry_run"]) == (0, False, bool(dry))
    statuses = {each["status"] for found in done.document["images"] for each in found["certificates"]}
    assert statuses == {"unchanged"}
    assert _kept(out) == kept
    removal = ["remove", out, "-c", root, "-o", tmp_path / "removed"]
    removal += ["-i", "all"] if kind == "wim" else []
    assert run(*removal).code == 0
    again = run(*removal, "-f", "json")
    assert (again.code, again.document["changed"]) == (0, False)


@pytest.mark.parametrize("kind", ["wim", "hive"])
def test_an_output_that_needed_no_change_is_unchanged(
    run: Program, image: Path, hive: Path, root: Path, tmp_path: Path, kind: str
) -> None:
    given = [image, "-i", "1"] if kind == "wim" else [hive]
    assert run("inject", *given, "-c", root).code == 0
    command = ["inject", *given, "-c", root, "-o", tmp_path / "out"]
    assert run(*command).code == 0
    kept = _kept(tmp_path / "out")
    assert run(*command).code == 0
    assert _kept(tmp_path / "out") == kept


@pytest.mark.parametrize("kind", ["wim", "hive"])
@pytest.mark.parametrize("other", ["longer", "shorter", "one bit", "empty", "text", "the original"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_another_output_is_refused_and_kept(
    run: Program,
    image: Path,
    hive: Path,
    root: Path,
    tmp_path: Path,
    kind: str,
    other: str,
    dry: tuple[str, ...],
) -> None:
    out = tmp_path / "out"
    source = image if kind == "wim" else hive
    command = ["inject", source, *(["-i", "1"] if kind == "wim" else []), "-c", root, "-o", out]
    assert run(*command).code == 0
    written = out.read_bytes()
    middle = len(written) // 2
    out.write_bytes(
        {
            "longer": written + b"x",
            "shorter": written[:-1],
            "one bit": written[:middle] + bytes([written[middle] ^ 1]) + written[middle + 1 :],
            "empty": b"",
            "text": b"somebody's notes",
            "the original": source.read_bytes(),
        }[other]
    )
    kept = _kept(out)
    done = run(*command, *dry)
    assert done.code == 2
    assert "exists already" in done.err
    assert _kept(out) == kept


def test_compact_to_the_same_output_is_unchanged(
    run: Program, image: Path, root: Path, tmp_path: Path
) -> None:
    assert run("inject", image, "-i", "1", "-c", root).code == 0
    command = ["compact", image, "-o", tmp_path / "out.wim"]
    first = run(*command, "-f", "json")
    assert (first.code, first.document["changed"]) == (0, True)
    kept = _kept(tmp_path / "out.wim")
    again = run(*command, "-f", "json")
    assert (again.code, again.document["changed"]) == (0, False)
    assert again.document["compaction"]["status"] == "unchanged"
    assert _kept(tmp_path / "out.wim") == kept
    with (tmp_path / "out.wim").open("ab") as file:
        file.write(b"x")
    refused = run(*command)
    assert refused.code == 2
    assert "exists already" in refused.err
