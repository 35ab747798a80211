"""WIM files inside an .iso, read in place: ISO 9660, Joliet and UDF, through pycdlib.

pycdlib reads the directories (ECMA-119, Joliet, ECMA-167 and OSTA UDF); where a file lies comes from its
records, and its bytes are read from the .iso itself, within bounds that are checked here. Of several trees
the one counts that Windows would show: UDF, then Joliet, then ISO 9660.
Refused by name: UDF without ISO 9660, extents that are interleaved, not recorded, or outside the file, and
directories with absurdly many records.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from winpe_certs.errors import TargetError, WinpeCertsError
from winpe_certs.shown import plain_words
from winpe_certs.wim.layout import MAGIC, PIPABLE_MAGIC

if TYPE_CHECKING:
    from pycdlib import PyCdlib

# Records of directories, of which each takes up to a kilobyte: some 80,000 files, each in two trees.
MOST_RECORDS: Final = 400_000
# One read of a directory: pycdlib's time grows with the square of it.
LARGEST_READ: Final = 1 << 20
# ISO 9660 ends at eight levels, Windows at 260 letters.
_DEEPEST: Final = 64
# No smaller directory record exists (ECMA-119, 9.1).
_SMALLEST_RECORD: Final = 34
_FILE_ENTRY_TAGS: Final = frozenset({b"\x05\x01", b"\x0a\x01"})
_FILE_ENTRY_SIZE: Final = 4096
# The length of an allocation descriptor; its two upper bits are the kind of extent (ECMA-167, 4/14.14.1.1).
_EXTENT_LENGTH: Final = 0x3FFF_FFFF
# A longer file is looked at whatever its name is.
_LOOKED_AT: Final = 1 << 20
_EXTENSIONS: Final = (".wim", ".esd", ".swm")
_WIM_MAGICS: Final = frozenset({MAGIC, PIPABLE_MAGIC})
# Volume structure descriptors, in the order of the file (ECMA-119 6.7.1, ECMA-167 2/8.3): where they begin,
# the size of each, and the identifiers that there are.
_DESCRIPTORS_AT: Final = 0x8000
_DESCRIPTOR_SIZE: Final = 2048
_MOST_DESCRIPTORS: Final = 64
_ISO_9660: Final = b"CD001"
_UDF: Final = frozenset({b"BEA01", b"NSR02", b"NSR03"})
_IDENTIFIERS: Final = _UDF | {_ISO_9660, b"TEA01", b"BOOT2", b"CDW02"}
_COPY_AGAIN: Final = "Copy or download the .iso again, or give the .wim that is in it."
_TAKE_OUT: Final = (
    "Copy sources/boot.wim out of it and give that file: Windows opens an .iso with a double click, and "
    "7-Zip unpacks one anywhere."
)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes of the .iso."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class IsoFile:
    """A file inside an .iso that is, or calls itself, a WIM. `error` says why it cannot be read."""

    path: str
    extents: tuple[Extent, ...]
    error: TargetError | None = None


class ExtentFile(io.RawIOBase):
    """Some extents of a file, one behind the other, as a file of their own for reading."""

    def __init__(self, file: BinaryIO, extents: Sequence[Extent]) -> None:
        self._file = file
        self._extents = tuple(extents)
        self._starts = tuple(itertools.accumulate((each.size for each in extents), initial=0))
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset; raises `ValueError` for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise ValueError(f"offset {base + offset} lies before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what one extent still has; a caller that wants more asks again."""
        for extent, start in zip(self._extents, self._starts, strict=False):
            inside = self._at - start
            if 0 <= inside < extent.size:
                self._file.seek(extent.offset + inside)
                data = self._file.read(min(len(buffer), extent.size - inside))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
        return 0


def wim_files(file: BinaryIO, origin: str) -> list[IsoFile]:
    """The WIM files of an .iso, each once, by path; raises `TargetError` when it cannot be read as one."""
    size = file.seek(0, os.SEEK_END)
    found: dict[tuple[Extent, ...], IsoFile] = {}
    refused: list[IsoFile] = []
    with _understood(origin):
        _refuse_udf_alone(file, origin)
        for name, record in _files(_opened(file, size, origin), origin):
            path = _plain_name(name)
            looks_so = path.lower().endswith(_EXTENSIONS)
            if not looks_so and record.length < _LOOKED_AT:
                continue
            try:
                extents = record.extents(size, f"{origin}, {path}")
                _refuse_overlap(extents, f"{origin}, {path}")
            except TargetError as error:
                if looks_so:
                    refused.append(IsoFile(path, (), error))
                continue
            if looks_so or _head(file, extents) in _WIM_MAGICS:
                found.setdefault(extents, IsoFile(path, extents))
    return sorted([*found.values(), *refused], key=lambda each: each.path)


