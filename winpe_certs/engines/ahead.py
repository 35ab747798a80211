"""A head start: a second process decodes a file of an image while this one still gets ready for its work.

Getting ready (libraries, certificates) takes longer than opening the image. Nothing is decided here: whoever
opens the image in earnest looks the file up there as before, and takes over what has been begun if it is
the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import WinpeCertsError
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import Identity, PathKind, identity, path_kind
from winpe_certs.wim.parallel import may_fork
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.resource import Resource


@dataclass(frozen=True, slots=True)
class HeadStart:
    """A resource of which a second process decodes chunks, and what tells the file that it is in."""

    identity: Identity
    resource: Resource


@contextlib.contextmanager
def head_start(path: Path, index: int | None, name: str) -> Iterator[HeadStart | None]:
    """Begin with the file `name` of an image (without an index: the bootable or first one).

    Gives None where nothing is gained by it, or where something is wrong, which is told by whoever opens the
    image in earnest. What nobody has taken over ends with the context.
    """
    begun = None
    with contextlib.suppress(WinpeCertsError, OSError):
        # A library decodes in less time than it takes to begin twice. Opening a pipe would wait for a writer.
        if may_fork() and codecs().is_slow and path_kind(path) is PathKind.FILE:
            begun = _begun(path, index, name)
    try:
        yield begun
    finally:
        if begun is not None:
            begun.resource.leave()


def _begun(path: Path, index: int | None, name: str) -> HeadStart:
    with open_to_read(path) as file:
        opened = identity(file.fileno())
        wim = WimFile(file, str(path), codecs=codecs())
        resource = wim.file_resource(index or wim.header.boot_index or 1, name)
        resource.read_ahead()
    return HeadStart(opened, resource)
