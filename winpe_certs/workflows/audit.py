"""``audit``: an estate of boot images, held against what is required of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from winpe_certs.engines.estate import sources
from winpe_certs.engines.workers import Died, processors, run_all
from winpe_certs.errors import Interrupted, UsageError
from winpe_certs.progress import Progress, silent
from winpe_certs.results import AuditedImage, AuditVerdict, Report
from winpe_certs.workflows.audit_image import audit_source, lost, seconds_for, spread
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.inputs import Inputs
from winpe_certs.workflows.requirements import Requirements, required_root
from winpe_certs.workflows.servers import Servers

# What a worker would load for its first image, loaded once for all where the system can.
_PRELOAD: Final = (
    "winpe_certs.workflows.audit_image",
    "regipy.registry",
    "Registry.Registry",
    "cryptography.x509",
)
_FAILING: Final = frozenset({AuditVerdict.UNMET, AuditVerdict.DIRTY, AuditVerdict.UNREADABLE})
_NOTHING_JUDGED: Final = (
    "Nothing here is an image of Windows, so nothing has shown that it meets what is required."
)


def audit(
    paths: Sequence[Path],
    required: Inputs | None,
    servers: Servers | None,
    *,
    days: int,
    moment: Moment,
    codec: str = "auto",
    processes: int | None = None,
    progress: Progress = silent,
) -> Report:
    """Look at every image below the paths, on all processors; `processes` says how many.

    An image that cannot be read is a finding, and fails the audit only when something is required.
    Raises `UsageError` when there is nothing to look at.
    """
    found = spread(sources(paths))
    if not found:
        raise UsageError(
            f"there is no image below {', '.join(map(str, paths))}",
            resolution="Give .wim or .iso files, or folders that hold some.",
        )
    wanted = required.wanted if required else ()
    needed = Requirements(
        tuple(required_root(each, days, moment.at) for each in wanted),
        servers.chains if servers else (),
        days,
        moment,
        codec,
    )
    results: dict[int, tuple[AuditedImage, ...]] = {}

    def tell() -> None:
        progress(f"{len(results)} of {len(found)} files", len(results), len(found))

    outcomes = run_all(
        partial(audit_source, needed),
        found,
        processes=processes or processors(),
        seconds=seconds_for,
        preload=_PRELOAD,
        tick=tell,
    )
    error = None
    try:
        with contextlib.closing(outcomes):
            for number, outcome in outcomes:
                if isinstance(outcome, Died):
                    results[number] = (lost(found[number], outcome.how),)
                else:
                    results[number] = outcome
                tell()
    except KeyboardInterrupt:
        error = Interrupted()
    images = sorted(
        (image for source in results.values() for image in source),
        key=lambda image: (image.path, image.inside, image.index or 0),
    )
    return _report(
        images,
        needed,
        (*(required.warnings if required else ()), *(servers.warnings if servers else ())),
        error,
    )


def _report(
    images: Sequence[AuditedImage], needed: Requirements, warnings: tuple[str, ...], error: Interrupted | None
) -> Report:
    holds = True
    if needed:
        holds = not any(image.verdict in _FAILING for image in images)
        if all(image.verdict is AuditVerdict.NOT_WINDOWS for image in images):
            holds, warnings = False, (*warnings, _NOTHING_JUDGED)
    return Report(
        "audit",
        warnings=warnings,
        holds=holds,
        audited=tuple(images),
        judged_at=needed.moment.at,
        error=error,
    )
