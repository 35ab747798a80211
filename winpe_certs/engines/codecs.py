"""Which codecs WIM files are opened with: chosen once for the process, at the edge of the program.

The `wim` package itself takes what it is given, and Python's own when it is given nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from winpe_certs.wim.codecs.choice import Codec, choose
from winpe_certs.wim.codecs.interface import Codecs


@dataclass(slots=True)
class _Choice:
    """What was asked for, and what that came to when it was first needed."""

    wanted: Codec | str = Codec.AUTO
    found: Codecs | None = None


_CHOICE = _Choice()


def use(wanted: Codec | str) -> None:
    """From now on open files with these codecs. Nothing is loaded before a file is opened."""
    _CHOICE.wanted, _CHOICE.found = wanted, None


def codecs() -> Codecs:
    """The codecs to open files with; raises as `choose` does."""
    if _CHOICE.found is None:
        _CHOICE.found = choose(_CHOICE.wanted)
    return _CHOICE.found
