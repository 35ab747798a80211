"""Colours that several parts of the text report share."""

from __future__ import annotations

from typing import Final

from winpe_certs.findings import Severity

SEVERITY_STYLES: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}
