"""The words that a program gets when a command line is pasted, as the shells document it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping


def pasted(line: str) -> list[str]:
    """The words of a line as the shell of this system hands them to a program."""
    return arguments_in(after_cmd(line, os.environ)) if os.name == "nt" else shlex.split(line)


def after_cmd(line: str, variables: Mapping[str, str]) -> str:
    """What cmd.exe at its prompt hands to a program: variables replaced first, then carets and quotes.

    Raises `ValueError` when a character outside quotes would have ended the command or redirected it.
    """
    replaced = re.sub(r"%([^%]+)%", lambda match: variables.get(match[1], match[0]), line)
    out, quoted, at = "", False, 0
    while at < len(replaced):
        character = replaced[at]
        if character == "^" and not quoted:
            at += 1
            out += replaced[at : at + 1]
        else:
            if character == '"':
                quoted = not quoted
            elif character in "&|<>()" and not quoted:
                raise ValueError(f"{character!r} at {at} of {replaced!r}")
            out += character
        at += 1
    return out


def arguments_in(line: str) -> list[str]:
    """The words of a line, by the rules of CommandLineToArgvW for all words but the first."""
    words: list[str] = []
    at = 0
    while at < len(line):
        while line[at : at + 1] in {" ", "\t"}:
            at += 1
        if at >= len(line):
            break
        word, quoted = "", False
        while at < len(line) and (quoted or line[at] not in " \t"):
            slashes = len(line) - at - len(line[at:].lstrip("\\"))
            if line[at + slashes : at + slashes + 1] != '"':
                # Backslashes mean themselves; so does the character after them, if there is one.
                word += line[at : at + max(slashes, 1)]
                at += max(slashes, 1)
                continue
            word += "\\" * (slashes // 2)
            at += slashes + 1
            if slashes % 2:
                word += '"'
            elif quoted and line[at : at + 1] == '"':
                word += '"'
                at += 1
            else:
                quoted = not quoted
        words.append(word)
    return words
