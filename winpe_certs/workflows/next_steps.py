"""What to do about certificates that `verify` has not found: the command lines that put them in.

They name only files that exist, and no certificate that `inject` would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from winpe_certs.certs.findings import refusals
from winpe_certs.certs.stores import Store, default_store
from winpe_certs.certs.usages import ServerUse, server_use
from winpe_certs.command_lines import file_word
from winpe_certs.engines.choose import recognise
from winpe_certs.engines.containers import open_images
from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding
from winpe_certs.results import Advice, CertificateResult, Status
from winpe_certs.trust.remedies import inject_command
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import DISALLOWED
from winpe_certs.workflows.given_files import lasting_name
from winpe_certs.workflows.guards import refuse_protected
from winpe_certs.workflows.injections import Injection, injection_of
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.reading import ImageName, in_isos

Judged: TypeAlias = tuple[ImageName, Sequence[CertificateResult]]
"""An image, and what was found of the certificates there."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A certificate of the call as `inject` would judge it, and its file if that can be named."""

    injection: Injection
    file: str | None

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Why `inject` would refuse it; empty when it would not."""
        return refusals(self.injection.findings, ())

    @property
    def name(self) -> str:
        """Thumbprint and subject."""
        certificate = self.injection.certificate
        return (
            f"{certificate.thumbprint} ({certificate.subject})"
            if certificate.subject
            else certificate.thumbprint
        )


def ways_in(
    judged: Iterable[Judged], inputs: Inputs, stores: tuple[Store, ...], moment: Moment
) -> tuple[Advice, ...]:
    """Advice for what is missing, each piece once: a command line for each image that can be changed."""
    given = {each.injection.certificate.thumbprint: each for each in _given(inputs, stores, moment)}
    obstacles: dict[str, tuple[Advice, ...]] = {}
    pieces: list[Advice] = []
    for image, results in judged:
        missing = [result.thumbprint for result in results if _can_go_in(result)]
        fit = [given[each] for each in missing if each in given and not given[each].refused]
        if fit:
            if image.path not in obstacles:
                obstacles[image.path] = _obstacle(image)
            pieces += obstacles[image.path] or _commands(image.words, fit, list(given.values()), stores)
        pieces += [_unfit(given[each]) for each in missing if each in given and given[each].refused]
        pieces += [_bare(each) for each in missing if each not in given]
    return tuple(dict.fromkeys(pieces))


def _given(inputs: Inputs, stores: tuple[Store, ...], moment: Moment) -> Iterator[_Given]:
    for wanted in inputs.wanted:
        certificate = wanted.certificate
        if certificate is not None:
            (store,) = _into([default_store(certificate)], stores) or (None,)
            injection = injection_of(wanted, certificate, store, moment)
            yield _Given(injection, _file(wanted, inputs.files))


def _can_go_in(result: CertificateResult) -> bool:
    """One that is disallowed is refused by `inject`; its finding says what to do first."""
    return result.status is Status.MISSING and DISALLOWED.code not in {each.code for each in result.findings}


def _obstacle(image: ImageName) -> tuple[Advice, ...]:
    """Why `inject` would refuse to change a target, and what to do then; empty when it would not."""
    if image.inside:
        return in_isos([image])
    path = Path(image.path)
    try:
        place = recognise(path, reading=False)
        refuse_protected(place)
        with open_images(place) as images:
            if isinstance(images, WimImages):
                images.wim.header.refuse_unpatchable(str(path))
    except WinpeCertsError as error:
        return (Advice(f"{error.message}. {error.resolution}", error.command),)
    return ()


def _commands(
    words: tuple[str, ...], fit: Sequence[_Given], given: Sequence[_Given], stores: tuple[Store, ...]
) -> Iterator[Advice]:
    """One command for all files that have something missing: one commit is enough."""
    named = [each for each in fit if each.file is not None]
    files = list(dict.fromkeys(each.file for each in named if each.file is not None))
    skips = list(
        dict.fromkeys(finding.code for each in given if each.file in files for finding in each.refused)
    )
    if files:
        usual = [default_store(each.injection.certificate) for each in named]
        into = [word for store in _into(usual, stores) for word in ("--store", str(store))]
        more = [word for file in files[1:] for word in ("--cert", file_word(file))]
        yield Advice(
            "Put what is missing into the image:",
            (*inject_command(words, files[0], ()), *more, *into, *_skip(skips)),
        )
    for each in fit:
        if each.file is None:
            yield Advice(
                f"{each.name}: it came through a pipe, so there is no file to name. Save it to a file, and "
                "inject that."
            )


def _skip(codes: Iterable[str]) -> list[str]:
    return [word for code in codes for word in ("--skip", code)]


def _into(usual: Sequence[Store], stores: tuple[Store, ...]) -> tuple[Store, ...]:
    """The store to name: of several that count, none when the usual one for its kind is among them."""
    return stores[:1] if len(stores) == 1 or not set(usual) <= set(stores) else ()


def _file(wanted: Wanted, files: Iterable[Path]) -> str | None:
    """The file that a certificate came from, if it is still there when somebody runs the next command."""
    named = [
        file
        for file in files
        # An origin may name a line or a number in the file as well.
        if wanted.origin == str(file) or wanted.origin.startswith(f"{file}, ")
    ]
    file = max(named, key=lambda each: len(str(each)), default=None)
    return None if file is None else lasting_name(file)


def _unfit(given: _Given) -> Advice:
    """What to do about a certificate that `inject` refuses."""
    certificate = given.injection.certificate
    first = given.refused[0]
    is_for_servers = server_use(certificate.extensions) is not ServerUse.NO
    if first.code == "not-a-ca" and is_for_servers and not certificate.is_self_signed:
        issuer = f", issued by {certificate.issuer}" if certificate.issuer else ""
        return Advice(
            f"{given.name}: this is a server's certificate{issuer}, and inject does not take it. Windows PE "
            "needs the root of its chain: give that (at the top of the tab Certification Path)."
        )
    return Advice(
        f"{given.name}: inject does not take it ({first.code}): {first.message} {first.advice}".rstrip()
    )


def _bare(thumbprint: str) -> Advice:
    return Advice(
        f"{thumbprint}: if it should be there, get the file of this certificate and inject that with --cert. "
        "A thumbprint cannot be injected: the image needs the certificate itself."
    )
