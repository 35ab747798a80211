"""The steps that every reading command shares: open each target, read the hive of each image, look.

One that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.engines.choose import Place, how_to_change, pages_of, recognise
from winpe_certs.engines.containers import Container, boot_images, open_containers, origin_of
from winpe_certs.engines.estate import contents_hash
from winpe_certs.errors import Interrupted, MissingFileError, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress
from winpe_certs.results import Advice, CertificateResult, Failure, ImageResult, ServerResult
from winpe_certs.verification.stored import StoredCertificates, read_as_needed
from winpe_certs.workflows.selection import SOFTWARE_HIVE, Choice, select, words_for
from winpe_certs.workflows.software import open_software, untidy_finding

NOT_WINDOWS: Final = Finding(
    "not-windows", Severity.INFO, "It has no SOFTWARE hive, so it is no image of Windows."
)
_SHOWN_PATHS: Final = 5
_KNOWN_HIVES: Final = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command says of one image: about its certificates, or about servers."""

    certificates: tuple[CertificateResult, ...] = ()
    servers: tuple[ServerResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageName:
    """How an image is named: `inside` is the path of its file in an .iso.

    `words` name it in a command line that changes it; there are none for an image in an .iso.
    """

    path: str
    words: tuple[str, ...]
    index: int | None = None
    inside: str = ""

    @property
    def file(self) -> str:
        """The file that it is in, for messages."""
        return f"{self.path}, {self.inside}" if self.inside else self.path

    def __str__(self) -> str:
        """File and index."""
        return self.file if self.index is None else f"{self.file}, image {self.index}"


Look = Callable[[StoredCertificates, ImageName], Seen]
"""From the certificates that an image has, and its name, to what is said of it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The images that could be read, those that could not, and the error that ended the work, if one did."""

    images: tuple[ImageResult, ...]
    failures: tuple[Failure, ...] = ()
    error: WinpeCertsError | None = None


@dataclass(frozen=True, slots=True)
class _NoHive:
    """An image without a SOFTWARE hive. Whether that is an error depends on the others of its file."""

    result: ImageResult
    error: MissingFileError


_Outcome: TypeAlias = ImageResult | Failure
_Found: TypeAlias = tuple[StoredCertificates, tuple[int, int] | None, tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class _Reader:
    """What to look at, and how: the same for every target of a call."""

    look: Look
    index: Choice | None
    progress: Progress
    full_check: bool
    known: dict[bytes, _Found] = field(default_factory=dict)

    def target(self, path: Path) -> Iterator[_Outcome]:
        """What becomes of each image of a target; raises nothing that is about the target."""
        found = str(path)
        try:
            place = recognise(path, reading=True)
            found = str(place.path)
            with open_containers(place, self.progress) as containers:
                chosen, others = boot_images(place, containers)
                outcomes = _settled(found, (each for one in chosen for each in self._container(place, one)))
                yield from _with_others(outcomes, others)
        except WinpeCertsError as error:
            yield Failure(found, error)

    def _container(self, place: Place, container: Container) -> Iterator[_Outcome | _NoHive]:
        origin = origin_of(place, container)
        try:
            images = container.open()
            with system_errors(place.path, "read"):
                chosen = select(origin, images, self.index, writing=False)
        except WinpeCertsError as error:
            yield Failure(str(place.path), error, inside=container.inside)
            return
        # A hash is what a file says of itself, so it tells nothing about another file.
        self.known.clear()
        for image in chosen:
            try:
                with system_errors(place.path, "read"):
                    yield self._image(place, container, images, image)
            except MissingFileError as error:
                if is_named(self.index):
                    yield Failure(str(place.path), error, image.index, container.inside)
                else:
                    yield _NoHive(not_windows(str(place.path), image, container.inside), error)
            except WinpeCertsError as error:
                yield Failure(str(place.path), error, image.index, container.inside)

    def _image(self, place: Place, container: Container, images: Images, image: ImageInfo) -> ImageResult:
        origin = origin_of(place, container)
        found, chunks, untidy = self._stored(images, image, origin)
        path, inside = str(place.path), container.inside
        words = () if inside else words_for(path, image, images)
        seen = self.look(found, ImageName(path, words, image.index, inside))
        return ImageResult(
            path=path,
            index=image.index,
            name=image.name,
            changed=False,
            certificates=seen.certificates,
            readers=found.readers,
            chunks=chunks,
            servers=seen.servers,
            inside=inside,
            findings=untidy,
        )

    def _stored(self, images: Images, image: ImageInfo, origin: str) -> _Found:
        """What the hive of an image holds; images of a file often share one, and it is read once."""
        digest = contents_hash(images, image, SOFTWARE_HIVE)
        found = self.known.get(digest) if digest is not None else None
        if found is None:
            found = _stored(images, image.index, origin, full_check=self.full_check)
            if digest is not None:
                if len(self.known) >= _KNOWN_HIVES:
                    self.known.pop(next(iter(self.known)))
                self.known[digest] = found
        return found


def read_images(
    paths: Sequence[Path],
    look: Look,
    *,
    index: Choice | None,
    progress: Progress,
    full_check: bool = False,
) -> Answers:
    """Look at every chosen image of every target; the rest is answered when one fails.

    When nothing could be answered, and for one reason, that is the error.
    """
    reader = _Reader(look, index, progress, full_check)
    images: list[ImageResult] = []
    failures: list[Failure] = []
    try:
        for path in paths:
            for outcome in reader.target(path):
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                else:
                    images.append(outcome)
    except KeyboardInterrupt:
        return Answers(tuple(images), tuple(failures), Interrupted())
    if not images and len({failure.error for failure in failures}) == 1:
        return Answers((), error=failures[0].error)
    return Answers(tuple(images), tuple(failures))


def other_images(others: Sequence[str]) -> str:
    """What to say of the WIM files of an .iso that were not looked at; there is at least one."""
    more = f" and {len(others) - _SHOWN_PATHS} more" if len(others) > _SHOWN_PATHS else ""
    shown = ", ".join(others[:_SHOWN_PATHS])
    return f"The .iso has other WIM files, which were not looked at: {shown}{more}."


def is_named(index: Choice | None) -> bool:
    """Whether somebody named the images, so that one which is no Windows is a mistake."""
    return index is not None and not index.everything


def in_isos(images: Sequence[ImageResult | ImageName]) -> tuple[Advice, ...]:
    """How images in an .iso are changed, in words: no command does it there."""
    places = dict.fromkeys((image.path, image.inside) for image in images if image.inside)
    return tuple(
        Advice(f"{path}: the files in an .iso cannot be changed in place. {how_to_change(inside)}")
        for path, inside in places
    )


def not_windows(path: str, image: ImageInfo, inside: str = "") -> ImageResult:
    """The result for an image without a SOFTWARE hive, such as drivers or data."""
    return ImageResult(
        path,
        image.index,
        image.name,
        changed=False,
        certificates=(),
        inside=inside,
        is_windows=False,
        findings=(NOT_WINDOWS,),
    )


def _settled(path: str, outcomes: Iterator[_Outcome | _NoHive]) -> Iterator[_Outcome]:
    """Images without a hive are results when there are others, and the failure when there are none."""
    waiting: list[_NoHive] = []
    has_others = False
    for outcome in outcomes:
        if isinstance(outcome, _NoHive) and not has_others:
            waiting.append(outcome)
            continue
        has_others = True
        yield from (each.result for each in waiting)
        waiting.clear()
        yield outcome.result if isinstance(outcome, _NoHive) else outcome
    if waiting:
        yield Failure(path, waiting[0].error)


def _with_others(outcomes: Iterator[_Outcome], others: Sequence[str]) -> Iterator[_Outcome]:
    """The outcomes, the first with a remark about WIM files of the .iso that were not looked at."""
    remark: tuple[Finding, ...] = ()
    if others:
        remark = (
            Finding(
                "other-images",
                Severity.INFO,
                other_images(others),
                "To look at all of them: winpe-certs audit.",
            ),
        )
    for outcome in outcomes:
        if remark and isinstance(outcome, ImageResult):
            yield replace(outcome, findings=(*outcome.findings, *remark))
            remark = ()
        else:
            yield outcome


def _stored(images: Images, index: int | None, origin: str, *, full_check: bool) -> _Found:
    """The certificates of one image, of how many chunks they were read if not of all, what is untidy."""
    pages = None if full_check else pages_of(images, index, SOFTWARE_HIVE)
    hive = images.read(index, SOFTWARE_HIVE) if pages is None else pages
    open_software(hive, origin, full_check=full_check)
    findings = untidy_finding(hive) if full_check and isinstance(hive, bytes) else ()
    return (*read_as_needed(hive, origin), findings)
