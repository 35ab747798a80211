"""``export``: certificates into a .reg file as regedit would have written it."""

from __future__ import annotations

from pathlib import Path

from winpe_certs.certs.findings import examine
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.stores import Store, default_store
from winpe_certs.files import refuse_existing, write_new
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import blob_findings, result_for
from winpe_certs.workflows.inputs import Inputs


def export(
    inputs: Inputs,
    *,
    hive_name: str,
    output: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    store: Store | None = None,
    moment: Moment,
) -> Report:
    """Write all certificates to `output`, or each to ``<thumbprint>.reg``; nothing on a dry run."""
    items: list[tuple[bytes, str, str]] = []
    results: list[CertificateResult] = []
    for wanted in inputs.wanted:
        if wanted.certificate is None:
            continue
        blob = wanted.blob or blob_for(wanted.certificate)
        chosen = store or default_store(wanted.certificate)
        findings = (*examine(wanted.certificate, moment.at), *blob_findings(blob))
        items.append((blob.to_bytes(), wanted.thumbprint, chosen))
        results.append(result_for(wanted.certificate, chosen, Status.ADDED, findings))
    if output is not None:
        texts = {output: export_reg(items, hive_name)}
    else:
        texts = {Path(f"{item[1]}.reg"): export_reg([item], hive_name) for item in items}
    for path in texts:
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
