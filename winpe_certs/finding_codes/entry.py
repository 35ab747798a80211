"""One entry of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from winpe_certs.findings import Severity

INFO: Final = Severity.INFO
WARNING: Final = Severity.WARNING
ERROR: Final = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means.

    `severities` are those that it is raised with, the usual one first. `meaning` is one line; `cause` and
    `remedy` are sentences. `winhttp` is WinHTTP's name of the failure that it leads to, as smsts.log shows
    it. `allow` and `skip`: whether ``--allow`` and ``--skip`` take the code. `exit_code` is that of an error
    whose kind this is, None for a finding.
    """

    code: str
    severities: tuple[Severity, ...]
    meaning: str
    cause: str
    remedy: str
    winhttp: str = ""
    allow: bool = False
    skip: bool = False
    exit_code: int | None = None
