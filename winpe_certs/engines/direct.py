"""The direct engine: a WIM is read and patched by this program itself, without mount, rights or Windows."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from winpe_certs import interrupts
from winpe_certs.engines.base import ImageInfo, Replacement, Survey, Verification
from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import TargetError, VerificationFailure, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.locked import LockedFile
from winpe_certs.files.new import WrittenError, is_already, write_new
from winpe_certs.files.opened import OpenedFile, open_to_read
from winpe_certs.files.paths import identity
from winpe_certs.progress import Progress, silent
from winpe_certs.shown import cause_words
from winpe_certs.wim.pages import Pages
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.resource import ChunkDecoder

if TYPE_CHECKING:
    from winpe_certs.engines.ahead import HeadStart
    from winpe_certs.wim.append import Appendix
    from winpe_certs.wim.changes import Changes
    from winpe_certs.wim.copy import CompactCopy
    from winpe_certs.wim.manifest import ManifestEntry

_LOG: Final = logging.getLogger(__name__)


class WimImages:
    """The images of a WIM, for reading."""

    def __init__(self, wim: WimFile, progress: Progress = silent) -> None:
        self.wim = wim
        self._progress = progress

    @cached_property
    def images(self) -> tuple[ImageInfo, ...]:
        """The images, in order."""
        described = self.wim.xml.images
        header = self.wim.header
        bootable = header.boot_index
        images = []
        for index in range(1, header.image_count + 1):
            image = described.get(index)
            images.append(
                ImageInfo(
                    index,
                    name=image.name if image else "",
                    is_bootable=index == bootable,
                    architecture=image.architecture if image else "",
                    version=image.version if image else "",
                )
            )
        return tuple(images)

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file, its SHA-1 checked."""
        if index is None:
            raise TargetError(
                f"{self.wim.origin}: no image was chosen", resolution="Choose one with --index."
            )
        return self.wim.read_file(index, path, remember=True, progress=self._progress)

    def pages(self, index: int, path: str) -> Pages | None:
        """A file whose chunks are decoded as they are needed; None for one that is not stored in chunks."""
        return self.wim.file_pages(index, path)

    def manifest(self, index: int) -> list[ManifestEntry]:
        """The manifest of an image: a line for each directory entry."""
        from winpe_certs.wim.manifest import manifest

        return manifest(self.wim, index, remember=True)


