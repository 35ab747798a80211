"""The program in this process, for tests that give it hostile input."""

from __future__ import annotations

from tests.unit.cli.conftest import run

__all__ = ["run"]
