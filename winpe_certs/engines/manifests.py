"""Manifests of the images of a WIM, and the refusal of targets that have none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from winpe_certs.engines.base import ImageInfo
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.direct import WimImages, open_for_reading
from winpe_certs.errors import TargetError
from winpe_certs.progress import Progress, silent
from winpe_certs.results import ManifestResult
from winpe_certs.wim.manifest import digest

__all__ = ["digest", "manifest_result", "open_wim"]


@contextlib.contextmanager
def open_wim(place: Place, progress: Progress = silent) -> Iterator[WimImages]:
    """Open a WIM for its manifests; raises `TargetError` for a folder or a hive."""
    if place.kind is not Kind.WIM:
        raise TargetError(
            f"{place.path}: this is {place.kind.value}; only the images of a .wim have a manifest",
            resolution="Give the .wim itself. An applied or mounted tree can be captured into one first, "
            "with wimlib-imagex capture or DISM /Capture-Image.",
        )
    with open_for_reading(place.path, progress) as images:
        yield images


def manifest_result(place: Place, images: WimImages, image: ImageInfo) -> ManifestResult:
    """The manifest of one image, and its digest; raises as reading does."""
    if image.index is None:
        raise TargetError(f"{place.path}: no image was chosen", resolution="Choose one with --index.")
    entries = images.manifest(image.index)
    lines = tuple(entry.line for entry in entries)
    return ManifestResult(str(place.path), image.index, image.name, lines, digest(entries))
