"""What ``explain`` says, for people and as the JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from winpe_certs.finding_codes.explanation import Explanation, Topic
from winpe_certs.report.json import SCHEMA
from winpe_certs.report.terminal import command_lines

_FIRST_HRESULT: Final = 0x8000_0000
_HEADINGS: Final = {
    Topic.FINDING: "Findings",
    Topic.ERROR: "Kinds of errors",
    Topic.EXIT_CODE: "Exit codes of winpe-certs",
    Topic.WINHTTP: "WinHTTP, in smsts.log",
    Topic.DISM: "Numbers of DISM",
}


def render(found: Sequence[Explanation]) -> RenderableType:
    """Say everything of each, with a line between them."""
    parts: list[RenderableType] = []
    for number, each in enumerate(found):
        parts += [Text(""), *_parts(each)] if number else _parts(each)
    return Group(*parts)


def render_list(found: Sequence[Explanation]) -> RenderableType:
    """One line for each, under headings."""
    parts: list[RenderableType] = []
    for topic, heading in _HEADINGS.items():
        parts += [Text(""), Text(heading, style="bold")] if parts else [Text(heading, style="bold")]
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for each in found:
            if each.topic is topic:
                table.add_row(each.name, each.meaning)
        parts.append(Padding(table, (0, 0, 0, 2)))
    return Group(*parts)


def render_json(found: Sequence[Explanation]) -> str:
    """The document: what every command's document has, and `explanations`."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": "explain",
        "ok": True,
        "dry_run": False,
        "changed": False,
        "images": [],
        "explanations": [_document(each) for each in found],
        "warnings": [],
        "advice": [],
    }
    return json.dumps(document, indent=2, ensure_ascii=True)


def _document(each: Explanation) -> dict[str, Any]:
    return {
        "topic": each.topic,
        "name": each.name,
        "number": each.number,
        "meaning": each.meaning,
        "cause": each.cause,
        "remedy": each.remedy,
        "severities": list(each.severities),
        "allow": each.allow,
        "skip": each.skip,
        "related": list(each.related),
        "source": each.source or None,
        "command": list(each.command) or None,
    }


def _parts(each: Explanation) -> Iterator[RenderableType]:
    yield Text.assemble((each.name, "bold"), f" ({_kind(each)})")
    yield _below(each.meaning[:1].upper() + each.meaning[1:].removesuffix(".") + ".")
    yield _below(f"cause: {each.cause}")
    yield _below(f"remedy: {each.remedy}")
    yield from command_lines([each.command], 4)
    if each.allow is not None:
        yield _below(_options(each))
    if each.related:
        yield _below(f"see also: {', '.join(each.related)}")
    if each.source:
        yield _below(f"source: {each.source}")


def _kind(each: Explanation) -> str:
    if each.topic is Topic.FINDING:
        return f"finding: {', '.join(each.severities)}"
    if each.topic is not Topic.WINHTTP or each.number is None:
        return str(each.topic)
    if each.number < _FIRST_HRESULT and each.number > 0xFF:
        return f"error of WinHTTP, {each.number} or 0x{0x8007_0000 | each.number:08X}"
    return f"flag of WinHTTP, 0x{each.number:X}"


def _options(each: Explanation) -> str:
    allow = f"--allow {each.name} lets it through" if each.allow else "It cannot be allowed"
    skip = f"--skip {each.name} leaves such certificates out" if each.skip else "it cannot be skipped"
    return f"{allow}; {skip}."


def _below(text: str) -> RenderableType:
    return Padding(Text(text), (0, 0, 0, 2))
