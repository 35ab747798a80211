"""Manifests of the images of a WIM, and the refusal of targets that have none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.containers import Container, boot_images, open_containers
from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import TargetError
from winpe_certs.files.failures import system_errors
from winpe_certs.progress import Progress, silent
from winpe_certs.results import ManifestResult
from winpe_certs.wim.manifest import digest

__all__ = ["digest", "manifest_result", "open_wims"]


@contextlib.contextmanager
def open_wims(place: Place, progress: Progress = silent) -> Iterator[tuple[Container, ...]]:
    """Open a WIM, or the boot images of an .iso, for manifests; raises `TargetError` for another target."""
    if place.kind not in {Kind.WIM, Kind.ISO}:
        raise TargetError(
            f"{place.path}: this is {place.kind.value}; only the images of a .wim have a manifest",
            resolution="Give the .wim itself. An applied or mounted tree can be captured into one first, "
            "with wimlib-imagex capture or DISM /Capture-Image.",
        )
    with open_containers(place, progress) as containers, system_errors(place.path, "read"):
        yield boot_images(place, containers)[0]


def manifest_result(place: Place, container: Container, images: Images, image: ImageInfo) -> ManifestResult:
    """The manifest of one image, and its digest; raises as reading does."""
    if image.index is None or not isinstance(images, WimImages):
        raise TargetError(f"{place.path}: no image was chosen", resolution="Choose one with --index.")
    entries = images.manifest(image.index)
    lines = tuple(entry.line for entry in entries)
    return ManifestResult(str(place.path), image.index, image.name, lines, digest(entries), container.inside)
