"""What is said about a media certificate: each finding with its severity, and nothing about a good one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scripts.testdata import media_pki
from scripts.testdata.media_pki import AES_PROVIDER, PASSWORD, VARIANTS
from winpe_certs.certs.media import examine_media
from winpe_certs.certs.pkcs12 import MediaStore, read_media
from winpe_certs.certs.signatures import SignatureAlgorithm
from winpe_certs.findings import Finding, Severity

AT = datetime(2026, 6, 1, tzinfo=UTC)
E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - as the table below reads best


def variant(name: str) -> MediaStore:
    return read_media(VARIANTS[name](), PASSWORD, "media.pfx")


def found(store: MediaStore, at: datetime = AT) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in examine_media(store, at)]


def only(store: MediaStore, code: str) -> Finding:
    (finding,) = [each for each in examine_media(store, AT) if each.code == code]
    return finding


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("provider", []),
        ("good", [("media-provider", I)]),
        ("chain", [("media-provider", I)]),
        ("legacy", [("media-provider", I)]),
        ("key-storage-provider", [("media-provider", I)]),
        ("hidden-key", [("media-provider", I)]),
        ("old-provider", [("media-provider", W)]),
        ("wrong-usage", [("no-client-auth", E), ("media-provider", I)]),
        ("any-usage", [("media-provider", I)]),
        ("no-usage", [("no-extended-key-usage", W), ("media-provider", I)]),
        ("expired", [("expired", E), ("media-provider", I)]),
        ("future", [("not-yet-valid", E), ("media-provider", I)]),
        ("ec", [("media-key-kind", E), ("media-provider", I)]),
        ("rsa1024", [("weak-key", W), ("media-provider", I)]),
        ("sha1", [("media-sha1", W), ("media-provider", I)]),
        ("certificate-only", [("no-private-key", E)]),
        ("other-key", [("no-private-key", E)]),
    ],
)
def test_each_variant_has_its_one_finding(name: str, expected: list[tuple[str, Severity]]) -> None:
    assert found(variant(name)) == expected


def test_a_root_in_its_place_has_every_fault_of_its_own() -> None:
    store = read_media(media_pki.certificates_only("weak-root"), PASSWORD, "media.pfx")
    assert found(store) == [
        ("no-private-key", E),
        ("no-extended-key-usage", W),
        ("is-ca", W),
        ("weak-key", W),
    ]


@pytest.mark.parametrize(
    ("bits", "severity"), [(1023, E), (1024, W), (2047, W), (2048, None), (4096, None), (None, None)]
)
def test_sizes_of_rsa_keys(bits: int | None, severity: Severity | None) -> None:
    store = variant("provider")
    store = replace(
        store, certificate=replace(store.certificate, key=replace(store.certificate.key, bits=bits))
    )
    assert found(store) == ([("weak-key", severity)] if severity else [])


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("md5", E),
        ("sha1", W),
        (None, W),
        ("sha3-256", W),
        ("sha256", None),
        ("sha384", None),
        ("sha512", None),
    ],
)
def test_hashes_of_signatures(name: str | None, severity: Severity | None) -> None:
    store = variant("provider")
    store = replace(
        store, certificate=replace(store.certificate, signature_algorithm=SignatureAlgorithm("1.2.3", name))
    )
    assert found(store) == ([("media-sha1", severity)] if severity else [])


def test_dates_up_to_the_second() -> None:
    store = variant("provider")
    begin, end = store.certificate.not_before, store.certificate.not_after
    assert begin is not None
    assert end is not None
    second = timedelta(seconds=1)
    assert found(store, begin - second) == [("not-yet-valid", E)]
    assert found(store, begin) == []
    assert found(store, end - timedelta(days=90) - second) == []
    assert found(store, end - timedelta(days=90)) == [("expires-soon", W)]
    assert found(store, end) == [("expires-soon", W)]
    assert found(store, end + second) == [("expired", E)]


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        (AES_PROVIDER, None, ""),
        (AES_PROVIDER.upper(), None, ""),
        (f"{AES_PROVIDER} (Prototype)", None, ""),
        ("Microsoft Base Cryptographic Provider v1.0", W, "has no SHA-256"),
        ("Microsoft Enhanced Cryptographic Provider v1.0", W, "has no SHA-256"),
        ("Microsoft Strong Cryptographic Provider", W, "has no SHA-256"),
        ("Microsoft Software Key Storage Provider", I, "v3 (CNG) certificate, which is allowed"),
        ("Microsoft Platform Crypto Provider", I, "v3 (CNG) certificate, which is allowed"),
        ("Some Vendor's Provider", I, "Its provider is Some Vendor's Provider."),
        (None, I, "names no cryptographic provider"),
    ],
)
def test_providers(name: str | None, severity: Severity | None, words: str) -> None:
    store = replace(variant("good"), provider=name)
    if severity is None:
        assert found(store) == []
        return
    finding = only(store, "media-provider")
    assert finding.severity is severity
    assert words in finding.message
    assert "recommends, but does not require" in finding.advice


def test_a_hidden_provider_is_not_called_missing() -> None:
    assert "is not known" in only(variant("hidden-key"), "media-provider").message


def test_what_is_recommended_is_not_called_required() -> None:
    assert "recommended, not required" in only(variant("sha1"), "media-sha1").advice


def test_the_clock_is_a_suspect_too() -> None:
    assert "clock" in only(variant("future"), "not-yet-valid").advice
