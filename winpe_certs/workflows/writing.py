"""The steps that every changing command shares: plan for each hive, edit, replace, commit, verify from disk.

A command brings its planner (`planning`). The same plan is rehearsed in memory by a dry run and carried out
by a real one.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winpe_certs import interrupts
from winpe_certs.edits import Edit
from winpe_certs.engines.base import ImageInfo, Images, Replacement, Target
from winpe_certs.engines.choose import Place, prepare_ahead, read_ahead, recognise
from winpe_certs.engines.held import Contents
from winpe_certs.engines.setup import EngineOptions, Machine, Opening, Workshop
from winpe_certs.errors import (
    CleanupError,
    Interrupted,
    MissingFileError,
    UsageError,
    VerificationFailure,
    WinpeCertsError,
)
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.findings import Finding
from winpe_certs.progress import Progress, silent
from winpe_certs.regf.hive import edit_hive
from winpe_certs.results import (
    Failure,
    ImagePlan,
    ImageResult,
    Status,
)
from winpe_certs.verification.readers import import_readers
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.evidence.watching import (
    Announced,
    EvidenceOptions,
    PlannedHive,
    Watch,
    unwatched,
)
from winpe_certs.workflows.guards import refuse_protected
from winpe_certs.workflows.outcome import Outcome
from winpe_certs.workflows.outputs import outputs_for
from winpe_certs.workflows.planning import Confirmed, ExpectationError, HivePlan, Planner, confirm
from winpe_certs.workflows.reading import is_named, not_windows
from winpe_certs.workflows.selection import SOFTWARE_HIVE, Choice, select, words_for
from winpe_certs.workflows.software import FoundHive, open_software, refuse_broken, untidy_finding

if TYPE_CHECKING:
    from winpe_certs.engines.ahead import HeadStart
    from winpe_certs.workflows.evidence.recorder import Recorder

_RAISED: Final = (
    "the count of keys that use a security descriptor was too low, as chntpw's reged leaves it; it was set "
    "right"
)
_CHANGED: Final = {Status.ADDED, Status.REPLACED, Status.REMOVED}
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to change targets. `output` is a file, or a folder when there are several targets.

    `inputs` are the other files of the call, which nothing that is written may replace. With `keep_going` a
    target that fails does not end the work. With a `head_start` decoding has begun before this.
    """

    index: Choice | None = None
    output: Path | None = None
    overwrite: bool = False
    dry_run: bool = False
    full_check: bool = False
    force_managed_copy: bool = False
    recover: bool = False
    keep_going: bool = False
    inputs: tuple[Path, ...] = ()
    evidence: EvidenceOptions | None = None
    head_start: HeadStart | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True, slots=True)
class _EditedHive:
    """What a hive's plan has made of it; `image` is the one it is for, `words` name that in command lines.

    `old` and `new` are SHA-256 of the hive before and after. The hives themselves are let go when the next
    image is read, unless there is to be evidence of them.
    """

    image: ImageInfo
    words: tuple[str, ...]
    old: bytes
    new: bytes
    hives: PlannedHive | None
    plan: HivePlan
    confirmed: Confirmed
    remark: str
    findings: tuple[Finding, ...]

    @property
    def is_changed(self) -> bool:
        return self.new != self.old


def change(
    command: str,
    paths: Sequence[Path],
    planner: Planner,
    options: WriteOptions,
    moment: Moment,
    progress: Progress = silent,
) -> Outcome:
    """Change every target, one commit each, after all of them have passed the guards.

    A target that fails ends the work; those before it are done, those behind it untouched and named.
    Evidence, if it is asked for, is of what was done.
    """
    if options.recover and options.engine.hive_editor != "native":
        raise UsageError(
            "--recover goes with --hive-editor native alone",
            resolution="Leave --recover out: reg.exe replays the log files itself when it loads the hive.",
        )
    workshop = Workshop(options.engine, options.machine)
    outcome = Outcome(command)
    targets = _guarded(paths, options, outcome)
    recorder = _recorder(command, options, moment, progress)
    with recorder or contextlib.nullcontext():
        if recorder is not None:
            outputs = [output for _, output in targets if output is not None]
            recorder.prepare([*paths, *outputs, *options.inputs])
        outcome.places += [place for place, _ in targets]
        # Held but where it says otherwise: what is done must be told, whatever comes in between.
        interrupts.hold()
        for number, (place, output) in enumerate(targets):
            if interrupts.heard():
                outcome.error = Interrupted()
                outcome.not_reached = outcome.places[number:]
                break
            try:
                with interrupts.obeyed_once():
                    stamped = _stamped(moment, place, output, options)
                how = Opening(stamped.filetime, output, options.overwrite, options.dry_run, progress)
                engine = outcome.engine = workshop.engine_for(place, how)
                with (
                    interrupts.obeyed_once(),
                    system_errors(place.path, "work on it"),
                    workshop.open(place, how) as target,
                ):
                    watch = partial(recorder.watch, place, target, engine, output) if recorder else unwatched
                    _change_target(place, target, planner, options, stamped, outcome, output, watch)
            except WinpeCertsError as error:
                # What could not be taken down may stand in the way of the next.
                if options.keep_going and not isinstance(error, CleanupError | Interrupted):
                    outcome.failures.append(Failure(str(place.path), error))
                    continue
                outcome.error = error
            except KeyboardInterrupt:
                outcome.error = Interrupted()
            if outcome.error is not None:
                outcome.not_reached = outcome.places[number + 1 :]
                break
        if recorder is not None:
            _write_evidence(recorder, outcome)
    if outcome.error is None:
        outcome.error = interrupts.error_if_heard("All that was asked for is done, as listed above.")
    return outcome


