"""From what was planned, done and surveyed to the values of an evidence document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.engines.base import Manifest
from winpe_certs.engines.held import Contents
from winpe_certs.engines.manifests import digest
from winpe_certs.evidence.document import (
    CertificateEvidence,
    CertificatesOf,
    EntryChange,
    FileState,
    FindingEvidence,
    HiveDifference,
    HiveState,
    ManifestDigest,
    PlanEvidence,
    PlannedEdit,
    PlannedImages,
    SourceEvidence,
    ValueChange,
    ValueState,
)
from winpe_certs.evidence.grouping import grouped
from winpe_certs.regf.difference import Difference, TypedData, difference
from winpe_certs.results import ImageResult, Plan
from winpe_certs.workflows.inputs import Source
from winpe_certs.workflows.selection import SOFTWARE_HIVE


def manifest_digest(manifest: Manifest | None) -> ManifestDigest | None:
    """How many entries a manifest has, and the SHA-256 of its text."""
    if manifest is None:
        return None
    return ManifestDigest(len(manifest), digest(manifest))


def changed_entries(before: Manifest | None, after: Manifest | None) -> tuple[EntryChange, ...]:
    """The entries whose lines differ, by path."""
    old, new = lines_by_path(before), lines_by_path(after)
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return tuple(EntryChange(path, old.get(path), new.get(path)) for path in paths)


def lines_by_path(manifest: Manifest | None) -> dict[str, str]:
    """The line of each path."""
    lines: dict[str, str] = {}
    for entry in manifest or ():
        # Two entries of one name are damage, but none of them is to be forgotten.
        lines[entry.path] = f"{lines[entry.path]}\n{entry.line}" if entry.path in lines else entry.line
    return lines


@dataclass(slots=True)
class HiveComparison:
    """A hive as Windows reads it before the change, and as it is meant to be after it."""

    base: Contents
    new: Contents
    _found: Difference | None = None

    def find_difference(self, origin: str) -> Difference:
        """What the change is meant to be, found once; raises `HiveError` for a hive with damage."""
        if self._found is None:
            base, new = self.base.plain, self.new.plain
            self._found = Difference() if base == new else difference(base, new, origin)
        return self._found

    def found(self, origin: str, written: bytes) -> HiveDifference:
        """What the change was, when `written` lies there after it."""
        is_as_planned = written == self.new.plain
        found = (
            self.find_difference(origin) if is_as_planned else difference(self.base.plain, written, origin)
        )
        return (
            tuple(map(_joined, found.keys_added)),
            tuple(map(_joined, found.keys_removed)),
            tuple(
                ValueChange(_joined(each.path), each.name, _value(each.before), _value(each.after))
                for each in found.values
            ),
        )


def hive_state(stored: bytes, written: bytes) -> HiveState:
    """The hive's file: `stored` lay there before the change, `written` after it."""
    return HiveState(SOFTWARE_HIVE, _state(stored), _state(written))


@dataclass(frozen=True, slots=True)
class Naming:
    """How evidence names things: whole, or without the folders that they lie in.

    `paths` are all that a text may name; with `redacted` only their last parts are left in it.
    """

    redacted: bool
    paths: Sequence[Path] = ()

    def path(self, path: Path | str) -> str:
        """A file's name in the evidence: its absolute path, or its last part."""
        return Path(path).name if self.redacted else str(Path(path).absolute())

    def text(self, text: str) -> str:
        """A text in which files may be named."""
        if self.redacted:
            names = {str(form): path.name for path in self.paths for form in (path, path.absolute())}
            for long in sorted(names, key=len, reverse=True):
                # A bare name is nothing to leave out, and might be a part of any word.
                if long != names[long]:
                    text = text.replace(long, names[long])
        return text


def certificate_evidence(
    images: Sequence[ImageResult], sources: Mapping[str, Source], naming: Naming
) -> tuple[CertificatesOf, ...]:
    """What became of each certificate, for the images that got the same; an absent one by each store.

    `sources` are the files that certificates came from, by thumbprint.
    """
    known = {thumbprint: _source(source, naming) for thumbprint, source in sources.items()}
    told = [
        (naming.path(image.path), image.index, tuple(_certificates(image, known, naming)))
        for image in images
        if image.certificates
    ]
    return tuple(CertificatesOf(*each) for each in grouped(told))


def _source(source: Source, naming: Naming) -> SourceEvidence:
    # What is no file, such as standard input, lies in no folder.
    is_path = source.is_file or naming.redacted
    name = naming.path(source.file) if is_path else str(source.file)
    return SourceEvidence(name, source.sha256, source.entry)


def _certificates(
    image: ImageResult, sources: Mapping[str, SourceEvidence], naming: Naming
) -> Iterator[CertificateEvidence]:
    for certificate in image.certificates:
        findings = tuple(
            FindingEvidence(each.code, each.severity.value, naming.text(each.message), each.allowed)
            for each in certificate.findings
        )
        for store in certificate.searched or (certificate.store,):
            yield CertificateEvidence(
                store=store,
                status=certificate.status,
                sha1=certificate.thumbprint.lower(),
                sha256=certificate.sha256.lower() if certificate.sha256 else None,
                subject=certificate.subject,
                not_before=certificate.not_before,
                not_after=certificate.not_after,
                source=sources.get(certificate.thumbprint),
                findings=findings,
            )


def plan_evidence(plan: Plan, naming: Naming) -> PlanEvidence:
    """The plan and its digest; command lines have paths of the machine in them."""
    from winpe_certs.evidence.canonical import plan_digest

    told = [
        (naming.path(image.path), image.index, tuple(_edit(edit) for edit in image.edits))
        for image in plan.images
    ]
    images = tuple(PlannedImages(*each) for each in grouped(told))
    commands = () if naming.redacted else plan.commands
    return PlanEvidence(images, commands, plan_digest(images, commands))


def _edit(edit: Edit) -> PlannedEdit:
    match edit:
        case CreateKey():
            return PlannedEdit("create-key", _joined(edit.path))
        case SetValue():
            return PlannedEdit("set-value", _joined(edit.path), edit.name, edit.type, edit.data.hex())
        case DeleteValue():
            return PlannedEdit("delete-value", _joined(edit.path), edit.name)
        case DeleteKey():
            return PlannedEdit("delete-key", _joined(edit.path))
        case _:
            assert_never(edit)


def _joined(path: KeyPath) -> str:
    return "\\".join(path)


def _state(data: bytes) -> FileState:
    return FileState(len(data), hashlib.sha256(data).hexdigest())


def _value(value: TypedData | None) -> ValueState | None:
    if value is None:
        return None
    kind, data = value
    return ValueState(kind, len(data), hashlib.sha256(data).hexdigest())
