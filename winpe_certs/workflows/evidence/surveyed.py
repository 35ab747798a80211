"""A target before and after its change: from two surveys to what the evidence says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from winpe_certs.engines.base import ImageInfo, Survey
from winpe_certs.engines.choose import Kind
from winpe_certs.evidence.document import (
    Confirmation,
    FileState,
    HiveDifference,
    ImageEvidence,
    TargetEvidence,
    WayBack,
)
from winpe_certs.results import EngineUse
from winpe_certs.workflows.evidence.values import HiveComparison, changed_entries, hive_state, manifest_digest

_KINDS: Final[dict[Kind, Literal["wim", "folder", "hive"]]] = {
    Kind.WIM: "wim",
    Kind.FOLDER: "folder",
    Kind.HIVE: "hive",
}
_NOTHING_CHANGED: Final = "Nothing was changed."
_NOT_OVER_OUTPUT: Final = "The change was written to another file: the original is the way back."
_NOT_BY_US: Final = "The file was written by {engine}: a copy of the original is the way back."
_NOT_A_WIM: Final = (
    "Only a WIM that was patched in place keeps its old state: a copy of the original is the way back."
)


@dataclass(frozen=True, slots=True)
class Compared:
    """The evidence of one target, and what differs in the hives of its images, by index."""

    target: TargetEvidence
    differences: tuple[tuple[int | None, HiveDifference], ...]

    def confirmed(self, readers: tuple[str, ...], at: datetime) -> Compared:
        """The same, confirmed by these readers."""
        return replace(self, target=replace(self.target, confirmed=Confirmation(readers, at)))


@dataclass(frozen=True, slots=True)
class SurveyedTarget:
    """A target that is about to be changed.

    `origin` names it in errors; `file`, `output` and the program of `engine` are named as in the evidence.
    """

    origin: str
    file: str
    kind: Kind
    engine: EngineUse
    output: str | None
    images: Mapping[int | None, ImageInfo]
    before: Survey
    hives: Mapping[int | None, HiveComparison]

    def planned(self) -> Compared:
        """The evidence as far as it is known before the change: of the hives as they are meant to be."""
        images = {
            index: replace(image, hive=self.hives[index].new) if index in self.hives and image.hive else image
            for index, image in self.before.images.items()
        }
        return self.compared(replace(self.before, images=images))

    def compared(self, after: Survey) -> Compared:
        """The evidence of the change between the surveys."""
        before = self.before
        way_back, why_not = self._way_back(after)
        target = TargetEvidence(
            file=self.file,
            kind=_KINDS[self.kind],
            output=self.output,
            engine=self.engine.name,
            engine_reason=self.engine.reason,
            engine_program=self.engine.program,
            engine_version=self.engine.version,
            before=FileState(before.size, before.sha256),
            after=FileState(after.size, after.sha256),
            images=tuple(self._image(index, after) for index in before.images),
            confirmed=None,
            way_back=way_back,
            no_way_back=why_not,
        )
        return Compared(target, tuple(self._differences(after)))

    def _differences(self, after: Survey) -> Iterator[tuple[int | None, HiveDifference]]:
        for index, hive in self.hives.items():
            written = after.images[index].hive
            if written is not None and any(found := hive.found(self.origin, written.plain)):
                yield index, found

    def _image(self, index: int | None, after: Survey) -> ImageEvidence:
        info = self.images[index]
        old, new = self.before.images[index], after.images[index]
        hive = None
        if index in self.hives and old.hive is not None and new.hive is not None:
            hive = hive_state(old.hive.plain, new.hive.plain)
        return ImageEvidence(
            index=index,
            name=info.name,
            architecture=info.architecture,
            build=info.version,
            manifest_before=manifest_digest(old.manifest),
            manifest_after=manifest_digest(new.manifest),
            changed_entries=changed_entries(old.manifest, new.manifest),
            hive=hive,
        )

    def _way_back(self, after: Survey) -> tuple[WayBack | None, str]:
        before = self.before
        if (before.size, before.sha256) == (after.size, after.sha256):
            return None, _NOTHING_CHANGED
        if self.output is not None:
            return None, _NOT_OVER_OUTPUT
        if self.kind is not Kind.WIM:
            return None, _NOT_A_WIM
        if self.engine.name != "direct" or not after.has_earlier:
            return None, _NOT_BY_US.format(engine=self.engine.name.upper())
        is_original = before.live_size == before.size
        return WayBack(before.header.hex(), before.live_size, before.live_sha256, is_original), ""
