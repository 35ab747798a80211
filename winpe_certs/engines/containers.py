"""What a target holds: a WIM, a folder, a hive, or the WIM files of an .iso, opened for reading.

One way for commands about single images and for audits. A WIM in an .iso is read where it lies; of several
the one counts that media boot from, sources/boot.wim.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from winpe_certs.engines.base import Images
from winpe_certs.engines.choose import MEDIA_IMAGE, Kind, Place
from winpe_certs.engines.codecs import codecs
from winpe_certs.engines.direct import WimImages
from winpe_certs.engines.folder import FolderImages, HiveImages
from winpe_certs.errors import TargetError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.progress import Progress, silent
from winpe_certs.wim.reader import WimFile

_BOOT_IMAGE: Final = "/".join(MEDIA_IMAGE)
# Media for every architecture and language have fewer; an .iso with more was not made to be booted.
_MOST_BOOT_IMAGES: Final = 50


@dataclass(frozen=True, slots=True)
class Container:
    """Something that holds images; `inside` is its path in an .iso, empty elsewhere.

    `open` gives its images, and raises as reading does; the file is closed with the target.
    """

    inside: str
    open: Callable[[], Images]


@contextlib.contextmanager
def open_containers(place: Place, progress: Progress = silent) -> Iterator[tuple[Container, ...]]:
    """The containers of a target, for as long as the block lasts; none is opened before it is asked for.

    Raises `EnvironmentFailure`, and `TargetError` for an .iso whose directories cannot be read.
    """
    if place.kind is Kind.FOLDER:
        yield (Container("", partial(FolderImages, place.path)),)
        return
    if place.kind is Kind.HIVE:
        yield (Container("", partial(HiveImages, place.path)),)
        return
    with system_errors(place.path, "open"):
        file = open_to_read(place.path)
    with file:
        if place.kind is Kind.WIM:
            yield (Container("", partial(_wim, place.path, str(place.path), file, progress)),)
        else:
            yield _in_iso(place.path, file, progress)


def boot_images(
    place: Place, containers: Sequence[Container]
) -> tuple[tuple[Container, ...], tuple[str, ...]]:
    """The containers that media boot from, and the paths of the other WIM files of an .iso.

    That is sources/boot.wim, or the one of each architecture (x64/sources/boot.wim); without any of these
    all that there are. Raises `TargetError` for an .iso without a WIM, or with too many to choose from.
    """
    if not containers:
        raise TargetError(
            f"{place.path}: there is no WIM file in this .iso",
            resolution="Give the .iso of boot or installation media, which has sources/boot.wim.",
        )
    paths = [each.inside.lower() for each in containers]
    boots = [path == _BOOT_IMAGE for path in paths]
    if not any(boots):
        boots = [path.endswith(f"/{_BOOT_IMAGE}") for path in paths]
    if not any(boots):
        boots = [True] * len(paths)
    chosen = tuple(itertools.compress(containers, boots))
    if len(chosen) > _MOST_BOOT_IMAGES:
        raise TargetError(
            f"{place.path}: {len(chosen)} WIM files in this .iso may be its boot image",
            resolution="Copy the one you want out of the .iso, and give that.",
        )
    others = itertools.compress(containers, (not each for each in boots))
    return chosen, tuple(each.inside for each in others)


def origin_of(place: Place, container: Container) -> str:
    """How messages name a container."""
    return f"{place.path}, {container.inside}" if container.inside else str(place.path)


@contextlib.contextmanager
def open_images(place: Place, progress: Progress = silent) -> Iterator[Images]:
    """The images of a WIM, a folder or a hive; raises `TargetError` for an .iso."""
    if place.kind is Kind.ISO:
        raise TargetError(
            f"{place.path}: this is an ISO image",
            resolution="Copy sources/boot.wim out of it, and give that.",
        )
    with open_containers(place, progress) as (container,), system_errors(place.path, "read"):
        yield container.open()


def _wim(path: Path, origin: str, file: BinaryIO, progress: Progress) -> WimImages:
    with system_errors(path, "read"):
        return WimImages(WimFile(file, origin, codecs=codecs()), progress)


def _in_iso(path: Path, file: BinaryIO, progress: Progress) -> tuple[Container, ...]:
    from winpe_certs.engines import iso  # most runs read none

    def opened(found: iso.IsoFile) -> WimImages:
        return _wim(path, f"{path}, {found.path}", iso.open_file(file, found), progress)

    with system_errors(path, "read"):
        return tuple(Container(each.path, partial(opened, each)) for each in iso.wim_files(file, str(path)))
