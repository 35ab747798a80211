"""The standard streams of a program that was started without them: by a service, pythonw, or ``2>&-``.

A descriptor from 0 to 2 that is closed would be given to the next file that is opened. What is then printed
would land in that file, which may be the image.
"""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

_STANDARD: Final = (0, 1, 2)


def open_missing_descriptors() -> None:
    """Open the null device on every standard descriptor that is closed, before any other file is opened."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given: those below this one are open by now.
            opened = os.open(os.devnull, os.O_RDWR)
            # Programs that this one starts must have it too.
            os.set_inheritable(opened, True)


def replace_missing_streams() -> None:
    """Let talk on a standard error that is not there go nowhere, and on Windows the report too.

    There a program without a window has no streams at all, and nobody has closed them on purpose.
    """
    if sys.stderr is None:
        sys.stderr = nowhere()
    if sys.stdout is None and sys.platform == "win32":
        sys.stdout = nowhere()


def nowhere() -> TextIO:
    """A stream on the null device, for as long as the process lives."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - the name of a device
