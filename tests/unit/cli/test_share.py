from __future__ import annotations

from pathlib import Path

import pytest

from tests import needs
from tests.unit.cli.conftest import Program
from winpe_certs.engines import setup, staging
from winpe_certs.errors import EnvironmentFailure


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let every path below the folder adk count as a network share."""
    monkeypatch.setattr(setup, "is_remote", lambda path: "adk" in str(path))
    state = tmp_path / "state"
    monkeypatch.setenv("WINPE_CERTS_STATE", str(state))
    return state


@pytest.mark.posix("modes")
def test_an_image_on_a_share_is_replaced_whole(run: Program, image: Path, root: Path, share: Path) -> None:
    before = image.stat()
    image.chmod(0o640)
    assert run("inject", image, "-c", root, "-i", "2").code == 0
    assert run("verify", image, "-c", root, "-i", "2").code == 0
    after = image.stat()
    assert after.st_ino != before.st_ino
    assert after.st_mode & 0o777 == 0o640
    assert [path for path in share.rglob("*") if path.is_file()] == []


def test_nothing_is_put_back_when_nothing_changed(run: Program, image: Path, root: Path, share: Path) -> None:
    run("inject", image, "-c", root, "-i", "2")
    before = image.stat()
    assert run("inject", image, "-c", root, "-i", "2").code == 0
    assert (image.stat().st_ino, image.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert needs.IS_WINDOWS or share.exists()


def test_an_original_that_changes_meanwhile_is_left_alone(
    run: Program, image: Path, root: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    real = staging._identity

    def identity(path: Path) -> tuple[int, int]:
        seen.append(path)
        return real(path) if len(seen) == 1 else (0, 0)

    monkeypatch.setattr(staging, "_identity", identity)
    before = image.read_bytes()
    done = run("inject", image, "-c", root, "-i", "2")
    assert done.code == EnvironmentFailure.exit_code
    assert "another program has changed the image" in done.err
    assert image.read_bytes() == before
    assert [path for path in share.rglob("*") if path.is_file()] == []


def test_a_dry_run_copies_nothing(run: Program, image: Path, root: Path, share: Path) -> None:
    assert run("inject", image, "-c", root, "-i", "2", "--dry-run").code == 0
    assert not share.exists()