def _guarded(
    paths: Sequence[Path], options: WriteOptions, outcome: Outcome
) -> list[tuple[Place, Path | None]]:
    """The targets that pass the guards, with their outputs; raises for the first that does not."""
    places: list[Place] = []
    for path in paths:
        try:
            place = recognise(path, reading=False)
            if options.output is None and not options.force_managed_copy:
                refuse_protected(place)
        except WinpeCertsError as error:
            if not options.keep_going:
                raise
            outcome.failures.append(Failure(str(path), error))
        else:
            places.append(place)
    outputs = outputs_for(
        places,
        options.output,
        overwrite=options.overwrite,
        force_managed_copy=options.force_managed_copy,
        inputs=options.inputs,
    )
    return list(zip(places, outputs, strict=True))


def _recorder(command: str, options: WriteOptions, moment: Moment, progress: Progress) -> Recorder | None:
    if options.evidence is None:
        return None
    if options.dry_run:
        raise UsageError(
            "--evidence: a dry run changes nothing that there could be evidence of",
            resolution="Leave --dry-run or --evidence out.",
        )
    # The values of a document take a while to import, and most runs keep no evidence.
    from winpe_certs.workflows.evidence.recorder import Recorder

    return Recorder(options.evidence, command, moment, progress)


def _write_evidence(recorder: Recorder, outcome: Outcome) -> None:
    """Write the evidence; when that fails, the outcome says so beside what was done."""
    errors = [failure.error for failure in outcome.failures]
    errors += [outcome.error] if outcome.error is not None else []
    lost = recorder.write(outcome.images, outcome.plan, errors)
    outcome.error = outcome.error or lost


def _change_target(
    place: Place,
    target: Target,
    planner: Planner,
    options: WriteOptions,
    moment: Moment,
    outcome: Outcome,
    output: Path | None,
    watch: Watch,
) -> None:
    """Plan, carry out, and enter into the outcome what is changed for good, also when the rest fails."""
    edited = _plan(place, target, planner, options, moment, outcome)
    outcome.remarks += [each.remark for each in edited if each.remark]
    outcome.planned += [
        ImagePlan(str(place.path), each.image.index, each.image.name, each.plan.edits) for each in edited
    ]
    outcome.commands += target.commands
    hives = {each.image.index: each.hives for each in edited if each.hives is not None}
    results = [_result(place, each, output) for each in edited]
    announced = Announced([*outcome.images, *results], outcome.plan)
    try:
        with watch(hives, announced):
            _carry_out(place, target, edited, options)
        outcome.remarks += target.remarks
    except BaseException:
        outcome.images += [result for result in results if result.index in target.saved]
        raise
    outcome.images += map(_as_unchanged, results) if target.is_current else results


def _plan(
    place: Place,
    target: Target,
    planner: Planner,
    options: WriteOptions,
    moment: Moment,
    outcome: Outcome,
) -> list[_EditedHive]:
    """Read, plan and edit the hive of each chosen image, and hand the changed ones to the target."""
    origin = str(place.path)
    edited: list[_EditedHive] = []
    no_windows: dict[ImageInfo, MissingFileError] = {}
    for image in select(origin, target, options.index, writing=True):
        try:
            read_ahead(target, image.index, SOFTWARE_HIVE, options.head_start)
            import_readers()
            hive = target.read(image.index, SOFTWARE_HIVE)
        except MissingFileError as error:
            if is_named(options.index):
                raise
            no_windows[image] = error
            continue
        _LOG.info("%s: read the hive, %d bytes", _hive_origin(origin, image), len(hive))
        # What was recovered also depends on the log files, which may differ where the hives do not.
        digest = sha256(hive).digest()
        known = next((each for each in edited if each.hives and each.old == digest and not each.remark), None)
        if edited and known is None:
            if options.evidence is None:
                edited[-1] = replace(edited[-1], hives=None)
            elif edited[-1].hives is not None:
                edited[-1].hives.pack()
            # The readers' objects refer to each other and to their hive.
            gc.collect()
        if known is None or known.hives is None:
            words = words_for(origin, image, target)
            try:
                known = _edit(image, words, hive, target, planner, options, moment)
            except ExpectationError as error:
                refused = ImageResult(
                    origin, image.index, image.name, changed=False, certificates=(), servers=error.answers
                )
                outcome.images.append(refused)
                raise
        known = replace(known, image=image)
        edited.append(known)
        if known.is_changed and known.hives is not None:
            as_reg = partial(_as_reg, known.plan.edits)
            replacement = Replacement(hive, known.hives.new.plain, known.plan.edits, as_reg)
            target.replace(image.index, SOFTWARE_HIVE, replacement)
    if edited and options.evidence is None:
        edited[-1] = replace(edited[-1], hives=None)
    for image, why in no_windows.items():
        if not edited:
            raise why
        outcome.images.append(not_windows(origin, image))
    return edited


