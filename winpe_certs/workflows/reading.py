"""The steps that every reading command shares: open each target, read the hive of each image, look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from winpe_certs.engines.choose import open_images, recognise
from winpe_certs.errors import Interrupted, WinpeCertsError
from winpe_certs.progress import Progress
from winpe_certs.results import CertificateResult, ImageResult
from winpe_certs.verification.stored import StoredCertificates, read_stored
from winpe_certs.workflows.selection import select
from winpe_certs.workflows.software import SOFTWARE_HIVE, open_software

Look = Callable[[StoredCertificates, str], tuple[CertificateResult, ...]]
"""From the certificates that an image has, and its name in messages, to what the command says of them."""


def read_images(
    paths: Sequence[Path],
    look: Look,
    *,
    index: int | str | None,
    progress: Progress,
    full_check: bool = False,
) -> tuple[tuple[ImageResult, ...], WinpeCertsError | None]:
    """Results of the images that could be read, and the error that ended the work, if one did."""
    results: list[ImageResult] = []
    try:
        for place in [recognise(path, reading=True) for path in paths]:
            origin = str(place.path)
            with open_images(place, progress) as target:
                for image in select(origin, target, index, writing=False):
                    hive = target.read(image.index, SOFTWARE_HIVE)
                    open_software(hive, origin, full_check=full_check)
                    found = read_stored(hive, origin)
                    certificates = look(found, origin)
                    results.append(
                        ImageResult(
                            path=origin,
                            index=image.index,
                            name=image.name,
                            changed=False,
                            certificates=certificates,
                            readers=found.readers,
                        )
                    )
    except WinpeCertsError as error:
        return tuple(results), error
    except KeyboardInterrupt:
        return tuple(results), Interrupted()
    return tuple(results), None
