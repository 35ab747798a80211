"""Reading a patched WIM back from disk, through the header that is about to become (or became) its own.

Confirms that every replaced file has its new contents, and that in its image's metadata nothing changed but
the hash and the last-write time of that file's names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from winpe_certs.errors import WimError
from winpe_certs.wim.changes import Replacements, sha1
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.layout import SHA1_SIZE
from winpe_certs.wim.reader import PlainBytes, WimFile

_TIME_SIZE = 8


def confirm(
    before: WimFile,
    after: WimFile,
    replacements: Replacements,
    digests: Mapping[tuple[int, str], bytes] | None = None,
) -> None:
    """Raise `WimError` unless `after` is `before` with the replacements and nothing else.

    So the replacements are what was read. `digests` are their SHA-1, if they are known already.
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
        files = {path: replacements[number, path] for number, path in replacements if number == index}
        if files:
            known = {path: (digests or {}).get((index, path)) or sha1(data) for path, data in files.items()}
            _confirm_image(before, after, index, files, known)
        elif after.metadata_entries[index - 1].hash != before.metadata_entries[index - 1].hash:
            raise _different(after, f"image {index} has other metadata")


def _confirm_image(
    before: WimFile, after: WimFile, index: int, files: Mapping[str, bytes], digests: Mapping[str, bytes]
) -> None:
    old, new = before.metadata_bytes(index), after.metadata_bytes(index)
    directory = Directory(PlainBytes(new), f"{after.origin}, image {index}", after.work)
    if len(old) != len(new):
        raise _different(after, f"the metadata of image {index} has {len(new)} bytes instead of {len(old)}")
    allowed = {place for path in files for place in _places(directory, path)}
    for at in _differences(old, new):
        if at not in allowed:
            raise _different(after, f"the metadata of image {index} differs at offset {at}")
    for path, data in files.items():
        entry = directory.find_file(path)
        # Equal bytes have equal digests, so theirs need not be worked out again.
        written = after.contents(entry, f"image {index}, {path}").read_all()
        if written != data or entry.contents.hash != digests[path]:
            raise _different(after, f"image {index}: {path} does not have its new contents")


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
