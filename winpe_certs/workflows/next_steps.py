"""What to do about certificates that `verify` has not found: the command lines that put them in.

They name only files that exist, and no certificate that `inject` would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import refusals
from winpe_certs.certs.store_findings import concerning, examine_in
from winpe_certs.certs.stores import Store, default_store
from winpe_certs.certs.usages import ServerUse, server_use
from winpe_certs.engines.choose import recognise
from winpe_certs.engines.containers import open_images
from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import WinpeCertsError
from winpe_certs.files import PathKind, path_kind
from winpe_certs.findings import Finding, Severity
from winpe_certs.process import quoted
from winpe_certs.results import CertificateResult, Status
from winpe_certs.trust.remedies import inject_command
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import DISALLOWED, blob_findings
from winpe_certs.workflows.guards import refuse_protected
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.reading import ImageName, in_isos

Judged: TypeAlias = tuple[ImageName, Sequence[CertificateResult]]
"""An image, and what was found of the certificates there."""

# What lies there is gone when the command line is run again.
_PASSING: Final = ("/dev/", "/proc/")


@dataclass(frozen=True, slots=True)
class _GivenCertificate:
    """A certificate of the call: what `inject` would find about it, and its file if that can be named."""

    wanted: Wanted
    certificate: Certificate
    findings: tuple[Finding, ...]
    file: str | None

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Why `inject` would refuse it; empty when it would not."""
        return refusals(self.findings, ())

    @property
    def name(self) -> str:
        """Thumbprint and subject."""
        subject = self.certificate.subject
        return f"{self.wanted.thumbprint} ({subject})" if subject else self.wanted.thumbprint


def ways_in(
    judged: Iterable[Judged], inputs: Inputs, stores: tuple[Store, ...], moment: Moment
) -> tuple[str, ...]:
    """Advice for what is missing, each piece once: a command line for each image that can be changed."""
    given = {each.wanted.thumbprint: each for each in _given(inputs, stores, moment)}
    obstacles: dict[str, str] = {}
    pieces: list[str] = []
    for image, results in judged:
        missing = [result.thumbprint for result in results if _can_go_in(result)]
        fit = [given[each] for each in missing if each in given and not given[each].refused]
        if fit:
            if image.path not in obstacles:
                obstacles[image.path] = _obstacle(image)
            obstacle = obstacles[image.path]
            pieces += [obstacle] if obstacle else _commands(image.words, fit, list(given.values()), stores)
        pieces += [_unfit(given[each]) for each in missing if each in given and given[each].refused]
        pieces += [_bare(each) for each in missing if each not in given]
    return tuple(dict.fromkeys(pieces))


def _given(inputs: Inputs, stores: tuple[Store, ...], moment: Moment) -> Iterator[_GivenCertificate]:
    for wanted in inputs.wanted:
        certificate = wanted.certificate
        if certificate is None:
            continue
        store = (_into([certificate], stores) or (default_store(certificate),))[0]
        findings = [*examine_in(certificate, store, moment.at), *_distrusted(wanted, stores)]
        if wanted.blob is not None:
            findings += concerning(blob_findings(wanted.blob), store)
        yield _GivenCertificate(wanted, certificate, tuple(findings), _file(wanted, inputs.files))


def _distrusted(wanted: Wanted, stores: tuple[Store, ...]) -> Iterator[Finding]:
    """`inject` asks where a certificate shall go that its file has in Disallowed."""
    if wanted.store == Store.DISALLOWED and not stores:
        yield Finding(
            "from-disallowed",
            Severity.ERROR,
            "Its file has it in Disallowed, as distrusted.",
            "Say with --store where it shall go.",
        )


def _can_go_in(result: CertificateResult) -> bool:
    """One that is disallowed is refused by `inject`; its finding says what to do first."""
    return result.status is Status.MISSING and DISALLOWED not in result.findings


def _obstacle(image: ImageName) -> str:
    """Why `inject` would refuse to change a target, and what to do then; empty when it would not."""
    if image.inside:
        return in_isos([image])[0]
    path = Path(image.path)
    try:
        place = recognise(path, reading=False)
        refuse_protected(place)
        with open_images(place) as images:
            if isinstance(images, WimImages):
                images.wim.header.refuse_unpatchable(str(path))
    except WinpeCertsError as error:
        return f"{error.message}. {error.resolution}"
    return ""


def _commands(
    words: tuple[str, ...],
    fit: Sequence[_GivenCertificate],
    given: Sequence[_GivenCertificate],
    stores: tuple[Store, ...],
) -> Iterator[str]:
    """One command for all files that have something missing: one commit is enough."""
    files = list(dict.fromkeys(each.file for each in fit if each.file is not None))
    named = [each for each in fit if each.file is not None]
    skips = list(
        dict.fromkeys(finding.code for each in given if each.file in files for finding in each.refused)
    )
    lost = [each for each in named if any(finding.code in skips for finding in each.findings)]
    if files and not lost:
        first, *others = files
        more = [word for file in others for word in ("--cert", file)]
        into = [
            word
            for store in _into([each.certificate for each in named], stores)
            for word in ("--store", str(store))
        ]
        command = (*inject_command(words, first, ()), *more, *into)
        command = (*command, *(word for code in skips for word in ("--skip", code)))
        yield f"Put what is missing into the image: {quoted(command)}"
    for each in lost:
        yield (
            f"{each.name}: its file has other certificates that cannot go in. Save this one to a file of its "
            "own, and inject that."
        )
    for each in fit:
        if each.file is None:
            yield (
                f"{each.name}: it came through a pipe, so there is no file to name. Save it to a file, and "
                "inject that."
            )


def _into(certificates: Sequence[Certificate], stores: tuple[Store, ...]) -> tuple[Store, ...]:
    """The store to name: of several that count, none when the one for its kind is among them."""
    usual = {default_store(each) for each in certificates}
    return stores[:1] if len(stores) == 1 or not usual <= set(stores) else ()


def _file(wanted: Wanted, files: Iterable[Path]) -> str | None:
    """The file that a certificate came from, if it is still there when somebody runs the next command."""
    named = [
        file
        for file in files
        # An origin may name a line or a number in the file as well.
        if wanted.origin == str(file) or wanted.origin.startswith(f"{file}, ")
    ]
    file = max(named, key=lambda each: len(str(each)), default=None)
    if file is None or str(file) == "-" or str(file).startswith(_PASSING):
        return None
    return str(file) if path_kind(file) in {PathKind.FILE, PathKind.FOLDER} else None


def _unfit(given: _GivenCertificate) -> str:
    """What to do about a certificate that `inject` refuses."""
    certificate = given.certificate
    first = given.refused[0]
    if first.code == "not-a-ca" and server_use(certificate.extensions) is not ServerUse.NO:
        issuer = f", issued by {certificate.issuer}" if certificate.issuer else ""
        return (
            f"{given.name}: this is a server's certificate{issuer}, and inject does not take it. Windows PE "
            "needs the root of its chain: give that (at the top of the tab Certification Path)."
        )
    return f"{given.name}: inject does not take it ({first.code}): {first.message} {first.advice}".rstrip()


def _bare(thumbprint: str) -> str:
    return (
        f"{thumbprint}: if it should be there, get the file of this certificate and inject that; a "
        "thumbprint alone cannot be injected."
    )
