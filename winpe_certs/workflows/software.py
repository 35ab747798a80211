"""The SOFTWARE hive of an image: where it stands, and whether it is one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from winpe_certs.errors import HiveError, TargetError
from winpe_certs.regf.reading import Hive
from winpe_certs.regf.view import Pages
from winpe_certs.workflows.selection import SOFTWARE_HIVE

_SHOWN_VIOLATIONS: Final = 50


@dataclass(frozen=True, slots=True)
class FoundHive:
    """A hive to work on, and what to say of how it came about; nothing for one that was closed cleanly."""

    data: bytes
    remark: str = ""


def open_software(hive: bytes | Pages, origin: str, *, full_check: bool = False) -> Hive:
    """The hive, ready for look-ups.

    Raises `HiveError` when it is dirty or damaged (with `full_check`: anywhere), `TargetError` when it is
    some other hive: every SOFTWARE hive has a key Microsoft below its root.
    """
    opened = Hive(hive, origin)
    if full_check and isinstance(hive, bytes):
        refuse_broken(hive, origin)
    if not opened.key_exists(("Microsoft",)):
        raise TargetError(
            f"{origin}: this is a registry hive, but not SOFTWARE: it has no key Microsoft",
            resolution=f"Give the hive {SOFTWARE_HIVE} of the image.",
        )
    return opened


def refuse_broken(hive: bytes, origin: str, *, harmless: Collection[str] = ()) -> None:
    """Walk the whole hive and raise `HiveError`, naming every broken invariant but the harmless ones."""
    from winpe_certs.regf.check import check  # most runs need no full check

    violations = [violation for violation in check(hive) if violation.invariant not in harmless]
    if not violations:
        return
    lines = [f"offset {found.offset:#x}: {found.invariant}: {found.message}" for found in violations]
    if len(lines) > _SHOWN_VIOLATIONS:
        lines[_SHOWN_VIOLATIONS:] = [f"and {len(lines) - _SHOWN_VIOLATIONS} more"]
    raise HiveError(
        f"{origin}: the structure check found {len(violations)} broken invariants",
        details="\n".join(lines),
        resolution="Take the image from its source again.",
    )
