"""The metadata resource of an image: security descriptors, then a tree of directory entries.

Follows Microsoft's WIM white paper, "Image metadata", and for the place of the hash wimlib's account of what
DISM writes: a hash in the entry itself wins, otherwise the first unnamed stream entry has it.
"""

from __future__ import annotations

import itertools
import struct
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final, NamedTuple, Protocol, TypeAlias

from winpe_certs.errors import MissingFileError, TargetError, WimError
from winpe_certs.shown import shown_text
from winpe_certs.uppercase import upper
from winpe_certs.wim.layout import (
    ATTRIBUTE_DIRECTORY,
    ATTRIBUTE_ENCRYPTED,
    ATTRIBUTE_REPARSE_POINT,
    BRIEF_ENTRY,
    END_OF_DIRECTORY_SIZE,
    ENTRY,
    ENTRY_FIXED_SIZE,
    ENTRY_HASH_AT,
    ENTRY_WRITE_TIME_AT,
    NO_HASH,
    STREAM,
    STREAM_FIXED_SIZE,
    STREAM_HASH_AT,
    align8,
)
from winpe_certs.wim.resource import RETRY
from winpe_certs.wim.work import Work

# Windows knows at most 32,767 characters of a path, so no deeper tree can be meant.
_MAXIMUM_DEPTH: Final = 16_384
_MOST_LETTERS: Final = 1 << 28
"""In all paths together; the images of Windows have some ten million."""
_READ_AHEAD: Final = 512
_MOST_ALIKE: Final = 256
"""Entries of a folder whose names differ in case only; more are not kept."""

Known: TypeAlias = "dict[tuple[int, str], list[DirectoryEntry]]"
"""Entries that were looked for: by the offset of their folder's entries, and their name in upper case."""


class Plain(Protocol):
    """The plain bytes of a metadata resource, read where they are needed."""

    @property
    def plain_size(self) -> int:
        """Number of plain bytes."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from `offset`, fewer at the end."""


class Stream(NamedTuple):
    """A stream of a file: `name` is empty for its contents, `hash_at` is the hash's place in the metadata."""

    name: str
    hash: bytes
    hash_at: int


