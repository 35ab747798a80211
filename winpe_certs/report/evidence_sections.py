"""What the page of an evidence file says, section by section; what is alike is said once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from winpe_certs.command_lines import PROGRAM, Shell, command_line, file_word
from winpe_certs.evidence.document import (
    CertificateEvidence,
    Difference,
    EntryChange,
    Evidence,
    FileState,
    ImageEvidence,
    TargetEvidence,
    ValueChange,
    ValueState,
)
from winpe_certs.evidence.grouping import includes
from winpe_certs.report.evidence_words import images_in_words, numbers, summary

_LIMITS: Final = (
    "The digest in the evidence file finds accidents: a changed byte, a file that was cut off.",
    "It is no signature: anyone who can write the file can calculate it again.",
    "Sign the file with your own means if it must withstand people.",
    "What it says of a file holds for the moment of the run; `verify --evidence` says what holds today.",
)
_NOT_RECORDED: Final = "(not recorded in evidence of version 1)"
_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of a level, sentences, facts by name, command lines, and what else is to say."""

    level: int
    title: str
    words: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def sections(evidence: Evidence, file: str, shell: Shell) -> Iterator[Section]:
    """All sections; `file` is the evidence file as its reader names it."""
    word = file_word(file)
    title = "Evidence of a change in boot images"
    yield Section(1, title, tuple(summary(evidence)), tuple(_run(evidence)))
    if evidence.plan.commands:
        programs = tuple(command_line(command, shell) for command in evidence.plan.commands)
        yield Section(2, "Programs that the plan starts", commands=programs)
    for group in evidence.certificates:
        where = images_in_words(group.images)
        for result in group.results:
            facts = tuple(_certificate(result, where, evidence.version))
            yield Section(2, f"Certificate: {result.status}", facts=facts)
    for alike in _alike(evidence.targets, lambda target: _without_names(evidence, target)):
        yield from _targets(evidence, alike, word, shell)
    if not evidence.targets:
        yield Section(2, "Files", notes=("No file was changed.",))
    again = tuple(
        command_line((PROGRAM, "verify", "--evidence", word, file_word(target.output or target.file)), shell)
        for target in evidence.targets
    )
    if again:
        yield Section(2, "To verify again", commands=tuple(dict.fromkeys(again)))
    yield Section(2, "Limits", notes=_LIMITS)


def _run(evidence: Evidence) -> Iterator[tuple[str, str]]:
    run, tool = evidence.run, evidence.tool
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(tool.libraries.items()))
    yield "change", run.change_id or "(none given)"
    yield "command", run.command
    for name, given in (("overrides", run.overrides), ("options", run.options)):
        words = ", ".join(f"{each.name} {each.value or ''}".rstrip() for each in given)
        yield name, _NOT_RECORDED if evidence.version == 1 else words or "none"
    yield "result", "done" if run.error is None else f"ended by an error: {run.error}"
    yield "started", _time(run.started)
    yield "finished", _time(run.finished)
    yield "by", f"{run.user or '(left out)'} on {run.host or '(left out)'}"
    yield "tool", f"winpe-certs {tool.version}, Python {tool.python}"
    if libraries:
        yield "libraries", libraries
    yield "plan SHA-256", evidence.plan.sha256


def _certificate(certificate: CertificateEvidence, where: str, version: int) -> Iterator[tuple[str, str]]:
    yield "subject", certificate.subject or "(not known)"
    yield "SHA-1", certificate.sha1
    yield "SHA-256", certificate.sha256 or "(not known)"
    if certificate.not_before is not None and certificate.not_after is not None:
        yield "valid", f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
    yield "store", certificate.store
    yield "status", certificate.status
    yield "in", where
    source = certificate.source
    if source is not None:
        yield "source", source.file + (f", {source.entry}" if source.entry else "")
        yield "its SHA-256", source.sha256
    elif version > 1:
        yield "source", "none: given by its thumbprint"
    for finding in certificate.findings:
        severity = "allowed" if finding.allowed else finding.severity
        yield "finding", f"{finding.code} ({severity}): {finding.message}"


def _alike(each: Iterable[_Each], key: Callable[[_Each], Hashable]) -> list[list[_Each]]:
    """What has the same key, together; in the order of the first."""
    found: dict[Hashable, list[_Each]] = {}
    for one in each:
        found.setdefault(key(one), []).append(one)
    return list(found.values())


def _without_names(evidence: Evidence, target: TargetEvidence) -> Hashable:
    """A target without what tells files apart that were changed alike: their names, and the moment."""
    confirmed = target.confirmed
    said = replace(
        target,
        file="",
        output="" if target.output is not None else None,
        confirmed=None if confirmed is None else replace(confirmed, at=evidence.run.started),
    )
    return said, tuple(_difference(evidence, target, image) for image in target.images)


def _difference(evidence: Evidence, target: TargetEvidence, image: ImageEvidence) -> Difference | None:
    return next(
        (each for each in evidence.differences if includes(each.images, target.file, image.index)), None
    )


