"""Evidence files: read as they were written, or not at all."""

from __future__ import annotations

from pathlib import Path

from winpe_certs.errors import UsageError
from winpe_certs.evidence.canonical import LARGEST, from_json
from winpe_certs.evidence.document import Evidence
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, path_kind


def read_evidence(path: Path) -> Evidence:
    """The evidence in a file; raises `UsageError` without one, `EvidenceError` for any other contents."""
    return from_json(_read(path), str(path))


def read_text(path: Path) -> str:
    """The text of an evidence file; raises as `read_evidence` does."""
    data = _read(path)
    from_json(data, str(path))
    return data.decode("ascii")


def _read(path: Path) -> bytes:
    if path_kind(path) is not PathKind.FILE:
        raise UsageError(f"{path}: no such evidence file", resolution="Check the path.")
    with system_errors(path, "read"), open_to_read(path) as file:
        # Not all of a boot image that was given by mistake.
        return file.read(LARGEST + 1)
