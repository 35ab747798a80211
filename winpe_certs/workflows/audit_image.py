"""What an audit says of one source: every image in it, held against what is required. Runs in any process."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from winpe_certs.certs.stores import Store
from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.engines.codecs import use
from winpe_certs.engines.containers import Container
from winpe_certs.engines.estate import Source, contents_hash, opened, read
from winpe_certs.errors import DirtyHiveError, MissingFileError, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import status_of
from winpe_certs.findings import Finding, Severity
from winpe_certs.regf.reading import Hive
from winpe_certs.results import AuditedImage, AuditVerdict, CertificateResult, ServerResult, Status, Verdict
from winpe_certs.shown import cause_words
from winpe_certs.trust.copies import Copies
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, read_stored
from winpe_certs.workflows.check_server import judge_all
from winpe_certs.workflows.describe import stored_result
from winpe_certs.workflows.reading import NOT_WINDOWS, ImageName
from winpe_certs.workflows.requirements import FAILING_DATES, RequiredRoot, Requirements, ends_within
from winpe_certs.workflows.selection import SOFTWARE_HIVE, words_for
from winpe_certs.workflows.software import open_software
from winpe_certs.workflows.verify import verify_one

_LARGE_HIVE: Final = 4 << 20
"""Bytes; less than that may wait until Python collects garbage of its own accord, which is quicker."""
_SECONDS: Final = 120
_BYTES_PER_SECOND: Final = 1 << 20
_ROOTS_AND_INTERMEDIATES: Final = frozenset({Store.AUTH_ROOT, Store.ROOT, Store.CA})
_VERSION_KEY: Final = ("Microsoft", "Windows NT", "CurrentVersion")
_MAJOR: Final = "currentmajorversionnumber"
_MINOR: Final = "currentminorversionnumber"
_TELLING: Final = frozenset({"damaged", "unreadable", "expired", "lower-case-key"})


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the hive of an image says, whichever image has it."""

    certificates: tuple[CertificateResult, ...]
    others: tuple[CertificateResult, ...]
    servers: tuple[ServerResult, ...]
    build: str
    verdict: AuditVerdict


def audit_source(required: Requirements, source: Source) -> tuple[AuditedImage, ...]:
    """One result for each image of a source, or for what cannot be read of it; raises nothing."""
    images: list[AuditedImage] = []
    # This may be a process of its own.
    use(required.codec)
    try:
        with system_errors(source.path, "read"), opened(source) as containers:
            for container in containers:
                images += _container(required, source, container)
    except Exception as error:  # noqa: BLE001 - one bad image never stops the rest
        images.append(lost(source, error))
    return tuple(images)


def lost(
    source: Source, error: Exception | str, inside: str = "", image: ImageInfo | None = None
) -> AuditedImage:
    """The result for something that cannot be read; `error` as words is how the process that tried died."""
    found = AuditedImage(
        str(source.path),
        AuditVerdict.DIRTY if isinstance(error, DirtyHiveError) else AuditVerdict.UNREADABLE,
        inside,
        findings=(_what_happened(error),),
    )
    return found if image is None else _about(found, image)


def _what_happened(error: Exception | str) -> Finding:
    if isinstance(error, WinpeCertsError):
        advice = " ".join(part for part in (_sentence(error.details), error.resolution) if part)
        return Finding(error.kind, Severity.ERROR, _sentence(error.message), advice, error.command)
    if isinstance(error, MemoryError):
        return Finding(
            "memory", Severity.ERROR, "There is not enough memory to read it.", "Audit this image separately."
        )
    if isinstance(error, str):
        message = f"The process that read it died: {error}."
        return Finding(
            "died",
            Severity.ERROR,
            message,
            "Audit this image separately; there may not be enough memory for it.",
        )
    return Finding(
        "defect",
        Severity.ERROR,
        f"It could not be read to the end: {cause_words(error)}.",
        "Please report it, with the image if you can.",
    )


def _sentence(text: str) -> str:
    """What an error says, as findings say it: something follows on the same line."""
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def _container(required: Requirements, source: Source, container: Container) -> Iterator[AuditedImage]:
    try:
        images = container.open()
        listed = images.images
    except Exception as error:  # noqa: BLE001 - the other containers of the source may be sound
        yield lost(source, error, container.inside)
        return
    judged: dict[bytes, _Judged] = {}
    for image in listed:
        try:
            yield _image(required, source, container.inside, images, image, judged)
        except Exception as error:  # noqa: BLE001 - and so may its other images
            yield lost(source, error, container.inside, image)


