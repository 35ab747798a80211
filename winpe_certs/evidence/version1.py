"""Evidence of version 1, as the first releases wrote it: read, checked, and made into what is said today.

It repeats everything for each image, and nothing says what was overridden, which file a certificate
came from, what was found about it, and who confirmed the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from winpe_certs.evidence import document as now
from winpe_certs.evidence.document import (
    EntryChange,
    FileState,
    ImageIndex,
    ManifestDigest,
    PlannedEdit,
    Sha1,
    Sha256,
    Time,
    ToolEvidence,
    ValueChange,
    WayBack,
)
from winpe_certs.evidence.forms import Many
from winpe_certs.evidence.grouping import grouped

if TYPE_CHECKING:
    from pydantic import ConfigDict


@dataclass(frozen=True, slots=True)
class HiveChange:
    """The hive of an image before and after; paths of keys start below the root of the hive."""

    path: str
    before: FileState
    after: FileState
    keys_added: Many[str]
    keys_removed: Many[str]
    values: Many[ValueChange]


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """One image. Folders and bare hives have no index and no manifest; only chosen images have a `hive`."""

    index: ImageIndex | None
    name: str
    architecture: str
    build: str
    manifest_before: ManifestDigest | None
    manifest_after: ManifestDigest | None
    changed_entries: Many[EntryChange]
    hive: HiveChange | None


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """One target. `file` is the file that the states are of: the WIM, the hive, or the hive in a folder.

    `output` is the file that was written instead of it with `-o`, `no_way_back` why there is no `way_back`.
    """

    file: str
    kind: Literal["wim", "folder", "hive"]
    output: str | None
    engine: str
    engine_reason: str
    engine_program: str | None
    engine_version: str | None
    before: FileState
    after: FileState
    images: Many[ImageEvidence]
    way_back: WayBack | None
    no_way_back: str


@dataclass(frozen=True, slots=True)
class CertificateEvidence:
    """A certificate that the run was about, and what became of it in an image of a target."""

    file: str
    index: ImageIndex | None
    store: str
    status: str
    sha1: Sha1
    sha256: Sha256 | None
    subject: str | None
    not_before: Time | None
    not_after: Time | None


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """The edits for the hive of one image."""

    file: str
    index: ImageIndex | None
    edits: Many[PlannedEdit]


@dataclass(frozen=True, slots=True)
class PlanEvidence:
    """What was planned. `commands` are those of programs (DISM, reg.exe); `sha256` is that of the plan.

    It is computed over the canonical JSON of ``images`` and ``commands`` (`canonical.plan_digest`).
    """

    images: Many[PlannedImage]
    commands: Many[Many[str]]
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """The run. `user` and `host` are None when they were left out (``--redact``).

    `error` is the message that ended the run; the document lists what was done before.
    """

    command: str
    started: Time
    finished: Time
    user: str | None
    host: str | None
    change_id: str | None
    error: str | None


@dataclass(frozen=True)
class Document:
    """The evidence in a file of version 1."""

    __pydantic_config__: ClassVar[ConfigDict] = {
        "extra": "forbid",
        "strict": True,
        "json_schema_serialization_defaults_required": True,
    }

    format: Literal["winpe-certs evidence"]
    version: Literal[1]
    tool: ToolEvidence
    run: RunEvidence
    certificates: Many[CertificateEvidence]
    plan: PlanEvidence
    targets: Many[TargetEvidence]
    sha256: Sha256


def current(document: Document) -> now.Evidence:
    """What a file of version 1 says, in the words of today."""
    run, plan = document.run, document.plan
    return now.Evidence(
        version=1,
        tool=document.tool,
        run=now.RunEvidence(
            run.command, run.started, run.finished, run.user, run.host, run.change_id, (), (), run.error
        ),
        certificates=tuple(now.CertificatesOf(*each) for each in grouped(_certificates(document))),
        plan=now.PlanEvidence(
            tuple(
                now.PlannedImages(*each)
                for each in grouped((image.file, image.index, image.edits) for image in plan.images)
            ),
            plan.commands,
            plan.sha256,
        ),
        targets=tuple(map(_target, document.targets)),
        differences=tuple(
            now.Difference(images, *found) for images, found in grouped(_differences(document))
        ),
    )


def _certificates(
    document: Document,
) -> Iterator[tuple[str, int | None, tuple[now.CertificateEvidence, ...]]]:
    results: dict[tuple[str, int | None], list[now.CertificateEvidence]] = {}
    for each in document.certificates:
        said = now.CertificateEvidence(
            each.store,
            each.status,
            each.sha1,
            each.sha256,
            each.subject,
            each.not_before,
            each.not_after,
            None,
            (),
        )
        results.setdefault((each.file, each.index), []).append(said)
    for (file, index), found in results.items():
        yield file, index, tuple(found)


def _differences(document: Document) -> Iterator[tuple[str, int | None, now.HiveDifference]]:
    for target in document.targets:
        for image in target.images:
            hive = image.hive
            if hive is not None and (hive.keys_added or hive.keys_removed or hive.values):
                yield target.file, image.index, (hive.keys_added, hive.keys_removed, hive.values)


def _target(target: TargetEvidence) -> now.TargetEvidence:
    return now.TargetEvidence(
        file=target.file,
        kind=target.kind,
        output=target.output,
        engine=target.engine,
        engine_reason=target.engine_reason,
        engine_program=target.engine_program,
        engine_version=target.engine_version,
        before=target.before,
        after=target.after,
        images=tuple(map(_image, target.images)),
        confirmed=None,
        way_back=target.way_back,
        no_way_back=target.no_way_back,
    )


def _image(image: ImageEvidence) -> now.ImageEvidence:
    return now.ImageEvidence(
        image.index,
        image.name,
        image.architecture,
        image.build,
        image.manifest_before,
        image.manifest_after,
        image.changed_entries,
        None if image.hive is None else now.HiveState(image.hive.path, image.hive.before, image.hive.after),
    )
