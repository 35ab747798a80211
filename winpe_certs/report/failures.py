"""What a command over several targets has failed on, as the text report names it, and the sum of all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from winpe_certs.errors import WinpeCertsError
from winpe_certs.results import Failure, Report


def failed_places(failures: Sequence[Failure]) -> Iterator[tuple[str, WinpeCertsError]]:
    """What failed and the error of each; images of one file that failed for the same reason are one place."""
    for (path, inside, error), group in itertools.groupby(
        failures, lambda failure: (failure.path, failure.inside, failure.error)
    ):
        place = f"{path}, {inside}" if inside else path
        indexes = [str(failure.index) for failure in group if failure.index is not None]
        if indexes:
            *others, last = indexes
            place += f", images {', '.join(others)} and {last}" if others else f", image {last}"
        yield place, error


def summary(report: Report) -> str:
    """How many went well and how many failed: files of a changing command, images of one that reads."""
    failed = len(report.failures)
    if report.command not in {"inject", "remove"}:
        return f"{_images(len(report.images))} read, {failed} failed"
    done = {image.path for image in report.images} - {failure.path for failure in report.failures}
    changed = {image.path for image in report.images if image.changed} & done
    would = "would be " if report.dry_run else ""
    return f"{len(changed)} {would}changed, {len(done - changed)} with nothing to change, {failed} failed"


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
