"""Evidence as runs write it: of a whole `inject` into an image, and of one that had little to say.

The types, and the digest of the plan, are the package's own: a document is described by nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from winpe_certs.evidence.canonical import plan_digest
from winpe_certs.evidence.document import (
    VERSION,
    CertificateEvidence,
    CertificatesOf,
    Confirmation,
    Difference,
    EntryChange,
    Evidence,
    FileState,
    FindingEvidence,
    GivenOption,
    HiveState,
    ImageEvidence,
    ImagesOf,
    ManifestDigest,
    PlanEvidence,
    PlannedEdit,
    PlannedImages,
    RunEvidence,
    SourceEvidence,
    TargetEvidence,
    ToolEvidence,
    ValueChange,
    ValueState,
    WayBack,
)

THUMBPRINT: Final = "1a8d2cc87d14c0b37372f979e20945250b635a45"
SOFTWARE: Final = "\\Windows\\System32\\config\\SOFTWARE"
KEY: Final = f"Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{THUMBPRINT.upper()}"


def state(digit: str, size: int = 1000) -> FileState:
    """A state whose digest is one digit over and over."""
    return FileState(size, digit * 64)


def image() -> ImageEvidence:
    """The first image of a boot.wim, with one certificate more."""
    return ImageEvidence(
        index=1,
        name="Microsoft Windows PE (x64)",
        architecture="x64",
        build="10.0.26100",
        manifest_before=ManifestDigest(37, "a" * 64),
        manifest_after=ManifestDigest(37, "b" * 64),
        changed_entries=(EntryChange(SOFTWARE, f"{SOFTWARE}\tsd=1\tsha1=11", f"{SOFTWARE}\tsd=1\tsha1=22"),),
        hive=HiveState(SOFTWARE.lstrip("\\"), state("c", 262_144), state("d", 262_144)),
    )


def sample() -> Evidence:
    """The evidence of one `inject` into one image."""
    edits = (PlannedEdit("create-key", KEY), PlannedEdit("set-value", KEY, "Blob", 3, "00ff"))
    first = (ImagesOf("boot.wim", (1,)),)
    images = (PlannedImages(first, edits),)
    commands = (("DISM.exe", "/Mount-Image", "/MountDir:C:\\a b"),)
    start = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    added = CertificateEvidence(
        "AuthRoot",
        "added",
        THUMBPRINT,
        "f" * 64,
        "CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US",
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2045, 1, 1, tzinfo=UTC),
        SourceEvidence("/srv/roots.pem", "9" * 64, "line 31"),
        (FindingEvidence("weak-signature", "error", "It is signed with SHA-1.", allowed=True),),
    )
    return Evidence(
        version=VERSION,
        tool=ToolEvidence("0.1.0", "3.11.9", {"regipy": "6.5.0", "python-registry": "1.3.1"}),
        run=RunEvidence(
            "inject",
            start,
            start.replace(second=2, microsecond=5),
            "ann",
            "pc",
            "CHG42",
            (GivenOption("--allow", "weak-signature"), GivenOption("--recover", None)),
            (GivenOption("--index", "1"),),
            None,
        ),
        certificates=(CertificatesOf(first, (added,)),),
        plan=PlanEvidence(images, commands, plan_digest(images, commands)),
        targets=(
            TargetEvidence(
                file="boot.wim",
                kind="wim",
                output=None,
                engine="direct",
                engine_reason="asked for by --engine",
                engine_program=None,
                engine_version=None,
                before=state("1", 5000),
                after=state("2", 7000),
                images=(image(),),
                confirmed=Confirmation(("regipy 6.5.0", "python-registry 1.3.1"), start.replace(second=1)),
                way_back=WayBack("4d" * 208, 5000, "1" * 64, is_original=True),
                no_way_back="",
            ),
        ),
        differences=(
            Difference(first, (KEY,), (), (ValueChange(KEY, "Blob", None, ValueState(3, 1034, "e" * 64)),)),
        ),
    )


def sparse_sample() -> Evidence:
    """The evidence of one `inject` into a bare hive that had the certificate already, by nobody known."""
    evidence = sample()
    unchanged = state("1", 5000)
    return replace(
        evidence,
        run=replace(
            evidence.run, user=None, host="größe", change_id=None, overrides=(), options=(), error="full disk"
        ),
        certificates=(),
        plan=PlanEvidence((), (), plan_digest((), ())),
        targets=(
            TargetEvidence(
                file="SOFTWARE",
                kind="hive",
                output="SOFTWARE.new",
                engine="direct",
                engine_reason="",
                engine_program="reg.exe",
                engine_version="10.0",
                before=unchanged,
                after=unchanged,
                images=(),
                confirmed=None,
                way_back=None,
                no_way_back="no WIM",
            ),
        ),
        differences=(),
    )
