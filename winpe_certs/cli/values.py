"""What option values become, where their words can be wrong: numbers, and one of several words."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

from winpe_certs.errors import UsageError

_Word = TypeVar("_Word", bound=StrEnum)
_LONGEST_SHOWN: Final = 100


def shown(text: str) -> str:
    """What somebody has typed, cut off where it is too long for a message."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def whole_number(option: str, least: int, most: int) -> Callable[[str | int], int]:
    """The reader of an option's value as a whole number in these bounds; it raises `UsageError`."""

    def read(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if least <= value <= most:
            return value
        raise _wrong(option, str(text), f"a whole number from {least} to {most}")

    return read


def seconds(option: str, least: float, most: float) -> Callable[[str | float], float]:
    """The reader of an option's value as a time in seconds in these bounds; it raises `UsageError`."""

    def read(text: str | float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # "nan" is a number for Python, and in no bounds.
        if least <= value <= most:
            return value
        raise _wrong(option, str(text), f"a number of seconds from {least:g} to {most:g}")

    return read


def one_of(option: str, words: type[_Word]) -> Callable[[str], _Word]:
    """The reader of an option's value as one of these words; it raises `UsageError`."""

    def read(text: str) -> _Word:
        try:
            return words(text)
        except ValueError:
            raise _wrong(option, text, f"one of {', '.join(words)}") from None

    return read


def _wrong(option: str, text: str, wanted: str) -> UsageError:
    return UsageError(f"{option} {shown(text)}: this is not {wanted}", resolution=f"Give {wanted}.")
