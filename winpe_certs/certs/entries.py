"""What the readers of certificate files hand to the door for ``--cert``: bytes and places, nothing decoded.

Each reader takes its format apart and knows nothing of X.509. What it finds in pieces becomes a
`DamagedEntry`, so that one bad certificate does not hide the others of its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from winpe_certs.certs.blob import Blob
from winpe_certs.errors import CertificateError, InputError

MOST_CERTIFICATES = 5_000
"""Certificates of one file. The largest public lists of roots and intermediates have about half of that."""

DAMAGED = "damaged"
"""The code under which ``--skip`` leaves damaged entries out."""

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """The bytes of one certificate as the file has them.

    `origin` is empty when only its number in the file can name it. `blob` and `store` come from the formats
    that keep properties and store names.
    """

    der: bytes
    origin: str = ""
    blob: Blob | None = None
    store: str | None = None


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """Something that should be a certificate and cannot be read; `error` says what, where and why."""

    error: InputError


@dataclass(slots=True)
class Contents:
    """What a reader found in one file, in the file's order."""

    found: list[FoundCertificate | DamagedEntry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def damaged(self, message: str, *, details: str = "", resolution: str) -> None:
        """Note something that cannot be read."""
        self.found.append(DamagedEntry(CertificateError(message, details=details, resolution=resolution)))


def refuse_damaged(damaged: Sequence[DamagedEntry], origin: str) -> None:
    """Raise the error of the only damaged entry, or one that lists all of them."""
    if not damaged:
        return
    if len(damaged) == 1:
        raise damaged[0].error
    raise CertificateError(
        f"{origin}: {len(damaged)} certificates cannot be read",
        details="\n".join(error_lines([entry.error for entry in damaged])),
        resolution="Take them out of the file, or get the certificates again from where they come from.",
    )


def error_lines(errors: Sequence[InputError]) -> list[str]:
    """One line for each error, the first of them if they are many."""
    lines = [error.message for error in errors[:_SHOWN]]
    if len(errors) > _SHOWN:
        lines.append(f"... and {len(errors) - _SHOWN} more")
    return lines
