r"""The manifest of an image: one line of text for each directory entry, with everything that the entry says.

Two images whose manifests are the same text unpack to the same files. What tools number as they like, or may
put in either of two places, is written in one way, so that the text of images from different tools compares:
security ids as the SHA-256 of the descriptor, link groups as a path, contents wherever their hash stands.

Fields follow Microsoft's WIM white paper, "Image metadata"; the names of the unused ones and the places of
the reparse tag are wimlib's (``struct wim_dentry_on_disk``). docs/evidence.md describes the line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

from winpe_certs.errors import WimError
from winpe_certs.wim.directory import Directory, DirectoryEntry, Stream
from winpe_certs.wim.layout import (
    ATTRIBUTE_REPARSE_POINT,
    ENTRY,
    ENTRY_FIXED_SIZE,
    NO_HASH,
    STREAM,
    STREAM_FIXED_SIZE,
    STREAM_HASH_AT,
    align8,
)
from winpe_certs.wim.reader import PlainBytes, WimFile
from winpe_certs.wim.resource import RETRY
from winpe_certs.wim.work import Work

NOTHING: Final = "-"
_LETTERS_PER_BYTE: Final = 16
_MORE_LETTERS: Final = 1 << 25
_LETTERS_PER_STEP: Final = 256
"""Bounds of all lines together, by the size of the metadata; images of Windows have two letters for a byte.

Long paths of many files would otherwise make gigabytes of text out of a few megabytes.
"""
_UNUSED: Final = (("unused-24", 4), ("unused-32", 5), ("unused-84", 10))
"""Fields of an entry that nobody is known to use, by their offsets, and their numbers in its layout."""

# Letters that could end or reorder a line, halves of surrogate pairs, and what marks an escape itself. The
# set is written out: Unicode's own categories grow, and a digest must not depend on the version of Python.
_ESCAPED: Final = re.compile(
    "[\\\\<\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_EPOCH: Final = datetime(1601, 1, 1)  # noqa: DTZ001 - FILETIMEs count in UTC; the line says so by its Z
_TICKS: Final = 10_000_000
_YEAR_10000: Final = ((datetime.max - _EPOCH) // timedelta(seconds=1) + 1) * _TICKS  # noqa: DTZ901 - likewise
_Group: TypeAlias = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One line of a manifest, without its end, and the path that it begins with (escaped as in the line)."""

    path: str
    line: str


def manifest(wim: WimFile, index: int, *, remember: bool = False) -> list[ManifestEntry]:
    """The entries of an image, in the order of their lines' code points (that of ``LC_ALL=C sort``).

    All of the metadata is read and its SHA-1 checked; with `remember` its chunks are not decoded again.
    Raises `WimError` and `TargetError` as reading does.
    """
    plain = wim.metadata(index).read_all(wim.metadata_entries[index - 1].hash, remember=remember)
    return entries_of(plain, f"{wim.origin}, image {index}", wim.work)


def entries_of(metadata: bytes, origin: str, work: Work | None = None) -> list[ManifestEntry]:
    """The same for the plain bytes of a metadata resource; `origin` names the image in messages.

    `work` is what all images of the file share.
    """
    lines = _Lines(metadata, origin, work or Work(len(metadata), origin))
    return sorted(lines.entries(), key=lambda entry: entry.line)


def digest(entries: Iterable[ManifestEntry]) -> str:
    """SHA-256 of the lines in UTF-8, each with its line feed, in hexadecimal."""
    whole = hashlib.sha256()
    for entry in entries:
        whole.update(f"{entry.line}\n".encode())
    return whole.hexdigest()


def escaped(name: str) -> str:
    r"""A name with every letter that a line cannot hold, or a path not tell apart, as ``<HEX>``.

    Windows allows neither ``<`` nor ``\`` in a name, so that names of its own images stay as they are.
    """
    return _ESCAPED.sub(lambda match: f"<{ord(match[0]):04X}>", name)


@lru_cache(maxsize=4096)
def time_text(filetime: int) -> str:
    """A FILETIME to its last digit: ISO 8601 in UTC, ``-`` for none, in hexadecimal behind the year 9999."""
    if filetime == 0:
        return NOTHING
    seconds, ticks = divmod(filetime, _TICKS)
    if filetime >= _YEAR_10000:
        return f"{filetime:#018x}"
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}.{ticks:07d}Z"


