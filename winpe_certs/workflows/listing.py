"""``list``: every certificate in the stores of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from winpe_certs.certs.stores import Store
from winpe_certs.findings import Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.trust.copies import Copies
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import stored_result
from winpe_certs.workflows.reading import ImageName, Seen, read_images
from winpe_certs.workflows.selection import Choice
from winpe_certs.workflows.standing import Ways, distrust, rivals


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
            copies = Copies(found)
            results = (
                _listed(stored, copies, image, moment)
                for stored in found.certificates
                if not stores or stored.store in stores
            )
            last[:] = [(found, image.file, Seen(tuple(results)))]
        return last[0][2]

    read = read_images(paths, look, index=index, progress=progress)
    return Report("list", read.images, error=read.error, failures=read.failures)


def _listed(stored: StoredCertificate, copies: Copies, image: ImageName, moment: Moment) -> CertificateResult:
    """The result for one key, with what other stores do to the trust in its certificate."""
    result = stored_result(stored, image.file, moment, copies.stored.certificates)
    if stored.store == Store.DISALLOWED or result.status is not Status.PRESENT:
        return result
    standing, ways = copies.standing(result.thumbprint), Ways(image.words)
    more = [*distrust(standing, ways)]
    if any(copy.stored is stored for copy in standing.counting()):
        more += rivals(standing, (stored,), ways)
    is_certain = all(finding.severity is not Severity.ERROR for finding in more)
    status = result.status if is_certain else Status.DIFFERENT
    return replace(result, status=status, findings=(*result.findings, *more))