class DirectoryEntry(NamedTuple):
    """A file or folder. `offset` is the entry's place in the metadata; times are FILETIMEs."""

    offset: int
    name: str
    short_name: str
    attributes: int
    security_id: int
    subdirectory_offset: int
    creation_time: int
    access_time: int
    write_time: int
    link_group: int
    streams: tuple[Stream, ...]

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a folder."""
        return bool(self.attributes & ATTRIBUTE_DIRECTORY)

    @property
    def write_time_at(self) -> int:
        """Offset of the last-write time in the metadata."""
        return self.offset + ENTRY_WRITE_TIME_AT

    @property
    def contents(self) -> Stream:
        """The unnamed stream that holds the contents (hash of zeros: an empty file)."""
        main = self.streams[0]
        if main.hash == NO_HASH:
            for stream in self.streams[1:]:
                if not stream.name:
                    return stream
        return main


class Directory:
    """Look-ups in the directory tree of one image."""

    def __init__(
        self, plain: Plain, origin: str, work: Work | None = None, known: Known | None = None
    ) -> None:
        """`work` is what all images of the file share, `known` what those of the same metadata share."""
        self._plain = plain
        self._origin = origin
        self._work = work or Work(plain.plain_size, origin)
        self._known: Known = {} if known is None else known
        head = plain.read(0, 8)
        if len(head) < 8:
            raise self._damaged(0, "the metadata ends inside its security block")
        total, count = struct.unpack("<II", head)
        if count and (total < 8 + 8 * count or total > plain.plain_size):
            raise self._damaged(0, f"{count} security descriptors in a block of {total} bytes")
        sizes = struct.unpack(f"<{count}Q", plain.read(8, 8 * count))
        if 8 + 8 * count + sum(sizes) > max(total, 8):
            raise self._damaged(8, f"the {count} security descriptors claim {sum(sizes)} of {total} bytes")
        self._descriptor_count = count
        self.root = self._entry_at(align8(max(total, 8)))[0]

    def _damaged(self, offset: int, why: str) -> WimError:
        return WimError(f"{self._origin}: damaged metadata at offset {offset}: {why}", resolution=RETRY)

    def _entry_at(self, offset: int) -> tuple[DirectoryEntry, int]:
        """The entry at `offset` and the offset of the next one; raises `WimError`."""
        self._work.spend(1)
        raw = self._plain.read(offset, _READ_AHEAD)
        if len(raw) < ENTRY_FIXED_SIZE:
            raise self._damaged(offset, "the directory entry does not fit")
        fields = ENTRY.unpack_from(raw)
        (length, attributes, security_id, subdirectory_offset) = fields[:4]
        (creation_time, access_time, write_time, main_hash, _, link_group) = fields[6:12]
        (stream_count, short_size, name_size) = fields[12:]
        short_at = ENTRY_FIXED_SIZE + name_size + (2 if name_size else 0)
        needed = short_at + short_size if short_size else ENTRY_FIXED_SIZE + name_size
        if not needed <= length <= self._plain.plain_size - offset:
            raise self._damaged(offset, f"a directory entry of {length} bytes")
        if name_size % 2 or short_size % 2:
            raise self._damaged(offset, f"name sizes of {name_size} and {short_size} bytes")
        if needed > len(raw):
            raw = self._plain.read(offset, needed)
        main = Stream("", main_hash, offset + ENTRY_HASH_AT)
        end = offset + align8(length)
        extra, end = self._streams_at(end, stream_count) if stream_count else ((), end)
        entry = DirectoryEntry(
            offset=offset,
            name=_text(raw[ENTRY_FIXED_SIZE : ENTRY_FIXED_SIZE + name_size]),
            short_name=_text(raw[short_at : short_at + short_size]),
            attributes=attributes,
            security_id=security_id,
            subdirectory_offset=subdirectory_offset,
            creation_time=creation_time,
            access_time=access_time,
            write_time=write_time,
            link_group=0 if attributes & ATTRIBUTE_REPARSE_POINT else link_group,
            streams=(main, *extra),
        )
        return entry, end

    def _streams_at(self, offset: int, count: int) -> tuple[tuple[Stream, ...], int]:
        self._work.spend(count)
        streams = []
        for _ in range(count):
            raw = self._plain.read(offset, _READ_AHEAD)
            if len(raw) < STREAM_FIXED_SIZE:
                raise self._damaged(offset, "the stream entry does not fit")
            length, _, digest, name_size = STREAM.unpack_from(raw)
            if not STREAM_FIXED_SIZE + name_size <= length <= self._plain.plain_size - offset:
                raise self._damaged(offset, f"a stream entry of {length} bytes")
            if name_size % 2:
                raise self._damaged(offset, f"a stream's name of {name_size} bytes")
            if STREAM_FIXED_SIZE + name_size > len(raw):
                raw = self._plain.read(offset, STREAM_FIXED_SIZE + name_size)
            name = _text(raw[STREAM_FIXED_SIZE : STREAM_FIXED_SIZE + name_size])
            streams.append(Stream(name, digest, offset + STREAM_HASH_AT))
            offset += align8(length)
        return tuple(streams), offset

    def children(self, folder: DirectoryEntry) -> Iterator[DirectoryEntry]:
        """The entries of a folder, in the order of the file."""
        offset = folder.subdirectory_offset
        if not folder.is_directory or offset == 0:
            return
        while True:
            length = self._plain.read(offset, 8)
            if len(length) < 8:
                raise self._damaged(offset, f"the folder {shown_text(folder.name)} has no end")
            if int.from_bytes(length, "little") <= END_OF_DIRECTORY_SIZE:
                return
            entry, offset = self._entry_at(offset)
            yield entry

    def find(self, path: str) -> DirectoryEntry:
        r"""The entry of a path such as ``Windows\System32``; names compare without case.

        Raises `TargetError` when it is missing, or when only variants in other case exist, more than one.
        """
        entry = self.root
        walked: list[str] = []
        for name in path.split("\\"):
            self._refuse_no_folder(entry, "\\".join(walked))
            wanted = upper(name)
            alike = self._alike(entry, wanted)
            exact = [child for child in alike if child.name == name]
            walked.append(name)
            place = "\\".join(walked)
            if not alike:
                raise MissingFileError(
                    f"{self._origin}: there is no {place}",
                    resolution="Check that this is a Windows or Windows PE image, and its index.",
                )
            if len(alike) > 1 and len(exact) != 1:
                how = "exactly" if len(exact) == len(alike) else "in different case"
                raise TargetError(
                    f"{self._origin}: {len(alike)} entries are called {place} {how}",
                    details=", ".join(f"{each.name} at metadata offset {each.offset}" for each in alike),
                    resolution="Remove all but one of them, or capture again: Windows sees only one.",
                )
            entry = exact[0] if exact else alike[0]
        return entry

    def _refuse_no_folder(self, entry: DirectoryEntry, path: str) -> None:
        """Raise `TargetError` for an entry that Windows would not look into for the rest of a path."""
        if entry.attributes & ATTRIBUTE_REPARSE_POINT:
            raise TargetError(
                f"{self._origin}: {path} is a reparse point (a junction or a link), not a folder",
                details=f"attributes {entry.attributes:#x} at metadata offset {entry.offset}",
                resolution="Capture the image again with a real folder in this place.",
            )
        if not entry.is_directory:
            raise TargetError(
                f"{self._origin}: {path} is a file, where a folder should be",
                details=f"attributes {entry.attributes:#x} at metadata offset {entry.offset}",
                resolution="Check that this is a Windows or Windows PE image, and its index.",
            )

    def _alike(self, folder: DirectoryEntry, name: str) -> list[DirectoryEntry]:
        """The entries of a folder whose names are this one in upper case."""
        place = folder.subdirectory_offset if folder.is_directory else 0, name
        if place not in self._known:
            alike = (child for child in self.children(folder) if upper(child.name) == name)
            self._known[place] = list(itertools.islice(alike, _MOST_ALIKE))
        return self._known[place]

    def find_file(self, path: str) -> DirectoryEntry:
        """Like `find`, refusing what has no contents of its own to read or replace."""
        entry = self.find(path)
        for flag, kind in (
            (ATTRIBUTE_DIRECTORY, "a folder"),
            (ATTRIBUTE_REPARSE_POINT, "a reparse point (a link)"),
            (ATTRIBUTE_ENCRYPTED, "encrypted (EFS)"),
        ):
            if entry.attributes & flag:
                raise TargetError(
                    f"{self._origin}: {path} is {kind}, not a plain file",
                    details=f"attributes {entry.attributes:#x} at metadata offset {entry.offset}",
                    resolution="Capture the image again with a plain file in this place.",
                )
        return entry

    @cached_property
    def _descriptor_bounds(self) -> array[int]:
        """Where each security descriptor begins, and where the last one ends."""
        start = 8 + 8 * self._descriptor_count
        sizes = struct.unpack(f"<{self._descriptor_count}Q", self._plain.read(8, start - 8))
        return array("Q", itertools.accumulate(sizes, initial=start))

    def security_descriptor(self, security_id: int) -> bytes | None:
        """The bytes of a security descriptor, None when the security block has none of this number."""
        if not 0 <= security_id < self._descriptor_count:
            return None
        low, high = self._descriptor_bounds[security_id : security_id + 2]
        return self._plain.read(low, high - low)

    def hashes(self) -> Iterator[tuple[int, bytes]]:
        """Offset of its entry and SHA-1 of every stream in the tree: for those who want no names.

        That takes a quarter of the time of `walk`, and raises `WimError` as that does, except for long paths.
        """
        raw = self._plain.read(0, self._plain.plain_size)
        room = len(raw) // STREAM_FIXED_SIZE
        yield from ((self.root.offset, stream.hash) for stream in self.root.streams)
        pending = [self.root.subdirectory_offset] if self.root.is_directory else []
        seen = set(pending)
        while pending:
            offset = pending.pop()
            while offset and not self._ends_at(raw, offset):
                at = offset
                attributes, subdirectory, digests, offset = self._brief_at(raw, offset)
                room -= len(digests)
                if room < 0:
                    raise self._damaged(at, "folders overlap each other")
                for digest in digests:
                    yield at, digest
                if attributes & ATTRIBUTE_DIRECTORY and subdirectory:
                    if subdirectory in seen:
                        raise self._damaged(at, "the folder leads back into the tree")
                    seen.add(subdirectory)
                    pending.append(subdirectory)

    def _ends_at(self, raw: bytes, offset: int) -> bool:
        """Whether a folder has no more entries behind those before this offset."""
        if offset + 8 > len(raw):
            raise self._damaged(offset, "a folder has no end")
        return int.from_bytes(raw[offset : offset + 8], "little") <= END_OF_DIRECTORY_SIZE

    def _brief_at(self, raw: bytes, offset: int) -> tuple[int, int, tuple[bytes, ...], int]:
        """Attributes, place of its own entries, SHA-1s of this entry; offset of the next one."""
        if offset + ENTRY_FIXED_SIZE <= len(raw):
            length, attributes, subdirectory, digest, streams, short_size, name_size = (
                BRIEF_ENTRY.unpack_from(raw, offset)
            )
            needed = ENTRY_FIXED_SIZE + name_size + 2 + short_size
            if needed <= length <= len(raw) - offset and not (streams or (name_size | short_size) & 1):
                return attributes, subdirectory, (digest,), offset + align8(length)
        # It has streams of its own, or is damaged.
        entry, end = self._entry_at(offset)
        digests = tuple(stream.hash for stream in entry.streams)
        return entry.attributes, entry.subdirectory_offset, digests, end

    def walk(self, spell: Callable[[str], str] = str) -> Iterator[tuple[str, DirectoryEntry]]:
        r"""Every entry with its path (the root's is empty), folders before what is in them.

        `spell` says how a name stands in paths. Raises `WimError` when folders contain themselves.
        """
        yield "", self.root
        seen = {self.root.subdirectory_offset}
        room = self._plain.plain_size // STREAM_FIXED_SIZE
        letters = _MOST_LETTERS
        pending: list[tuple[str, int, DirectoryEntry]] = [("", 0, self.root)]
        while pending:
            path, depth, folder = pending.pop()
            for child in self.children(folder):
                child_path = f"{path}\\{spell(child.name)}" if path else spell(child.name)
                yield child_path, child
                # Each stream takes bytes of its own, unless folders share them.
                room -= len(child.streams)
                if room < 0:
                    raise self._damaged(child.offset, "folders overlap each other")
                letters -= len(child_path)
                if letters < 0:
                    raise self._damaged(child.offset, "its paths are too long altogether")
                if not child.is_directory or child.subdirectory_offset == 0:
                    continue
                if child.subdirectory_offset in seen or depth >= _MAXIMUM_DEPTH:
                    raise self._damaged(
                        child.offset, f"the folder {shown_text(child.name)} leads back into the tree"
                    )
                seen.add(child.subdirectory_offset)
                pending.append((child_path, depth + 1, child))


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", errors="surrogatepass") if raw else ""
