"""winpe-certs.exe: distlib's launcher, the command that it runs, and a zip with a few lines of Python.

The launcher reads its own file from the end: a zip, before it a line that begins with ``#!``. It starts the
program that the line names, with its own path as first argument, and Python runs the zip in that file
(distlib's manual, "Using the scripts API"). ``<launcher_dir>`` is the folder in which the launcher is.
"""

from __future__ import annotations

from typing import Final

from scripts.windows.archive import zipped

COMMAND: Final = rb"#!<launcher_dir>\python\python.exe"
MAIN: Final = b"""\
import sys

from winpe_certs.__main__ import main

sys.exit(main())
"""


def launcher(stub: bytes, date: int) -> bytes:
    """Give the program: all its bytes follow from the launcher of distlib and the date."""
    return stub + COMMAND + b"\n" + zipped({"__main__.py": MAIN}, date)
