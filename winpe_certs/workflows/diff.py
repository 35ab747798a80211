"""``diff``: the certificates and Blob properties that two images do not share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from winpe_certs.certs.blob import Blob, parse
from winpe_certs.certs.blob_words import differences, whole_in_words
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location
from winpe_certs.engines.base import ImageInfo
from winpe_certs.engines.choose import Place, recognise
from winpe_certs.engines.containers import Container, boot_images, open_containers, origin_of
from winpe_certs.errors import BlobError, CertificateError, MissingFileError, TargetError, UsageError
from winpe_certs.files.failures import system_errors
from winpe_certs.progress import Progress, silent
from winpe_certs.results import (
    CertificateDifference,
    ComparedImage,
    Comparison,
    PropertyDifference,
    Report,
    Side,
)
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, read_stored
from winpe_certs.workflows.describe import place_name
from winpe_certs.workflows.reading import NOT_WINDOWS, is_named, other_images
from winpe_certs.workflows.selection import SOFTWARE_HIVE, Choice, select
from winpe_certs.workflows.software import open_software

_Key: TypeAlias = tuple[Location, str, str]
# Stores in the order of the report: the machine's own before those of policies.
_ORDER: Final = {location: number for number, location in enumerate(Location)}


@dataclass(frozen=True, slots=True)
class _Stores:
    """An image, and what stands in its stores by location, store and thumbprint."""

    image: ComparedImage
    stored: dict[_Key, StoredCertificate]


def diff(
    first: Path,
    second: Path,
    *,
    index: Choice | None = None,
    second_index: Choice | None = None,
    progress: Progress = silent,
) -> Report:
    """Hold each image of `first` against the one of the same index in `second`.

    Where one of them has a single image (or one was chosen), it is compared with each of the other; where
    several were chosen in both, the first is compared with the first, and so on. Raises as the reading
    commands do: what cannot be read is neither the same nor different.
    """
    chosen = index if second_index is None else second_index
    ours, remarks = _read(first, index, progress)
    theirs, more = _read(second, chosen, progress)
    in_order = all(each is not None and not each.everything for each in (index, chosen))
    pairs = _in_order(ours, theirs) if in_order else _pairs(ours, theirs)
    comparisons = tuple(_compare(one, other) for one, other in pairs)
    return Report(
        "diff",
        comparisons=comparisons,
        holds=all(each.holds for each in comparisons),
        warnings=(*remarks, *more),
    )


def _read(path: Path, index: Choice | None, progress: Progress) -> tuple[list[_Stores], list[str]]:
    """The stores of each chosen image that is Windows, and what was passed over."""
    place = recognise(path, reading=True)
    with open_containers(place, progress) as containers, system_errors(place.path, "read"):
        chosen, others = boot_images(place, containers)
        if len(chosen) > 1:
            raise TargetError(
                f"{place.path}: the .iso has {len(chosen)} boot images, and only one can be compared",
                details="\n".join(each.inside for each in chosen),
                resolution="Copy the one you want out of the .iso, and give that.",
            )
        found, remarks = _stores_of(place, chosen[0], index)
    if others:
        remarks.append(f"{place.path}: {other_images(others)}")
    return found, remarks


def _stores_of(place: Place, container: Container, index: Choice | None) -> tuple[list[_Stores], list[str]]:
    origin = origin_of(place, container)
    known: dict[bytes, StoredCertificates] = {}
    found: list[_Stores] = []
    missing: list[tuple[ImageInfo, MissingFileError]] = []
    target = container.open()
    for image in select(origin, target, index, writing=False):
        try:
            hive = target.read(image.index, SOFTWARE_HIVE)
        except MissingFileError as error:
            if is_named(index):
                raise
            missing.append((image, error))
            continue
        if hive not in known:
            open_software(hive, origin)
            known[hive] = read_stored(hive, origin)
        stored = {
            (each.location, each.store.upper(), each.key_name.upper()): each
            for each in known[hive].certificates
        }
        compared = ComparedImage(str(place.path), image.index, image.name, container.inside)
        found.append(_Stores(compared, stored))
    if missing and not found:
        raise missing[0][1]
    return found, [
        f"{origin}, image {image.index}: not compared. {NOT_WINDOWS.message}" for image, _ in missing
    ]


def _pairs(ours: list[_Stores], theirs: list[_Stores]) -> Iterator[tuple[_Stores | None, _Stores | None]]:
    if len(ours) == 1 or len(theirs) == 1:
        yield from ((one, other) for one in ours for other in theirs)
        return
    mine = {each.image.index: each for each in ours}
    yours = {each.image.index: each for each in theirs}
    for index in dict.fromkeys([*mine, *yours]):
        yield mine.get(index), yours.get(index)


def _in_order(ours: list[_Stores], theirs: list[_Stores]) -> Iterator[tuple[_Stores | None, _Stores | None]]:
    """The pairs of images that were chosen in both files, in the order of the choice."""
    if len(ours) == 1 or len(theirs) == 1:
        return _pairs(ours, theirs)
    if len(ours) != len(theirs):
        raise UsageError(
            f"--index chooses {len(ours)} images, and --index-b {len(theirs)}",
            resolution="Choose as many with both, or a single one with either.",
        )
    return zip(ours, theirs, strict=True)


def _compare(one: _Stores | None, other: _Stores | None) -> Comparison:
    if one is None or other is None:
        return Comparison(one.image if one else None, other.image if other else None)
    keys = sorted(one.stored.keys() | other.stored.keys(), key=lambda key: (_ORDER[key[0]], *key[1:]))
    found = [
        _difference(one.stored.get(key), other.stored.get(key))
        for key in keys
        if key not in one.stored or key not in other.stored or one.stored[key].blob != other.stored[key].blob
    ]
    return Comparison(one.image, other.image, len(keys) - len(found), tuple(found))


def _difference(one: StoredCertificate | None, other: StoredCertificate | None) -> CertificateDifference:
    """Tell what differs of a certificate that one of both has, or both."""
    side = Side.BOTH if one and other else Side.FIRST if one else Side.SECOND
    known, *_ = present = [each for each in (one, other) if each is not None]
    blobs = list(map(_blob, present))
    subjects = [subject for subject in map(_subject, blobs) if subject is not None]
    return CertificateDifference(
        side,
        place_name(known),
        known.key_name.upper(),
        subjects[0] if subjects else None,
        _properties(one, other) if one and other else (),
    )


def _properties(one: StoredCertificate, other: StoredCertificate) -> tuple[PropertyDifference, ...]:
    first, second = _blob(one), _blob(other)
    if isinstance(first, Blob) and isinstance(second, Blob):
        return tuple(
            PropertyDifference(each.id, each.name, each.first, each.second)
            for each in differences(first, second)
        )
    return (PropertyDifference(None, "Blob", _whole(one, first), _whole(other, second)),)


def _whole(stored: StoredCertificate, blob: Blob | str) -> str:
    words = whole_in_words(stored.blob)
    return words if isinstance(blob, Blob) or stored.blob is None else f"{words}: {blob}"


def _blob(stored: StoredCertificate) -> Blob | str:
    """The Blob of a key, or what is wrong with it."""
    try:
        return parse(stored.blob or b"", stored.key_name)
    except BlobError as error:
        return error.message


def _subject(blob: Blob | str) -> str | None:
    if isinstance(blob, str):
        return None
    try:
        return Certificate.from_der(blob.certificate_der, "a stored certificate").subject
    except CertificateError:
        return None
