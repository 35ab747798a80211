"""Where the password of a PKCS#12 file comes from: a file, the environment, or the person at the terminal.

Never from the command line, which other users and logs can see. No message or name here shows a password,
nor what stands where a path or a variable's name should, for that may be the password by mistake.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.files.opened import open_to_read
from winpe_certs.shown import system_words

LARGEST_FILE: Final = 64 * 1024
UTF8_MARK: Final = b"\xef\xbb\xbf"
OPTIONS: Final = "Use --password-file or --password-env."
FILE_ADVICE: Final = (
    "Put the password on the file's first line, in UTF-8. In PowerShell: Set-Content -Encoding utf8"
)


def password_source(file: Path | None, variable: str | None) -> Callable[[], str]:
    """What gives the password when it is called: the first line of a file, a variable, or a prompt.

    Raises `UsageError` at once when both are given; the source raises it when there is no password.
    """
    if file is not None and variable is not None:
        raise UsageError("--password-file and --password-env exclude each other", resolution=OPTIONS)
    if file is not None:
        return lambda: _from_file(file)
    if variable is not None:
        return lambda: _from_environment(variable)
    return _from_terminal


def _from_file(file: Path) -> str:
    try:
        with open_to_read(file) as opened:
            data = opened.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        raise UsageError("there is no such file as --password-file names", resolution=OPTIONS) from None
    except OSError as error:
        raise EnvironmentFailure(
            f"the password file cannot be read: {system_words(error)}",
            resolution="Check its path and permissions.",
        ) from error
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{file}: too large for a password file", resolution=FILE_ADVICE)
    try:
        text = data.removeprefix(UTF8_MARK).decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        # Without the error above as a cause: it holds what was read.
        raise UsageError(f"{file}: this is not text in UTF-8", resolution=FILE_ADVICE)
    password = text.partition("\n")[0].removesuffix("\r")
    if not password:
        raise UsageError(f"{file}: the first line is empty", resolution=FILE_ADVICE)
    return password


def _from_environment(variable: str) -> str:
    password = os.environ.get(variable)
    if not password:
        raise UsageError(
            "the environment variable that --password-env names is not set, or empty",
            resolution="Give the name of the variable that holds the password, not the password itself.",
        )
    return password


def _from_terminal() -> str:
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError("the file needs a password, and there is no terminal to ask at", resolution=OPTIONS)
    with warnings.catch_warnings():
        # It says that the password would be seen: then rather not.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("Password of the PKCS#12 file: ", stream=sys.stderr)
        except (EOFError, getpass.GetPassWarning) as error:
            raise UsageError("no password could be read from the terminal", resolution=OPTIONS) from error
        except UnicodeError:
            # Without the error as a cause: it holds what was typed.
            raise UsageError(
                "what the terminal sent is no text in its encoding", resolution=OPTIONS
            ) from None


def _is_terminal(stream: object) -> bool:
    """A stream may be missing (None) or closed."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False
