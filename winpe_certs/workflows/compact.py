"""``compact``: an image file without the bytes that no image in it uses any more."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from winpe_certs import interrupts
from winpe_certs.engines.choose import Kind, Place, recognise
from winpe_certs.engines.compacting import compact_file
from winpe_certs.engines.setup import Machine
from winpe_certs.errors import GuardError, UsageError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import status_of
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Advice, Compaction, Report
from winpe_certs.workflows.guards import refuse_managed
from winpe_certs.workflows.outputs import outputs_for

_IS_DONE: Final = "The work itself is done, as reported above."
_EVIDENCE_IS_VOID: Final = (
    "Evidence of earlier changes is of the file as it was: `undo` and `verify --evidence` refuse this one."
)


def compact(
    path: Path,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    force_managed_copy: bool = False,
    wait: float = 0.0,
    machine: Machine,
    progress: Progress = silent,
) -> Report:
    """Write a compact copy of a WIM to `output`, or replace the file with it when that saves anything.

    Raises as `compact_file` does, and `UsageError` and `GuardError` for what must not be changed.
    """
    place = recognise(path, reading=False)
    if place.kind is not Kind.WIM:
        raise UsageError(
            f"{path}: only WIM files have dead space, and this is {place.kind.value}",
            resolution="Give the .wim.",
        )
    (target,) = outputs_for([place], output, overwrite=overwrite, force_managed_copy=force_managed_copy)
    if target is None:
        if not force_managed_copy:
            refuse_managed(place.path)
        _refuse_several_names(place)
    machine.refuse_mounted(place.path)
    sizes = compact_file(
        place.path, output=target, overwrite=overwrite, dry_run=dry_run, wait=wait, progress=progress
    )
    done = Compaction(
        str(place.path),
        str(target) if target else None,
        sizes.bytes_before,
        sizes.bytes_after,
        resources=sizes.entries_after,
        dropped=sizes.entries_before - sizes.entries_after,
        is_current=sizes.is_current,
    )
    is_replaced = target is None and done.changed and not dry_run
    return Report(
        "compact",
        compaction=done,
        advice=(Advice(_EVIDENCE_IS_VOID),) if is_replaced else (),
        dry_run=dry_run,
        error=sizes.error or interrupts.error_if_heard(_IS_DONE),
    )


def _refuse_several_names(place: Place) -> None:
    """A rename reaches one name alone: the others would keep the old file, and its space."""
    with system_errors(place.path, "look at it"):
        links = status_of(place.path).st_nlink
    if links > 1:
        raise GuardError(
            f"{place.path}: the file has {links} hard links; only this name would get the compact file",
            resolution="Write the compact file elsewhere with -o, then replace all names yourself.",
        )
