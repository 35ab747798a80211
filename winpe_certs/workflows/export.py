"""``export``: certificates into a .reg file as regedit would have written it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.stores import Store, default_store, normalise_thumbprint
from winpe_certs.engines.live_stores import find_live
from winpe_certs.errors import CertificateError, UsageError
from winpe_certs.files import PathKind, path_kind, refuse_existing, write_new
from winpe_certs.findings import Finding, Severity
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import blob_findings, result_for
from winpe_certs.workflows.guards import same_file
from winpe_certs.workflows.inputs import Inputs, Wanted
from winpe_certs.workflows.outputs import refuse_missing_folder


def from_live_stores(thumbprints: Iterable[str]) -> list[Wanted]:
    """The certificates with these thumbprints from the stores of the running Windows, Blobs as they are.

    Raises `UsageError` elsewhere than on Windows, `CertificateError` when one is in no store.
    """
    wanted = []
    for text in thumbprints:
        thumbprint = normalise_thumbprint(text)
        found = find_live(thumbprint)
        if not found:
            raise CertificateError(
                f"{thumbprint}: no store of this machine has this certificate",
                details="Looked in AuthRoot, ROOT and CA: machine, group policy and enterprise.",
                resolution="Give the certificate file instead of --thumbprint.",
            )
        first = found[0]
        blob = parse(first.blob, first.key_path)
        certificate = Certificate.from_der(blob.certificate_der, first.key_path)
        where = f"{first.store} ({first.location})"
        wanted.append(Wanted(thumbprint, first.key_path, certificate, blob, live_store=where))
    return wanted


def _origin(wanted: Wanted, store: Store) -> tuple[Finding, ...]:
    if not wanted.live_store:
        return ()
    return (Finding("live-store", Severity.INFO, f"Found in {wanted.live_store}, written for {store}."),)


def export(
    inputs: Inputs,
    *,
    hive_name: str,
    output: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    stores: tuple[Store, ...] = (),
    moment: Moment,
) -> Report:
    """Write all certificates to `output`, or each to ``<thumbprint>.reg``; nothing on a dry run."""
    items: list[tuple[bytes, str, str]] = []
    results: list[CertificateResult] = []
    for wanted in inputs.wanted:
        if wanted.certificate is None:
            continue
        blob = wanted.blob or blob_for(wanted.certificate)
        for chosen in stores or (default_store(wanted.certificate),):
            findings = (
                *_origin(wanted, chosen),
                *examine(wanted.certificate, moment.at),
                *blob_findings(blob),
            )
            items.append((blob.to_bytes(), wanted.thumbprint, chosen))
            results.append(result_for(wanted.certificate, chosen, Status.ADDED, findings))
    if output is not None:
        texts = {output: export_reg(items, hive_name)}
    else:
        by_thumbprint = {item[1]: [each for each in items if each[1] == item[1]] for item in items}
        texts = {Path(f"{name}.reg"): export_reg(found, hive_name) for name, found in by_thumbprint.items()}
    for path in texts:
        if path_kind(path) is PathKind.FOLDER:
            raise UsageError(
                f"{path}: this is a folder, and the .reg file cannot take its place",
                resolution=f"Name the file after -o, for example {path / 'certificates.reg'}",
            )
        refuse_missing_folder("-o", path)
        if any(same_file(path, given) for given in inputs.files):
            raise UsageError(
                f"-o {path}: this is a certificate file of this call",
                resolution="Give the .reg file another name.",
            )
        refuse_existing(path, overwrite=overwrite)
    if not dry_run:
        for path, data in texts.items():
            write_new(path, [data], overwrite=overwrite)
    return Report(
        "export",
        certificates=tuple(results),
        files=tuple(map(str, texts)),
        warnings=inputs.warnings,
        dry_run=dry_run,
    )
