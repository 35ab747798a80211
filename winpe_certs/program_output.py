r"""What a program says, cut into lines as it arrives: in linear time, in bounded memory, in its own encoding.

Text is UTF-8, a code page of the console, or UTF-16 as some programs of Windows write it into a pipe; one
stream may have lines of each. UTF-16 is recognised by its zero bytes, which no other text has.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable
from typing import Final

# Each way begins with a letter of its own, which makes the search fast.
_LINE_END: Final = re.compile(rb"\n|\r\r*\n?")
_LINE_END_UTF_16: Final = re.compile(rb"\n\0|\r\0(?:\r\0)*(?:\n\0)?")
_RETURNS: Final = re.compile(rb"\r*")
_RETURNS_UTF_16: Final = re.compile(rb"(?:\r\0)*")
# A line of plain letters that nothing of UTF-16 is in: so a program speaks that writes it no more.
_PLAIN_LINE: Final = re.compile(rb"[\t\x20-\x7e]{64}|[\t\x20-\x7e]{8,63}\r*\n(?!\0)")
_BYTE_ORDER_MARK: Final = "\ufeff"

LONGEST_LINE: Final = 1 << 22
"""Bytes that are kept of a line, such as the one on which reg.exe writes a value; its end is left out."""
MOST_TEXT: Final = 1 << 23
"""Bytes that are kept of the first lines, and as many of the last."""
_LEFT_OUT: Final = "[... left out ...]"
LAST_LINES: Final = 10
"""Lines of a program's output that messages show."""
# Letters at the end of an output in which these are looked for.
_MOST_JUDGED: Final = 1 << 18
_LONGEST_SHOWN: Final = 500
# A line end of UTF-16 that has half arrived.
_HALF_END: Final = 4
_PROBE: Final = 1 << 12


def decoded(line: bytes) -> str:
    """Text of a program: UTF-8, else what a console of this Windows would show."""
    try:
        if len(line) < LONGEST_LINE:
            return line.decode("utf-8")
        # The last letter may have been cut off with what was too much.
        return codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return line.decode("oem" if sys.platform == "win32" else "cp437", errors="replace")


def shortened(line: str) -> str:
    """A line as a message shows it: one that is very long without its end."""
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}..."


def last_lines(output: str, most: int = LAST_LINES) -> list[str]:
    """The last lines of an output that are not blank, as messages show them: stripped and shortened."""
    lines = (line.strip() for line in output[-_MOST_JUDGED:].split("\n"))
    return [shortened(line) for line in lines if line][-most:]


