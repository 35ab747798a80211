"""``undo``: take a change back by the evidence of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from winpe_certs import interrupts
from winpe_certs.engines.choose import Kind, recognise
from winpe_certs.engines.restore import Known, manifests_before, restore
from winpe_certs.engines.setup import Machine
from winpe_certs.engines.windows_guards import is_remote
from winpe_certs.errors import EvidenceError, UsageError, WimError
from winpe_certs.evidence.document import TargetEvidence, WayBack
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Report, Restoration
from winpe_certs.workflows.evidence.file import read_evidence
from winpe_certs.workflows.evidence.targets import state_of, target_for
from winpe_certs.workflows.evidence.values import manifest_digest
from winpe_certs.workflows.guards import refuse_protected

_LEFTOVERS: Final = (
    "Behind the end of the original lay bytes of an interrupted run, which the change has replaced; the "
    "image is what it was without them."
)


def undo(
    path: Path,
    evidence_path: Path,
    *,
    machine: Machine,
    force_managed_copy: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Report:
    """Make an image what it was before the change that the evidence is of, unless it is that already.

    Raises `EvidenceError` and `GuardError` when that cannot be done exactly, and `GuardError` for what is
    protected as it is from other changes; nothing is changed then.
    """
    evidence = read_evidence(evidence_path)
    place = recognise(path, reading=False)
    if not force_managed_copy:
        refuse_protected(place, "Undo the change in a copy.")
    target = target_for(evidence, place.path, evidence_path, progress)
    way_back = target.way_back
    if way_back is None:
        if state_of(place.path, progress) == target.before:
            untouched = Restoration(str(path), target.before.size, target.before.sha256, 0)
            return Report("undo", restored=untouched, dry_run=dry_run)
        raise EvidenceError(
            f"{evidence_path}: there is no way back by this evidence",
            details=target.no_way_back,
            resolution="Put the image back from its source, or take the certificate out with remove.",
        )
    if place.kind is not Kind.WIM:
        raise UsageError(
            f"{path}: the evidence is of a WIM image, and this is {place.kind.value}",
            resolution="Give the image.",
        )
    if is_remote(place.path):
        raise UsageError(
            f"{path}: an image on a network share is not undone in place",
            details="A share may go away at any moment and knows no reliable locks.",
            resolution="Copy it to a local disk, undo it there, and put it back.",
        )
    machine.refuse_mounted(place.path)
    before, after = Known(way_back.size, way_back.sha256), Known(target.after.size, target.after.sha256)
    header = bytes.fromhex(way_back.header)
    judge = partial(_refuse_other_image, evidence_path, target, way_back)
    cut = restore(
        place.path, header, before, after, judge=judge, dry_run=dry_run, wait=wait, progress=progress
    )
    restored = Restoration(str(path), before.size, before.sha256, cut)
    remarks = (_LEFTOVERS,) if restored.changed and not way_back.is_original else ()
    error = interrupts.error_if_heard("The image is what it was, as reported above.")
    return Report("undo", restored=restored, warnings=remarks, dry_run=dry_run, error=error)


def _refuse_other_image(
    evidence_path: Path, target: TargetEvidence, way_back: WayBack, file: BinaryIO
) -> None:
    """Raise `EvidenceError` unless the way back leads to the images that the evidence tells of.

    Its digest proves nothing about who wrote it, and the header in it is the one thing of the old file that
    is not in the image: a made-up one must not cost the image.
    """
    header = bytes.fromhex(way_back.header)
    try:
        manifests = manifests_before(file, header, way_back.size, str(evidence_path))
    except WimError as error:
        raise _leads_elsewhere(evidence_path, error.message) from error
    found = {index: manifest_digest(manifest) for index, manifest in manifests.items()}
    if found != {image.index: image.manifest_before for image in target.images}:
        raise _leads_elsewhere(evidence_path, "The old header leads to images with other manifests.")


def _leads_elsewhere(evidence_path: Path, details: str) -> EvidenceError:
    return EvidenceError(
        f"{evidence_path}: the way back does not lead to the image that the evidence tells of",
        details=details,
        resolution="Nothing was written. Find out who changed the evidence, and put the image back from its "
        "source.",
    )
