"""The page of an evidence file that goes into a change record, as text or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from winpe_certs.command_lines import Shell
from winpe_certs.evidence.document import Evidence
from winpe_certs.report.evidence_sections import Section, sections
from winpe_certs.report.markdown import code_block, escaped, table
from winpe_certs.shown import printable


def page(evidence: Evidence, file: str, shell: Shell, *, markdown: bool) -> str:
    """The page: in words what was done, then the run, certificates, each file, the way back, how to check.

    `file` is the evidence file as its reader names it, `shell` what the command lines are pasted into. No
    line is wrapped: a hash stays whole at any width.
    """
    found = sections(evidence, file, shell)
    lines = _as_markdown(found) if markdown else _as_text(found)
    return "\n".join(lines).strip("\n") + "\n"


def _as_text(found: Iterator[Section]) -> Iterator[str]:
    for section in found:
        indent = "  " * (section.level - 1)
        if section.level <= 2:
            yield ""
        yield indent + printable(section.title)
        for sentence in section.words:
            yield f"{indent}  {printable(sentence)}"
        if section.words and section.facts:
            yield ""
        width = max((len(name) for name, _ in section.facts), default=0)
        for name, value in section.facts:
            yield f"{indent}  {name:{width}}  {printable(value)}".rstrip()
        for command in section.commands:
            yield f"{indent}  {command}"
        for note in section.notes:
            yield f"{indent}  - {printable(note)}"


def _as_markdown(found: Iterator[Section]) -> Iterator[str]:
    for section in found:
        yield ""
        yield f"{'#' * section.level} {escaped(section.title)}"
        if section.words:
            yield ""
            yield from map(escaped, section.words)
        if section.facts:
            yield ""
            yield from table(("what", "value"), section.facts)
        if section.commands:
            yield ""
            yield from code_block(section.commands)
        if section.notes:
            yield ""
            yield from (f"- {escaped(note)}" for note in section.notes)
