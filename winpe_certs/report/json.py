"""The JSON report: one document, ASCII only, whose keys are a contract (README, "JSON")."""

from __future__ import annotations

import json
from typing import Any, Final

from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Reason
from winpe_certs.results import (
    CertificateResult,
    EngineUse,
    ImageResult,
    Leftover,
    MediaResult,
    Plan,
    Report,
    ServerResult,
)

SCHEMA: Final = 1
_EDIT_NAMES: Final[dict[type, str]] = {
    CreateKey: "create-key",
    SetValue: "set-value",
    DeleteValue: "delete-value",
    DeleteKey: "delete-key",
}


def render(report: Report) -> str:
    """The document for a report."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": report.command,
        "ok": report.holds and report.error is None,
        "dry_run": report.dry_run,
        "changed": report.changed,
        "images": [_image(image) for image in report.images],
    }
    if report.command == "export":
        document["certificates"] = [_certificate(certificate) for certificate in report.certificates]
        document["files"] = list(report.files)
    if report.command == "doctor":
        document["checks"] = [
            {"name": line.name, "state": line.state, "message": line.message, "remedy": line.remedy}
            for line in report.health
        ]
    if report.judged_at is not None:
        document["at"] = report.judged_at.isoformat()
    if report.media is not None:
        document["media"] = _media(report.media)
    if report.command == "cleanup":
        document["leftovers"] = [_leftover(item) for item in report.leftovers]
    if report.engine is not None:
        document |= _engine(report.engine)
    if report.dry_run and report.plan is not None:
        document["plan"] = _plan(report.plan)
    document["warnings"] = list(report.warnings)
    document["advice"] = list(report.advice)
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
        "index": image.index,
        "name": image.name,
        "changed": image.changed,
        "certificates": [_certificate(certificate) for certificate in image.certificates],
        "verified_by": list(image.readers),
    }
    if image.output is not None:
        document["output"] = image.output
    if image.servers:
        document["servers"] = [_server(answer) for answer in image.servers]
    return document


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
                "not_before": link.not_before.isoformat(),
                "not_after": link.not_after.isoformat(),
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
    }


def _media(media: MediaResult) -> dict[str, Any]:
    return {
        "path": media.path,
        "thumbprint": media.thumbprint,
        "sha256": media.sha256,
        "subject": media.subject,
        "issuer": media.issuer,
        "not_before": media.not_before.isoformat(),
        "not_after": media.not_after.isoformat(),
        "key": media.key,
        "provider": media.provider,
        "findings": [_finding(finding) for finding in media.findings],
    }


def _leftover(item: Leftover) -> dict[str, Any]:
    return {
        "run": item.run or None,
        "what": item.what,
        "command": item.command,
        "freed": item.is_freed,
        "problem": item.problem,
    }


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
    return {
        "thumbprint": certificate.thumbprint,
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "store": certificate.store,
        "status": certificate.status,
        "not_before": certificate.not_before.isoformat() if certificate.not_before else None,
        "not_after": certificate.not_after.isoformat() if certificate.not_after else None,
        "findings": [_finding(finding) for finding in certificate.findings],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "advice": finding.advice,
    }


def _error(error: WinpeCertsError) -> dict[str, Any]:
    return {
        "code": int(error.exit_code),
        "kind": error.kind,
        "message": error.message,
        "details": error.details,
        "resolution": error.resolution,
    }
