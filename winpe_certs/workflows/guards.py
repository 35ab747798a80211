"""Refusals that protect targets from a well-meant mistake; each says how to go on.

Configuration Manager builds boot.<PackageID>.wim from boot.wim and knows its hash as distributed content:
changing that copy breaks the content and the change is lost with the next update.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from winpe_certs.engines.choose import Kind, Place, kind_of
from winpe_certs.errors import GuardError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import PathKind, is_same_file, path_kind, resolved, status_of

MANAGED_NAME: Final = re.compile(r"boot\.[A-Z0-9]{3}[0-9A-F]{5}\.wim", re.IGNORECASE)
_MANAGED_FOLDER: Final = re.compile(
    r"(^|[\\/])(SCCMContentLib|SMSPKG[A-Z]?\$?|SMSPKGSIG|RemoteInstall[\\/]SMSImages)([\\/]|$)", re.IGNORECASE
)


def refuse_managed(path: Path) -> None:
    """Raise `GuardError` for a file that Configuration Manager manages, by its name or its folder."""
    place = resolved(path)
    if MANAGED_NAME.fullmatch(place.name):
        why = "the name boot.<PackageID>.wim marks the copy that Configuration Manager distributes"
    elif _MANAGED_FOLDER.search(str(place.parent)):
        why = "the folder belongs to the content library or a distribution point"
    else:
        return
    raise GuardError(
        f"{path}: this copy is managed by Configuration Manager: {why}",
        details="The site knows the hash of this content, and builds it again from boot.wim.",
        resolution="Patch boot.wim (or winpe.wim of the ADK), then reload the image and update the "
        "distribution points. If you must change this copy, add --force-managed-copy.",
    )


def refuse_protected(
    place: Place, instead: str = "Work on a copy, or write the result elsewhere with -o."
) -> None:
    """Raise `GuardError` for copies that Configuration Manager manages and for files with several names.

    `instead` says what to do about a file with several names.
    """
    if place.kind is Kind.FOLDER:
        return
    refuse_managed(place.path)
    with system_errors(place.path, "look at it"):
        links = status_of(place.path).st_nlink
    if links > 1:
        raise GuardError(
            f"{place.path}: the file has {links} hard links; the change would show under every name",
            resolution=f"{instead} To change the file under all of its names, add --force-managed-copy.",
        )


def refuse_image(option: str, path: Path) -> None:
    """Raise `GuardError` for an output that would take the place of an image and is none."""
    if path_kind(path) is PathKind.FILE and (kind := kind_of(path)) is not None:
        raise GuardError(
            f"{option} {path}: this is {kind.value}, and what is written is none",
            resolution="Give the output another name; --overwrite replaces only files of its own kind.",
        )


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file; raises `EnvironmentFailure` if that cannot be seen."""
    if not {path_kind(one), path_kind(other)} <= {PathKind.FILE, PathKind.FOLDER}:
        return False
    with system_errors(one, "look at it"):
        return is_same_file(one, other)
