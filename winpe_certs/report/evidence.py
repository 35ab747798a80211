"""The page of an evidence file that goes into a change record, as text or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from winpe_certs.command_lines import PROGRAM, Shell, command_line, file_word
from winpe_certs.evidence.document import (
    CertificateEvidence,
    EntryChange,
    Evidence,
    FileState,
    HiveChange,
    ImageEvidence,
    TargetEvidence,
    ValueChange,
    ValueState,
)
from winpe_certs.report.markdown import code_block, escaped, table
from winpe_certs.shown import printable

_LIMITS: Final = (
    "The digest in the evidence file finds accidents: a changed byte, a file that was cut off.",
    "It is no signature: whoever may write the file can work it out anew.",
    "Sign the file with your own means if it must withstand people.",
    "What it says of a file holds for the moment of the run; `verify --evidence` says what holds today.",
)


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading of a level, facts by name, command lines, and what else is to say."""

    level: int
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def page(evidence: Evidence, file: str, shell: Shell, *, markdown: bool) -> str:
    """The page: what ran, the certificates, what changed in each file, the way back, how to check again.

    `file` is the evidence file as its reader names it, `shell` what the command lines are pasted into.
    """
    sections = _sections(evidence, file_word(file), shell)
    lines = _as_markdown(sections) if markdown else _as_text(sections)
    return "\n".join(lines).strip("\n") + "\n"


def _as_text(sections: Iterator[_Section]) -> Iterator[str]:
    for section in sections:
        indent = "  " * (section.level - 1)
        if section.level <= 2:
            yield ""
        yield indent + printable(section.title)
        width = max((len(name) for name, _ in section.facts), default=0)
        for name, value in section.facts:
            yield f"{indent}  {name:{width}}  {printable(value)}".rstrip()
        for command in section.commands:
            yield f"{indent}  {command}"
        for note in section.notes:
            yield f"{indent}  - {printable(note)}"


def _as_markdown(sections: Iterator[_Section]) -> Iterator[str]:
    for section in sections:
        yield ""
        yield f"{'#' * section.level} {escaped(section.title)}"
        if section.facts:
            yield ""
            yield from table(("what", "value"), section.facts)
        if section.commands:
            yield ""
            yield from code_block(section.commands)
        if section.notes:
            yield ""
            yield from (f"- {escaped(note)}" for note in section.notes)


def _sections(evidence: Evidence, file: str, shell: Shell) -> Iterator[_Section]:
    yield _Section(1, "Evidence of a change in boot images", tuple(_run(evidence)))
    if evidence.plan.commands:
        programs = tuple(command_line(command, shell) for command in evidence.plan.commands)
        yield _Section(2, "Programs that the plan starts", commands=programs)
    for certificate in evidence.certificates:
        yield _Section(2, f"Certificate: {certificate.status}", tuple(_certificate(certificate)))
    for target in evidence.targets:
        yield from _target(target, file, shell)
    if not evidence.targets:
        yield _Section(2, "Files", notes=("No file was changed.",))
    again = tuple(
        command_line((PROGRAM, "verify", "--evidence", file, file_word(target.output or target.file)), shell)
        for target in evidence.targets
    )
    if again:
        yield _Section(2, "To verify again", commands=tuple(dict.fromkeys(again)))
    yield _Section(2, "Limits", notes=_LIMITS)


def _run(evidence: Evidence) -> Iterator[tuple[str, str]]:
    run, tool = evidence.run, evidence.tool
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(tool.libraries.items()))
    yield "change", run.change_id or "(none given)"
    yield "command", run.command
    yield "result", "done" if run.error is None else f"ended by an error: {run.error}"
    yield "started", _time(run.started)
    yield "finished", _time(run.finished)
    yield "by", f"{run.user or '(left out)'} on {run.host or '(left out)'}"
    yield "tool", f"winpe-certs {tool.version}, Python {tool.python}"
    if libraries:
        yield "libraries", libraries
    yield "plan SHA-256", evidence.plan.sha256


def _certificate(certificate: CertificateEvidence) -> Iterator[tuple[str, str]]:
    yield "subject", certificate.subject or "(not known)"
    yield "SHA-1", certificate.sha1
    yield "SHA-256", certificate.sha256 or "(not known)"
    if certificate.not_before is not None and certificate.not_after is not None:
        yield "valid", f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
    yield "store", certificate.store
    yield "status", certificate.status
    yield "in", _place(certificate.file, certificate.index)


def _target(target: TargetEvidence, file: str, shell: Shell) -> Iterator[_Section]:
    facts: list[tuple[str, str]] = [("kind", target.kind)]
    if target.output is not None:
        facts.append(("written to", target.output))
    facts += [
        ("before", _state(target.before)),
        ("after", _state(target.after)),
        ("engine", f"{target.engine}: {target.engine_reason}"),
    ]
    if target.engine_program is not None:
        facts.append(("program", f"{target.engine_program} {target.engine_version or ''}".rstrip()))
    facts += _way_back(target)
    yield _Section(2, f"File {target.file}", tuple(facts))
    if target.way_back is not None:
        undo = (PROGRAM, "undo", file_word(target.output or target.file), "--evidence", file)
        yield _Section(3, "Way back", commands=(command_line(undo, shell),))
    for image in target.images:
        yield from _image(image)


def _way_back(target: TargetEvidence) -> Iterator[tuple[str, str]]:
    back = target.way_back
    if back is None:
        yield "way back", f"none: {target.no_way_back or 'no reason is given'}"
        return
    yield "way back", _state(FileState(back.size, back.sha256))
    if back.is_original:
        yield "which is", "the file as it was before, bit for bit"
    else:
        yield "which is", "the file as it was before, without leftover bytes behind its end"


def _image(image: ImageEvidence) -> Iterator[_Section]:
    # A folder or hive has no index, and mostly none of the three.
    title = image.name or "Contents" if image.index is None else f"Image {image.index}: {image.name}"
    facts = [("architecture", image.architecture), ("build", image.build)] if image.index is not None else []
    if image.manifest_before is not None and image.manifest_after is not None:
        for name, manifest in (("before", image.manifest_before), ("after", image.manifest_after)):
            entries = "1 entry" if manifest.entries == 1 else f"{manifest.entries} entries"
            facts.append((f"manifest {name}", f"{entries}, SHA-256 {manifest.sha256}"))
        facts.append(("changed entries", _changed(image.changed_entries)))
        for change in image.changed_entries:
            facts += _entry(change)
    yield _Section(3, title, tuple(facts))
    if image.hive is not None:
        yield _hive(image.hive)


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


def _hive(hive: HiveChange) -> _Section:
    facts = [("before", _state(hive.before)), ("after", _state(hive.after))]
    facts += [("key added", key) for key in hive.keys_added]
    facts += [("key removed", key) for key in hive.keys_removed]
    for change in hive.values:
        facts.append((_value_verb(change), f"{change.key}, value {change.name or '(default)'}"))
        facts += [
            (f"  {when}", _value(state))
            for when, state in (("before", change.before), ("after", change.after))
            if state is not None
        ]
    if not hive.keys_added and not hive.keys_removed and not hive.values:
        facts.append(("difference", "no key and no value"))
    return _Section(4, f"Hive {hive.path}", tuple(facts))


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


def _place(file: str, index: int | None) -> str:
    return file if index is None else f"{file}, image {index}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
