"""Command lines in reports: each on its own line, whole however narrow the terminal is, ready to paste."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from winpe_certs.command_lines import Shell, command_line


class Terminal(Console):
    """A console that knows what its reader pastes command lines into."""

    def __init__(self, shell: Shell, **settings: Any) -> None:
        super().__init__(**settings)
        self.shell = shell


class WholeLine:
    """A line left whole at any width: a hash that is wrapped can be neither searched for nor copied."""

    def __init__(self, text: str, style: str, indent: int) -> None:
        self._text = text
        self._style = style
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Write the line in its style."""
        yield Segment(" " * self._indent)
        yield Segment(self._text, console.get_style(self._style) if self._style else None)
        yield Segment.line()


class CommandLine:
    """A command on a line of its own. The terminal breaks it where it must; what is copied stays one line."""

    def __init__(self, words: Sequence[str], indent: int) -> None:
        self._words = words
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Write the line, quoted for the shell of the terminal."""
        shell = console.shell if isinstance(console, Terminal) else Shell.POSIX
        yield Segment(" " * self._indent + command_line(self._words, shell))
        yield Segment.line()


def command_lines(commands: Iterable[Sequence[str]], indent: int) -> list[CommandLine]:
    """Put commands on lines of their own; an empty one is none."""
    return [CommandLine(words, indent) for words in commands if words]
