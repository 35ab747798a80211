"""What runs on Windows only: real files, real sharing, real programs of that system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.unit.cli.conftest import TESTDATA, certs, hive, image, proof, root, run

__all__ = ["certs", "hive", "image", "proof", "root", "run"]

SHARE = r"\\localhost\share"
"""A share of this machine: a folder of Wine's prefix, or one that the machine offers under this name."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.windows("windows"))


@pytest.fixture
def share(tmp_path: Path) -> Iterator[str]:
    """A fresh folder on a share of this machine, as a path that begins with two backslashes."""
    folder = f"{SHARE}\\{tmp_path.name}"
    if not os.path.isdir(SHARE):  # noqa: PTH112 - what is asked for is how the system takes this spelling
        needs.cannot_here("shares")
    Path(folder).mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A fresh copy of a boot.wim in a folder of its own."""
    folder = tmp_path / "media"
    folder.mkdir()
    return Path(shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim"))
