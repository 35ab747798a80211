"""Reading a patched WIM back from disk, through the header that is about to become (or became) its own.

Confirms that every replaced file has its new contents, and that in its image's metadata nothing changed but
the hash and the last-write time of that file's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from winpe_certs.errors import WimError
from winpe_certs.wim.changes import sha1
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.layout import SHA1_SIZE
from winpe_certs.wim.reader import PlainBytes, WimFile

_TIME_SIZE = 8


def _ignore(_: int, __: Mapping[str, bytes]) -> None:
    """Nobody wants what was read."""


def confirm(
    before: WimFile,
    after: WimFile,
    digests: Mapping[tuple[int, str], bytes],
    found: Callable[[int, Mapping[str, bytes]], None] = _ignore,
) -> None:
    """Raise `WimError` unless `after` is `before` with new contents of some files and nothing else.

    `digests` are the SHA-1 of these contents, by image index and path. `found` gets, for each image with any,
    the contents by path as they were read back.
    """
    if (after.integrity_table() is None) != (before.integrity_table() is None):
        raise _different(after, "the integrity table is gone")
    boot = after.header.boot_index
    if boot and before.header.boot_metadata.offset:
        named, real = after.header.boot_metadata, after.metadata_entries[boot - 1].resource
        if named != real:
            raise _different(
                after, f"the header names {named} as the boot image's metadata instead of {real}"
            )
    for index in range(1, before.header.image_count + 1):
        expected = {path: digest for (number, path), digest in digests.items() if number == index}
        if expected:
            found(index, _confirm_image(before, after, index, expected))
        elif after.metadata_entries[index - 1].hash != before.metadata_entries[index - 1].hash:
            raise _different(after, f"image {index} has other metadata")


def _confirm_image(
    before: WimFile, after: WimFile, index: int, digests: Mapping[str, bytes]
) -> dict[str, bytes]:
    old, new = before.metadata_bytes(index), after.metadata_bytes(index)
    directory = Directory(PlainBytes(new), f"{after.origin}, image {index}", after.work)
    if len(old) != len(new):
        raise _different(after, f"the metadata of image {index} has {len(new)} bytes instead of {len(old)}")
    allowed = {place for path in digests for place in _places(directory, path)}
    for at in _differences(old, new):
        if at not in allowed:
            raise _different(after, f"the metadata of image {index} differs at offset {at}")
    written = {}
    for path, digest in digests.items():
        entry = directory.find_file(path)
        written[path] = after.contents(entry, f"image {index}, {path}").read_all()
        if sha1(written[path]) != digest or entry.contents.hash != digest:
            raise _different(after, f"image {index}: {path} does not have its new contents")
    return written


def _places(directory: Directory, path: str) -> Iterator[int]:
    """Offsets in the metadata that may change with the contents of a file."""
    entry = directory.find_file(path)
    names = [entry]
    if entry.link_group:
        digest = entry.contents.hash
        names = [
            other
            for _, other in directory.walk()
            if other.link_group == entry.link_group and other.contents.hash == digest
        ]
    for name in names:
        yield from range(name.write_time_at, name.write_time_at + _TIME_SIZE)
        for stream in name.streams:
            if not stream.name:
                yield from range(stream.hash_at, stream.hash_at + SHA1_SIZE)


def _differences(old: bytes, new: bytes) -> Iterator[int]:
    step = 4096
    for start in range(0, len(old), step):
        left, right = old[start : start + step], new[start : start + step]
        if left != right:
            yield from (start + at for at in range(len(left)) if left[at] != right[at])


def _different(after: WimFile, what: str) -> WimError:
    return WimError(
        f"{after.origin}: read back from disk, {what}",
        resolution="Check the disk, and report this if it happens again.",
    )
