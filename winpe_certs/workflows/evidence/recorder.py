"""Evidence of a change, collected while it happens: what each target was before and what it is afterwards."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from winpe_certs import __version__
from winpe_certs.engines.base import Survey, Target
from winpe_certs.engines.choose import Place
from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import EnvironmentFailure, WinpeCertsError
from winpe_certs.evidence.document import (
    VERSION,
    Difference,
    Evidence,
    GivenOption,
    RunEvidence,
    ToolEvidence,
)
from winpe_certs.evidence.grouping import grouped
from winpe_certs.files.reserved import ReservedFile
from winpe_certs.progress import Progress
from winpe_certs.results import EngineUse, ImageResult, Plan
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.evidence.guards import refuse_unfit
from winpe_certs.workflows.evidence.surroundings import installed, user
from winpe_certs.workflows.evidence.surveyed import Compared, SurveyedTarget
from winpe_certs.workflows.evidence.values import HiveComparison, Naming, certificate_evidence, plan_evidence
from winpe_certs.workflows.evidence.watching import Announced, EvidenceOptions, Given, PlannedHive
from winpe_certs.workflows.selection import SOFTWARE_HIVE

_FIRST_PART: Final = 1 << 17
"""Bytes: enough for the evidence of a run that fails before it has changed anything."""
_LOST: Final = "The images are changed as reported; only their evidence is lost."


class Recorder:
    """Collects the evidence of one run."""

    def __init__(self, options: EvidenceOptions, command: str, moment: Moment, progress: Progress) -> None:
        self._options = options
        self._command = command
        self._moment = moment
        self._progress = progress
        self._done: list[Compared] = []
        self._naming = Naming(options.redacted)
        self._reserved: ReservedFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the file when nothing was written to it."""
        if self._reserved is not None:
            self._reserved.__exit__(*error)

    def prepare(self, paths: Sequence[Path]) -> None:
        """Open the file and take room for a first part: without evidence nothing is to be changed.

        `paths` are all that the command works with. Raises `UsageError` for evidence that is asked for in a
        wrong way, and `EnvironmentFailure` when the file cannot be written.
        """
        refuse_unfit(self._options, paths)
        self._naming = Naming(self._options.redacted, paths)
        try:
            self._reserved = ReservedFile(self._options.path, _FIRST_PART, overwrite=self._options.overwrite)
        except EnvironmentFailure as error:
            raise _refusal(error) from error

    @contextlib.contextmanager
    def watch(
        self,
        place: Place,
        target: Target,
        engine: EngineUse,
        output: Path | None,
        hives: Mapping[int | None, PlannedHive],
        announced: Announced,
    ) -> Iterator[None]:
        """Survey the target, let the block change it, survey it again and remember the difference.

        `hives` are those of the chosen images. When the block fails, what it has changed is
        remembered. Room for all of that is taken first. Raises `HiveError` before the block when hives cannot
        be compared as a whole, `UsageError` when the evidence would be too large to be read again,
        `EnvironmentFailure` when there is no room for it, and also after the block when what was done cannot
        be surveyed.
        """
        origin = str(place.path)
        before = target.survey(SOFTWARE_HIVE, hives.keys(), None, self._progress)
        comparisons = {index: HiveComparison(hive.base, hive.new) for index, hive in hives.items()}
        for comparison in comparisons.values():
            comparison.find_difference(origin)
        images = {image.index: image for image in target.images}
        program = engine.program and self._naming.path(engine.program)
        surveyed = SurveyedTarget(
            origin,
            self._naming.path(place.path),
            place.kind,
            replace(engine, program=program),
            None if output is None else self._naming.path(output),
            images,
            before,
            comparisons,
        )
        readers = _readers(announced.images, origin)
        self._take_room(announced, surveyed.planned().confirmed(readers, datetime.now(UTC)))
        try:
            yield
        except BaseException:
            if target.saved:
                with contextlib.suppress(WinpeCertsError):
                    self._done.append(surveyed.compared(self._again(target, hives.keys(), before)))
            raise
        confirmed_at = datetime.now(UTC)
        try:
            found = surveyed.compared(self._again(target, hives.keys(), before))
            self._done.append(found.confirmed(readers, confirmed_at))
        except WinpeCertsError as error:
            # Whatever it is, it is no refusal: the change is made.
            raise EnvironmentFailure(
                f"{origin}: changed as reported, but the evidence of it could not be taken: {error.message}",
                details=error.details,
                resolution="Check the image with winpe-certs verify and the certificates of this change.",
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
        return None

    def _write(self, images: Sequence[ImageResult], plan: Plan, errors: Sequence[WinpeCertsError]) -> None:
        # Checking documents is slow to import, and most runs keep no evidence.
        from winpe_certs.evidence.canonical import to_json

        if self._reserved is not None:
            evidence = self._evidence(images, plan, errors, self._done)
            self._reserved.finish(to_json(evidence).encode("ascii"))

    def _evidence(
        self,
        images: Sequence[ImageResult],
        plan: Plan,
        errors: Sequence[WinpeCertsError],
        done: Sequence[Compared],
    ) -> Evidence:
        is_redacted = self._options.redacted
        differences = grouped(
            (each.target.file, index, found) for each in done for index, found in each.differences
        )
        return Evidence(
            version=VERSION,
            tool=ToolEvidence(__version__, platform.python_version(), self._libraries()),
            run=RunEvidence(
                self._command,
                self._moment.at,
                datetime.now(UTC),
                None if is_redacted else user(),
                None if is_redacted else platform.node() or None,
                self._options.change_id,
                tuple(map(self._given, self._options.overrides)),
                tuple(map(self._given, self._options.given)),
                _told(errors, redacted=is_redacted),
            ),
            certificates=certificate_evidence(images, self._options.sources, self._naming),
            plan=plan_evidence(plan, self._naming),
            targets=tuple(each.target for each in done),
            differences=tuple(Difference(images, *found) for images, found in differences),
        )

    def _given(self, option: Given) -> GivenOption:
        value = option.value
        return GivenOption(option.name, self._naming.path(value) if isinstance(value, Path) else value)

    def _take_room(self, announced: Announced, planned: Compared) -> None:
        from winpe_certs.evidence.canonical import room_for

        size = room_for(self._evidence(announced.images, announced.plan, (), (*self._done, planned)))
        if self._reserved is not None:
            try:
                self._reserved.reserve(size)
            except EnvironmentFailure as error:
                raise _refusal(error) from error

    def _again(self, target: Target, chosen: Collection[int | None], before: Survey) -> Survey:
        return target.survey(SOFTWARE_HIVE, chosen, before, self._progress)

    def _libraries(self) -> dict[str, str]:
        """What took part, with versions: libwim, which is not installed with this program, where it did."""
        versions = installed()
        if any(each.target.kind == "wim" for each in self._done):
            name, _, version = codecs().name.partition(" ")
            versions |= {name: version} if version else {}
        return versions


def _readers(images: Sequence[ImageResult], origin: str) -> tuple[str, ...]:
    """The readers that confirm the images of one target."""
    return tuple(
        dict.fromkeys(reader for image in images if image.path == origin for reader in image.readers)
    )


def _refusal(error: EnvironmentFailure) -> EnvironmentFailure:
    """Why nothing is changed, before anything is."""
    return EnvironmentFailure(
        f"--evidence: {error.message}",
        details=f"{error.details}\nWithout its evidence the change is not made.".strip(),
        resolution="Make room for the evidence or write it elsewhere, then run the same command again.",
        ran=error.ran,
    )


def _told(errors: Sequence[WinpeCertsError], *, redacted: bool) -> str | None:
    """What failed, and what the image then is where that was looked at; messages have paths in them."""
    return "; ".join(_with_state(error, redacted=redacted) for error in errors) or None


def _with_state(error: WinpeCertsError, *, redacted: bool) -> str:
    what = error.kind if redacted else error.message
    return f"{what} (image afterwards: {error.image_state})" if error.image_state else what
