"""Evidence to test with: one document as a run would write it, and a strategy for any other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hypothesis import strategies as st

from winpe_certs.evidence.canonical import plan_digest
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
        hive=HiveChange(
            SOFTWARE,
            state("c", 262_144),
            state("d", 262_144),
            (KEY,),
            (),
            (ValueChange(KEY, "Blob", None, ValueState(3, 1034, "e" * 64)),),
        ),
    )


def sample() -> Evidence:
    """The evidence of one `inject` into one image."""
    edits = (PlannedEdit("create-key", KEY), PlannedEdit("set-value", KEY, "Blob", 3, "00ff"))
    images = (PlannedImage("boot.wim", 1, edits),)
    commands = (("DISM.exe", "/Mount-Image", "/MountDir:C:\\a b"),)
    start = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    return Evidence(
        tool=ToolEvidence("0.1.0", "3.11.9", {"regipy": "6.5.0", "python-registry": "1.3.1"}),
        run=RunEvidence("inject", start, start.replace(second=2, microsecond=5), "ann", "pc", "CHG42", None),
        certificates=(
            CertificateEvidence(
                "boot.wim",
                1,
                "AuthRoot",
                "added",
                THUMBPRINT,
                "f" * 64,
                "CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US",
                datetime(2020, 1, 1, tzinfo=UTC),
                datetime(2045, 1, 1, tzinfo=UTC),
            ),
        ),
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
                way_back=WayBack("4d" * 208, 5000, "1" * 64, is_original=True),
                no_way_back="",
            ),
        ),
    )


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
_HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
_SIZES = st.integers(0, (1 << 63) - 1)
_TYPES = st.integers(0, (1 << 32) - 1)
_INDEXES = st.none() | st.integers(1, 100)
_TIMES = st.datetimes(timezones=st.just(UTC))
_STATES = st.builds(FileState, _SIZES, _HASHES)


def _some(each: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(each, max_size=2).map(tuple)


def _or_none(each: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | each


_VALUES = st.builds(ValueState, _TYPES, _SIZES, _HASHES)
_CHANGES = st.builds(ValueChange, _TEXTS, _TEXTS, _or_none(_VALUES), _or_none(_VALUES))
_HIVES = st.builds(HiveChange, _TEXTS, _STATES, _STATES, _some(_TEXTS), _some(_TEXTS), _some(_CHANGES))
_MANIFESTS = _or_none(st.builds(ManifestDigest, _SIZES, _HASHES))
_ENTRIES = st.builds(EntryChange, _TEXTS, _or_none(_TEXTS), _or_none(_TEXTS))
_IMAGES = st.builds(
    ImageEvidence, _INDEXES, _TEXTS, _TEXTS, _TEXTS, _MANIFESTS, _MANIFESTS, _some(_ENTRIES), _or_none(_HIVES)
)
_BACKS = st.builds(
    WayBack, st.binary(min_size=208, max_size=208).map(bytes.hex), _SIZES, _HASHES, st.booleans()
)
_TARGETS = st.builds(
    TargetEvidence,
    _TEXTS,
    st.sampled_from(("wim", "folder", "hive")),
    _or_none(_TEXTS),
    _TEXTS,
    _TEXTS,
    _or_none(_TEXTS),
    _or_none(_TEXTS),
    _STATES,
    _STATES,
    _some(_IMAGES),
    _or_none(_BACKS),
    _TEXTS,
)
_CERTIFICATES = st.builds(
    CertificateEvidence,
    _TEXTS,
    _INDEXES,
    _TEXTS,
    _TEXTS,
    st.binary(min_size=20, max_size=20).map(bytes.hex),
    _or_none(_HASHES),
    _or_none(_TEXTS),
    _or_none(_TIMES),
    _or_none(_TIMES),
)
_EDITS = st.builds(
    PlannedEdit,
    st.sampled_from(("create-key", "set-value", "delete-value", "delete-key")),
    _TEXTS,
    _or_none(_TEXTS),
    _or_none(_TYPES),
    _or_none(st.binary(max_size=9).map(bytes.hex)),
)
_PLANS = st.builds(
    lambda images, commands: PlanEvidence(images, commands, plan_digest(images, commands)),
    _some(st.builds(PlannedImage, _TEXTS, _INDEXES, _some(_EDITS))),
    _some(_some(_TEXTS)),
)
DOCUMENTS: Final = st.builds(
    Evidence,
    st.builds(ToolEvidence, _TEXTS, _TEXTS, st.dictionaries(_TEXTS, _TEXTS, max_size=2)),
    st.builds(
        RunEvidence,
        _TEXTS,
        _TIMES,
        _TIMES,
        _or_none(_TEXTS),
        _or_none(_TEXTS),
        _or_none(_TEXTS),
        _or_none(_TEXTS),
    ),
    _some(_CERTIFICATES),
    _PLANS,
    _some(_TARGETS),
)
"""Any evidence that can be written."""
