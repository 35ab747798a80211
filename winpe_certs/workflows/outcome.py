"""What a changing command has done so far, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from winpe_certs.engines.choose import Place
from winpe_certs.errors import WinpeCertsError
from winpe_certs.results import EngineUse, Failure, ImagePlan, ImageResult, Plan, Report


@dataclass(slots=True)
class Outcome:
    """Results of the targets that were done, the plan for them, and the error that ended the work, if any.

    `places` are all targets that passed the guards, `not_reached` those after the error.
    """

    command: str
    images: list[ImageResult] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    planned: list[ImagePlan] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    engine: EngineUse | None = None
    error: WinpeCertsError | None = None
    failures: list[Failure] = field(default_factory=list)
    not_reached: list[Place] = field(default_factory=list)

    @property
    def changed_places(self) -> list[Place]:
        """The targets of which an image was changed, also those where the rest failed."""
        changed = {image.path for image in self.images if image.changed}
        return [place for place in self.places if str(place.path) in changed]

    @property
    def plan(self) -> Plan:
        """The plan for all targets that were opened."""
        return Plan(tuple(self.planned), tuple(self.commands))

    def report(self, warnings: tuple[str, ...], *, dry_run: bool) -> Report:
        """The report of the command that this is the outcome of."""
        rest = ", ".join(str(place.path) for place in self.not_reached)
        behind = (f"not reached, because of the error: {rest}",) if rest else ()
        return Report(
            self.command,
            images=tuple(self.images),
            warnings=(*warnings, *self.remarks, *behind),
            dry_run=dry_run,
            engine=self.engine,
            plan=self.plan,
            error=self.error,
            failures=tuple(self.failures),
        )
