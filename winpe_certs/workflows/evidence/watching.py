"""What a change hands to those who keep evidence of it, light enough for the runs that keep none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from winpe_certs.engines.held import Contents
from winpe_certs.results import ImageResult, Plan
from winpe_certs.workflows.inputs import Source


@dataclass(frozen=True, slots=True)
class Given:
    """An option of the call as evidence names it; its value is a path where it names a file."""

    name: str
    value: str | Path | None = None


@dataclass(frozen=True, slots=True)
class EvidenceOptions:
    """Where evidence goes, and what only the caller knows of the run.

    `redacted` leaves out who ran it, on which machine, and where files lie. `overrides` are the options that
    let pass what is refused without them, `given` the others that decide what is done. `sources` are the
    files that certificates came from, by thumbprint.
    """

    path: Path
    change_id: str | None = None
    redacted: bool = False
    overwrite: bool = False
    overrides: tuple[Given, ...] = ()
    given: tuple[Given, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedHive:
    """A hive as Windows reads it before the change, and as it is meant to be after it."""

    base: Contents
    new: Contents

    def pack(self) -> None:
        """Keep both in compressed form: the next hive is worked on."""
        self.base.pack()
        self.new.pack()


@dataclass(frozen=True, slots=True)
class Announced:
    """What a run will have to tell when its next change succeeds: all results until then, and the plan."""

    images: Sequence[ImageResult]
    plan: Plan


Watch: TypeAlias = Callable[[Mapping[int | None, PlannedHive], Announced], AbstractContextManager[None]]
"""Given the chosen hives and what is about to be told, a context in which the target is changed."""


def unwatched(
    _hives: Mapping[int | None, PlannedHive], _announced: Announced
) -> AbstractContextManager[None]:
    """The context of those who want no evidence."""
    return contextlib.nullcontext()
