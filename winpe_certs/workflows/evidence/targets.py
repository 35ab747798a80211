"""Which target of an evidence document an image is, and what state its file is in."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from winpe_certs.engines.choose import Kind, recognise
from winpe_certs.engines.folder import FolderImages
from winpe_certs.engines.survey import Part, hash_parts
from winpe_certs.errors import EvidenceError, TargetError, UsageError
from winpe_certs.evidence.document import Evidence, FileState, TargetEvidence
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, path_kind, status_of
from winpe_certs.progress import Progress
from winpe_certs.workflows.selection import SOFTWARE_HIVE


def state_of(path: Path, progress: Progress) -> FileState:
    """Size and SHA-256 of an image; of a folder, those of its hive."""
    if path_kind(path) is PathKind.FOLDER:
        place = recognise(path, reading=True)
        is_tree = place.kind is Kind.FOLDER
        path = FolderImages(path).locate(SOFTWARE_HIVE) if is_tree else place.path
    elif path_kind(path) is PathKind.MISSING:
        raise UsageError(f"{path}: no such file or folder", resolution="Check the path.")
    elif path_kind(path) is not PathKind.FILE:
        raise TargetError(f"{path}: not a plain file", resolution="Give the image.")
    with system_errors(path, "read"), open_to_read(path) as file:
        size = status_of(path).st_size
        (digest,) = hash_parts(file, [Part(size)], progress)
    return FileState(size, digest)


def target_for(evidence: Evidence, path: Path, evidence_path: Path, progress: Progress) -> TargetEvidence:
    """The target that an image is: the only one, or the one with its contents, or else the one of its name.

    One with the old header or the old contents of a target is that target too: its change has been undone, or
    half undone.
    Raises `EvidenceError` when none is.
    """
    targets = evidence.targets
    if len(targets) > 1:
        state = state_of(path, progress)
        same = [target for target in targets if target.after == state]
        same += [target for target in targets if target.way_back and _begins(path, target.way_back.header)]
        same += [target for target in targets if target.before == state]
        alike = [target for target in targets if _name(target.output or target.file) == path.name.lower()]
        targets = tuple(same[:1] or alike)
    if len(targets) != 1:
        names = [target.output or target.file for target in evidence.targets]
        raise EvidenceError(
            f"{evidence_path}: it is not clear what the evidence says of {path}",
            details="It is about: " + (", ".join(names) or "no image that was changed"),
            resolution="Give the image that the evidence is about.",
        )
    return targets[0]


def _begins(path: Path, header: str) -> bool:
    if path_kind(path) is not PathKind.FILE:
        return False
    with system_errors(path, "read"), open_to_read(path) as file:
        return file.read(len(header) // 2).hex() == header


def _name(path: str) -> str:
    # A path of Windows or of another system, wherever it is read.
    return PureWindowsPath(path).name.lower()
