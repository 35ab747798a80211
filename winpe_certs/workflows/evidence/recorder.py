"""Evidence of a change, collected while it happens: what each target was before and what it is afterwards."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from winpe_certs import __version__
from winpe_certs.engines.base import Survey, Target
from winpe_certs.engines.choose import Place
from winpe_certs.engines.codecs import codecs
from winpe_certs.errors import EnvironmentFailure, Interrupted, WinpeCertsError
from winpe_certs.evidence.document import Evidence, RunEvidence, TargetEvidence, ToolEvidence
from winpe_certs.files.new import write_new
from winpe_certs.progress import Progress
from winpe_certs.results import EngineUse, ImageResult, Plan
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.evidence.guards import refuse_unfit
from winpe_certs.workflows.evidence.surroundings import installed, user
from winpe_certs.workflows.evidence.surveyed import SurveyedTarget
from winpe_certs.workflows.evidence.values import HiveComparison, certificate_evidence, plan_evidence
from winpe_certs.workflows.evidence.watching import EvidenceOptions, PlannedHive
from winpe_certs.workflows.selection import SOFTWARE_HIVE

_LOST: Final = "The images are changed as reported; only their evidence is lost."


class Recorder:
    """Collects the evidence of one run."""

    def __init__(self, options: EvidenceOptions, command: str, moment: Moment, progress: Progress) -> None:
        self._options = options
        self._command = command
        self._moment = moment
        self._progress = progress
        self._targets: list[TargetEvidence] = []

    def refuse_unfit(self, paths: Sequence[Path]) -> None:
        """Raise `UsageError` when the evidence cannot be written as it should be, as far as one can know."""
        refuse_unfit(self._options, paths)

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
        surveyed = SurveyedTarget(
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
                    self._targets.append(surveyed.compared(self._again(target, hives.keys(), before)))
            raise
        try:
            self._targets.append(surveyed.compared(self._again(target, hives.keys(), before)))
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
                None if is_redacted else user(),
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
        versions = installed()
        if any(target.kind == "wim" for target in self._targets):
            name, _, version = codecs().name.partition(" ")
            versions |= {name: version} if version else {}
        return versions

    def _name(self, path: Path | str) -> str:
        return Path(path).name if self._options.redacted else str(path)

    def _shown(self, output: Path | None) -> str | None:
        return None if output is None else self._name(output)


def _told(errors: Sequence[WinpeCertsError], *, redacted: bool) -> str | None:
    """What failed, and what the image then is where that was looked at; messages have paths in them."""
    return "; ".join(_with_state(error, redacted=redacted) for error in errors) or None


def _with_state(error: WinpeCertsError, *, redacted: bool) -> str:
    what = error.kind if redacted else error.message
    return f"{what} (image afterwards: {error.image_state})" if error.image_state else what
