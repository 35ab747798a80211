"""What to do about certificates that `verify` has not found: the command lines that put them in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from winpe_certs.certs.stores import Store, default_store
from winpe_certs.engines.choose import recognise
from winpe_certs.engines.containers import open_images
from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import WinpeCertsError
from winpe_certs.process import quoted
from winpe_certs.results import CertificateResult, Status
from winpe_certs.trust.remedies import inject_command
from winpe_certs.workflows.describe import DISALLOWED
from winpe_certs.workflows.guards import refuse_protected
from winpe_certs.workflows.inputs import Inputs, Wanted

Judged: TypeAlias = tuple[tuple[str, ...], Sequence[CertificateResult]]
"""The words that name an image in a command line, and what was found of the certificates there."""


def ways_in(judged: Iterable[Judged], inputs: Inputs, stores: tuple[Store, ...]) -> tuple[Advice, ...]:
    """Advice for what is missing, each piece once: a command line for each image that can be changed."""
    wanted = {each.thumbprint: each for each in inputs.wanted}
    obstacles: dict[str, str] = {}
    pieces: list[Advice] = []
    for words, results in judged:
        missing = [wanted[result.thumbprint] for result in results if _can_go_in(result)]
        if not missing:
            continue
        origin = words[0]
        if origin not in obstacles:
            obstacles[origin] = _obstacle(Path(origin))
        if obstacles[origin]:
            pieces.append(Advice(obstacles[origin]))
        else:
            pieces += _commands(words, missing, inputs, stores)
        pieces += [_bare(each) for each in missing if each.certificate is None]
    return tuple(dict.fromkeys(pieces))


def _can_go_in(result: CertificateResult) -> bool:
    """One that is disallowed is refused by `inject`; its finding says what to do first."""
    return result.status is Status.MISSING and DISALLOWED not in result.findings


def _obstacle(path: Path) -> str:
    """Why `inject` would refuse to change a target, and what to do then; empty when it would not."""
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
    words: tuple[str, ...], missing: Sequence[Wanted], inputs: Inputs, stores: tuple[Store, ...]
) -> Iterator[Advice]:
    """One command for all files that are missing in an image: one commit is enough."""
    files = dict.fromkeys(_file(each, inputs.files) for each in missing if each.certificate is not None)
    if not files:
        return
    first, *others = files
    more = [word for file in others for word in ("--cert", file)]
    into = [word for store in _into(missing, stores) for word in ("--store", str(store))]
    command = (*inject_command(words, first, ()), *more, *into)
    yield f"Put what is missing into the image: {quoted(command)}"


def _into(missing: Sequence[Wanted], stores: tuple[Store, ...]) -> tuple[Store, ...]:
    """The store to name: of several that count, none when the one for its kind is among them."""
    usual = {default_store(each.certificate) for each in missing if each.certificate is not None}
    return stores[:1] if len(stores) == 1 or not usual <= set(stores) else ()


def _file(wanted: Wanted, files: Iterable[Path]) -> str:
    """The file that a certificate came from; its origin may name a line or a number in it as well."""
    named = (str(file) for file in files if wanted.origin.startswith(str(file)))
    return max(named, key=len, default=wanted.origin)


def _bare(wanted: Wanted) -> Advice:
    return Advice(
        f"{wanted.thumbprint}: if it should be there, get the file of this certificate and inject that with "
        "--cert. A thumbprint cannot be injected: the image needs the certificate itself."
    )
