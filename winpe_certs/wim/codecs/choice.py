"""Which codecs a run works with. The edge of the program chooses once and hands them on."""

from __future__ import annotations

from enum import Enum

from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.shown import shown_text
from winpe_certs.wim import libwim
from winpe_certs.wim.codecs.interface import PYTHON, Codecs


class Codec(Enum):
    """What a person may ask for."""

    AUTO = "auto"
    PYTHON = "python"
    LIBWIM = "libwim"


def choose(wanted: Codec | str = Codec.AUTO) -> Codecs:
    """The codecs that are wanted; `auto` takes libwim where it is installed, Python's own elsewhere.

    Raises `EnvironmentFailure` when libwim is wanted and missing or unfit. A file that the environment names
    as libwim is wanted, too: a wrong name must not end in silence and a slow run.
    """
    try:
        codec = Codec(wanted)
    except ValueError as error:
        names = ", ".join(codec.value for codec in Codec)
        raise UsageError(
            f"there is no codec {shown_text(str(wanted))}",
            details=f"There are {names}.",
            resolution="Choose one of these.",
        ) from error
    if codec is Codec.PYTHON:
        return PYTHON
    try:
        return libwim.load()
    except EnvironmentFailure:
        if codec is Codec.LIBWIM or libwim.is_named():
            raise
        return PYTHON