class Lines:
    """Cuts what arrives into lines; a line that a carriage return redraws is a line of its own."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        # What has arrived of a line that has not ended, and how far that was searched for its end.
        self._rest = bytearray()
        self._searched = 0
        self._is_utf_16 = False
        self._after_return = False
        self._first = bytearray()
        self._last = bytearray()
        self._is_cut = False

    @property
    def text(self) -> str:
        """All lines so far; of very many the first and the last, with a line between them that says so."""
        last = self._last
        is_cut = self._is_cut or len(last) > MOST_TEXT
        if is_cut:
            last = last[last.find(b"\n", max(len(last) - MOST_TEXT, 0)) + 1 :]
        between = f"{_LEFT_OUT}\n".encode() if is_cut else b""
        return (self._first + between + last).decode("utf-8")

    @property
    def last(self) -> str:
        """The last lines that are not blank, each shortened."""
        end = (self._last or self._first)[-_MOST_JUDGED:].decode("utf-8", "replace")
        return "\n".join(last_lines(end))

    def feed(self, data: bytes) -> None:
        """Take bytes in, pass the lines on that they end."""
        self._rest += data
        start = self._after_returns(0)
        if not start and not self._after_return and self._has_plain_lines():
            *ended, rest = _LINE_END.split(bytes(self._rest))
            self._after_return = self._rest.endswith(b"\r")
            self._rest[:] = rest
            self._searched = len(rest)
            for line in ended:
                self._pass_on(line)
            return
        while (end := self._line_end(start)) is not None:
            self._pass_on(self._rest[start : end.start()])
            # A line feed that has not arrived yet belongs to returns at the very end.
            left = len(self._rest) - end.end()
            is_fed = b"\n" in end[0]
            self._after_return = not is_fed and left < (2 if self._is_utf_16 else 1)
            start = self._after_returns(end.end())
        del self._rest[:start]
        self._searched = max(len(self._rest) - _HALF_END, 0)
        self._cut_long_line()

    def end(self) -> None:
        """Pass on a last line that nothing ended."""
        self._notice_utf_16(0, len(self._rest))
        rest = self._rest.strip(b"\r\n\0") if self._after_return else self._rest
        if rest:
            self._pass_on(rest)
        self._rest.clear()

    def _has_plain_lines(self) -> bool:
        """Whether what has arrived can be cut at once: nothing of it is UTF-16, or may be too long."""
        return not self._is_utf_16 and len(self._rest) <= LONGEST_LINE and b"\0" not in self._rest

    def _after_returns(self, start: int) -> int:
        """Where the next line starts: behind what still belongs to returns that have ended the last one."""
        if not self._after_return:
            return start
        returns, feed = (_RETURNS_UTF_16, b"\n\0") if self._is_utf_16 else (_RETURNS, b"\n")
        found = returns.match(self._rest, start)
        start = found.end() if found else start
        following = self._rest[start : start + len(feed)]
        # Half of a unit decides nothing yet.
        self._after_return = len(following) < len(feed)
        return start + len(feed) if following == feed else start

    def _line_end(self, start: int) -> re.Match[bytes] | None:
        """The end of the line at an offset; None when it has not arrived."""
        if self._after_return:
            return None
        if self._is_utf_16 and _PLAIN_LINE.match(self._rest, start):
            self._is_utf_16 = False
            self._searched = min(self._searched, start)
        if not self._is_utf_16:
            end = _LINE_END.search(self._rest, max(start, self._searched))
            self._notice_utf_16(start, end.end() + 1 if end else start + _PROBE)
            if not self._is_utf_16:
                return end
        # Units have two bytes, and a letter may have the byte of a line feed.
        at = start + (max(self._searched - start, 0) & ~1)
        while (end := _LINE_END_UTF_16.search(self._rest, at)) is not None:
            if (end.start() - start) % 2 == 0:
                return end
            at = end.start() + 1
        return None

    def _notice_utf_16(self, start: int, end: int) -> None:
        if b"\0" in self._rest[start:end]:
            self._is_utf_16 = True
            if self._rest[start : start + 1] == b"\0":
                # The other half of the line feed before it.
                del self._rest[start]
            self._searched = min(self._searched, start)

    def _cut_long_line(self) -> None:
        """Leave out what is too much of a line, in whole units."""
        too_many = (len(self._rest) - LONGEST_LINE - _HALF_END) & ~1
        if too_many > 0:
            del self._rest[LONGEST_LINE : LONGEST_LINE + too_many]
            self._searched = LONGEST_LINE

    def _pass_on(self, line: bytes | bytearray) -> None:
        is_long = len(line) > LONGEST_LINE
        data = bytes(line[:LONGEST_LINE])
        text = data.decode("utf-16-le", "replace") if self._is_utf_16 else decoded(data)
        text = text.removeprefix(_BYTE_ORDER_MARK)
        if is_long:
            text += f" {_LEFT_OUT}"
        self._keep(f"{text}\n".encode())
        if self._on_line is not None:
            self._on_line(text)

    def _keep(self, line: bytes) -> None:
        if not self._last and len(self._first) + len(line) <= MOST_TEXT:
            self._first += line
            return
        self._last += line
        if len(self._last) > 2 * MOST_TEXT:
            del self._last[: self._last.find(b"\n", len(self._last) - MOST_TEXT) + 1]
            self._is_cut = True
