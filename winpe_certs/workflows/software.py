"""The SOFTWARE hive of an image: where it stands, and whether it is one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from winpe_certs.errors import HiveError, TargetError
from winpe_certs.findings import Finding, Severity
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


def untidiness(hive: bytes) -> Counter[str]:
    """How often a hive breaks each of the invariants that do no harm."""
    from winpe_certs.regf.check import HARMLESS, check  # most runs need no full check

    return Counter(found.invariant for found in check(hive) if found.invariant in HARMLESS)


def untidy_finding(hive: bytes) -> tuple[Finding, ...]:
    """The finding about a hive as other programs leave it; none for a tidy one."""
    from winpe_certs.regf.check import HARMLESS

    found = untidiness(hive)
    if not found:
        return ()
    lines = "; ".join(f"{count} x {HARMLESS[invariant]}" for invariant, count in sorted(found.items()))
    return (
        Finding(
            "untidy-hive",
            Severity.INFO,
            f"The structure check found what other programs leave behind: {lines}.",
            "Look-ups and changes are right in spite of it, and a change sets a count right that is too low.",
        ),
    )


def refuse_broken(hive: bytes, origin: str, *, before: bytes | None = None) -> None:
    """Walk the whole hive and raise `HiveError`, naming every broken invariant but the harmless ones.

    With `before`, the hive as it was, also when one of those is broken more often than there.
    """
    from winpe_certs.regf.check import HARMLESS, check  # most runs need no full check

    more = untidiness(hive) - untidiness(before) if before is not None else Counter[str]()
    violations = [each for each in check(hive) if each.invariant not in HARMLESS or each.invariant in more]
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