class _Lines:
    """The lines of one image."""

    def __init__(self, plain: bytes, origin: str, work: Work) -> None:
        self._plain = plain
        self._origin = origin
        self._directory = Directory(PlainBytes(plain), origin, work)
        self._descriptors: dict[int, str] = {}
        self._work = work
        self._letters = _LETTERS_PER_BYTE * len(plain) + _MORE_LETTERS
        # Bytes behind a name are its entry's own, unless folders share entries; then there would be no end.
        self._room = len(plain)

    def entries(self) -> Iterator[ManifestEntry]:
        """All lines, in no order: the first path of a group of hard links is only known at the end."""
        found: list[tuple[str, _Group | None, str, str]] = []
        names: dict[_Group, list[str]] = {}
        for inner, entry in self._directory.walk(escaped):
            path = f"\\{inner}"
            group = _group(entry)
            if group is not None:
                names.setdefault(group, []).append(path)
            fields, more = self._fields(entry), self._more(entry)
            self._spend(len(path) + len(fields) + len(more))
            found.append((path, group, fields, more))
        links = {group: f"\tlink={min(paths)}" for group, paths in names.items() if len(paths) > 1}
        for path, group, fields, more in found:
            link = links.get(group, "") if group is not None else ""
            self._spend(len(link))
            yield ManifestEntry(path, f"{path}{fields}{link}{more}")

    def _fields(self, entry: DirectoryEntry) -> str:
        """What every line has."""
        descriptor = self._descriptors.get(entry.security_id)
        if descriptor is None:
            descriptor = self._descriptors[entry.security_id] = self._descriptor(entry.security_id)
        return (
            f"\tattributes={entry.attributes:#010x}\tsd={descriptor}"
            f"\tcreated={time_text(entry.creation_time)}\twritten={time_text(entry.write_time)}"
            f"\taccessed={time_text(entry.access_time)}\tsha1={_hash_text(entry.contents.hash)}"
        )

    def _descriptor(self, security_id: int) -> str:
        data = self._directory.security_descriptor(security_id)
        if data is not None:
            return hashlib.sha256(data).hexdigest()
        # A number that leads nowhere is said: readers differ in what they make of it.
        return NOTHING if security_id == -1 else f"none:{security_id}"

    def _more(self, entry: DirectoryEntry) -> str:
        """What only some lines have: streams, short name, reparse tag, and whatever else is not zero."""
        raw = ENTRY.unpack_from(self._plain, entry.offset)
        parts = []
        if len(entry.streams) > 1:
            parts += [f"stream={escaped(name)}:{_hash_text(hash_)}" for name, hash_ in _other_streams(entry)]
        if entry.short_name:
            parts.append(f"short={escaped(entry.short_name)}")
        if entry.attributes & ATTRIBUTE_REPARSE_POINT:
            # Tag and flags stand where others have their link group.
            parts.append(f"reparse={raw[11] & 0xFFFF_FFFF:#010x}")
            if raw[11] >> 32:
                parts.append(f"reparse-flags={raw[11] >> 32:#010x}")
        parts += [f"{name}={raw[number]:#x}" for name, number in _UNUSED if raw[number]]
        # Tagged items: object ids, Unix data, and what is not known yet.
        short_size, name_size = raw[13:]
        between = 2 if short_size and name_size else 0
        tail = self._tail(entry.offset, ENTRY_FIXED_SIZE + name_size + between + short_size, raw[0])
        if tail:
            parts.append(f"extra={hashlib.sha256(tail).hexdigest()}")
        for stream in entry.streams[1:]:
            parts += self._stream_extra(stream)
        return "".join(f"\t{part}" for part in parts)

    def _stream_extra(self, stream: Stream) -> list[str]:
        at = stream.hash_at - STREAM_HASH_AT
        length, unused, _, name_size = STREAM.unpack_from(self._plain, at)
        tail = self._tail(at, STREAM_FIXED_SIZE + name_size, length)
        if not unused and not tail:
            return []
        whole = hashlib.sha256(unused.to_bytes(8, "little") + tail).hexdigest()
        return [f"stream-extra={escaped(stream.name)}:{whole}"]

    def _tail(self, offset: int, names_end: int, length: int) -> bytes:
        """What stands behind the names up to the next entry, without the zeros that pad it on both sides."""
        size = align8(length) - names_end
        self._room -= size
        # The last entry of a resource may do without its padding.
        if self._room < -8:
            raise self._damaged(offset, "folders overlap each other")
        tail = self._plain[offset + names_end : offset + names_end + size].rstrip(b"\0")
        padding = align8(names_end + 2) - names_end
        return tail if any(tail[:padding]) else tail[padding:]

    def _spend(self, letters: int) -> None:
        self._letters -= letters
        self._work.spend(letters // _LETTERS_PER_STEP)
        if self._letters < 0:
            raise self._damaged(0, "the entries have too much text altogether")

    def _damaged(self, offset: int, why: str) -> WimError:
        return WimError(f"{self._origin}: damaged metadata at offset {offset}: {why}", resolution=RETRY)


def _group(entry: DirectoryEntry) -> _Group | None:
    """What the names of one file share: equal link groups count only where the contents are the same too."""
    if entry.link_group == 0 or entry.is_directory:
        return None
    return entry.link_group, entry.contents.hash


def _other_streams(entry: DirectoryEntry) -> list[tuple[str, bytes]]:
    """The streams besides the contents, by name; of unnamed ones those that say anything else."""
    contents = entry.contents
    others = {stream.hash for stream in entry.streams if not stream.name} - {contents.hash, NO_HASH}
    named = [(stream.name, stream.hash) for stream in entry.streams if stream.name]
    return sorted([*(("", hash_) for hash_ in others), *named])


def _hash_text(hash_: bytes) -> str:
    return NOTHING if hash_ == NO_HASH else hash_.hex()
