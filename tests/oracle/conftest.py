"""The program in this process, for tests in which other programs judge its work."""

from __future__ import annotations

from tests.unit.cli.conftest import run

__all__ = ["run"]
