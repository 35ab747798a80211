"""What is left to do after a change, for the kind of target that was changed.

From Microsoft's documentation of boot images in Configuration Manager: the site keeps its own copy of a boot
image, and the ADK's winpe.wim is what boot.wim is built from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from winpe_certs.certs.stores import certificate_key
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.workflows.guards import MANAGED_NAME

_REDISTRIBUTE: Final = (
    "Configuration Manager keeps its own copy: open the boot image's properties, tab Images, and choose "
    "Reload; then update the distribution points (Update-CMDistributionPoint -BootImageName NAME) and "
    "create the boot media again."
)
_REBUILT: Final = (
    "A reload 'with the current Windows PE version from the Windows ADK' builds boot.wim from winpe.wim "
    "again and loses this change: patch winpe.wim too, and run `winpe-certs verify` on both every night."
)
_WINPE: Final = (
    "winpe.wim is what boot images are built from: update the boot image with 'Reload this boot image with "
    "the current Windows PE version from the Windows ADK', then create the boot media again. Custom boot "
    "images do not take this up: patch them as well."
)
_MANAGED: Final = (
    "This copy belongs to Configuration Manager: the next update of the boot image replaces it, and its "
    "content no longer has the hash that the site knows. Patch boot.wim and update the distribution points."
)
_MEDIA: Final = "The media boots with the change from now on; media that is created again does not have it."
_CUSTOM: Final = "If Configuration Manager uses this image: " + _REDISTRIBUTE
_FOLDER: Final = (
    "The folder is changed; if it is a mounted image, unmount it with commit: "
    'DISM /Unmount-Image /MountDir:"{path}" /Commit'
)
_HIVE: Final = "The hive is changed; put it back to Windows\\System32\\config\\SOFTWARE of its image."
_CHECK: Final = "To see it in Windows PE, press F8 there and type: reg query HKLM\\"
_DEAD_SPACE: Final = (
    "The old certificate can still be read in unused bytes of the file; `winpe-certs compact` (or `-o OUT` "
    "with the next change) leaves them out."
)


def after_change(
    places: Sequence[Place],
    output: Path | None,
    injected: Sequence[tuple[str, str]],
    *,
    took_out: bool = False,
) -> tuple[str, ...]:
    """Advice after `inject`, each piece once; `injected` are stores and thumbprints.

    `took_out` tells that certificates, or Blobs of them, were replaced.
    """
    pieces = [piece for place in places for piece in _for_place(place, output)]
    pieces += _dead_space(places, output) if took_out else ()
    pieces += [_CHECK + "\\".join(("SOFTWARE", *certificate_key(store, t))) for store, t in injected[:1]]
    return _each_once(pieces)


def after_removal(places: Sequence[Place], output: Path | None) -> tuple[str, ...]:
    """Advice after `remove`, each piece once."""
    pieces = [piece for place in places for piece in _for_place(place, output)]
    return _each_once((*pieces, *_dead_space(places, output)))


def _each_once(pieces: Iterable[str]) -> tuple[str, ...]:
    """What is said without a condition is not said again with one."""
    unique = dict.fromkeys(pieces)
    if _REDISTRIBUTE in unique:
        unique.pop(_CUSTOM, None)
    return tuple(unique)


def _dead_space(places: Sequence[Place], output: Path | None) -> tuple[str, ...]:
    """Only a WIM that was changed in place has unused bytes."""
    return (_DEAD_SPACE,) if output is None and any(place.kind is Kind.WIM for place in places) else ()


def _for_place(place: Place, output: Path | None) -> tuple[str, ...]:
    if place.kind is Kind.FOLDER:
        return (_FOLDER.format(path=place.path.resolve()),)
    if place.kind is Kind.HIVE:
        return (_HIVE,)
    name = (output if output is not None and not output.is_dir() else place.path).name.lower()
    if MANAGED_NAME.fullmatch(name):
        return (_MANAGED,)
    if name == "winpe.wim":
        return (_WINPE,)
    if name == "boot.wim" and place.path.resolve().parent.name.lower() == "sources":
        return (_MEDIA,)
    if name == "boot.wim":
        return (_REDISTRIBUTE, _REBUILT)
    return (_CUSTOM,)
