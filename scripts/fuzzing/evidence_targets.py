"""What is fuzzed of evidence: files as ``undo``, ``verify --evidence`` and ``evidence show`` read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from winpe_certs.evidence.canonical import from_json, plan_digest, to_json
from winpe_certs.evidence.document import (
    CertificateEvidence,
    EntryChange,
    Evidence,
    FileState,
    HiveChange,
    ImageEvidence,
    ManifestDigest,
    PlanEvidence,
    PlannedEdit,
    PlannedImage,
    RunEvidence,
    TargetEvidence,
    ToolEvidence,
    ValueChange,
    ValueState,
    WayBack,
)
from winpe_certs.report.evidence import page

_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STATE: Final = FileState(5000, "1" * 64)


def evidence(data: bytes) -> None:
    """A file: what is accepted is what would be written, and can be shown."""
    found = from_json(data, "fuzzed")
    assert to_json(found).encode() == data
    page(found, markdown=False)
    page(found, markdown=True)


def seal_evidence(data: bytes) -> bytes:
    """The document with digests that fit and laid out as it should be, if it still is one in JSON."""
    with suppress(ValueError, RecursionError, TypeError, KeyError):
        document = json.loads(data)
        plan = {name: document["plan"][name] for name in ("images", "commands")}
        document["plan"]["sha256"] = _digest(plan)
        document.pop("sha256", None)
        document["sha256"] = _digest(document)
        return (json.dumps(document, indent=2) + "\n").encode("ascii")
    return data


def documents() -> Iterator[bytes]:
    """Evidence of every kind of target, small."""
    images = (PlannedImage("boot.wim", 1, (PlannedEdit("set-value", "A\\B", "Blob", 3, "00ff"),)),)
    commands = (("DISM.exe", "/Mount-Image"),)
    plan = PlanEvidence(images, commands, plan_digest(images, commands))
    certificate = CertificateEvidence(
        "boot.wim", 1, "AuthRoot", "added", "a" * 40, "b" * 64, "CN=Root", _AT, _AT
    )
    yield _document(_AT, (certificate,), plan, (_wim(),))
    hive = TargetEvidence("SOFTWARE", "hive", "o", "direct", "", "p", "1", _STATE, _STATE, (), None, "no WIM")
    yield _document(_AT.replace(microsecond=5), (), PlanEvidence((), (), plan_digest((), ())), (hive,))


def _document(
    at: datetime,
    certificates: tuple[CertificateEvidence, ...],
    plan: PlanEvidence,
    targets: tuple[TargetEvidence, ...],
) -> bytes:
    run = RunEvidence("inject", at, at, "größe", None, "CHG42", None)
    tool = ToolEvidence("0.1.0", "3.11", {"regipy": "6.5.0"})
    return to_json(Evidence(tool, run, certificates, plan, targets)).encode()


def _wim() -> TargetEvidence:
    value = ValueChange("A\\B", "Blob", None, ValueState(3, 2, "c" * 64))
    image = ImageEvidence(
        index=1,
        name="Windows PE",
        architecture="x64",
        build="10.0.26100",
        manifest_before=ManifestDigest(3, "d" * 64),
        manifest_after=ManifestDigest(3, "e" * 64),
        changed_entries=(EntryChange("\\a", "\\a 1", "\\a 2"),),
        hive=HiveChange("\\a", _STATE, _STATE, ("A\\B",), (), (value,)),
    )
    back = WayBack("4d" * 208, 5000, "1" * 64, is_original=True)
    return TargetEvidence(
        "boot.wim", "wim", None, "direct", "asked for", None, None, _STATE, _STATE, (image,), back, ""
    )


def _digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
