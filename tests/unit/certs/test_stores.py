"""Store layout: key paths, store names, thumbprints as people paste them."""

from __future__ import annotations

import pytest

from tests.unit.certs import making
from winpe_certs.certs.stores import (
    Location,
    Store,
    canonical_store_name,
    certificate_key,
    default_store,
    edits_for,
    parse_store_name,
    removal_edits,
    store_key,
)
from winpe_certs.edits import DeleteKey, SetValue
from winpe_certs.errors import UsageError

T = "B759697225BF14DA7F67596D9A687058C4EBAC60"


def test_key_of_a_certificate() -> None:
    assert certificate_key("AuthRoot", T) == (
        "Microsoft",
        "SystemCertificates",
        "AuthRoot",
        "Certificates",
        T,
    )
    assert certificate_key(Store.ROOT, T.lower())[-1] == T
    assert store_key("CA") == ("Microsoft", "SystemCertificates", "CA", "Certificates")


def test_policy_and_enterprise_locations() -> None:
    assert certificate_key("ROOT", T, Location.POLICY)[:3] == ("Policies", "Microsoft", "SystemCertificates")
    assert certificate_key("ROOT", T, Location.ENTERPRISE)[:2] == ("Microsoft", "EnterpriseCertificates")


def test_key_names_are_plain_strings() -> None:
    assert all(type(name) is str for name in certificate_key(Store.AUTH_ROOT, T))


@pytest.mark.parametrize(
    ("text", "store"),
    [
        ("authroot", "AuthRoot"),
        ("AUTHROOT", "AuthRoot"),
        ("root", "ROOT"),
        ("ca", "CA"),
        (" Disallowed ", "Disallowed"),
        ("trustedpublisher", "TrustedPublisher"),
        ("TrustedPeople", "TrustedPeople"),
        ("my", "My"),
    ],
)
def test_store_names_in_any_case(text: str, store: str) -> None:
    assert parse_store_name(text) == store


def test_unknown_store_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="unknown certificate store 'Trust Me'") as caught:
        parse_store_name("Trust Me")
    assert "AuthRoot, ROOT, CA, Disallowed" in caught.value.details


def test_unknown_store_names_in_a_file_are_left_alone() -> None:
    assert canonical_store_name("MSIEHistoryJournal") == "MSIEHistoryJournal"
    assert canonical_store_name("Root") == "ROOT"


def test_default_stores() -> None:
    assert default_store(making.load(making.root_der())) == "AuthRoot"
    assert default_store(making.load(making.intermediate_der())) == "CA"
    assert default_store(making.load(making.server_der())) == "CA"
    assert default_store(making.load(making.make(ca=None))) == "AuthRoot"


def test_edits() -> None:
    path = certificate_key("ROOT", T)
    assert edits_for(b"blob", "ROOT", T) == (SetValue(path, "Blob", 3, b"blob"),)
    assert removal_edits("ROOT", T) == (DeleteKey(path),)
