"""``export`` from images: certificates out of the stores that they are in, their bytes as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from winpe_certs.certs.certificate_files import Form
from winpe_certs.certs.regexport import checked_hive_name
from winpe_certs.certs.stores import Location, Store
from winpe_certs.certs.thumbprints import is_sha256, normalise_thumbprint
from winpe_certs.errors import BlobError, CertificateError, UsageError, WinpeCertsError
from winpe_certs.findings import Finding, Severity
from winpe_certs.progress import Progress, silent
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, sha256_in
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import place_name, read_blob, stored_result
from winpe_certs.workflows.exported_files import (
    Exported,
    files_for,
    misleading_name,
    refuse_several_in_one,
    write_files,
)
from winpe_certs.workflows.reading import Answers, ImageName, Seen, read_images
from winpe_certs.workflows.selection import Choice

# Of different Blobs of one certificate that of the machine's root stores goes first.
_STORES: Final = (Store.AUTH_ROOT, Store.ROOT, Store.CA)
_LOCATIONS: Final = tuple(Location)


@dataclass(frozen=True, slots=True)
class _Found:
    """A certificate in a store of an image; without a Blob `error` says what is wrong with it."""

    place: str
    stored: StoredCertificate
    result: CertificateResult
    certificate: bytes = b""
    error: BlobError | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """What goes before what: first the machine's own stores, and in each place its root stores."""
        known = [str(store) for store in _STORES]
        store = known.index(self.stored.store) if self.stored.store in known else len(known)
        return _LOCATIONS.index(self.stored.location), store


class _Search:
    """What was found of some thumbprints, image by image."""

    def __init__(self, thumbprints: Sequence[str], stores: Sequence[Store], moment: Moment) -> None:
        self._thumbprints = thumbprints
        self._stores = stores
        self._moment = moment
        self.found: dict[str, list[_Found]] = {each: [] for each in thumbprints}
        self.looked_at: dict[str, None] = {}
        self.elsewhere: dict[str, dict[str, None]] = {each: {} for each in thumbprints}

    def look(self, stored: StoredCertificates, image: ImageName) -> Seen:
        """Take down what one image has of them."""
        place = str(image)
        results = []
        for each in stored.certificates:
            counts = not self._stores or each.store in self._stores
            if counts:
                self.looked_at[place_name(each)] = None
            asked = next((name for name in self._names(each) if name in self.found), None)
            if asked is None:
                continue
            if not counts:
                self.elsewhere[asked][place_name(each)] = None
                continue
            found = self._found(each, each.key_name.upper(), place)
            self.found[asked].append(found)
            results.append(found.result)
        return Seen(tuple(results))

    def _names(self, stored: StoredCertificate) -> Iterator[str]:
        """What a certificate may have been asked for by: its thumbprint, or its SHA-256."""
        yield stored.key_name.upper()
        if any(map(is_sha256, self.found)):
            yield sha256_in(stored.blob)

    def _found(self, stored: StoredCertificate, thumbprint: str, place: str) -> _Found:
        result = stored_result(stored, place, self._moment)
        try:
            blob = read_blob(stored.blob, thumbprint, place)
        except BlobError as error:
            return _Found(place, stored, result, error=error)
        return _Found(place, stored, result, blob.certificate_der)


