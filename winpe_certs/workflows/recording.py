"""Evidence of a change, collected while it happens: what each target was before and what it is afterwards."""

from __future__ import annotations

import contextlib
import getpass
import platform
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from winpe_certs import __version__
from winpe_certs.engines.base import ImageInfo, Survey, Target
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import EnvironmentFailure, Interrupted, UsageError, WinpeCertsError
from winpe_certs.evidence.document import (
    Evidence,
    FileState,
    ImageEvidence,
    RunEvidence,
    TargetEvidence,
    ToolEvidence,
    WayBack,
)
from winpe_certs.files import PathKind, path_kind, refuse_existing, write_new
from winpe_certs.progress import Progress
from winpe_certs.results import EngineUse, ImageResult, Plan
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.guards import same_file
from winpe_certs.workflows.recorded import (
    HiveComparison,
    certificate_evidence,
    changed_entries,
    manifest_digest,
    plan_evidence,
)
from winpe_certs.workflows.software import SOFTWARE_HIVE
from winpe_certs.workflows.watching import EvidenceOptions, PlannedHive

_LONGEST_CHANGE_ID: Final = 200
_KINDS: Final[dict[Kind, Literal["wim", "folder", "hive"]]] = {
    Kind.WIM: "wim",
    Kind.FOLDER: "folder",
    Kind.HIVE: "hive",
}
_LOST: Final = "The images are changed as reported; only their evidence is lost."
_NOTHING_CHANGED: Final = "Nothing was changed."
_NOT_OVER_OUTPUT: Final = "The change was written to another file: the original is the way back."
_NOT_BY_US: Final = "The file was written by {engine}: a copy of the original is the way back."
_NOT_A_WIM: Final = (
    "Only a WIM that was patched in place keeps its old state: a copy of the original is the way back."
)


