"""What is left to do after a change, for the kind of target that was changed.

From Microsoft's documentation of boot images in Configuration Manager: the site keeps its own copy of a boot
image, and the ADK's winpe.wim is what boot.wim is built from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from winpe_certs.certs.stores import certificate_key
from winpe_certs.command_lines import PROGRAM, Shell, file_word, shell_of
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.files.paths import PathKind, path_kind, resolved
from winpe_certs.results import Advice
from winpe_certs.workflows.guards import MANAGED_NAME

_REDISTRIBUTE: Final = Advice(
    "Configuration Manager keeps its own copy: open the boot image's properties, tab Images, and choose "
    "Reload; then update the distribution points (Update Distribution Points, or the cmdlet "
    "Update-CMDistributionPoint) and create the boot media again."
)
_REBUILT: Final = Advice(
    "A reload 'with the current Windows PE version from the Windows ADK' builds boot.wim from winpe.wim "
    "again and loses this change: patch winpe.wim too, and verify both every night."
)
_WINPE: Final = Advice(
    "winpe.wim is what boot images are built from: update the boot image with 'Reload this boot image with "
    "the current Windows PE version from the Windows ADK', then create the boot media again. Custom boot "
    "images do not take this up: patch them as well."
)
_MANAGED: Final = Advice(
    "This copy belongs to Configuration Manager: the next update of the boot image replaces it, and its "
    "content no longer has the hash that the site knows. Patch boot.wim and update the distribution points."
)
_MEDIA: Final = Advice("The media boots with the change from now on; media that is created again does not.")
_CUSTOM: Final = Advice(f"If Configuration Manager uses this image: {_REDISTRIBUTE.text}")
_HIVE: Final = Advice("The hive is changed; put it back to Windows\\System32\\config\\SOFTWARE of its image.")
_FOLDER: Final = "The folder is changed. If it is a mounted image, unmount it with commit:"
_CHECK: Final = "To see it in Windows PE, press F8 there and type:"
_DEAD_SPACE: Final = (
    "The old certificate can still be read in unused bytes of the file. This writes the file anew without "
    "them (so does -o with the next change):"
)


def after_change(
    places: Sequence[Place],
    output: Path | None,
    injected: Sequence[tuple[str, str]],
    *,
    took_out: bool = False,
) -> tuple[Advice, ...]:
    """Advice after `inject`, each piece once; `injected` are stores and thumbprints.

    `took_out` tells that certificates, or Blobs of them, were replaced.
    """
    pieces = [piece for place in places for piece in _for_place(place, output)]
    pieces += _dead_space(places, output) if took_out else ()
    pieces += [Advice(_CHECK, _query(store, thumbprint)) for store, thumbprint in injected[:1]]
    return _each_once(pieces)


def after_removal(places: Sequence[Place], output: Path | None) -> tuple[Advice, ...]:
    """Advice after `remove`, each piece once."""
    pieces = [piece for place in places for piece in _for_place(place, output)]
    return _each_once((*pieces, *_dead_space(places, output)))


def _query(store: str, thumbprint: str) -> tuple[str, ...]:
    return ("reg", "query", "\\".join(("HKLM", "SOFTWARE", *certificate_key(store, thumbprint))))


def _each_once(pieces: Iterable[Advice]) -> tuple[Advice, ...]:
    """What is said without a condition is not said again with one."""
    unique = dict.fromkeys(pieces)
    if _REDISTRIBUTE in unique:
        unique.pop(_CUSTOM, None)
    return tuple(unique)


def _dead_space(places: Sequence[Place], output: Path | None) -> tuple[Advice, ...]:
    """Only a WIM that was changed in place has unused bytes."""
    if output is not None:
        return ()
    changed = (place.path for place in places if place.kind is Kind.WIM)
    return tuple(Advice(_DEAD_SPACE, (PROGRAM, "compact", file_word(str(path)))) for path in changed)


def _for_place(place: Place, output: Path | None) -> tuple[Advice, ...]:
    if place.kind is Kind.FOLDER:
        return (Advice(_FOLDER, _unmount(resolved(place.path))),)
    if place.kind is Kind.HIVE:
        return (_HIVE,)
    name = (
        output if output is not None and path_kind(output) is not PathKind.FOLDER else place.path
    ).name.lower()
    if MANAGED_NAME.fullmatch(name):
        return (_MANAGED,)
    if name == "winpe.wim":
        return (_WINPE,)
    if name == "boot.wim" and resolved(place.path).parent.name.lower() == "sources":
        return (_MEDIA,)
    if name == "boot.wim":
        return (_REDISTRIBUTE, _REBUILT)
    return (_CUSTOM,)


def _unmount(folder: Path) -> tuple[str, ...]:
    """What unmounts a folder where this runs: elsewhere than on Windows only wimlib mounts images."""
    if shell_of(sys.platform) is Shell.WINDOWS:
        return ("DISM", "/Unmount-Image", f"/MountDir:{folder}", "/Commit")
    return ("wimlib-imagex", "unmount", str(folder), "--commit")
