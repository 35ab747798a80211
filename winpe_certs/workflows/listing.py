"""``list``: every certificate in the stores of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winpe_certs.certs.stores import Store
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Report
from winpe_certs.verification.stored import StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import stored_result
from winpe_certs.workflows.reading import ImageName, Seen, read_images
from winpe_certs.workflows.selection import Choice


def list_certificates(
    paths: Sequence[Path],
    *,
    index: Choice | None = None,
    stores: tuple[Store, ...] = (),
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Every certificate in every image, or only those of the given stores."""
    # Images of a file that share a hive come with the same object, and hold the same.
    last: list[tuple[StoredCertificates, str, Seen]] = []

    def look(found: StoredCertificates, image: ImageName) -> Seen:
        if not last or last[0][0] is not found or last[0][1] != image.file:
            results = (
                stored_result(stored, image.file, moment, found.certificates)
                for stored in found.certificates
                if not stores or stored.store in stores
            )
            last[:] = [(found, image.file, Seen(tuple(results)))]
        return last[0][2]

    read = read_images(paths, look, index=index, progress=progress)
    return Report("list", read.images, error=read.error, failures=read.failures)
