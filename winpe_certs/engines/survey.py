"""What stands on the disk: a target's file as a whole, and every entry of every image in it.

Taken before and after a change, so that evidence can say what the change was. Everything is read once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from winpe_certs.engines.base import ImageSurvey, Survey
from winpe_certs.engines.codecs import codecs
from winpe_certs.engines.held import Contents
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.progress import Progress
from winpe_certs.wim.append import live_end
from winpe_certs.wim.manifest import manifest
from winpe_certs.wim.reader import WimFile

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """The first `size` bytes of a file, with `head` in the place of its first bytes."""

    size: int
    head: bytes = b""


def hash_parts(file: BinaryIO, parts: Sequence[Part], progress: Progress) -> list[str]:
    """The SHA-256 of each part in hexadecimal, all in one pass; the file must be as long as they are."""
    # Mostly nothing lies behind the live bytes, so that two parts are one.
    hashers = {part: hashlib.sha256(part.head) for part in parts}
    longest = max(part.size for part in parts)
    file.seek(0)
    at = 0
    while at < longest:
        progress("hashing", at, longest)
        piece = file.read(min(_PIECE, longest - at))
        if not piece:
            break
        for part, hasher in hashers.items():
            start, end = max(len(part.head) - at, 0), part.size - at
            if start < end:
                hasher.update(memoryview(piece)[start:end])
        at += len(piece)
    return [hashers[part].hexdigest() for part in parts]


def survey_wim(
    file: BinaryIO,
    path: Path,
    hive: str,
    chosen: Collection[int | None],
    earlier: Survey | None,
    progress: Progress,
) -> Survey:
    """Survey a WIM; raises as `WimFile` does.

    The manifest is taken of every image, the bytes of `hive` of the chosen ones. With an `earlier` survey of
    the same file it is also found out whether that file can be had back (`Survey.has_earlier`).
    """
    wim = WimFile(file, str(path), codecs=codecs())
    size, live = wim.size, live_end(wim)
    parts = [Part(size), Part(live)]
    if earlier is not None and earlier.live_size <= size:
        parts.append(Part(earlier.live_size, earlier.header))
    digests = hash_parts(file, parts, progress)
    images: dict[int | None, ImageSurvey] = {}
    for index in range(1, wim.header.image_count + 1):
        found = None
        if index in chosen:
            found = Contents(wim.read_file(index, hive))
            if len(chosen) > 1:
                found.pack()
        images[index] = ImageSurvey(tuple(manifest(wim, index)), found)
    return Survey(
        size,
        digests[0],
        live_size=live,
        live_sha256=digests[1],
        header=wim.header.raw,
        has_earlier=earlier is not None and digests[2:] == [earlier.live_sha256],
        images=images,
    )


def survey_wim_file(
    path: Path, hive: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
) -> Survey:
    """Survey a WIM by its path."""
    with system_errors(path, "read"), open_to_read(path) as file:
        return survey_wim(file, path, hive, chosen, earlier, progress)


def survey_hive(path: Path, progress: Progress) -> Survey:
    """Survey a hive file, which is all of its own target."""
    with system_errors(path, "read"), open_to_read(path) as file:
        data = file.read()
    progress("hashing", len(data), len(data))
    digest = hashlib.sha256(data).hexdigest()
    found = ImageSurvey(None, Contents(data))
    return Survey(len(data), digest, live_size=len(data), live_sha256=digest, images={None: found})
