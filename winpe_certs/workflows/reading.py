"""The steps that every reading command shares: open each target, read the hive of each image, look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from winpe_certs.engines.choose import open_images, recognise
from winpe_certs.errors import Interrupted, WinpeCertsError
from winpe_certs.progress import Progress
from winpe_certs.results import CertificateResult, ImageResult, ServerResult
from winpe_certs.verification.stored import StoredCertificates, read_stored
from winpe_certs.workflows.selection import select, words_for
from winpe_certs.workflows.software import SOFTWARE_HIVE, open_software


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command says of one image: about its certificates, or about servers."""

    certificates: tuple[CertificateResult, ...] = ()
    servers: tuple[ServerResult, ...] = ()


Look = Callable[[StoredCertificates, tuple[str, ...]], Seen]
"""From the certificates that an image has, and the words that name it in a command line, to what is said."""


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
                    seen = look(found, words_for(origin, image, target))
                    results.append(
                        ImageResult(
                            path=origin,
                            index=image.index,
                            name=image.name,
                            changed=False,
                            certificates=seen.certificates,
                            readers=found.readers,
                            servers=seen.servers,
                        )
                    )
    except WinpeCertsError as error:
        return tuple(results), error
    except KeyboardInterrupt:
        return tuple(results), Interrupted()
    return tuple(results), None
