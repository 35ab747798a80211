"""What is wrong with how evidence was asked for, told before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from winpe_certs.errors import UsageError
from winpe_certs.files.new import refuse_existing
from winpe_certs.files.paths import PathKind, path_kind, resolved
from winpe_certs.workflows.evidence.watching import EvidenceOptions
from winpe_certs.workflows.guards import refuse_image, same_file
from winpe_certs.workflows.outputs import refuse_missing_folder

_LONGEST_CHANGE_ID: Final = 200


def refuse_unfit(options: EvidenceOptions, paths: Sequence[Path]) -> None:
    """Raise `UsageError` when evidence cannot go where it should, or not under the number that it should.

    `paths` are all that the command reads, changes or writes.
    """
    _refuse_place(options.path, paths)
    refuse_existing(options.path, overwrite=options.overwrite)
    refuse_image("--evidence", options.path)
    if options.change_id is not None:
        _refuse_change_id(options.change_id)


def _refuse_place(path: Path, paths: Sequence[Path]) -> None:
    if path_kind(path) in {PathKind.FOLDER, PathKind.OTHER}:
        raise UsageError(
            f"--evidence {path}: this is {path_kind(path).value}", resolution="Give the name of a file."
        )
    refuse_missing_folder("--evidence", path)
    place = resolved(path)
    for other in paths:
        # An output may not exist yet, and what lies in a folder target would become part of its image.
        if same_file(path, other) or resolved(other) in {place, *place.parents}:
            raise UsageError(
                f"--evidence {path}: this is a file that the command works with, or lies in its folder",
                resolution="Give the evidence a name of its own, elsewhere.",
            )


def _refuse_change_id(change_id: str) -> None:
    if not change_id.strip():
        raise UsageError(
            "--change-id: it is empty",
            resolution="Give the number of the change (is a variable not set?), or leave it out.",
        )
    if len(change_id) > _LONGEST_CHANGE_ID:
        raise UsageError(
            f"--change-id: more than {_LONGEST_CHANGE_ID} characters",
            resolution="Give the number of the change; its description belongs elsewhere.",
        )
