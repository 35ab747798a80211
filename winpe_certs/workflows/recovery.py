"""``--recover``: the hive of an image as Windows would have it after replaying its log files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from winpe_certs.engines.base import Images
from winpe_certs.errors import DirtyHiveError, TargetError
from winpe_certs.regf.logs import Log, recover
from winpe_certs.regf.reading import Hive
from winpe_certs.workflows.selection import SOFTWARE_HIVE
from winpe_certs.workflows.software import FoundHive, refuse_broken

_LOG_SUFFIXES: Final = (".LOG1", ".LOG2", ".LOG")


def recovered(images: Images, index: int | None, hive: bytes, origin: str) -> FoundHive:
    """The hive itself if it is clean, otherwise with its logs replayed and every invariant checked.

    Raises `HiveError` when it cannot be recovered.
    """
    try:
        Hive(hive, origin)
    except DirtyHiveError:
        found = recover(hive, tuple(_logs(images, index)), origin)
        refuse_broken(found.data, f"{origin} after the recovery")
        names = " and ".join(found.logs)
        return FoundHive(found.data, f"{origin}: the hive was not closed cleanly; {names} replayed")
    return FoundHive(hive)


def _logs(images: Images, index: int | None) -> Iterator[Log]:
    """The log files beside the hive; an empty or missing one is none."""
    for suffix in _LOG_SUFFIXES:
        path = SOFTWARE_HIVE + suffix
        try:
            data = images.read(index, path)
        except TargetError:
            continue
        yield Log(path.rpartition("\\")[2], data)
