"""Any evidence that can be written, as a strategy."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from hypothesis import strategies as st

from winpe_certs.evidence import document
from winpe_certs.evidence.canonical import plan_digest

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
_HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
_SIZES = st.integers(0, (1 << 63) - 1)
_TYPES = st.integers(0, (1 << 32) - 1)
_INDEXES = st.none() | st.integers(1, 100)
_TIMES = st.datetimes(timezones=st.just(UTC))
_STATES = st.builds(document.FileState, _SIZES, _HASHES)


def _some(each: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(each, max_size=2).map(tuple)


def _or_none(each: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | each


_VALUES = st.builds(document.ValueState, _TYPES, _SIZES, _HASHES)
_CHANGES = st.builds(document.ValueChange, _TEXTS, _TEXTS, _or_none(_VALUES), _or_none(_VALUES))
_HIVES = st.builds(document.HiveState, _TEXTS, _STATES, _STATES)
_WHERE = _some(st.builds(document.ImagesOf, _TEXTS, _some(st.integers(1, 100))))
_DIFFERENCES = st.builds(document.Difference, _WHERE, _some(_TEXTS), _some(_TEXTS), _some(_CHANGES))
_CONFIRMED = st.builds(document.Confirmation, _some(_TEXTS), _TIMES)
_OPTIONS = _some(st.builds(document.GivenOption, _TEXTS, _or_none(_TEXTS)))
_FINDINGS = st.builds(
    document.FindingEvidence, _TEXTS, st.sampled_from(("info", "warning", "error")), _TEXTS, st.booleans()
)
_SOURCES = st.builds(document.SourceEvidence, _TEXTS, _HASHES, _or_none(_TEXTS))
_MANIFESTS = _or_none(st.builds(document.ManifestDigest, _SIZES, _HASHES))
_ENTRIES = st.builds(document.EntryChange, _TEXTS, _or_none(_TEXTS), _or_none(_TEXTS))
_IMAGES = st.builds(
    document.ImageEvidence,
    _INDEXES,
    _TEXTS,
    _TEXTS,
    _TEXTS,
    _MANIFESTS,
    _MANIFESTS,
    _some(_ENTRIES),
    _or_none(_HIVES),
)
_BACKS = st.builds(
    document.WayBack, st.binary(min_size=208, max_size=208).map(bytes.hex), _SIZES, _HASHES, st.booleans()
)
_TARGETS = st.builds(
    document.TargetEvidence,
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
    _or_none(_CONFIRMED),
    _or_none(_BACKS),
    _TEXTS,
)
_CERTIFICATES = st.builds(
    document.CertificateEvidence,
    _TEXTS,
    _TEXTS,
    st.binary(min_size=20, max_size=20).map(bytes.hex),
    _or_none(_HASHES),
    _or_none(_TEXTS),
    _or_none(_TIMES),
    _or_none(_TIMES),
    _or_none(_SOURCES),
    _some(_FINDINGS),
)
_EDITS = st.builds(
    document.PlannedEdit,
    st.sampled_from(("create-key", "set-value", "delete-value", "delete-key")),
    _TEXTS,
    _or_none(_TEXTS),
    _or_none(_TYPES),
    _or_none(st.binary(max_size=9).map(bytes.hex)),
)
_PLANS = st.builds(
    lambda images, commands: document.PlanEvidence(images, commands, plan_digest(images, commands)),
    _some(st.builds(document.PlannedImages, _WHERE, _some(_EDITS))),
    _some(_some(_TEXTS)),
)
DOCUMENTS: Final = st.builds(
    document.Evidence,
    st.just(document.VERSION),
    st.builds(document.ToolEvidence, _TEXTS, _TEXTS, st.dictionaries(_TEXTS, _TEXTS, max_size=2)),
    st.builds(
        document.RunEvidence,
        _TEXTS,
        _TIMES,
        _TIMES,
        _or_none(_TEXTS),
        _or_none(_TEXTS),
        _or_none(_TEXTS),
        _OPTIONS,
        _OPTIONS,
        _or_none(_TEXTS),
    ),
    _some(st.builds(document.CertificatesOf, _WHERE, _some(_CERTIFICATES))),
    _PLANS,
    _some(_TARGETS),
    _some(_DIFFERENCES),
)
