"""Text from files made safe for Markdown: it stays text, wherever it stands, in CommonMark and on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from winpe_certs.shown import printable

# CommonMark 0.31, 2.4: any ASCII punctuation may be escaped. These could begin emphasis, code, links, tags,
# entities, cells, mathematics and mentions anywhere; lists, quotes and rules only first in a line.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|&~$^@!]|^[-+=]|:(?=//))")
_NUMBERED: Final = re.compile(r"^(\d+)([.)])")
# GitHub links names that begin so, escapes or not: only an entity inside stops it.
_BACKTICKS: Final = re.compile("`+")
_BARE_LINK: Final = re.compile(r"(?i)\bwww\.")


def escaped(text: str) -> str:
    """`text` as Markdown that shows exactly it, on one line."""
    safe = _MARKUP.sub(r"\\\1", printable(text))
    safe = _NUMBERED.sub(r"\1\\\2", safe)
    return _BARE_LINK.sub(lambda match: match[0][:-1] + "&#46;", safe)


def code_block(lines: Iterable[str]) -> list[str]:
    """The lines of a block that is shown as it is (CommonMark 0.31, 4.5)."""
    text = list(lines)
    longest = max((len(run) for line in text for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *text, fence]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of plain texts."""
    lines = [columns, ["---"] * len(columns)]
    lines += [[escaped(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(line)} |" for line in lines]
