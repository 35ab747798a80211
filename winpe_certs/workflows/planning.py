"""What a changing command wants of one hive, and whether it is there.

A *planner* leads from what stands in a hive to the edits, to what must stand there afterwards, and to what is
reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from winpe_certs.certs.stores import Location, store_key
from winpe_certs.edits import Edit
from winpe_certs.errors import ExitCode, VerificationFailure, WinpeCertsError
from winpe_certs.regf.reading import Hive
from winpe_certs.results import CertificateResult, ServerResult
from winpe_certs.verification.stored import StoredCertificates, read_stored


@dataclass(frozen=True, slots=True)
class Expectation:
    """A Blob that must stand in a hive after the edits, or None for a key that must be gone."""

    location: Location
    store: str
    thumbprint: str
    blob: bytes | None


class ExpectationError(WinpeCertsError):
    """An image would not be after the change what the caller expects; it is not changed.

    `answers` say why.
    """

    exit_code = ExitCode.NO
    kind = "expectation"

    def __init__(
        self, message: str, answers: tuple[ServerResult, ...], *, details: str, resolution: str
    ) -> None:
        super().__init__(message, details=details, resolution=resolution)
        self.answers = answers


Acceptance: TypeAlias = Callable[[StoredCertificates, tuple[str, ...]], tuple[ServerResult, ...]]
"""Looks at what stands in a hive after the edits; `ExpectationError` when the image is not to be written so.

The words name the image in command lines.
"""


def accept_all(_found: StoredCertificates, _words: tuple[str, ...]) -> tuple[ServerResult, ...]:
    """The acceptance of those who expect nothing about servers."""
    return ()


@dataclass(frozen=True, slots=True)
class HivePlan:
    """What a command wants of one hive."""

    edits: tuple[Edit, ...]
    expected: tuple[Expectation, ...]
    certificates: tuple[CertificateResult, ...]
    accept: Acceptance = accept_all


Planner: TypeAlias = Callable[[Hive, str], HivePlan]
"""From a hive and its name in messages to the plan for it."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was seen in a hive: the readers that saw it, and what the image would say to servers."""

    readers: tuple[str, ...]
    servers: tuple[ServerResult, ...]


def confirm(hive: bytes, plan: HivePlan, origin: str, words: tuple[str, ...]) -> Confirmed:
    """Let both independent readers see what the plan promised, and the command accept what they saw.

    They read every store, so that a hive that `verify` would refuse is never called done. The key of what
    must be there is named in upper case, exactly.
    """
    stored = read_stored(hive, origin)
    found = {
        (each.location, each.store, each.key_name.upper()): (each.key_name, each.blob)
        for each in stored.certificates
    }
    for expected in plan.expected:
        wanted = None if expected.blob is None else (expected.thumbprint, expected.blob)
        if found.get((expected.location, expected.store, expected.thumbprint)) != wanted:
            key = "\\".join((*store_key(expected.store, expected.location), expected.thumbprint))
            raise VerificationFailure(
                f"{origin}: {' and '.join(stored.readers)} do not see the edit of {key}",
                resolution="Please report this with the hive, if you may.",
            )
    return Confirmed(stored.readers, plan.accept(stored, words))
