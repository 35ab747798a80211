"""``manifest`` of damaged images: refused or printed, quickly, in bounded memory, and never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.testdata.hostile import HOSTILE, hostile
from tests.hostile.isolated import Isolated

MAXIMUM_SECONDS = 10
MAXIMUM_PEAK = 200 << 20


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated() as started:
        yield started


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith("wim/")])
def test_a_damaged_image_has_a_manifest_or_a_message(isolated: Isolated, tmp_path: Path, name: str) -> None:
    path = tmp_path / "damaged.wim"
    content = hostile(name)[0]
    path.write_bytes(content)
    outcome = isolated.run("manifest", path)
    assert outcome.code in {0, 3}, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.seconds < MAXIMUM_SECONDS
    assert outcome.peak < MAXIMUM_PEAK
    assert path.read_bytes() == content
    if outcome.code == 0:
        lines = outcome.stdout.splitlines()
        assert lines
        assert all(line.startswith(("\\", "# ")) for line in lines)
    else:
        assert outcome.stderr.startswith("error: ")
        assert "next: " in outcome.stderr
