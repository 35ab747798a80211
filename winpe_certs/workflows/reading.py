"""The steps that every reading command shares: open each target, read the hive of each image, look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from winpe_certs.engines.base import Images
from winpe_certs.engines.choose import open_images, pages_of, recognise
from winpe_certs.errors import Interrupted, WinpeCertsError
from winpe_certs.progress import Progress
from winpe_certs.results import CertificateResult, ImageResult, ServerResult
from winpe_certs.verification.stored import StoredCertificates, read_as_needed
from winpe_certs.workflows.selection import SOFTWARE_HIVE, Choice, select, words_for
from winpe_certs.workflows.software import open_software


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
    index: Choice | None,
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
                    found, chunks = _stored(target, image.index, origin, full_check=full_check)
                    seen = look(found, words_for(origin, image, target))
                    results.append(
                        ImageResult(
                            path=origin,
                            index=image.index,
                            name=image.name,
                            changed=False,
                            certificates=seen.certificates,
                            readers=found.readers,
                            chunks=chunks,
                            servers=seen.servers,
                        )
                    )
    except WinpeCertsError as error:
        return tuple(results), error
    except KeyboardInterrupt:
        return tuple(results), Interrupted()
    return tuple(results), None


def _stored(
    images: Images, index: int | None, origin: str, *, full_check: bool
) -> tuple[StoredCertificates, tuple[int, int] | None]:
    """The certificates of one image, and of how many chunks they were read when not of the whole hive."""
    pages = None if full_check else pages_of(images, index, SOFTWARE_HIVE)
    hive = images.read(index, SOFTWARE_HIVE) if pages is None else pages
    open_software(hive, origin, full_check=full_check)
    return read_as_needed(hive, origin)