def export_from_images(
    paths: Sequence[Path],
    thumbprints: Sequence[str],
    *,
    stores: tuple[Store, ...] = (),
    index: Choice | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    form: Form = Form.REG,
    hive_name: str,
    moment: Moment,
    progress: Progress = silent,
) -> Report:
    """Write the certificates with these thumbprints, as typed, to `output` or each to a file of its own.

    `stores` are those to look in, all without any. Nothing is written unless each is found; an image that
    cannot be read is named, and the others are looked at. Raises `UsageError` before anything is read.
    """
    wanted = list(dict.fromkeys(map(normalise_thumbprint, thumbprints)))
    if not wanted:
        raise UsageError(
            "no thumbprint was given",
            resolution="Name the certificate with --thumbprint; winpe-certs list shows what an image has.",
        )
    refuse_several_in_one(wanted, form, output)
    checked_hive_name(hive_name)
    search = _Search(wanted, stores, moment)
    read = read_images(paths, search.look, index=index, progress=progress)
    try:
        chosen, warnings = _chosen(search, read, stores)
        files = files_for([_exported(each) for each in chosen], form, output, hive_name) if chosen else {}
        given = (*paths, *(Path(image.path) for image in read.images))
        write_files(files, given, overwrite=overwrite, dry_run=dry_run)
    except WinpeCertsError as error:
        return Report("export", read.images, dry_run=dry_run, error=error, failures=read.failures)
    return Report(
        "export",
        read.images,
        certificates=tuple(_written(each, form) for each in chosen),
        files=tuple(map(str, files)),
        warnings=(*(warnings if form is Form.REG else ()), *misleading_name(form, output)),
        dry_run=dry_run,
        error=read.error,
        failures=read.failures,
    )


def _chosen(search: _Search, read: Answers, stores: Sequence[Store]) -> tuple[list[_Found], list[str]]:
    """One of each certificate, and what was passed over; none when nothing could be read.

    Raises `CertificateError` when one is in no image, `BlobError` when all of its Blobs are damaged.
    """
    if not read.images:
        return [], []
    missing = [thumbprint for thumbprint, found in search.found.items() if not found]
    if missing:
        raise _not_found(search, missing, stores, is_partial=bool(read.failures))
    chosen: list[_Found] = []
    warnings: list[str] = []
    for found in search.found.values():
        sound = sorted((each for each in found if each.error is None), key=lambda each: each.rank)
        if not sound:
            raise next(each.error for each in found if each.error is not None)
        chosen.append(sound[0])
        warnings += _passed_over(sound[0], found)
    return chosen, warnings


def _not_found(
    search: _Search, missing: Sequence[str], stores: Sequence[Store], *, is_partial: bool
) -> CertificateError:
    images = "no image that could be read" if is_partial else "no image given here"
    what = "this certificate" if len(missing) == 1 else "these certificates"
    looked_at = ", ".join(map(str, stores)) or ", ".join(search.looked_at) or "none, for there are none"
    elsewhere = [
        f"{thumbprint} is in {', '.join(search.elsewhere[thumbprint])}."
        for thumbprint in missing
        if search.elsewhere[thumbprint]
    ]
    return CertificateError(
        f"{', '.join(missing)}: {images} has {what}",
        details="\n".join([f"Stores that were looked at: {looked_at}.", *elsewhere]),
        resolution="Name that store with --store, or leave --store out."
        if elsewhere
        else "Check the thumbprint; winpe-certs list shows the certificates of an image.",
    )


def _passed_over(chosen: _Found, found: Sequence[_Found]) -> Iterator[str]:
    """A warning about copies of a certificate with other properties, or with a damaged Blob."""
    others = [each for each in found if each.stored.blob != chosen.stored.blob]
    if others:
        places = ", ".join(_where(each) for each in others)
        yield (
            f"{chosen.result.thumbprint}: taken from {_where(chosen)}; not the same bytes, and passed over: "
            f"{places}"
        )


def _where(found: _Found) -> str:
    return f"{place_name(found.stored)} of {found.place}"


def _exported(found: _Found) -> Exported:
    """Under the name of the machine's own store: a .reg for an offline hive has no other."""
    return Exported(found.result.thumbprint, found.stored.store, found.stored.blob or b"", found.certificate)


def _written(found: _Found, form: Form) -> CertificateResult:
    """The result about what was written; a .reg has the certificate in the machine's own store."""
    moved: tuple[Finding, ...] = ()
    if form is Form.REG and found.stored.location is not Location.MACHINE:
        moved = (
            Finding(
                "moved-store",
                Severity.INFO,
                f"The image has it in {place_name(found.stored)}; the .reg has it in {found.stored.store}.",
            ),
        )
    return replace(
        found.result,
        store=found.stored.store,
        status=Status.ADDED,
        findings=(*moved, *found.result.findings),
    )
