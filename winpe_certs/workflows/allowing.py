"""The findings that a person may allow, or leave certificates out for, by their codes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from winpe_certs.command_lines import PROGRAM
from winpe_certs.errors import UsageError
from winpe_certs.finding_codes.registry import ALLOWABLE, ENTRIES, SKIPPABLE
from winpe_certs.findings import Finding, Severity


def parse_allowed(codes: Iterable[str]) -> frozenset[str]:
    """Read the codes of ``--allow``; raises `UsageError` for one that it does not take."""
    return _parse("--allow", codes, ALLOWABLE)


def parse_skipped(codes: Iterable[str]) -> frozenset[str]:
    """Read the codes of ``--skip``; raises `UsageError` for one that it does not take."""
    return _parse("--skip", codes, SKIPPABLE)


def mark_allowed(findings: Iterable[Finding], allowed: Collection[str]) -> tuple[Finding, ...]:
    """Mark the errors among findings that a person has allowed, so that reports call them so."""
    return tuple(
        replace(finding, allowed=True)
        if finding.severity is Severity.ERROR and finding.code in allowed
        else finding
        for finding in findings
    )


def _parse(option: str, codes: Iterable[str], known: frozenset[str]) -> frozenset[str]:
    given = frozenset(codes)
    unknown = sorted(given - known)
    if not unknown:
        return given
    code = unknown[0]
    takes = f"{option} takes: {', '.join(sorted(known))}"
    if code in ENTRIES:
        raise UsageError(
            f"{option} does not take {code}",
            details=takes,
            resolution="This says what the code means and what helps:",
            command=(PROGRAM, "explain", code),
        )
    raise UsageError(
        f"{option} {code}: there is no such finding",
        details=takes,
        resolution="Check the spelling. Reports name the code of each finding in brackets.",
    )