def _refuse_udf_alone(file: BinaryIO, origin: str) -> None:
    """Refuse UDF without ISO 9660 beside it, which pycdlib does not read, for what it is: it is sound."""
    found = set()
    for number in range(_MOST_DESCRIPTORS):
        file.seek(_DESCRIPTORS_AT + number * _DESCRIPTOR_SIZE + 1)
        identifier = file.read(5)
        if identifier not in _IDENTIFIERS:
            break
        found.add(identifier)
    if found & _UDF and _ISO_9660 not in found:
        raise TargetError(
            f"{origin}: an .iso of a kind that is not read here: UDF without ISO 9660", resolution=_TAKE_OUT
        )


def _refuse_overlap(extents: tuple[Extent, ...], origin: str) -> None:
    """Refuse a file of which two parts lie in the same place: it could claim any size."""
    for one, other in itertools.pairwise(sorted(extents, key=lambda extent: extent.offset)):
        if one.offset + one.size > other.offset:
            raise TargetError(
                f"{origin}: two parts of the file overlap at offset {other.offset} of the .iso",
                details=f"One has {one.size} bytes from {one.offset}, the other {other.size} from there.",
                resolution=_COPY_AGAIN,
            )


def open_file(file: BinaryIO, which: IsoFile) -> BinaryIO:
    """A file inside an .iso, at its place in there; raises what is against it."""
    if which.error is not None:
        raise which.error
    return io.BufferedReader(ExtentFile(file, which.extents))


class _Budgeted(io.RawIOBase):
    """The .iso as pycdlib reads it: bounded in single reads, and in the records that all of them can hold."""

    def __init__(self, file: BinaryIO, size: int, origin: str) -> None:
        self._file = file
        self._size = size
        self._origin = origin
        self._records = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        wanted = min(size if size >= 0 else self._size, max(0, self._size - self._file.tell()))
        if wanted > LARGEST_READ:
            raise TargetError(
                f"{self._origin}: a directory of {wanted} bytes at offset {self._file.tell()}",
                details=f"At most {LARGEST_READ} can be meant.",
                resolution=_COPY_AGAIN,
            )
        data = self._file.read(wanted)
        # A UDF file entry is one record in a block of its own; anything else may be full of records.
        is_entry = data[:2] in _FILE_ENTRY_TAGS and len(data) <= _FILE_ENTRY_SIZE
        self._records += 1 if is_entry else 1 + len(data) // _SMALLEST_RECORD
        if self._records > MOST_RECORDS:
            raise TargetError(
                f"{self._origin}: its directories have more than {MOST_RECORDS} records",
                resolution="Give the .wim that is in it.",
            )
        return data


@dataclass(frozen=True, slots=True)
class _Record:
    """A file's record in one of the trees; `raw` is pycdlib's."""

    raw: Any
    block: int
    partition: int | None

    @property
    def length(self) -> int:
        return int(self.raw.get_data_length())

    def extents(self, size: int, origin: str) -> tuple[Extent, ...]:
        """Where the file lies; raises `TargetError` for what is not a plain run of recorded blocks."""
        pieces = self._iso_extents(origin) if self.partition is None else self._udf_extents(origin)
        for piece in pieces:
            # pycdlib cuts what lies behind the end, which leaves sizes below zero.
            if piece.size < 0 or piece.offset + piece.size > size:
                raise _refused(
                    origin, f"it begins at offset {piece.offset}, the .iso ends at {size}", _COPY_AGAIN
                )
        return tuple(piece for piece in pieces if piece.size)

    def _iso_extents(self, origin: str) -> list[Extent]:
        pieces = []
        record = self.raw
        while record is not None:
            if record.file_unit_size or record.interleave_gap_size:
                raise _refused(origin, "its blocks are interleaved with others")
            start = record.orig_extent_loc + record.xattr_len
            pieces.append(Extent(start * self.block, record.data_length))
            record = record.data_continuation
        return pieces

    def _udf_extents(self, origin: str) -> list[Extent]:
        pieces = []
        for descriptor in self.raw.alloc_descs:
            if type(descriptor).__name__ == "UDFInlineAD":
                raise _refused(origin, "it lies inside its own file entry")
            if descriptor.extent_length > _EXTENT_LENGTH:
                raise _refused(origin, "one of its extents is not recorded")
            if getattr(descriptor, "part_ref_num", 0):
                raise _refused(origin, "it lies in another partition")
            start = (self.partition or 0) + descriptor.log_block_num
            pieces.append(Extent(start * self.block, descriptor.extent_length))
        recorded = sum(piece.size for piece in pieces)
        if recorded != self.length:
            # More descriptors elsewhere, or extents of a kind that pycdlib passes over.
            raise _refused(origin, f"its extents have {recorded} bytes, but the file has {self.length}")
        return pieces


