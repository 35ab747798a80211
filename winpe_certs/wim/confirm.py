"""Reading a patched WIM back from disk, through the header that is about to become (or became) its own.

Confirms that every replaced file has its new contents and that nothing else in its image's metadata moved.
"""

from __future__ import annotations

from winpe_certs.errors import WimError
from winpe_certs.wim.changes import Replacements
from winpe_certs.wim.directory import Directory, DirectoryEntry
from winpe_certs.wim.layout import NO_HASH
from winpe_certs.wim.reader import PlainBytes, WimFile


def confirm(before: WimFile, after: WimFile, replacements: Replacements) -> None:
    """Raise `WimError` unless `after` is `before` with the replacements and nothing else."""
    table = after.integrity_table()
    if (table is None) != (before.integrity_table() is None):
        raise _different(after, "the integrity table is gone")
    for index in range(1, before.header.image_count + 1):
        paths = {path: data for (number, path), data in replacements.items() if number == index}
        if not paths:
            if after.metadata_entries[index - 1].hash != before.metadata_entries[index - 1].hash:
                raise _different(after, f"image {index} has other metadata")
            continue
        _confirm_image(before, after, index, paths)


def _confirm_image(before: WimFile, after: WimFile, index: int, files: dict[str, bytes]) -> None:
    old_plain, new_plain = before.metadata_bytes(index), after.metadata_bytes(index)
    old_names = Directory(PlainBytes(old_plain), before.origin)
    expected = {old_names.find_file(path).contents.hash: (path, data) for path, data in files.items()}
    changed = set()
    if old_plain != new_plain:
        for (path, old), (new_path, new) in zip(
            old_names.walk(), Directory(PlainBytes(new_plain), after.origin).walk(), strict=True
        ):
            if path != new_path or (old != new and old.contents.hash not in expected):
                raise _different(after, f"image {index}: {new_path} is not what {path} was")
            if old != new:
                _confirm_entry(after, index, path, old, new)
                changed.add(old.contents.hash)
    for digest, (path, data) in expected.items():
        if after.read_file(index, path, remember=True) != data:
            raise _different(after, f"image {index}: {path} does not have its new contents")
        if digest not in changed and before.read_file(index, path, remember=True) != data:
            raise _different(after, f"image {index}: {path} was not changed")


def _confirm_entry(after: WimFile, index: int, path: str, old: DirectoryEntry, new: DirectoryEntry) -> None:
    """Only the hash of the contents and the last-write time may differ."""
    kept = [
        (stream.name, stream.hash if stream.name or stream.hash == NO_HASH else b"", stream.hash_at)
        for entry in (old, new)
        for stream in entry.streams
    ]
    half = len(kept) // 2
    fields = (
        "offset", "name", "short_name", "attributes", "security_id", "subdirectory_offset",
        "creation_time", "access_time", "link_group",
    )  # fmt: skip
    if kept[:half] != kept[half:] or any(getattr(old, name) != getattr(new, name) for name in fields):
        raise _different(after, f"image {index}: the directory entry of {path} changed beyond its contents")


def _different(after: WimFile, what: str) -> WimError:
    return WimError(
        f"{after.origin}: read back from disk, {what}",
        resolution="Nothing was committed. Check the disk, and report this if it happens again.",
    )
