"""The certificates of a call that are refused: all of them at once, each with the option that helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.entries import DAMAGED, DamagedEntry
from winpe_certs.errors import CertificateError, InputError
from winpe_certs.finding_codes.registry import ALLOWABLE, SKIPPABLE
from winpe_certs.findings import Finding

_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was given as a certificate and does not go in.

    `codes` say why; there are none for a file that as a whole is no certificate file. `line` tells it among
    others, `error` is what is raised when nothing else is refused.
    """

    line: str
    codes: tuple[str, ...]
    error: InputError

    @property
    def may_be_allowed(self) -> bool:
        """Whether ``--allow`` lets it in."""
        return bool(self.codes) and all(code in ALLOWABLE for code in self.codes)

    @property
    def skip_code(self) -> str | None:
        """The code with which ``--skip`` leaves it out; one is enough."""
        return next((code for code in self.codes if code in SKIPPABLE), None)

    @property
    def options(self) -> str:
        """What lets it in, and what leaves it out."""
        ways = [_options("--allow", self.codes)] if self.may_be_allowed else []
        ways += [_options("--skip", (self.skip_code,))] if self.skip_code else []
        return f" ({' or '.join(ways)})" if ways else ""


def refused_damage(entry: DamagedEntry) -> Refusal:
    """The refusal of a certificate that cannot be read."""
    return Refusal(entry.error.message, (DAMAGED,), entry.error)


def refused_file(error: InputError) -> Refusal:
    """The refusal of a whole file."""
    return Refusal(error.message, (), error)


def refused_by(reasons: Sequence[Finding], origin: str, certificate: Certificate) -> Refusal:
    """The refusal of a certificate for its findings; there is at least one."""
    codes = tuple(dict.fromkeys(reason.code for reason in reasons))
    name = f"{certificate.subject} ({certificate.thumbprint})"
    said = [f"{reason.code}: {reason.message}" for reason in reasons]
    error = CertificateError(
        f"{origin}: refused: {reasons[0].message}",
        details="\n".join((name, *said)),
        resolution=reasons[0].advice,
    )
    return Refusal(f"{origin}: {name}: {'; '.join(said)}", codes, error)


def raise_refusals(refusals: Iterable[Refusal], total: int) -> None:
    """Raise an error that lists every refusal once, with what ``--allow`` and ``--skip`` do about it.

    `total` counts what was given, refused or not; nothing is raised when nothing is refused.
    """
    unique = _each_once(refusals)
    if not unique:
        return
    are_others = total > len(unique)
    allowable = [refusal for refusal in unique if refusal.may_be_allowed]
    them = "it" if len(unique) == 1 else "them"
    if len(allowable) < len(unique):
        them = "what can be allowed"
    ways = _ways(_skips(unique) if are_others else "", _allows(allowable), them)
    if len(unique) == 1:
        raise _with_resolution(unique[0].error, ways)
    raise CertificateError(
        f"{len(unique)} of {total} certificates are refused",
        details=_listed([refusal.line + refusal.options for refusal in unique]),
        resolution=" ".join(filter(None, (_files(unique), ways))) or "Give files without these.",
    )


def raise_unread(refusals: Iterable[Refusal]) -> None:
    """Raise the error of what could not be read, for commands that need every certificate they are given."""
    unique = _each_once(refusals)
    if not unique:
        return
    if len(unique) == 1:
        raise unique[0].error
    raise CertificateError(
        f"{len(unique)} certificates cannot be read",
        details=_listed([refusal.line for refusal in unique]),
        resolution="Take them out of the files, or get them again from where they come from.",
    )


def _each_once(refusals: Iterable[Refusal]) -> list[Refusal]:
    return list({refusal.line: refusal for refusal in refusals}.values())


def _listed(lines: Sequence[str]) -> str:
    shown = list(lines[:_SHOWN])
    if len(lines) > _SHOWN:
        shown.append(f"... and {len(lines) - _SHOWN} more")
    return "\n".join(shown)


def _ways(skips: str, allows: str, them: str) -> str:
    if skips and allows:
        return f"To inject only the others: {skips}; to inject {them} as well: {allows}"
    if skips:
        return f"To inject only the others: {skips}"
    return f"To inject {them} anyway: {allows}" if allows else ""


def _files(refusals: Sequence[Refusal]) -> str:
    """Files of another kind have no code: nothing helps but to leave them out of the call."""
    if all(refusal.codes for refusal in refusals):
        return ""
    return "Give the call without the files that hold no certificate."


def _allows(refusals: Sequence[Refusal]) -> str:
    return _options("--allow", dict.fromkeys(code for refusal in refusals for code in refusal.codes))


def _skips(refusals: Sequence[Refusal]) -> str:
    """What leaves all of them out; nothing when that cannot be."""
    codes = [refusal.skip_code for refusal in refusals if refusal.skip_code]
    return _options("--skip", dict.fromkeys(codes)) if len(codes) == len(refusals) else ""


def _options(option: str, codes: Iterable[str]) -> str:
    return " ".join(f"{option} {code}" for code in codes)


def _with_resolution(error: InputError, more: str) -> InputError:
    changed = copy(error)
    changed.resolution = " ".join(filter(None, (error.resolution, more)))
    return changed
