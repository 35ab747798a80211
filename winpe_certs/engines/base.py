"""The seam between workflows and engines: open a target, read files of its images, replace, commit.

Leaving a target without `commit` discards every replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from winpe_certs.edits import Edit
from winpe_certs.progress import Progress

if TYPE_CHECKING:
    from winpe_certs.engines.held import Contents
    from winpe_certs.wim.manifest import ManifestEntry


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One image of a target. `index` counts from 1; None for a folder or a bare hive."""

    index: int | None
    name: str = ""
    is_bootable: bool = False
    architecture: str = ""
    version: str = ""


class Images(Protocol):
    """Images whose files can be read."""

    @property
    def images(self) -> tuple[ImageInfo, ...]:
        """The images, in order."""

    def read(self, index: int | None, path: str) -> bytes:
        r"""The contents of a file such as ``Windows\System32\config\SOFTWARE``."""


Verification: TypeAlias = Callable[[Images, int | None], None]
"""Looks at one image of what was written, by its index, and raises when it is not what it should be."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """New contents of a hive file.

    `edits` lead from `old` to `new`; `reg_text` gives them as a .reg file for a hive that is loaded under a
    name, for those who want Microsoft's code to write the hive.
    """

    old: bytes
    new: bytes
    edits: tuple[Edit, ...]
    reg_text: Callable[[str], bytes]


Manifest: TypeAlias = "tuple[ManifestEntry, ...]"
"""Every directory entry of an image, as lines that can be compared."""


@dataclass(frozen=True, slots=True)
class ImageSurvey:
    """An image on the disk: its manifest (None for a hive that is no image), its hive if it was chosen."""

    manifest: Manifest | None
    hive: Contents | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a target's file is at some moment: sizes in bytes, SHA-256 in hexadecimal.

    Of a WIM: `live_size` is where everything ends that is in use, `header` the 208 bytes at its start.
    `has_earlier` tells that an earlier survey's live bytes are all still there, but for its header: with that
    put back and the file cut to the earlier `live_size` it is what it was.
    """

    size: int
    sha256: str
    live_size: int
    live_sha256: str
    header: bytes = b""
    has_earlier: bool = False
    images: Mapping[int | None, ImageSurvey] = field(default_factory=dict)


class Target(Images, Protocol):
    """An open target: a WIM, a folder or a bare hive."""

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Command lines of the programs that `commit` would start, in order; none for our own patcher."""

    @property
    def saved(self) -> frozenset[int | None]:
        """Indexes of the images whose changes `commit` has made for good, also when it failed afterwards."""

    @property
    def is_current(self) -> bool:
        """Whether `commit` or `rehearse` has found the output there already, with these very contents."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of how `commit` went, in sentences."""

    def replace(self, index: int | None, path: str, replacement: Replacement) -> None:
        """Note new contents for a hive file; nothing is written before `commit`."""

    def commit(self, verify: Verification) -> None:
        """Write all replacements as one, and let `verify` judge what is on disk then.

        When it raises, the target is put back to what it was. Without replacements nothing is written
        (a target that writes to another file still writes that).
        """

    def rehearse(self, verify: Verification) -> None:
        """Do everything that `commit` does, in memory, writing nothing."""

    def survey(
        self, path: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
    ) -> Survey:
        """What is on the disk now: before `commit` the target, after it what was written.

        The hive at `path` is taken of the chosen images. `earlier` is the survey from before the commit.
        """

    def __enter__(self) -> Self:
        """The target itself."""

    def __exit__(self, *_: object) -> None:
        """Close the target and discard what was not committed."""
