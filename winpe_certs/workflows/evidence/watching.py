"""What a change hands to those who keep evidence of it, light enough for the runs that keep none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EvidenceOptions:
    """Where evidence goes; `redacted` leaves out who ran it, on which machine, and where files lie."""

    path: Path
    change_id: str | None = None
    redacted: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class PlannedHive:
    """A hive as Windows reads it before the change, and as it is meant to be after it."""

    base: bytes
    new: bytes


Watch: TypeAlias = Callable[[Mapping[int | None, PlannedHive]], AbstractContextManager[None]]
"""Given the chosen hives, a context in which the target is changed."""


def unwatched(_hives: Mapping[int | None, PlannedHive]) -> AbstractContextManager[None]:
    """The context of those who want no evidence."""
    return contextlib.nullcontext()
