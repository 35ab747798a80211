"""``check-server``: whether Windows PE from these images would trust these servers at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from winpe_certs.progress import Progress, silent
from winpe_certs.results import Advice, ImageResult, Report, ServerResult, Verdict
from winpe_certs.trust.answer import judge
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.reading import ImageName, Seen, in_isos, read_images
from winpe_certs.workflows.selection import Choice
from winpe_certs.workflows.servers import Servers

_NOT_BOOTED: Final = (
    "The rules are those of Windows; nothing here was tried on Windows PE itself, and no revocation list was "
    "fetched."
)
_OTHER_CAUSES: Final = (
    "If Windows PE still fails, the root is not the cause. Look in smsts.log for WinHTTP's name of the "
    "failure, then at: the clock in Windows PE (F8, then date and time); revocation checking (site option, "
    "/NoCRLCheck); a proxy on the way that inspects TLS; the media certificate (winpe-certs "
    "check-media-certificate judges it)."
)
_OLD_MEDIA: Final = (
    "One public report (issue 4158 of Microsoft's memdocs) has such media failing with 0x87D00215 after "
    "about six months, cause not confirmed: if only old media fails, compare it with new media."
)
_OTHER_SERVERS: Final = (
    "Clients talk to more than this server: content comes from <name>.blob.core.windows.net, tokens from "
    "login.microsoftonline.com. Ask about them in the same call, with --server or --connect."
)


def check_server(
    paths: Sequence[Path],
    servers: Servers,
    *,
    index: Choice | None = None,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """One answer for every name of every server and every image; `moment` is the date in question."""

    def look(found: StoredCertificates, image: ImageName) -> Seen:
        return Seen(servers=judge_all(servers.chains, found, moment, image.words))

    read = read_images(paths, look, index=index, progress=progress)
    is_answered = read.error is None and bool(read.images)
    untrusting = [
        image for image in read.images if any(each.verdict is not Verdict.TRUSTED for each in image.servers)
    ]
    return Report(
        "check-server",
        read.images,
        warnings=servers.warnings,
        advice=(*in_isos(untrusting), *_advice(read.images, servers)) if is_answered else (),
        holds=not untrusting,
        judged_at=moment.at,
        error=read.error,
        failures=read.failures,
    )


def judge_all(
    chains: Sequence[ServerChain], found: StoredCertificates, moment: Moment, words: tuple[str, ...]
) -> tuple[ServerResult, ...]:
    """The answers for one image; `words` name it in command lines, none where no command can change it."""
    stores = ImageStores.from_stored(found)
    return tuple(answer for chain in chains for answer in judge(chain, stores, moment.at, words))


def _advice(images: Sequence[ImageResult], servers: Servers) -> tuple[Advice, ...]:
    answers = [answer for image in images for answer in image.servers]
    pieces = []
    if any(answer.verdict is Verdict.TRUSTED for answer in answers):
        pieces += [_OTHER_CAUSES, _OLD_MEDIA]
    if len(servers.chains) == 1:
        pieces.append(_OTHER_SERVERS)
    return tuple(map(Advice, (*pieces, _NOT_BOOTED)))
