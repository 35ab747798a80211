"""What programs say, in every encoding, in any pieces, and without end."""

from __future__ import annotations

import random
import re
import time
import tracemalloc
from collections.abc import Iterable, Sequence

import pytest

from winpe_certs.program_output import LONGEST_LINE, MOST_TEXT, Lines, decoded, last_lines


def cut(pieces: Iterable[bytes]) -> list[str]:
    """The lines of what arrives in these pieces."""
    seen: list[str] = []
    lines = Lines(seen.append)
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    return seen


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"a\r\nb\n"], ["a", "b"]),
        ([b"a\r", b"\nb\n"], ["a", "b"]),
        ([b"a\r", b"\r", b"\nb\n"], ["a", "b"]),
        ([b"a\r\r\nb\r\n\r\n"], ["a", "b", ""]),
        ([b"a\rb\rc"], ["a", "b", "c"]),
        ([b"a", b"b", b"\n", b"\n"], ["ab", ""]),
        ([b"a\n", b"\n", b"b"], ["a", "", "b"]),
        ([b""], []),
    ],
)
def test_lines_are_cut_the_same_however_they_arrive(pieces: Sequence[bytes], expected: list[str]) -> None:
    seen: list[str] = []
    lines = Lines(seen.append)
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    assert seen == expected
    assert lines.text == "".join(f"{line}\n" for line in expected)


@pytest.mark.parametrize(
    ("line", "text"),
    [("错误: 5".encode(), "错误: 5"), (b"Datentr\x84ger", "Datenträger"), (b"plain", "plain")],
)
def test_text_is_utf_8_or_what_a_console_shows(line: bytes, text: str) -> None:
    assert decoded(line) == text


WORDS = (
    "Fehler beim Öffnen: ä ö ü 日本",
    "上海",
    "",
    "The operation completed successfully.",
    "[=====     3.0%      ]",
    "错误: 0xc1420117",
    "中上",
    "x" * 200,
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_either_encoding_is_read_however_it_arrives(encoding: str) -> None:
    chance = random.Random(14)
    for _ in range(1_000):
        words = ["Version", *chance.choices(WORDS, k=chance.randrange(1, 8))]
        text = "".join(word + chance.choice(["\r\n", "\n", "\r"]) for word in words)
        data = text.encode(encoding)
        marks = sorted(chance.choices(range(len(data) + 1), k=chance.randrange(6)))
        pieces = [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]
        assert cut(pieces) == re.split(r"\r*\n|\r+", text)[:-1], pieces


def test_one_stream_may_have_lines_of_each_encoding() -> None:
    ours = "Fehler beim Öffnen: 日本\r\n".encode("utf-16-le")
    bare = "Fehler\n".encode("utf-16-le")
    oem = b"Sie haben keine Berechtigung f\x81r das \x84ndern\r\n"
    assert cut([b"Version: 10.0\r\n\r\n", ours, bare, b"Error: 0xc1420117\r\n", oem]) == [
        "Version: 10.0",
        "",
        "Fehler beim Öffnen: 日本",
        "Fehler",
        "Error: 0xc1420117",
        "Sie haben keine Berechtigung für das ändern",
    ]


@pytest.mark.parametrize("data", [b"\xff\xfeh\0i\0\r\0\n\0", b"\xff\xfeh\0i\0", b"h\0i\0"])
def test_a_byte_order_mark_and_a_missing_end_change_nothing(data: bytes) -> None:
    assert cut([data]) == ["hi"]


@pytest.mark.parametrize(
    ("piece", "size"),
    [(b"x", 8), (b"x\0", 8), (bytes(2), 8), (b"\n", 0.25), (b"\r\n", 0.25), (b"a \n\0", 0.25)],
    ids=["x", "UTF-16", "zeros", "line feeds", "line ends", "odd"],
)
def test_output_without_end_takes_bounded_memory_and_time_in_its_length(piece: bytes, size: float) -> None:
    few, _ = spent(piece, size)
    many, text = spent(piece, 4 * size)
    assert many < 4 * 3 * few + 1
    assert text <= 2 * MOST_TEXT + LONGEST_LINE


def spent(piece: bytes, megabytes: float) -> tuple[float, int]:
    """Seconds of CPU time for so much of an output, and how many letters of it are kept."""
    data = piece * ((1 << 16) // len(piece))
    lines = Lines(None)
    started = time.process_time()
    for _ in range(int(megabytes * 16)):
        lines.feed(data)
    lines.end()
    kept = len(lines.text)
    assert len(lines.last) < 10_000
    return time.process_time() - started, kept


@pytest.mark.parametrize("piece", [b"x", b"x\0", b"x" * 9_999 + b"\n"], ids=["x", "UTF-16", "lines"])
def test_the_memory_for_an_output_has_a_bound(piece: bytes) -> None:
    data = piece * ((1 << 16) // len(piece))
    tracemalloc.start()
    try:
        lines = Lines(None)
        for _ in range(16 * 48):
            lines.feed(data)
        lines.end()
        assert tracemalloc.get_traced_memory()[1] < 5 * MOST_TEXT
    finally:
        tracemalloc.stop()


def test_of_very_many_lines_the_first_and_the_last_are_kept() -> None:
    lines = Lines(None)
    lines.feed(b"first\n")
    for number in range(400):
        lines.feed(b"%06d %s\n" % (number, b"y" * 100_000))
    lines.end()
    kept = lines.text.split("\n")
    assert kept[0] == "first"
    assert kept[-2].startswith("000399 ")
    assert "[... left out ...]" in kept
    assert len(lines.text) < 2 * MOST_TEXT + 200_000


def test_a_very_long_line_is_followed_by_the_next() -> None:
    long, end = cut([b"\xc3\xa4" * LONGEST_LINE, b"\nError: 5\n"])
    assert long == "ä" * (LONGEST_LINE // 2) + " [... left out ...]"
    assert end == "Error: 5"
    assert last_lines(f"{long[:1_000]}\n\n  {end}  \n") == ["ä" * 500 + "...", "Error: 5"]
