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
    if path_kind(path) is not PathKind.FILE:
        raise UsageError(f"{path}: no such evidence file", resolution="Check the path.")
    with system_errors(path, "read"), open_to_read(path) as file:
        # Not all of a boot image that was given by mistake.
        data = file.read(LARGEST + 1)
    return from_json(data, str(path))
