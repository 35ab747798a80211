"""The program in this process, for tests of what it does to files."""

from __future__ import annotations

from tests.unit.cli.conftest import run

__all__ = ["run"]