class WimTarget(WimImages):
    """A WIM that is patched in place, or copied with its changes to `output`."""

    def __init__(
        self,
        path: Path,
        *,
        clock: int,
        output: Path | None = None,
        overwrite: bool = False,
        dry_run: bool = False,
        wait: float = 0.0,
        progress: Progress = silent,
    ) -> None:
        """`clock` is the FILETIME that changed files get; `wait` is how many seconds a lock is waited for.

        A dry run, and a run that writes elsewhere, only read the file and take no lock. Raises as
        `LockedFile` and `WimFile` do.
        """
        self._path = path
        self._clock = clock
        self._output = output
        self._overwrite = overwrite
        self._changes: Changes | None = None
        self._indexes: set[int] = set()
        self.saved: frozenset[int | None] = frozenset()
        self.remarks: tuple[str, ...] = ()
        self.is_current = False
        is_read = dry_run or output is not None
        self._opened = OpenedFile(path) if is_read else LockedFile(path, wait=wait)
        try:
            with system_errors(path, "read"):
                wim = WimFile(self._opened.file, str(path), codecs=codecs())
                wim.header.refuse_unpatchable(str(path))
        except BaseException:
            self._opened.close()
            raise
        super().__init__(wim, progress)

    def __enter__(self) -> Self:
        """The target itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what was not committed was never written."""
        self.wim.leave()
        self._opened.close()

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """No program is started."""
        return ()

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file, its SHA-1 checked; its image is verified when it has been written."""
        data = super().read(index, path)
        if index is not None:
            self._indexes.add(index)
        return data

    def read_ahead(self, index: int, path: str, begun: HeadStart | None) -> None:
        """Let a second process begin with a file that `read` will be asked for, or go on with it."""
        is_same = begun is not None and begun.identity == identity(self._opened.file.fileno())
        self.wim.read_ahead(index, path, begun.resource if begun and is_same else None)

    def replace(self, index: int | None, path: str, replacement: Replacement) -> None:
        """Encode new contents of a file; raises `ValueError` for a second file of an image."""
        from winpe_certs.wim.changes import change_image

        if index is None:
            raise TargetError(f"{self._path}: no image was chosen", resolution="Choose one with --index.")
        with system_errors(self._path, "read"):
            change_image(self.wim, self._prepared(), index, {path: replacement.new}, self._clock)

    def commit(self, verify: Verification) -> None:
        """Patch the file, or write the copy; see `Target.commit`."""
        with system_errors(self._path, "read"):
            changes = self._prepared()
            if self._output is not None:
                from winpe_certs.wim.copy import compact

                self._write_copy(self._output, compact(self.wim, changes, self._progress), verify)
            elif not changes.is_empty and isinstance(self._opened, LockedFile):
                from winpe_certs.wim.append import append

                self._patch(self._opened, append(self.wim, changes), verify)
            if not self.is_current:
                self.saved = frozenset(self._indexes)

    def rehearse(self, verify: Verification) -> None:
        """Build the patched file in memory and judge that; see `Target.rehearse`."""
        from winpe_certs.wim.append import append

        with system_errors(self._path, "read"):
            changes = self._prepared()
            appendix = append(self.wim, changes)
            self._confirm(io.BufferedReader(_Rehearsal(self._opened.file, appendix)), verify)
            if self._output is not None and os.path.lexists(self._output):
                from winpe_certs.wim.copy import compact

                pieces = compact(self.wim, changes, self._progress).pieces(self._progress)
                self.is_current = is_already(self._output, pieces, overwrite=self._overwrite)
            self._opened.refuse_changed()

    def survey(
        self, path: str, chosen: Collection[int | None], earlier: Survey | None, progress: Progress
    ) -> Survey:
        """The file as it is now, still open, or the copy that was written; see `Target.survey`."""
        from winpe_certs.engines.survey import survey_wim, survey_wim_file

        if earlier is not None and self._output is not None:
            return survey_wim_file(self._output, path, chosen, None, progress)
        if not isinstance(self._opened, LockedFile):
            return survey_wim_file(self._path, path, chosen, earlier, progress)
        with self._opened.reopened() as file:
            return survey_wim(file, self._path, path, chosen, earlier, progress)

    def _prepared(self) -> Changes:
        from winpe_certs.wim.changes import no_changes

        if self._changes is None:
            self._changes = no_changes(self.wim)
        return self._changes

    def _patch(self, locked: LockedFile, appendix: Appendix, verify: Verification) -> None:
        from winpe_certs.wim.confirm import confirm

        old, new = self.wim.header, appendix.header
        _LOG.info("%s: appending %d bytes at offset %d", self._path, appendix.payload.size, appendix.start)
        leftover = self.wim.size - appendix.start
        with locked.appended(appendix.start, appendix.payload):
            after = WimFile(locked.file, str(self._path), header=new, decoder=self.wim.decoder)
            confirm(self.wim, after, self._prepared().digests)
            interrupts.hold()
            locked.commit(old.raw, new.raw)
        if leftover > 0:
            remark = (
                f"{self._path}: {leftover} bytes after the end of the image (from offset {appendix.start}), "
                "which no image uses, were overwritten. A run that was ended leaves such bytes, and other "
                "programs may."
            )
            self.remarks = (remark,)
        _LOG.info("%s: committed the new header", self._path)
        try:
            with locked.reopened() as file:
                self._confirm(file, verify)
        except BaseException as error:
            locked.commit(new.raw, old.raw)
            if not isinstance(error, Exception):
                raise
            why = error.message if isinstance(error, WinpeCertsError) else cause_words(error)
            raise VerificationFailure(
                f"{self._path}: the patched image could not be verified: {why}",
                details=getattr(error, "details", ""),
                resolution="The image has its old header back and is what it was. Check the disk, try again.",
            ) from error

    def _write_copy(self, output: Path, copy: CompactCopy, verify: Verification) -> None:
        def check(written: Path) -> None:
            with open_to_read(written) as file:
                self._confirm(file, verify, decoder=self.wim.decoder)
            self._opened.refuse_changed()
            interrupts.hold()

        if is_already(output, copy.pieces(self._progress), overwrite=self._overwrite):
            with open_to_read(output) as file:
                self._confirm(file, verify, decoder=self.wim.decoder)
            self._opened.refuse_changed()
            self.is_current = True
            return
        try:
            write_new(output, copy.pieces(self._progress), overwrite=self._overwrite, check=check)
        except WrittenError:
            self.saved = frozenset(self._indexes)
            raise

    def _confirm(self, file: BinaryIO, verify: Verification, *, decoder: ChunkDecoder | None = None) -> None:
        from winpe_certs.wim.confirm import confirm

        after = WimFile(file, str(self._path), decoder=decoder or self.wim.decoder)
        digests = self._prepared().digests
        confirm(self.wim, after, digests, lambda index, found: verify(_ReadBack(after, index, found), index))
        for index in sorted(self._indexes - {index for index, _ in digests}):
            verify(WimImages(after), index)


class _ReadBack(WimImages):
    """The images as they were written; what of one was read from there is not read a second time."""

    def __init__(self, wim: WimFile, index: int, contents: Mapping[str, bytes]) -> None:
        super().__init__(wim)
        self._index = index
        self._contents = contents

    def read(self, index: int | None, path: str) -> bytes:
        """The contents of a file."""
        found = self._contents.get(path) if index == self._index else None
        return super().read(index, path) if found is None else found


@contextlib.contextmanager
def open_for_reading(path: Path, progress: Progress = silent) -> Iterator[WimImages]:
    """The images of a WIM file, read-only and without a lock."""
    with system_errors(path, "open"):
        file = open_to_read(path)
    with file, system_errors(path, "read"):
        yield WimImages(WimFile(file, str(path), codecs=codecs()), progress)


class _Rehearsal(io.RawIOBase):
    """The file as a patch would leave it: its new header, its old bytes, the bytes behind its end."""

    def __init__(self, file: BinaryIO, appendix: Appendix) -> None:
        self._file = file
        self._appendix = appendix
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._appendix.end}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer
        size, at = len(buffer), self._at
        head = self._appendix.header.raw
        if at < len(head):
            data = head[at : at + size]
        elif at < self._appendix.start:
            self._file.seek(at)
            data = self._file.read(min(size, self._appendix.start - at))
        else:
            data = self._appendix.payload.read(at - self._appendix.start, size)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
