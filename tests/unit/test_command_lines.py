"""Printed command lines: pasted into a shell they give the words back, whatever is in a file's name.

The judges are `sh` itself, `shlex`, and for Windows the rules that Microsoft documents, written down here
once more: what cmd.exe does with a line ("cmd", "Command shell overview"), then how a program takes it apart
("Parsing C++ command-line arguments").
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.pasting import after_cmd, arguments_in
from winpe_certs.command_lines import Shell, command_line, file_word, shell_of

NASTY = [
    "plain", "", " ", "a b", "two  blanks", " lead", "trail ", "a'b", 'a"b', "''", '""', "a\"b'c", "$HOME",
    "${x}", "$(id)", "`id`", "a;b", "a&b", "a&&b", "a|b", "a>b", "a<b", "(a)", "a(1).wim", "100%", "%PATH%",
    "%a b%", "50% off & 20% on", "a!b", "!x!", "a^b", "^", "a^%PATH^%", "~", "~root", "*", "?", "[a]",
    "{a,b}", "#x", "a#b", "a=b", "-x", "--cert", "a,b", "C:\\a b\\", "C:\\a\\", "\\", "\\\\",
    'a\\"b', 'a\\\\"b', "a b\\", "a b\\\\", "\\\\server\\share\\my boot.wim", "Zürich", "東京.wim",
    "a\u00a0b", "a\u3000b", "😀.cer", "@x", "+x",
]  # fmt: skip
# Characters that Windows has in no file name, or that are never shown as they are.
UNSHOWN = [
    "a\tb", "a\nb", "\n", "a\n", "a \n", "a\n\n", "\nb", "a\rb", "a\x1bb", "a\x07", "a\u202eb", "a\u200e",
    "a\u2028b", "\x7f", "a\x85b", "a\udc80b", "a\n'\"$%\\ b",
]  # fmt: skip
SH = shutil.which("sh")


def _through_sh(line: str) -> list[bytes]:
    """What `sh` makes of a line: each word as the program sees it."""
    script = line + "\n"
    done = subprocess.run([str(SH), "-c", script], check=True, stdout=subprocess.PIPE, timeout=30)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.posix("shell")
def test_sh_gives_the_words_back() -> None:
    show = "import os,sys; sys.stdout.buffer.write(b''.join(os.fsencode(w)+b'\\0' for w in sys.argv[1:]))"
    words = [*NASTY, *UNSHOWN]
    line = command_line([sys.executable, "-c", show, *words], Shell.POSIX)
    assert _through_sh(line) == [os.fsencode(word) for word in words]


@pytest.mark.parametrize("word", NASTY)
def test_shlex_gives_the_words_back(word: str) -> None:
    assert shlex.split(command_line(["winpe-certs", word, "x"], Shell.POSIX)) == ["winpe-certs", word, "x"]


@pytest.mark.parametrize("word", [*NASTY, *UNSHOWN])
@pytest.mark.parametrize("shell", Shell)
def test_nothing_that_moves_the_cursor_is_printed(word: str, shell: Shell) -> None:
    line = command_line(["winpe-certs", word], shell)
    # A command substitution drops line feeds at the end of a name: only those are printed as they are.
    assert all(character.isprintable() for character in line if character not in "\n\u00a0\u3000")
    assert "\n" not in line.removesuffix("'").rstrip("\n") or word.endswith("\n")


VARIABLES = {"PATH": "C:\\Windows", "a b": "gone", " off & 20": "gone", "HOME": "gone", "x": "gone"}


def _on_windows(words: Sequence[str]) -> list[str]:
    return arguments_in(after_cmd(command_line(words, Shell.WINDOWS), VARIABLES))


@pytest.mark.parametrize("word", NASTY)
def test_cmd_and_windows_give_the_words_back(word: str) -> None:
    assert _on_windows(["winpe-certs", word, "x", word]) == ["winpe-certs", word, "x", word]


def test_words_side_by_side_make_no_variable_on_windows() -> None:
    assert _on_windows(["winpe-certs", "100%", "b", "20%"]) == ["winpe-certs", "100%", "b", "20%"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["reg", "unload", r"HKLM\winpe-offline-1-ab"], r"reg unload HKLM\winpe-offline-1-ab"),
        (["DISM.exe", r"/MountDir:C:\my mount"], r'DISM.exe "/MountDir:C:\my mount"'),
        (["DISM.exe", "/MountDir:C:\\my mount\\"], r'DISM.exe "/MountDir:C:\my mount\\"'),
        (["winpe-certs", r"C:\R&D\boot.wim"], r'winpe-certs "C:\R&D\boot.wim"'),
        (["winpe-certs", "100%.wim"], 'winpe-certs ^"100^%.wim^"'),
        (["winpe-certs", "a\u202eb"], "winpe-certs a?b"),
    ],
)
def test_lines_for_windows(words: list[str], line: str) -> None:
    assert command_line(words, Shell.WINDOWS) == line


@pytest.mark.parametrize(
    "program", ["reg", r"C:\Windows\System32\Dism.exe", "/opt/fake/DISM.exe", "certutil"]
)
def test_a_program_of_windows_is_written_for_windows_everywhere(program: str) -> None:
    assert command_line([program, "a b"], Shell.POSIX) == f'{program} "a b"'


def test_lines_for_sh() -> None:
    assert command_line(["winpe-certs", "a b", ""], Shell.POSIX) == "winpe-certs 'a b' ''"
    assert command_line(["a=b", "c=d"], Shell.POSIX) == "'a=b' c=d"
    assert command_line([], Shell.POSIX) == ""


def test_the_shell_is_that_of_the_platform() -> None:
    assert [shell_of(name) for name in ("win32", "linux", "darwin")] == [
        Shell.WINDOWS, Shell.POSIX, Shell.POSIX
    ]  # fmt: skip


def test_no_file_is_taken_for_an_option() -> None:
    assert [file_word(path) for path in ("-x.wim", "a-b", "/-x")] == ["./-x.wim", "a-b", "/-x"]
