"""Findings by store: what is about roots says nothing of publishers or of what is distrusted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.certs import making
from winpe_certs.certs.findings import examine
from winpe_certs.certs.store_findings import concerning, examine_in
from winpe_certs.certs.stores import Store
from winpe_certs.findings import Finding, Severity

LATER = datetime(2040, 1, 1, tzinfo=UTC)
PUBLISHERS = (Store.TRUSTED_PUBLISHER, Store.TRUSTED_PEOPLE)


def signer() -> bytes:
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    return making.make("Signer", key=making.rsa_key(1024), ca=False, extensions=((use, False),))


def codes(store: str, at: datetime = making.NOW) -> dict[str, Severity]:
    return {each.code: each.severity for each in examine_in(making.load(signer()), store, at)}


@pytest.mark.parametrize("store", [Store.AUTH_ROOT, Store.ROOT, Store.CA, Store.MY, "Custom"])
def test_elsewhere_every_finding_counts(store: str) -> None:
    certificate = making.load(signer())
    assert examine_in(certificate, store, LATER) == examine(certificate, LATER)
    assert codes(store)["not-a-ca"] is Severity.ERROR


@pytest.mark.parametrize("store", PUBLISHERS)
def test_a_publisher_need_not_be_a_ca_and_may_have_expired(store: Store) -> None:
    assert codes(store) == {}
    assert codes(store, LATER) == {"expired": Severity.WARNING}
    assert codes(store, datetime(2020, 1, 1, tzinfo=UTC)) == {"not-yet-valid": Severity.WARNING}
    (soon,) = examine_in(making.load(signer()), store, datetime(2033, 12, 1, tzinfo=UTC))
    assert (soon.code, "boot media" in soon.advice.lower()) == ("expires-soon", False)


@pytest.mark.parametrize("when", [making.NOW, LATER])
def test_a_distrusted_certificate_may_be_anything(when: datetime) -> None:
    assert codes(Store.DISALLOWED, when) == {}


@pytest.mark.parametrize("store", [*PUBLISHERS, Store.DISALLOWED])
def test_what_cannot_be_read_is_said_everywhere(store: Store) -> None:
    faulty = making.load(making.element(0x30, b"\x04\x01x"))
    assert faulty.fault
    assert [each.code for each in examine_in(faulty, store, making.NOW)] == ["unreadable"]


def test_what_a_blob_takes_from_roots_takes_nothing_from_publishers() -> None:
    found = [Finding(code, Severity.ERROR, "x") for code in ("narrowed-eku", "wrong-cached-hash")]
    assert concerning(found, Store.ROOT) == tuple(found)
    assert concerning(found, Store.TRUSTED_PUBLISHER) == tuple(found[1:])
