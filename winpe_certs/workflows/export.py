"""``export``: certificates into a .reg file as regedit would have written it, or into files of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from winpe_certs.certs.blob import parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.certificate_files import Form
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.store_findings import concerning, examine_in
from winpe_certs.certs.stores import Store, default_store
from winpe_certs.certs.thumbprints import normalise_thumbprint
from winpe_certs.engines.live_stores import find_live
from winpe_certs.errors import CertificateError
from winpe_certs.findings import Finding, Severity
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import blob_findings, result_for
from winpe_certs.workflows.exported_files import (
    Exported,
    files_for,
    misleading_name,
    refuse_several_in_one,
    write_files,
)
from winpe_certs.workflows.inputs import Inputs, Wanted


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
                details="Looked in AuthRoot, ROOT, CA: machine, group policy, enterprise and current user.",
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
    form: Form = Form.REG,
    stores: tuple[Store, ...] = (),
    moment: Moment,
) -> Report:
    """Write all certificates to `output`, or each to ``<thumbprint>.<form>``; nothing on a dry run.

    `stores` are those of a .reg; without them it is the one for the kind of certificate.
    """
    refuse_several_in_one((each.thumbprint for each in inputs.wanted), form, output)
    items: list[Exported] = []
    results: list[CertificateResult] = []
    for wanted in inputs.wanted:
        if wanted.certificate is None:
            continue
        blob = wanted.blob or blob_for(wanted.certificate)
        for chosen in stores or (default_store(wanted.certificate),):
            findings = (
                *_origin(wanted, chosen),
                *examine_in(wanted.certificate, chosen, moment.at),
                *concerning(blob_findings(blob), chosen),
            )
            items.append(Exported(wanted.thumbprint, chosen, blob.to_bytes(), wanted.certificate.der))
            results.append(result_for(wanted.certificate, chosen, Status.ADDED, findings))
    files = files_for(items, form, output, hive_name)
    write_files(files, inputs.files, overwrite=overwrite, dry_run=dry_run)
    return Report(
        "export",
        certificates=tuple(results),
        files=tuple(map(str, files)),
        warnings=(*inputs.warnings, *misleading_name(form, output)),
        dry_run=dry_run,
    )
