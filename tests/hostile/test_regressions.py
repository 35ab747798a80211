"""Files that once made a parser fail, run away or take too much memory: each is fed to its target again.

``regressions/README.md`` says of each what it is.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.fuzzing import campaign
from scripts.fuzzing.targets import TARGETS

FOLDER = Path(__file__).parent / "regressions"
FILES = {
    f"{path.parent.name}/{path.name.partition('.')[0]}": path for path in sorted(FOLDER.glob("*/*.bin*"))
}


@pytest.mark.parametrize("name", FILES)
def test_a_finding_is_answered(name: str, tmp_path: Path) -> None:
    tally = campaign.run(FILES[name].parent.name, tmp_path, "--files", FILES[name])
    told = [Path(path).with_suffix(".txt").read_text(encoding="utf-8") for path in tally.findings]
    assert not told, "\n".join(told)
    assert tally.files == 1


def test_every_file_has_a_target_and_a_line_in_the_readme() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(FILES)
    assert {path.parent.name for path in FILES.values()} <= set(TARGETS)
