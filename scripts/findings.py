"""Make docs/findings.md out of the registry of codes.

``python -m scripts.findings`` rewrites the page; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from winpe_certs.engines.dism_codes import MEANINGS, as_printed
from winpe_certs.finding_codes import winhttp
from winpe_certs.finding_codes.entry import Entry
from winpe_certs.finding_codes.exit_codes import EXIT_MEANINGS
from winpe_certs.finding_codes.registry import GROUPS

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "findings.md"
_HEAD: Final = """\
# Codes of findings and errors

This page is made from the program (`python -m scripts.findings`). `winpe-certs explain CODE` prints the same,
with the cause.

Every finding has a code and a severity. An error refuses `inject` or answers no; a warning and an info do
neither. `--allow CODE` lets a certificate in although it has that finding; `--skip CODE` leaves such
certificates out and puts the others in. The report says "allowed" of what was allowed. Codes keep their
meaning.
"""
_KINDS: Final = """
`error.kind` in JSON documents. In an audit they are codes of findings about an image that cannot be read.
"""
_DISM: Final = """
What DISM ends with, in any language of Windows. Cause and remedy are from the source named. Negative and
unsigned decimals are explained too: `winpe-certs explain 3242328359`, `winpe-certs explain -- -1052638937`.
"""
_LOG: Final = """
smsts.log shows them as flags (`WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CA is set`, `*lpvStatusInformation is
0x8`) and errors (`0x80072f8f`). `winpe-certs explain 0x28` takes a sum of flags apart.
"""
_COLUMNS: Final = ("code", "severity", "options", "meaning", "what helps")


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    for name, entries in GROUPS.items():
        yield f"\n## {name}"
        if entries[0].exit_code is not None:
            yield _KINDS
            yield from _table(("kind", "exit code", "meaning", "what helps"), map(_kind, entries))
        else:
            yield ""
            yield from _table(
                ("code", "severity", "options", "meaning", "what helps"), map(_finding, entries)
            )
    yield "\n## Exit codes\n"
    yield from _table(
        ("code", "meaning", "why"),
        ((str(int(code)), said.meaning, said.cause) for code, said in EXIT_MEANINGS.items()),
    )
    yield f"\n## WinHTTP's names\n{_LOG}"
    yield from _table(("name", "number", "meaning", "what helps"), _winhttp())
    yield f"\n## Numbers of DISM\n{_DISM}"
    yield from _table(("number", "meaning", "cause", "what helps", "source"), _dism())


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _finding(entry: Entry) -> tuple[str, ...]:
    options = [name for name, takes in (("`--allow`", entry.allow), ("`--skip`", entry.skip)) if takes]
    return (f"`{entry.code}`", ", ".join(entry.severities), " ".join(options), entry.meaning, entry.remedy)


def _kind(entry: Entry) -> tuple[str, ...]:
    return f"`{entry.code}`", str(entry.exit_code), entry.meaning, entry.remedy


def _winhttp() -> Iterator[tuple[str, ...]]:
    numbers = {name: f"flag 0x{bit:X}" for bit, name in winhttp.FLAGS.items()}
    numbers |= {
        name: f"{number}, 0x{winhttp.HRESULT | number:08X}" for number, name in winhttp.ERRORS.items()
    }
    for name, said in winhttp.NAMES.items():
        yield f"`{name}`", numbers[name], said.meaning, said.remedy


def _dism() -> Iterator[tuple[str, ...]]:
    shown: dict[int, list[str]] = {}
    for number, meaning in MEANINGS.items():
        shown.setdefault(id(meaning), []).append(as_printed(number))
    for meaning in {id(each): each for each in MEANINGS.values()}.values():
        remedy = f"{meaning.remedy} (`DISM {' '.join(meaning.then)}`)" if meaning.then else meaning.remedy
        yield ", ".join(shown[id(meaning)]), meaning.name, meaning.cause, remedy, meaning.source


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
