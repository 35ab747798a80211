"""``list``: every certificate in the stores of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winpe_certs.certs.stores import Store
from winpe_certs.engines.choose import open_images, recognise
from winpe_certs.errors import WinpeCertsError
from winpe_certs.progress import Progress, silent
from winpe_certs.results import ImageResult, Report
from winpe_certs.verification.stored import read_stored
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import stored_result
from winpe_certs.workflows.selection import select
from winpe_certs.workflows.software import SOFTWARE_HIVE, open_software


def list_certificates(
    paths: Sequence[Path],
    *,
    index: int | str | None = None,
    store: Store | None = None,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Every certificate in every image, or only those of one store."""
    images: list[ImageResult] = []
    error: WinpeCertsError | None = None
    try:
        for place in [recognise(path, reading=True) for path in paths]:
            origin = str(place.path)
            with open_images(place, progress) as target:
                for image in select(origin, target, index, writing=False):
                    hive = target.read(image.index, SOFTWARE_HIVE)
                    open_software(hive, origin)
                    found = read_stored(hive, origin)
                    results = tuple(
                        stored_result(stored, origin, moment)
                        for stored in found.certificates
                        if store is None or stored.store == store
                    )
                    images.append(
                        ImageResult(
                            path=origin,
                            index=image.index,
                            name=image.name,
                            changed=False,
                            certificates=results,
                            readers=found.readers,
                        )
                    )
    except WinpeCertsError as caught:
        error = caught
    return Report("list", tuple(images), error=error)
