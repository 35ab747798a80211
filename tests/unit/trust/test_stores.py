"""Which stores of an image count, and for what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scripts.testdata import pki
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location
from winpe_certs.hosts import parse_host
from winpe_certs.results import ServerResult
from winpe_certs.trust.answer import judge
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates

AT = datetime(2027, 1, 31, tzinfo=UTC)
MACHINE, POLICY, ENTERPRISE = Location.MACHINE, Location.POLICY, Location.ENTERPRISE


def stored(name: str, store: str, location: Location = MACHINE) -> StoredCertificate:
    certificate = Certificate.from_der(pki.der(name), name)
    return StoredCertificate(location, store, certificate.thumbprint, blob_for(certificate).to_bytes())


def ask(*held: StoredCertificate, sent: tuple[str, ...] = ("cmg-server", "corp-issuing")) -> ServerResult:
    leaf, *others = (Certificate.from_der(pki.der(name), name) for name in sent)
    host = parse_host("cmg.contoso.example")
    chain = ServerChain("cmg", "chain.pem", leaf, tuple(others), (host,))
    (answer,) = judge(chain, ImageStores.from_stored(StoredCertificates(held, ())), AT, ("boot.wim",))
    return answer


def codes(answer: ServerResult) -> list[str]:
    return [reason.code for reason in answer.reasons]


@pytest.mark.parametrize("store", ["AuthRoot", "ROOT"])
def test_roots_of_the_machine_are_anchors(store: str) -> None:
    answer = ask(stored("corp-root", store))
    assert (answer.verdict, codes(answer)) == ("trusted", [])
    assert answer.chain[-1].origin == store


@pytest.mark.parametrize("location", [POLICY, ENTERPRISE])
def test_the_root_store_of_policy_and_enterprise_counts_with_a_remark(location: Location) -> None:
    answer = ask(stored("corp-root", "ROOT", location))
    assert (answer.verdict, codes(answer)) == ("trusted", ["policy-store"])
    assert answer.reasons[0].command[:3] == ("winpe-certs", "export", "boot.wim")
    assert codes(ask(stored("corp-root", "ROOT", location), stored("corp-root", "AuthRoot"))) == []


@pytest.mark.parametrize("location", [POLICY, ENTERPRISE])
def test_their_auth_root_does_not(location: Location) -> None:
    answer = ask(stored("corp-root", "AuthRoot", location))
    assert (answer.verdict, codes(answer)) == ("not trusted", ["issuer-in-wrong-store"])


@pytest.mark.parametrize("location", list(Location))
def test_intermediates_are_found_in_ca_wherever_it_is(location: Location) -> None:
    answer = ask(
        stored("corp-root", "AuthRoot"), stored("corp-issuing", "CA", location), sent=("cmg-server",)
    )
    assert answer.verdict == "trusted"


@pytest.mark.parametrize("store", ["AuthRoot", "ROOT", "TrustedPeople", "My", "TrustedPublisher"])
def test_intermediates_are_found_nowhere_else(store: str) -> None:
    answer = ask(stored("corp-root", "AuthRoot"), stored("corp-issuing", store), sent=("cmg-server",))
    assert (answer.verdict, codes(answer)) == ("not trusted", ["issuer-in-wrong-store"])
    taken_out = ("--thumbprint", stored("corp-issuing", store).key_name, "--as", "der")
    assert answer.reasons[0].command == ("winpe-certs", "export", "boot.wim", *taken_out)


def test_an_intermediate_that_is_sent_may_stand_in_a_root_store_but_should_not() -> None:
    answer = ask(stored("corp-root", "AuthRoot"), stored("corp-issuing", "ROOT"))
    assert (answer.verdict, codes(answer)) == ("trusted", ["intermediate-in-root-store"])
    assert answer.reasons[0].command[-2:] == ("--store", "ROOT")


@pytest.mark.parametrize("location", list(Location))
@pytest.mark.parametrize("name", ["corp-root", "corp-issuing", "cmg-server"])
def test_disallowed_refuses_every_part_of_the_chain(name: str, location: Location) -> None:
    answer = ask(stored("corp-root", "AuthRoot"), stored(name, "Disallowed", location))
    assert (answer.verdict, codes(answer)) == ("not trusted", ["disallowed"])


def test_disallowed_counts_by_its_key_even_if_its_blob_is_broken() -> None:
    broken = replace(stored("corp-issuing", "Disallowed"), blob=None)
    assert codes(ask(stored("corp-root", "AuthRoot"), broken)) == ["disallowed"]


def test_the_limits_of_every_copy_that_counts_apply() -> None:
    client_only = (0x09, bytes.fromhex("300a06082b06010505070302"))
    narrowed = replace(stored("corp-root", "ROOT"), blob=pki.registry_blob("corp-root", client_only))
    answer = ask(stored("corp-root", "AuthRoot"), narrowed)
    assert codes(answer) == ["narrowed-eku"]
    assert answer.reasons[0].command[:3] == ("winpe-certs", "export", "boot.wim")
    elsewhere = replace(narrowed, store="TrustedPeople")
    assert codes(ask(stored("corp-root", "AuthRoot"), elsewhere)) == []


def test_limits_of_intermediates_in_ca_apply_to_those_that_are_sent_as_well() -> None:
    client_only = (0x09, bytes.fromhex("300a06082b06010505070302"))
    narrowed = replace(stored("corp-issuing", "CA"), blob=pki.registry_blob("corp-issuing", client_only))
    assert codes(ask(stored("corp-root", "AuthRoot"), narrowed)) == ["narrowed-eku"]


@pytest.mark.parametrize(
    "damage",
    [{"blob": None}, {"blob": b""}, {"blob": b"\x20"}, {"key_name": "0" * 40}],
    ids=["no value", "empty", "cut", "another name"],
)
def test_what_cannot_be_read_is_no_anchor_and_is_named(damage: dict[str, object]) -> None:
    broken = replace(stored("corp-root", "AuthRoot"), **damage)  # type: ignore[arg-type] # by name
    answer = ask(broken)
    assert (answer.verdict, codes(answer)) == ("not trusted", ["issuer-missing", "unreadable"])
    assert f"{broken.key_name.upper()} in AuthRoot" in answer.reasons[1].message


def test_an_expired_copy_of_a_renewed_root_is_told_apart() -> None:
    answer = ask(stored("not-yet-valid-root", "AuthRoot"), sent=("cmg-server", "corp-issuing", "corp-root"))
    assert codes(answer) == ["root-not-in-image"]


@pytest.mark.parametrize("location", [POLICY, ENTERPRISE])
def test_what_other_stores_hold_is_not_put_right_by_this_program(location: Location) -> None:
    """A command that changes the machine's store would do nothing, or harm."""
    client_only = (0x09, bytes.fromhex("300a06082b06010505070302"))
    narrowed = replace(
        stored("corp-root", "ROOT", location), blob=pki.registry_blob("corp-root", client_only)
    )
    for held in (
        (stored("corp-root", "AuthRoot"), stored("corp-issuing", "Disallowed", location)),
        (stored("corp-root", "AuthRoot"), narrowed),
        (stored("corp-root", "AuthRoot"), stored("corp-issuing", "ROOT", location)),
    ):
        (reason,) = ask(*held).reasons
        assert reason.command == ()
        assert "group policy or the enterprise" in reason.advice