def _image(
    required: Requirements,
    source: Source,
    inside: str,
    images: Images,
    image: ImageInfo,
    judged: dict[bytes, _Judged],
) -> AuditedImage:
    path = str(source.path)
    words = () if inside else words_for(path, image, images)
    name = ImageName(path, words, image.index, inside)
    try:
        digest = contents_hash(images, image, SOFTWARE_HIVE)
        # Images of a file often have the same hive: it is decoded and judged once.
        seen = judged.get(digest) if digest is not None else None
        if seen is None:
            hive = read(images, image, SOFTWARE_HIVE)
            seen = _judge(required, hive, name)
            # The readers' objects refer to each other and to the hive, which may have a hundred megabytes.
            is_large = len(hive) > _LARGE_HIVE
            del hive
            if is_large:
                gc.collect()
    except MissingFileError:
        return _about(AuditedImage(path, AuditVerdict.NOT_WINDOWS, inside, findings=(NOT_WINDOWS,)), image)
    if digest is not None:
        judged[digest] = seen
    found = AuditedImage(
        path,
        seen.verdict,
        inside,
        version=seen.build,
        certificates=seen.certificates,
        others=seen.others,
        servers=seen.servers,
    )
    return _about(found, image)


def _about(found: AuditedImage, image: ImageInfo) -> AuditedImage:
    return replace(
        found,
        index=image.index,
        name=image.name,
        architecture=image.architecture,
        version=image.version or found.version,
    )


def _judge(required: Requirements, hive: bytes, name: ImageName) -> _Judged:
    origin = str(name)
    build = _build(open_software(hive, origin))
    found = read_stored(hive, origin)
    copies = Copies(found)
    roots = tuple(_required(required, root, copies, name) for root in required.roots)
    names = {root.wanted.thumbprint for root in required.roots}
    others = tuple(_others(required, found, names, name.file))
    servers = judge_all(required.servers, found, required.moment, name.words)
    verdict = AuditVerdict.LOOKED_AT
    if required:
        is_met = all(map(meets, roots)) and all(each.verdict is Verdict.TRUSTED for each in servers)
        verdict = AuditVerdict.MET if is_met else AuditVerdict.UNMET
    return _Judged(roots, others, servers, build, verdict)


def meets(result: CertificateResult) -> bool:
    """Whether a required certificate is where it should be, and nothing is against it."""
    return result.is_sound and not any(each.code in FAILING_DATES for each in result.findings)


def _required(
    required: Requirements, root: RequiredRoot, copies: Copies, name: ImageName
) -> CertificateResult:
    result = verify_one(copies, root.wanted, (), required.moment, name, strict_blob=False)
    if root.wanted.certificate is None:
        return result
    # The dates that count are the given certificate's, whatever became of it in the image.
    kept = (each for each in result.findings if each.code not in {*FAILING_DATES, "expires-soon"})
    return replace(result, findings=(*kept, *root.dates))


def _others(
    required: Requirements, found: StoredCertificates, names: set[str], origin: str
) -> Iterator[CertificateResult]:
    """Certificates that nobody asked for: Windows needs some expired roots, so they fail nothing."""
    for stored in found.certificates:
        if stored.store not in _ROOTS_AND_INTERMEDIATES or stored.key_name.upper() in names:
            continue
        result = _other(required, stored, origin)
        if result.findings or result.status is not Status.PRESENT:
            yield result


def _other(required: Requirements, stored: StoredCertificate, origin: str) -> CertificateResult:
    result = stored_result(stored, origin, required.moment)
    until = result.not_after
    kept = [each for each in result.findings if each.code in _TELLING]
    # An audit is told how soon is soon; `examine` has a limit of its own.
    if until is not None and ends_within(required.days, until, required.moment.at):
        kept.append(Finding("expires-soon", Severity.INFO, f"It expires on {until:%Y-%m-%d}."))
    milder = (replace(each, severity=_milder(each), advice="") for each in kept)
    return replace(result, findings=tuple(milder))


def _milder(finding: Finding) -> Severity:
    return Severity.WARNING if finding.code == "damaged" else Severity.INFO


def _build(software: Hive) -> str:
    """The build as Windows shows it, such as 10.0.26100.1; empty when the hive does not say."""
    values = software.values(_VERSION_KEY) or {}
    stored = {name.lower(): data for name, (_, data) in values.items()}
    build = stored.get("currentbuildnumber", b"").decode("utf-16-le", "replace").rstrip("\0")
    if not build.isascii() or not build.isdigit():
        return ""
    number = {name: int.from_bytes(stored.get(name, b"")[:4], "little") for name in (_MAJOR, _MINOR, "ubr")}
    head = f"{number[_MAJOR]}.{number[_MINOR]}." if number[_MAJOR] else ""
    return f"{head}{build}.{number['ubr']}" if "ubr" in stored else f"{head}{build}"


def spread(sources: Sequence[Source]) -> list[Source]:
    """The sources, the largest first, so that the last one to be done is not the longest."""
    return sorted(sources, key=_size, reverse=True)


def seconds_for(source: Source) -> float:
    """How many seconds of a processor may go into a source; one in use takes less than a tenth of them."""
    return _SECONDS + _size(source) / _BYTES_PER_SECOND


def _size(source: Source) -> int:
    try:
        return status_of(source.path).st_size
    except OSError:
        return 0
