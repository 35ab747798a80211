"""Where the results of a changing command go when ``-o`` was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winpe_certs.engines.choose import Place
from winpe_certs.errors import UsageError
from winpe_certs.files.new import refuse_existing
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.workflows.guards import refuse_managed, same_file


def outputs_for(
    places: Sequence[Place],
    output: Path | None,
    *,
    overwrite: bool,
    force_managed_copy: bool,
    inputs: Sequence[Path] = (),
) -> list[Path | None]:
    """The output of each target, None for those that are changed in place.

    Raises `UsageError`, and `GuardError` for an output that Configuration Manager manages.

    `output` is a file, or an existing folder, which several targets need. `inputs` are other files that the
    command reads, which no output may replace.
    """
    if output is None:
        return [None] * len(places)
    is_folder = path_kind(output) is PathKind.FOLDER
    if len(places) > 1 and not is_folder:
        raise UsageError(
            f"-o {output}: with several images this must be an existing folder",
            resolution=f"Create it first: mkdir {output}",
        )
    outputs = [output / place.path.name if is_folder else output for place in places]
    if len(set(outputs)) != len(outputs):
        raise UsageError(
            f"-o {output}: two of the images have the same file name",
            resolution="Give them in separate calls, each with its own -o.",
        )
    for place, path in zip(places, outputs, strict=True):
        if same_file(place.path, path):
            raise UsageError(
                f"-o {path}: this is the image itself",
                resolution="Leave -o out to patch it in place, or give another name.",
            )
        if any(same_file(path, each) for each in inputs):
            raise UsageError(
                f"-o {path}: this is a file that the command reads",
                resolution="Give the image a name of its own.",
            )
        refuse_missing_folder("-o", path)
        # What is no file has no real path either.
        refuse_existing(path, overwrite=True)
        if not force_managed_copy:
            refuse_managed(path)
        # A file may be what would be written: that is found out when it is known what would be.
        refuse_existing(path, overwrite=overwrite or path_kind(path) is PathKind.FILE)
    return list(outputs)


def refuse_missing_folder(option: str, path: Path) -> None:
    """Raise `UsageError` for a file that an option names where there is no folder to write it in."""
    if path_kind(path.parent) is not PathKind.FOLDER:
        raise UsageError(
            f"{option} {path}: there is no folder {path.parent}",
            resolution="Create the folder first, or check the path.",
        )
