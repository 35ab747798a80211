"""The steps that every changing command shares: plan for each hive, edit, replace, commit, verify from disk.

A command brings its planner: from what stands in a hive to the edits, what must stand there afterwards, and
what to report. The same plan is rehearsed in memory by a dry run and carried out by a real one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.certs.stores import Location, store_key
from winpe_certs.edits import Edit
from winpe_certs.engines.base import ImageInfo, Images, Target
from winpe_certs.engines.choose import Place, open_target, recognise
from winpe_certs.errors import UsageError, VerificationFailure, WinpeCertsError
from winpe_certs.files import refuse_existing
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive
from winpe_certs.results import CertificateResult, ImageResult
from winpe_certs.verification.stored import read_stored
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.guards import refuse_protected, same_file
from winpe_certs.workflows.selection import select
from winpe_certs.workflows.software import SOFTWARE_HIVE, open_software, refuse_broken

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A Blob that must stand in a hive after the edits, or None for a key that must be gone."""

    location: Location
    store: str
    thumbprint: str
    blob: bytes | None


@dataclass(frozen=True, slots=True)
class HivePlan:
    """What a command wants of one hive."""

    edits: tuple[Edit, ...]
    expected: tuple[Expectation, ...]
    certificates: tuple[CertificateResult, ...]


Planner: TypeAlias = Callable[[Hive, str], HivePlan]
"""From a hive and its name in messages to the plan for it."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to change targets. `output` is a file, or a folder when there are several targets."""

    index: int | str | None = None
    output: Path | None = None
    overwrite: bool = False
    dry_run: bool = False
    full_check: bool = False
    force_managed_copy: bool = False


@dataclass(slots=True)
class Outcome:
    """Results of the targets that were done, and the error that ended the work, if one did."""

    images: list[ImageResult] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    error: WinpeCertsError | None = None


@dataclass(frozen=True, slots=True)
class _EditedHive:
    old: bytes
    new: bytes
    plan: HivePlan
    readers: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        return self.new is not self.old


def change(
    paths: Sequence[Path],
    planner: Planner,
    options: WriteOptions,
    moment: Moment,
    progress: Progress = silent,
) -> Outcome:
    """Change every target, one commit each, after all of them have passed the guards.

    A target that fails ends the work; those before it are done, those behind it untouched.
    """
    places = [recognise(path, reading=False) for path in paths]
    outputs = _outputs(places, options)
    for place, output in zip(places, outputs, strict=True):
        if output is None:
            refuse_protected(place, force_managed_copy=options.force_managed_copy)
    outcome = Outcome()
    for place, output in zip(places, outputs, strict=True):
        try:
            target = open_target(
                place,
                clock=moment.filetime,
                output=output,
                overwrite=options.overwrite,
                progress=progress,
            )
            with target:
                outcome.images += _change_target(place, target, planner, options, moment, output)
        except WinpeCertsError as error:
            outcome.error = error
            break
        outcome.places.append(place)
    return outcome


def _outputs(places: Sequence[Place], options: WriteOptions) -> list[Path | None]:
    output = options.output
    if output is None:
        return [None] * len(places)
    if len(places) > 1 and not output.is_dir():
        raise UsageError(
            f"-o {output}: with several images this must be an existing folder",
            resolution=f"Create it first: mkdir {output}",
        )
    outputs = [output / place.path.name if output.is_dir() else output for place in places]
    if len(set(outputs)) != len(outputs):
        raise UsageError(
            f"-o {output}: two of the images have the same file name",
            resolution="Give them in separate calls, each with its own -o.",
        )
    for place, path in zip(places, outputs, strict=True):
        if same_file(place.path, path):
            raise UsageError(
                f"-o {path}: this is the image itself",
                resolution="Leave -o out to patch it in place, or give another name.",
            )
        refuse_existing(path, overwrite=options.overwrite)
    return list(outputs)


def _change_target(
    place: Place, target: Target, planner: Planner, options: WriteOptions, moment: Moment, output: Path | None
) -> list[ImageResult]:
    origin = str(place.path)
    chosen = select(origin, target, options.index, writing=True)
    edited: dict[bytes, _EditedHive] = {}
    by_image: dict[int | None, _EditedHive] = {}
    for image in chosen:
        hive = target.read(image.index, SOFTWARE_HIVE)
        _LOG.info("%s: read the hive, %d bytes", _hive_origin(origin, image), len(hive))
        if hive not in edited:
            edited[hive] = _edit(hive, _hive_origin(origin, image), planner, options, moment)
        by_image[image.index] = edited[hive]
        if edited[hive].is_changed:
            target.replace(image.index, SOFTWARE_HIVE, edited[hive].new)

    def verify(images: Images) -> None:
        for index, done in by_image.items():
            written = images.read(index, SOFTWARE_HIVE)
            if written != done.new:
                raise VerificationFailure(f"{origin}: the hive read back is not the hive that was written")
            _confirm(written, done.plan, origin)
            _LOG.info("%s: image %s read back and confirmed", origin, index or "-")

    if options.dry_run:
        target.rehearse(verify)
    else:
        target.commit(verify)
    return [
        ImageResult(
            path=origin,
            index=image.index,
            name=image.name,
            changed=by_image[image.index].is_changed,
            certificates=by_image[image.index].plan.certificates,
            readers=by_image[image.index].readers,
            output=str(output) if output else None,
        )
        for image in chosen
    ]


def _hive_origin(origin: str, image: ImageInfo) -> str:
    return origin if image.index is None else f"{origin}, image {image.index}, {SOFTWARE_HIVE}"


def _edit(hive: bytes, origin: str, planner: Planner, options: WriteOptions, moment: Moment) -> _EditedHive:
    plan = planner(open_software(hive, origin, full_check=options.full_check), origin)
    new = apply(hive, plan.edits, now=moment.filetime, origin=origin)
    if new == hive:
        new = hive
    if options.full_check and new is not hive:
        refuse_broken(new, f"{origin} after the edit")
    _LOG.info("%s: %s", origin, "unchanged" if new is hive else f"edited, {len(new)} bytes")
    return _EditedHive(hive, new, plan, _confirm(new, plan, origin))


def _confirm(hive: bytes, plan: HivePlan, origin: str) -> tuple[str, ...]:
    """Let both independent readers see what the plan promised; returns their names.

    They read every store, so that a hive that `verify` would refuse is never called done.
    """
    stored = read_stored(hive, origin)
    found = {(each.location, each.store, each.key_name.upper()): each.blob for each in stored.certificates}
    for expected in plan.expected:
        place = (expected.location, expected.store, expected.thumbprint)
        if (place in found) != (expected.blob is not None) or found.get(place) != expected.blob:
            key = "\\".join((*store_key(expected.store, expected.location), expected.thumbprint))
            raise VerificationFailure(
                f"{origin}: {' and '.join(stored.readers)} do not see the edit of {key}",
                resolution="Nothing was committed. Please report this with the hive, if you may.",
            )
    return stored.readers