def _targets(evidence: Evidence, alike: list[TargetEvidence], file: str, shell: Shell) -> Iterator[Section]:
    """The section of targets that were changed alike."""
    target = alike[0]
    facts: list[tuple[str, str]] = [("kind", target.kind)]
    if len(alike) > 1:
        facts += [("file", each.file) for each in alike]
    facts += [("written to", each.output) for each in alike if each.output is not None]
    facts += [
        ("before", _state(target.before)),
        ("after", _state(target.after)),
        ("engine", f"{target.engine}: {target.engine_reason}"),
    ]
    if target.engine_program is not None:
        facts.append(("program", f"{target.engine_program} {target.engine_version or ''}".rstrip()))
    # Files are done in their order: the last of them was confirmed last.
    facts.append(("confirmed", _confirmed(alike[-1], evidence.version)))
    facts += _way_back(target)
    title = f"File {target.file}" if len(alike) == 1 else f"{len(alike)} files alike"
    yield Section(2, title, facts=tuple(facts))
    if target.way_back is not None:
        undo = tuple(
            command_line((PROGRAM, "undo", file_word(each.output or each.file), "--evidence", file), shell)
            for each in alike
        )
        yield Section(3, "Way back", commands=undo)
    images = _alike(
        target.images,
        lambda image: (replace(image, index=None, name=""), _difference(evidence, target, image)),
    )
    for group in images:
        yield from _images(group, _difference(evidence, target, group[0]))


def _confirmed(target: TargetEvidence, version: int) -> str:
    if version == 1:
        return _NOT_RECORDED
    if target.confirmed is None or not target.confirmed.readers:
        return "no"
    return f"by {' and '.join(target.confirmed.readers)}, {_time(target.confirmed.at)}"


def _way_back(target: TargetEvidence) -> Iterator[tuple[str, str]]:
    back = target.way_back
    if back is None:
        yield "way back", f"none: {target.no_way_back or 'no reason is given'}"
        return
    yield "way back", _state(FileState(back.size, back.sha256))
    if back.is_original:
        yield "which is", "the file as it was before, bit for bit"
    else:
        yield "which is", "the file as it was before, without leftover bytes after its end"


def _images(alike: list[ImageEvidence], difference: Difference | None) -> Iterator[Section]:
    image = alike[0]
    facts = [("architecture", image.architecture), ("build", image.build)] if image.index is not None else []
    if len(alike) > 1:
        title = f"Images {numbers(each.index for each in alike if each.index is not None)} alike"
        facts += [(f"image {each.index}", each.name) for each in alike]
    else:
        # A folder or hive has no index, and mostly none of the three.
        title = image.name or "Contents" if image.index is None else f"Image {image.index}: {image.name}"
    if image.manifest_before is not None and image.manifest_after is not None:
        for name, manifest in (("before", image.manifest_before), ("after", image.manifest_after)):
            entries = "1 entry" if manifest.entries == 1 else f"{manifest.entries} entries"
            facts.append((f"manifest {name}", f"{entries}, SHA-256 {manifest.sha256}"))
        facts.append(("changed entries", _changed(image.changed_entries)))
        for change in image.changed_entries:
            facts += _entry(change)
    yield Section(3, title, facts=tuple(facts))
    if image.hive is not None:
        states = (("before", _state(image.hive.before)), ("after", _state(image.hive.after)))
        yield Section(4, f"Hive {image.hive.path}", facts=(*states, *_hive(difference)))


def _changed(entries: tuple[EntryChange, ...]) -> str:
    if not entries:
        return "none"
    if len(entries) == 1:
        return f"exactly one: {entries[0].path}"
    return f"{len(entries)}: {', '.join(entry.path for entry in entries)}"


def _entry(change: EntryChange) -> Iterator[tuple[str, str]]:
    """What differs in the line of an entry, field by field where both lines have as many."""
    if change.before is None or change.after is None:
        yield ("only after", change.after or "") if change.before is None else ("only before", change.before)
        return
    before, after = change.before.split("\t"), change.after.split("\t")
    if len(before) != len(after):
        yield "line before", change.before
        yield "line after", change.after
        return
    for one, other in zip(before, after, strict=True):
        if one != other:
            yield "differs", f"{one} -> {other}"


def _hive(difference: Difference | None) -> Iterator[tuple[str, str]]:
    if difference is None:
        yield "difference", "no key and no value"
        return
    yield from (("key added", key) for key in difference.keys_added)
    yield from (("key removed", key) for key in difference.keys_removed)
    for change in difference.values:
        yield _value_verb(change), f"{change.key}, value {change.name or '(default)'}"
        for when, state in (("before", change.before), ("after", change.after)):
            if state is not None:
                yield f"  {when}", _value(state)


def _value_verb(change: ValueChange) -> str:
    if change.before is None:
        return "value added"
    return "value removed" if change.after is None else "value changed"


def _state(state: FileState) -> str:
    return f"{_bytes(state.size)}, SHA-256 {state.sha256}"


def _value(state: ValueState) -> str:
    return f"type {state.type}, {_bytes(state.size)}, SHA-256 {state.sha256}"


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
