"""A finding: something a person should know about a certificate or an image, with advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters. `ERROR` refuses injection unless it is allowed by its code."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation.

    `code` is stable and lower-case with dashes (``not-a-ca``); `finding_codes` says what each means and
    whether ``--allow`` takes it. `command` is the command line that helps, as its words, empty where none
    does. `allowed`: it was an error until a person allowed it.
    """

    code: str
    severity: Severity
    message: str
    advice: str = ""
    command: tuple[str, ...] = ()
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """One observation about a server's chain, with the name that WinHTTP has for the failure.

    `winhttp` is what smsts.log shows (``INVALID_CA``), empty where there is none; `command` is the command
    line that helps, as its words, empty where none does. Severity `ERROR` means: not trusted. `undocumented`
    marks what no public source says Windows' answer to: it keeps a chain from being called trusted, and does
    not make it not trusted.
    """

    code: str
    severity: Severity
    message: str
    advice: str = ""
    winhttp: str = ""
    command: tuple[str, ...] = ()
    undocumented: bool = False