def _refused(origin: str, why: str, resolution: str = _TAKE_OUT) -> TargetError:
    return TargetError(f"{origin}: cannot be read in place: {why}", resolution=resolution)


@contextlib.contextmanager
def _understood(origin: str) -> Iterator[None]:
    """Whatever pycdlib runs into says that the .iso is damaged, or of a kind that it does not know."""
    try:
        yield
    except (WinpeCertsError, OSError, MemoryError):
        raise
    except Exception as error:
        from pycdlib.pycdlibexception import PyCdlibException

        raise TargetError(
            f"{origin}: the .iso cannot be read: it is damaged, or of a kind that is not read here",
            # Of other errors the words are about Python.
            details=plain_words(error) if isinstance(error, PyCdlibException) else "",
            resolution=f"{_TAKE_OUT} If that fails too, the .iso is damaged: copy or download it again.",
        ) from error


def _opened(file: BinaryIO, size: int, origin: str) -> PyCdlib:
    from pycdlib import PyCdlib

    iso = PyCdlib()
    file.seek(0)
    iso.open_fp(cast("BinaryIO", _Budgeted(file, size, origin)))
    return iso


def _files(iso: PyCdlib, origin: str) -> Iterator[tuple[str, _Record]]:
    """Every file of the tree that counts, with its path."""
    partition: int | None = None
    if iso.has_udf():
        root: Any = iso.get_record(udf_path="/")
        partition = iso.udf_main_descs.partitions[0].part_start_location
    elif iso.has_joliet():
        root = iso.get_record(joliet_path="/")
    else:
        root = iso.get_record(iso_path="/")
    pending: list[tuple[str, int, Any]] = [("", 0, root)]
    while pending:
        folder, depth, record = pending.pop()
        for name, child in _children(record):
            path = f"{folder}/{name}" if folder else name
            if not child.is_dir():
                yield path, _Record(child, iso.logical_block_size, partition)
            elif depth >= _DEEPEST:
                raise TargetError(
                    f"{origin}: its folders are more than {_DEEPEST} levels deep", resolution=_COPY_AGAIN
                )
            else:
                pending.append((path, depth + 1, child))


def _children(record: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(record, "fi_descs"):
        for identifier in record.fi_descs.values():
            if identifier.file_entry is not None and not identifier.is_parent():
                yield identifier.fi.decode(identifier.encoding, "replace"), identifier.file_entry
        return
    is_joliet = not record.vd.is_pvd()
    continued: set[int] = set()
    for child in record.children:
        if child.is_dot() or child.is_dotdot() or id(child) in continued or child.is_symlink():
            continue
        # The further extents of a file of several stand among the children, too.
        following = child.data_continuation
        while following is not None:
            continued.add(id(following))
            following = following.data_continuation
        name = child.file_identifier().decode("utf-16_be" if is_joliet else "latin-1", "replace")
        yield name, child


def _plain_name(path: str) -> str:
    """A path without the version that ISO 9660 puts behind a name: ``BOOT.WIM;1``."""
    name, separator, version = path.rpartition(";")
    return name.rstrip(".") if separator and version.isdigit() else path


def _head(file: BinaryIO, extents: Sequence[Extent]) -> bytes:
    if not extents or extents[0].size < len(MAGIC):
        return b""
    file.seek(extents[0].offset)
    return file.read(len(MAGIC))
