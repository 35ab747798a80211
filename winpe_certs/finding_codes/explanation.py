"""What ``explain`` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What kind of thing is explained."""

    FINDING = "finding"
    ERROR = "kind of error"
    EXIT_CODE = "exit code of winpe-certs"
    DISM = "number of DISM"
    WINHTTP = "WinHTTP"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What something means, why it happens and what helps.

    `name` is how it is written where people meet it, `number` that of an exit code, of DISM, or a flag or
    error of WinHTTP. `allow` and `skip` say whether the options take it, None where the question makes no
    sense. `related` are codes that belong to it, `command` is a command line that helps, as its words.
    """

    topic: Topic
    name: str
    meaning: str
    cause: str
    remedy: str
    number: int | None = None
    severities: tuple[str, ...] = ()
    allow: bool | None = None
    skip: bool | None = None
    source: str = ""
    related: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
