"""How long steps tell how far they have come."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how far a long step has come, in bytes."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take note of `done` of `total` bytes of `step`."""


def silent(step: str, done: int, total: int) -> None:
    """Nobody watches."""
