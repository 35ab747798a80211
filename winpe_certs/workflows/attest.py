"""``verify --evidence``: whether an image still is what the evidence of a change says it became."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from winpe_certs.certs.stores import place_in_words
from winpe_certs.engines.base import Images, Manifest
from winpe_certs.engines.choose import recognise
from winpe_certs.engines.containers import open_images
from winpe_certs.engines.direct import WimImages
from winpe_certs.errors import Interrupted, WinpeCertsError
from winpe_certs.evidence.document import Evidence, ImageEvidence, TargetEvidence
from winpe_certs.evidence.grouping import includes
from winpe_certs.progress import Progress, silent
from winpe_certs.results import Attestation, Claim, Report
from winpe_certs.verification.stored import StoredCertificates, read_stored
from winpe_certs.workflows.evidence.file import read_evidence
from winpe_certs.workflows.evidence.targets import state_of, target_for
from winpe_certs.workflows.evidence.values import lines_by_path, manifest_digest

_UNREADABLE = "cannot be read"


def verify_evidence(paths: Sequence[Path], evidence_path: Path, *, progress: Progress = silent) -> Report:
    """Hold each image against the evidence: whatever it says of the state after the change."""
    evidence = read_evidence(evidence_path)
    done: list[Attestation] = []
    error: WinpeCertsError | None = None
    try:
        for path in paths:
            target = target_for(evidence, path, evidence_path, progress)
            claims = tuple(_claims(evidence, target, path, progress))
            done.append(Attestation(str(path), target.output or target.file, claims))
    except WinpeCertsError as failure:
        error = failure
    except KeyboardInterrupt:
        error = Interrupted()
    holds = all(claim.holds for each in done for claim in each.claims)
    return Report("verify", attestations=tuple(done), holds=holds, error=error)


def _claims(evidence: Evidence, target: TargetEvidence, path: Path, progress: Progress) -> Iterator[Claim]:
    state = state_of(path, progress)
    yield Claim("size", str(target.after.size), str(state.size))
    yield Claim("SHA-256", target.after.sha256, state.sha256)
    try:
        with open_images(recognise(path, reading=True), progress) as images:
            known = {image.index for image in images.images}
            for image in target.images:
                if image.index in known:
                    yield from _image_claims(evidence, target, image, images, str(path))
                else:
                    yield Claim(f"image {image.index}", "in the file", "not in it")
    except WinpeCertsError as error:
        yield Claim("contents", "readable", f"{_UNREADABLE}: {error.message}")


def _image_claims(
    evidence: Evidence, target: TargetEvidence, image: ImageEvidence, images: Images, origin: str
) -> Iterator[Claim]:
    name = "" if image.index is None else f"image {image.index}, "
    if image.index is not None and image.manifest_after is not None and isinstance(images, WimImages):
        manifest = tuple(images.manifest(image.index))
        found = manifest_digest(manifest)
        yield Claim(
            f"{name}manifest, SHA-256", image.manifest_after.sha256, found.sha256 if found else "none"
        )
        yield from _entry_claims(name, image, manifest)
    if image.hive is None:
        return
    try:
        hive = images.read(image.index, image.hive.path)
        digest = hashlib.sha256(hive).hexdigest()
        yield Claim(f"{name}{image.hive.path}, SHA-256", image.hive.after.sha256, digest)
        yield from _certificate_claims(name, evidence, target, image, read_stored(hive, origin))
    except WinpeCertsError as error:
        yield Claim(f"{name}{image.hive.path}", "readable", f"{_UNREADABLE}: {error.message}")


def _entry_claims(name: str, image: ImageEvidence, manifest: Manifest) -> Iterator[Claim]:
    lines = lines_by_path(manifest)
    for change in image.changed_entries:
        found = lines.get(change.path)
        expected = "gone" if change.after is None else "as recorded"
        yield Claim(f"{name}entry {change.path}", expected, _against(change.after, found))


def _against(recorded: str | None, found: str | None) -> str:
    """How an entry's line stands to the recorded one; fields are told from each other by tabs."""
    if found == recorded:
        return "gone" if found is None else "as recorded"
    if found is None:
        return "gone"
    if recorded is None:
        return "there"
    old, new = recorded.split("\t"), found.split("\t")
    differing = [field for field in new if field not in old] or [
        f"no {field}" for field in old if field not in new
    ]
    return ", ".join(differing) or "the same fields in another order"


def _certificate_claims(
    name: str, evidence: Evidence, target: TargetEvidence, image: ImageEvidence, stored: StoredCertificates
) -> Iterator[Claim]:
    found = {
        (place_in_words(each.store, each.location).upper(), each.key_name.lower())
        for each in stored.certificates
    }
    results = [
        each
        for group in evidence.certificates
        if includes(group.images, target.file, image.index)
        for each in group.results
    ]
    for certificate in results:
        is_there = (certificate.store.upper(), certificate.sha1) in found
        should = certificate.status in {"added", "replaced"} or (
            certificate.status == "unchanged" and evidence.run.command == "inject"
        )
        words = {True: "present", False: "absent"}
        yield Claim(f"{name}{certificate.store} {certificate.sha1.upper()}", words[should], words[is_there])
