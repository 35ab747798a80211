"""One way to write a command line as text that can be pasted, for the whole program.

POSIX: the rules of `sh`, as `shlex.quote` applies them. Windows: a word is quoted by the rules of
CommandLineToArgvW, and then so that cmd.exe passes it on unchanged (Microsoft, "CommandLineToArgvW function"
and "Parsing C++ command-line arguments"; cmd /?). A command line for a Windows program is always written for
Windows: that is where it is typed, wherever it was printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from enum import Enum
from typing import Final

from winpe_certs.shown import moves_the_cursor

PROGRAM: Final = "winpe-certs"


class Shell(Enum):
    """What a command line is pasted into."""

    POSIX = "sh"
    WINDOWS = "cmd"


_WINDOWS_PROGRAMS: Final = frozenset({"attrib", "certutil", "dism", "reg", "rmdir"})
_LAST_NAME: Final = re.compile(r"[^/\\]*\Z")
# Nothing in these means anything to cmd.exe, and no blank ends the word.
_PLAIN_ON_WINDOWS: Final = re.compile(r"[\w./\\:+@~#$*?-]+")
_CMD_SPECIAL: Final = re.compile(r"[()%!^\"<>&|]")
_LETTERS_AND_DIGITS: Final = re.compile(rb"[A-Za-z0-9_./-]")


def shell_of(platform: str) -> Shell:
    """The shell of a platform, as `sys.platform` names it."""
    return Shell.WINDOWS if platform == "win32" else Shell.POSIX


def command_line(words: Sequence[str], shell: Shell) -> str:
    """Write a command as one line for a shell; only a file name that ends in a line feed makes it two.

    A Windows command line has no way to write control and direction characters: there they become ``?``.
    No words are an empty line.
    """
    if not words:
        return ""
    if shell is Shell.WINDOWS or _is_of_windows(words[0]):
        return " ".join(map(_for_windows, words))
    first = f"'{words[0]}'" if "=" in words[0] and shlex.quote(words[0]) == words[0] else _for_sh(words[0])
    return " ".join([first, *map(_for_sh, words[1:])])


def file_word(path: str) -> str:
    """Write a file's path as a word that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def _is_of_windows(program: str) -> bool:
    name = _LAST_NAME.findall(program)[0].lower()
    return name.removesuffix(".exe") in _WINDOWS_PROGRAMS


def _for_sh(word: str) -> str:
    if not any(map(moves_the_cursor, word)):
        return shlex.quote(word)
    # Such a character has no business on a screen; printf makes it again when the line is run. What a
    # command substitution drops, line feeds at the end, can only be written as they are.
    body = word.rstrip("\n")
    ends = word[len(body) :]
    octal = "".join(
        chr(byte) if _LETTERS_AND_DIGITS.match(bytes([byte])) else f"\\{byte:03o}" for byte in _bytes_of(body)
    )
    made = f"\"$(printf '{octal}')\"" if body else ""
    return f"{made}'{ends}'" if ends else made


def _bytes_of(word: str) -> bytes:
    """The bytes that a POSIX system has for a name, also one that is no UTF-8."""
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return word.encode("utf-8", "surrogatepass")


def _for_windows(word: str) -> str:
    word = "".join("?" if moves_the_cursor(character) else character for character in word)
    if _PLAIN_ON_WINDOWS.fullmatch(word):
        return word
    # Backslashes count double before a quotation mark, also before the one at the end.
    inner = re.sub(r"(\\*)(\"|\Z)", lambda match: match[1] * 2 + ('\\"' if match[2] else ""), word)
    quoted = f'"{inner}"'
    if "%" in word or '"' in word:
        # Between quotation marks cmd.exe still expands %NAME%; with a caret before each mark it does not.
        return _CMD_SPECIAL.sub(r"^\g<0>", quoted)
    return quoted
