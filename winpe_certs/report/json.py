"""The JSON report: one document, ASCII only, whose keys are a contract (docs/json.md)."""

from __future__ import annotations

import json
from typing import Any, Final

from winpe_certs.command_lines import Shell, command_line
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Reason
from winpe_certs.report.compaction import compaction_document
from winpe_certs.report.differences import comparison_document
from winpe_certs.results import (
    Attestation,
    AuditedImage,
    AuditVerdict,
    CertificateResult,
    EngineUse,
    ImageResult,
    Leftover,
    ManifestResult,
    MediaResult,
    Plan,
    Report,
    Restoration,
    ServerResult,
)

SCHEMA: Final = 1
_EDIT_NAMES: Final[dict[type, str]] = {
    CreateKey: "create-key",
    SetValue: "set-value",
    DeleteValue: "delete-value",
    DeleteKey: "delete-key",
}


def render(report: Report, shell: Shell) -> str:
    """The document for a report; texts that contain command lines write them for a shell."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": report.command,
        "ok": report.holds and report.error is None and not report.failures,
        "dry_run": report.dry_run,
        "changed": report.changed,
        "images": [_image(image) for image in report.images],
    }
    if report.command == "audit":
        document["images"] = [_audited(image) for image in report.audited]
        document["totals"] = {
            verdict: sum(image.verdict is verdict for image in report.audited) for verdict in AuditVerdict
        }
    if report.command == "export":
        document["certificates"] = [_certificate(certificate) for certificate in report.certificates]
        document["files"] = list(report.files)
    if report.command == "doctor":
        document["checks"] = [
            {
                "name": line.name,
                "state": line.state,
                "message": line.message,
                "remedy": line.remedy,
                "command": list(line.command) or None,
            }
            for line in report.health
        ]
    if report.judged_at is not None:
        document["at"] = report.judged_at.isoformat()
    if report.media is not None:
        document["media"] = _media(report.media)
    if report.command == "manifest":
        document["manifests"] = [_manifest(manifest) for manifest in report.manifests]
    if report.attestations:
        document["evidence"] = [_attestation(attestation) for attestation in report.attestations]
    if report.restored is not None:
        document["restored"] = _restoration(report.restored)
    if report.compaction is not None:
        document["compaction"] = compaction_document(report.compaction)
    if report.command == "diff":
        document["comparisons"] = [comparison_document(each) for each in report.comparisons]
    if report.command == "cleanup":
        document["leftovers"] = [_leftover(item, shell) for item in report.leftovers]
    if report.engine is not None:
        document |= _engine(report.engine)
    if report.dry_run and report.plan is not None:
        document["plan"] = _plan(report.plan)
    if report.failures:
        document["failures"] = [
            {
                "path": failure.path,
                "inside": failure.inside or None,
                "index": failure.index,
                **_error(failure.error),
            }
            for failure in report.failures
        ]
    document["warnings"] = list(report.warnings)
    document["advice"] = [
        f"{each.text} {command_line(each.command, shell)}".strip() for each in report.advice
    ]
    document["next_steps"] = [
        {"text": advice.text, "command": list(advice.command) or None} for advice in report.advice
    ]
    if report.error is not None:
        document["error"] = _error(report.error)
    return _dump(document)


def render_error(command: str | None, error: WinpeCertsError) -> str:
    """The document for a call that failed before it had anything to report."""
    return _dump(
        {
            "schema": SCHEMA,
            "command": command,
            "ok": False,
            "dry_run": False,
            "changed": False,
            "images": [],
            "error": _error(error),
        }
    )


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=True)


def _image(image: ImageResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": image.path,
        "inside": image.inside or None,
        "index": image.index,
        "name": image.name,
        "windows": image.is_windows,
        "changed": image.changed,
        "certificates": [_certificate(certificate) for certificate in image.certificates],
        "findings": [_finding(finding) for finding in image.findings],
        "verified_by": list(image.readers),
    }
    if image.chunks is not None:
        document["chunks"] = {"read": image.chunks[0], "of": image.chunks[1]}
    if image.output is not None:
        document["output"] = image.output
    if image.servers:
        document["servers"] = [_server(answer) for answer in image.servers]
    return document


def _audited(image: AuditedImage) -> dict[str, Any]:
    return {
        "path": image.path,
        "inside": image.inside or None,
        "index": image.index,
        "name": image.name,
        "architecture": image.architecture or None,
        "version": image.version or None,
        "changed": False,
        "verdict": image.verdict,
        "certificates": [_certificate(certificate) for certificate in image.certificates],
        "others": [_certificate(certificate) for certificate in image.others],
        "servers": [_server(answer) for answer in image.servers],
        "findings": [_finding(finding) for finding in image.findings],
    }


def _server(answer: ServerResult) -> dict[str, Any]:
    return {
        "server": answer.server,
        "source": answer.source,
        "verdict": answer.verdict,
        "valid_from": answer.valid_from.isoformat() if answer.valid_from else None,
        "valid_until": answer.valid_until.isoformat() if answer.valid_until else None,
        "chain": [
            {
                "thumbprint": link.thumbprint,
                "sha256": link.sha256,
                "subject": link.subject,
                "origin": link.origin,
                "not_before": link.not_before.isoformat() if link.not_before else None,
                "not_after": link.not_after.isoformat() if link.not_after else None,
            }
            for link in answer.chain
        ],
        "reasons": [_reason(reason) for reason in answer.reasons],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code,
        "severity": reason.severity,
        "winhttp": reason.winhttp or None,
        "message": reason.message,
        "advice": reason.advice,
        "command": list(reason.command) or None,
        "undocumented": reason.undocumented,
    }


def _media(media: MediaResult) -> dict[str, Any]:
    return {
        "path": media.path,
        "thumbprint": media.thumbprint,
        "sha256": media.sha256,
        "subject": media.subject,
        "issuer": media.issuer,
        "not_before": media.not_before.isoformat() if media.not_before else None,
        "not_after": media.not_after.isoformat() if media.not_after else None,
        "key": media.key,
        "provider": media.provider,
        "findings": [_finding(finding) for finding in media.findings],
    }


def _manifest(manifest: ManifestResult) -> dict[str, Any]:
    return {
        "path": manifest.path,
        "inside": manifest.inside or None,
        "index": manifest.index,
        "name": manifest.name,
        "sha256": manifest.sha256,
        "entries": list(manifest.entries),
    }


def _attestation(attestation: Attestation) -> dict[str, Any]:
    return {
        "path": attestation.path,
        "recorded_as": attestation.recorded_as,
        "claims": [
            {"subject": claim.subject, "expected": claim.expected, "found": claim.found, "ok": claim.holds}
            for claim in attestation.claims
        ],
    }


def _restoration(restored: Restoration) -> dict[str, Any]:
    return {"path": restored.path, "size": restored.size, "sha256": restored.sha256, "cut": restored.cut}


def _leftover(item: Leftover, shell: Shell) -> dict[str, Any]:
    return {
        "run": item.run or None,
        "what": item.what,
        "command": _ways(item, shell),
        "commands": [list(words) for words in item.commands],
        "freed": item.is_freed,
        "problem": item.problem,
    }


def _ways(item: Leftover, shell: Shell) -> str:
    """How to free it, as text."""
    text = "   then: ".join(command_line(words, shell) for words in item.commands)
    return f"{text}   or: {command_line(item.alternative, shell)}" if item.alternative else text


def _engine(engine: EngineUse) -> dict[str, Any]:
    document: dict[str, Any] = {"engine": engine.name, "engine_reason": engine.reason}
    if engine.program is not None:
        document[engine.name] = {"path": engine.program, "version": engine.version}
    return document


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "images": [
            {
                "path": image.path,
                "index": image.index,
                "name": image.name,
                "edits": [_edit(edit) for edit in image.edits],
            }
            for image in plan.images
        ],
        "commands": [list(command) for command in plan.commands],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    document: dict[str, Any] = {"edit": _EDIT_NAMES[type(edit)], "key": "\\".join(edit.path)}
    if isinstance(edit, SetValue | DeleteValue):
        document["value"] = edit.name
    if isinstance(edit, SetValue):
        document |= {"type": edit.type, "data": edit.data.hex()}
    return document


def _certificate(certificate: CertificateResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        "thumbprint": certificate.thumbprint,
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "key": certificate.key,
        "store": certificate.store,
        "status": certificate.status,
        "not_before": certificate.not_before.isoformat() if certificate.not_before else None,
        "not_after": certificate.not_after.isoformat() if certificate.not_after else None,
        "findings": [_finding(finding) for finding in certificate.findings],
    }
    if certificate.searched:
        document["searched"] = list(certificate.searched)
    return document


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "advice": finding.advice,
        "command": list(finding.command) or None,
        "allowed": finding.allowed,
    }


def _error(error: WinpeCertsError) -> dict[str, Any]:
    return {
        "code": int(error.exit_code),
        "kind": error.kind,
        "message": error.message,
        "details": error.details,
        "resolution": error.resolution,
        "command": list(error.command) or None,
        "ran": list(error.ran) or None,
        "image_state": error.image_state,
    }
