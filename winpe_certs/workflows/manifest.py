"""``manifest``: every directory entry of images as a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winpe_certs.engines.choose import recognise
from winpe_certs.engines.containers import origin_of
from winpe_certs.engines.manifests import manifest_result, open_wims
from winpe_certs.errors import Interrupted, WinpeCertsError
from winpe_certs.progress import Progress, silent
from winpe_certs.results import ManifestResult, Report
from winpe_certs.workflows.selection import Choice, select


def manifests(paths: Sequence[Path], *, index: Choice | None = None, progress: Progress = silent) -> Report:
    """The manifests of the chosen images, all of them unless `index` names one."""
    results: list[ManifestResult] = []
    error: WinpeCertsError | None = None
    try:
        for place in [recognise(path, reading=True) for path in paths]:
            with open_wims(place, progress) as containers:
                for container in containers:
                    images = container.open()
                    for image in select(origin_of(place, container), images, index, writing=False):
                        results.append(manifest_result(place, container, images, image))  # noqa: PERF401 - an error leaves the earlier ones
    except WinpeCertsError as caught:
        error = caught
    except KeyboardInterrupt:
        error = Interrupted()
    return Report("manifest", manifests=tuple(results), error=error)