class Recorder:
    """Collects the evidence of one run."""

    def __init__(self, options: EvidenceOptions, command: str, moment: Moment, progress: Progress) -> None:
        self._options = options
        self._command = command
        self._moment = moment
        self._progress = progress
        self._targets: list[TargetEvidence] = []

    def refuse_unfit(self, paths: Sequence[Path]) -> None:
        """Raise `UsageError` when evidence cannot go where it should, before anything is changed."""
        path = self._options.path
        if path_kind(path) in {PathKind.FOLDER, PathKind.OTHER}:
            raise UsageError(
                f"--evidence {path}: this is {path_kind(path).value}", resolution="Give the name of a file."
            )
        if path_kind(path.parent) is not PathKind.FOLDER:
            raise UsageError(
                f"--evidence {path}: there is no folder {path.parent}",
                resolution="Create the folder first, or check the path.",
            )
        place = path.resolve()
        for other in paths:
            # An output may not exist yet, and what lies in a folder target would become part of its image.
            if same_file(path, other) or other.resolve() in {place, *place.parents}:
                raise UsageError(
                    f"--evidence {path}: this is a file that the command works with, or lies in its folder",
                    resolution="Give the evidence a name of its own, elsewhere.",
                )
        refuse_existing(path, overwrite=self._options.overwrite)
        if self._options.change_id is not None and not self._options.change_id.strip():
            raise UsageError(
                "--change-id: it is empty",
                resolution="Give the number of the change (is a variable not set?), or leave it out.",
            )
        if len(self._options.change_id or "") > _LONGEST_CHANGE_ID:
            raise UsageError(
                f"--change-id: more than {_LONGEST_CHANGE_ID} characters",
                resolution="Give the number of the change; its description belongs elsewhere.",
            )

    @contextlib.contextmanager
    def watch(
        self,
        place: Place,
        target: Target,
        engine: EngineUse,
        output: Path | None,
        hives: Mapping[int | None, PlannedHive],
    ) -> Iterator[None]:
        """Survey the target, let the block change it, survey it again and remember the difference.

        `hives` are those of the chosen images. When the block fails, what it has changed for good all the
        same is remembered. Raises `HiveError` before the block when hives cannot be compared as a whole, and
        `EnvironmentFailure` behind it when what was done cannot be surveyed.
        """
        origin = str(place.path)
        before = target.survey(SOFTWARE_HIVE, hives.keys(), None, self._progress)
        comparisons = {index: HiveComparison(hive.base, hive.new) for index, hive in hives.items()}
        for comparison in comparisons.values():
            comparison.find_difference(origin)
        images = {image.index: image for image in target.images}
        program = engine.program and self._name(engine.program)
        remember = _Watched(
            origin,
            self._name(place.path),
            place.kind,
            replace(engine, program=program),
            self._shown(output),
            images,
            before,
            comparisons,
        )
        try:
            yield
        except BaseException:
            if target.saved:
                with contextlib.suppress(WinpeCertsError):
                    self._targets.append(remember.compared(self._again(target, hives.keys(), before)))
            raise
        try:
            self._targets.append(remember.compared(self._again(target, hives.keys(), before)))
        except WinpeCertsError as error:
            # Whatever it is, it is no refusal: the change is made.
            raise EnvironmentFailure(
                f"{origin}: changed as reported, but the evidence of it could not be taken: {error.message}",
                details=error.details,
                resolution="Check the image: winpe-certs verify",
            ) from error

    def write(
        self, images: Sequence[ImageResult], plan: Plan, errors: Sequence[WinpeCertsError]
    ) -> WinpeCertsError | None:
        """Write the file; `errors` are those of targets that failed. Gives back why it cannot be written."""
        try:
            self._write(images, plan, errors)
        except WinpeCertsError as error:
            # Never the exit code of a refusal: what was changed is changed.
            return EnvironmentFailure(
                error.message,
                details=f"{error.details}\n{_LOST}".strip(),
                resolution="Keep this report instead. The same command, run again, finds nothing to change.",
            )
        except KeyboardInterrupt:
            interrupted = Interrupted()
            interrupted.details = _LOST
            return interrupted
        return None

    def _write(self, images: Sequence[ImageResult], plan: Plan, errors: Sequence[WinpeCertsError]) -> None:
        # Checking documents is slow to import, and most runs keep no evidence.
        from winpe_certs.evidence.canonical import to_json

        is_redacted = self._options.redacted
        evidence = Evidence(
            tool=ToolEvidence(__version__, platform.python_version(), self._libraries()),
            run=RunEvidence(
                self._command,
                self._moment.at,
                datetime.now(UTC),
                None if is_redacted else _user(),
                None if is_redacted else platform.node() or None,
                self._options.change_id,
                _told(errors, redacted=is_redacted),
            ),
            certificates=certificate_evidence(images, self._name),
            plan=plan_evidence(plan, self._name, redacted=is_redacted),
            targets=tuple(self._targets),
        )
        text = to_json(evidence).encode("ascii")
        write_new(self._options.path, [text], overwrite=self._options.overwrite)

    def _again(self, target: Target, chosen: Collection[int | None], before: Survey) -> Survey:
        return target.survey(SOFTWARE_HIVE, chosen, before, self._progress)

    def _libraries(self) -> dict[str, str]:
        """What took part, with versions: libwim, which is not installed with this program, where it did."""
        versions = _installed()
        if any(target.kind == "wim" for target in self._targets):
            name, _, version = codecs().name.partition(" ")
            versions |= {name: version} if version else {}
        return versions

    def _name(self, path: Path | str) -> str:
        return Path(path).name if self._options.redacted else str(path)

    def _shown(self, output: Path | None) -> str | None:
        return None if output is None else self._name(output)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A target that is about to be changed."""

    origin: str
    file: str
    kind: Kind
    engine: EngineUse
    output: str | None
    images: Mapping[int | None, ImageInfo]
    before: Survey
    hives: Mapping[int | None, HiveComparison]

    def compared(self, after: Survey) -> TargetEvidence:
        """The evidence of the change between the surveys."""
        before = self.before
        way_back, why_not = self._way_back(after)
        return TargetEvidence(
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
            way_back=way_back,
            no_way_back=why_not,
        )

    def _image(self, index: int | None, after: Survey) -> ImageEvidence:
        info = self.images[index]
        old, new = self.before.images[index], after.images[index]
        hive = None
        if index in self.hives and old.hive is not None and new.hive is not None:
            hive = self.hives[index].change(self.origin, old.hive, new.hive)
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


def _told(errors: Sequence[WinpeCertsError], *, redacted: bool) -> str | None:
    """What failed; messages have paths in them."""
    return "; ".join(error.kind if redacted else error.message for error in errors) or None


def _user() -> str | None:
    # Without a name in the environment and in the password database there is none to tell.
    with contextlib.suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return None


def _installed() -> dict[str, str]:
    """The versions of what this program is installed with; those of test tools are none of its business."""
    try:
        required = metadata.requires("winpe-certs") or []
    except metadata.PackageNotFoundError:
        return {}
    names = [
        match[0] for line in required if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))
    ]
    versions = {}
    for name in sorted(names, key=str.lower):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
