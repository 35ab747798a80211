"""Where the results of a changing command go when ``-o`` was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winpe_certs.engines.choose import Place
from winpe_certs.errors import UsageError
from winpe_certs.files import refuse_existing
from winpe_certs.workflows.guards import same_file


def outputs_for(places: Sequence[Place], output: Path | None, *, overwrite: bool) -> list[Path | None]:
    """The output of each target, None for those that are changed in place; raises `UsageError`.

    `output` is a file, or an existing folder, which several targets need.
    """
    if output is None:
        return [None] * len(places)
    if len(places) > 1 and not output.is_dir():
        raise UsageError(
            f"-o {output}: with several images this must be an existing folder",
            resolution=f"Create it first: mkdir {output}",
        )
    outputs = [output / place.path.name if output.is_dir() else output for place in places]
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
        refuse_existing(path, overwrite=overwrite)
    return list(outputs)