def _edit(
    image: ImageInfo,
    words: tuple[str, ...],
    hive: bytes,
    target: Target,
    planner: Planner,
    options: WriteOptions,
    moment: Moment,
) -> _EditedHive:
    origin = _hive_origin(words[0], image)
    found = FoundHive(hive)
    if options.recover:
        from winpe_certs.workflows.recovery import recovered

        found = recovered(target, image.index, hive, origin)
    plan = planner(open_software(found.data, origin, full_check=options.full_check), origin)
    if plan.edits:
        prepare_ahead(target, image.index)
    done = edit_hive(found.data, plan.edits, now=moment.filetime, origin=origin)
    new = hive if done.data == hive else done.data
    findings = untidy_finding(found.data) if options.full_check else ()
    if options.full_check and new is not hive:
        refuse_broken(new, f"{origin} after the edit", before=found.data)
    remarks = [found.remark] if found.remark else []
    if done.raised_counts:
        remarks.append(f"{origin}: {_RAISED}")
    _LOG.info("%s: %s", origin, "unchanged" if new is hive else f"edited, {len(new)} bytes")
    confirmed = confirm(new, plan, origin, words)
    hives = PlannedHive(Contents(found.data), Contents(new))
    old_digest, new_digest = sha256(hive).digest(), sha256(new).digest()
    remark = "; ".join(remarks)
    return _EditedHive(image, words, old_digest, new_digest, hives, plan, confirmed, remark, findings)


def _as_reg(edits: Sequence[Edit], hive_name: str) -> bytes:
    from winpe_certs.certs.regexport import edits_as_reg  # only reg.exe needs the text

    return edits_as_reg(edits, hive_name)


def _carry_out(place: Place, target: Target, edited: list[_EditedHive], options: WriteOptions) -> None:
    """Commit what the target was handed, or rehearse it; each image is verified by what is then there."""
    origin = str(place.path)
    by_index = {each.image.index: each for each in edited}

    def verify(images: Images, index: int | None) -> None:
        done = by_index[index]
        written = images.read(index, SOFTWARE_HIVE)
        is_other = sha256(written).digest() != done.new
        if options.engine.hive_editor == "native" and is_other:
            raise VerificationFailure(
                f"{origin}: the hive read back is not the hive that was written",
                resolution="Check the disk, then run the same command again.",
            )
        if options.full_check and is_other:
            refuse_broken(written, f"{origin} as {options.engine.hive_editor} has written it")
        confirm(written, done.plan, origin, done.words)
        if len(edited) > 1:
            del written
            gc.collect()
        _LOG.info("%s: image %s read back and confirmed", origin, index or "-")

    if options.dry_run:
        target.rehearse(verify)
    else:
        target.commit(verify)
        interrupts.hold()


def _result(place: Place, edited: _EditedHive, output: Path | None) -> ImageResult:
    return ImageResult(
        path=str(place.path),
        index=edited.image.index,
        name=edited.image.name,
        changed=edited.is_changed,
        certificates=edited.plan.certificates,
        readers=edited.confirmed.readers,
        output=str(output) if output else None,
        servers=edited.confirmed.servers,
        findings=edited.findings,
    )


def _stamped(moment: Moment, place: Place, output: Path | None, options: WriteOptions) -> Moment:
    """The moment to change a target with: where there is an output already, that of the run that wrote it."""
    if output is None or options.overwrite or path_kind(output) is not PathKind.FILE:
        return moment
    from winpe_certs.workflows.earlier_output import stamp_of

    stamp = stamp_of(place, output)
    return moment if stamp is None else moment.stamped(stamp)


def _as_unchanged(result: ImageResult) -> ImageResult:
    """What became of an image whose output was there already, as it would be written now."""
    certificates = tuple(
        replace(each, status=Status.UNCHANGED) if each.status in _CHANGED else each
        for each in result.certificates
    )
    return replace(result, changed=False, certificates=certificates)


def _hive_origin(origin: str, image: ImageInfo) -> str:
    return origin if image.index is None else f"{origin}, image {image.index}, {SOFTWARE_HIVE}"