def test_a_distrusted_certificate_counts_under_any_name() -> None:
    hidden = replace(stored("corp-issuing", "Disallowed"), key_name="AB" * 20)
    answer = ask(stored("corp-root", "AuthRoot"), hidden)
    assert (answer.verdict, codes(answer)) == ("not trusted", ["disallowed"])
    assert answer.reasons[0].command[-2:] == ("--store", "Disallowed"), "it is found by what is inside"
    assert "AB" * 20 in answer.reasons[0].message


def test_an_issuer_that_stands_in_disallowed_alone_is_named() -> None:
    answer = ask(stored("corp-root", "Disallowed"))
    assert (answer.verdict, codes(answer)) == ("not trusted", ["disallowed"])
    assert "Contoso Corporate Root CA" in answer.reasons[0].message


@pytest.mark.parametrize("location", [POLICY, ENTERPRISE])
def test_an_intermediate_of_another_ca_store_gets_the_remark_too(location: Location) -> None:
    held = (stored("corp-root", "AuthRoot"), stored("corp-issuing", "CA", location))
    assert codes(ask(*held, sent=("cmg-server",))) == ["policy-store"]
    assert codes(ask(*held)) == []


def test_a_root_with_a_broken_signature_is_called_that() -> None:
    der = pki.der("corp-root")
    broken = Certificate.from_der(der[:-1] + bytes([der[-1] ^ 1]), "broken")
    held = StoredCertificate(MACHINE, "AuthRoot", broken.thumbprint, blob_for(broken).to_bytes())
    assert codes(ask(held)) == ["broken-signature"]
