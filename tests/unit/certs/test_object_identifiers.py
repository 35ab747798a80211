"""The names of object identifiers are those that other libraries have for them."""

from __future__ import annotations

import pytest
from cryptography.x509 import ObjectIdentifier

from winpe_certs.certs.object_identifiers import EXTENSIONS, SIGNATURES, USES, with_name

EVERY = {**USES, **EXTENSIONS, **SIGNATURES}
# Our own words for what cryptography calls by an abbreviation of its own.
OURS = {"smart card logon", "certificate template", "md2WithRSAEncryption", "RSASSA-PSS"}


@pytest.mark.parametrize("identifier", EVERY)
def test_the_name_is_the_usual_one(identifier: str) -> None:
    usual = ObjectIdentifier(identifier)._name
    if usual != "Unknown OID" and EVERY[identifier] not in OURS:
        assert EVERY[identifier].lower() == usual.lower()


def test_a_name_comes_before_the_number() -> None:
    assert with_name("1.3.6.1.5.5.7.3.2") == "clientAuth (1.3.6.1.5.5.7.3.2)"
    assert with_name("1.2.3.4") == "1.2.3.4"


def test_no_identifier_has_two_names() -> None:
    assert len(EVERY) == len(USES) + len(EXTENSIONS) + len(SIGNATURES)
