"""From what was planned, done and surveyed to the values of an evidence document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.engines.base import Manifest
from winpe_certs.engines.held import Contents
from winpe_certs.engines.manifests import digest
from winpe_certs.evidence.document import (
    CertificateEvidence,
    EntryChange,
    FileState,
    HiveChange,
    ManifestDigest,
    PlanEvidence,
    PlannedEdit,
    PlannedImage,
    ValueChange,
    ValueState,
)
from winpe_certs.regf.difference import Difference, TypedData, difference
from winpe_certs.results import ImageResult, Plan
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

    def change(self, origin: str, stored: bytes, written: bytes) -> HiveChange:
        """What the change was: `stored` lay there before it, `written` after it."""
        is_as_planned = written == self.new.plain
        found = (
            self.find_difference(origin) if is_as_planned else difference(self.base.plain, written, origin)
        )
        return HiveChange(
            path=SOFTWARE_HIVE,
            before=_state(stored),
            after=_state(written),
            keys_added=tuple(map(_joined, found.keys_added)),
            keys_removed=tuple(map(_joined, found.keys_removed)),
            values=tuple(
                ValueChange(_joined(each.path), each.name, _value(each.before), _value(each.after))
                for each in found.values
            ),
        )


def certificate_evidence(
    images: Sequence[ImageResult], name: Callable[[str], str]
) -> tuple[CertificateEvidence, ...]:
    """What became of each certificate in each image; an absent one is told of each store."""
    return tuple(
        CertificateEvidence(
            file=name(image.path),
            index=image.index,
            store=store,
            status=certificate.status,
            sha1=certificate.thumbprint.lower(),
            sha256=certificate.sha256.lower() if certificate.sha256 else None,
            subject=certificate.subject,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
        )
        for image in images
        for certificate in image.certificates
        for store in certificate.searched or (certificate.store,)
    )


def plan_evidence(plan: Plan, name: Callable[[str], str], *, redacted: bool) -> PlanEvidence:
    """The plan and its digest; command lines have paths of the machine in them."""
    from winpe_certs.evidence.canonical import plan_digest

    images = tuple(
        PlannedImage(name(image.path), image.index, tuple(_edit(edit) for edit in image.edits))
        for image in plan.images
    )
    commands = () if redacted else plan.commands
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
