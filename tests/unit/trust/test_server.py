"""Finding the server's own certificate in a file."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.trust.certificates import make
from winpe_certs.certs.certificate import Certificate
from winpe_certs.errors import CertificateError
from winpe_certs.hosts import parse_host
from winpe_certs.trust.server import chain_from

ROOT_KEY, ISSUING_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ROOT = make("Root", ca=True, key=ROOT_KEY)
ISSUING = make("Issuing", "Root", ca=True, key=ISSUING_KEY, signer=ROOT_KEY)
SERVER = make(names=["cmg.contoso.com"], issuer="Issuing", signer=ISSUING_KEY)


def leaf(*certificates: Certificate) -> Certificate:
    return chain_from(certificates, server="x", source="chain.pem", hosts=()).leaf


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_the_order_of_the_file_does_not_matter(order: tuple[int, ...]) -> None:
    every = (SERVER, ISSUING, ROOT)
    found = chain_from([every[i] for i in order], server="x", source="chain.pem", hosts=())
    assert found.leaf == SERVER
    assert set(found.others) == {ISSUING, ROOT}


def test_a_server_alone() -> None:
    assert leaf(SERVER) == SERVER


OTHER = make("other.contoso.com", "Issuing", names=["other.contoso.com"], signer=ISSUING_KEY)
RENEWED = make(names=["cmg.contoso.com"], issuer="Issuing", signer=ISSUING_KEY, serial=2)


@pytest.mark.parametrize("certificates", [(OTHER, SERVER, ISSUING), (SERVER, OTHER, ISSUING)])
def test_of_several_servers_the_one_with_the_names_is_meant(certificates: tuple[Certificate, ...]) -> None:
    for name, wanted in (("cmg.contoso.com", SERVER), ("other.contoso.com", OTHER)):
        found = chain_from(certificates, server="x", source="chain.pem", hosts=[parse_host(name)])
        assert found.leaf == wanted


@pytest.mark.parametrize("name", ["cmg.contoso.com", "third.contoso.com"])
def test_what_cannot_be_told_apart_is_refused_and_listed(name: str) -> None:
    certificates = (SERVER, OTHER, RENEWED, ISSUING)
    with pytest.raises(CertificateError, match="cannot be told") as raised:
        chain_from(certificates, server="x", source="chain.pem", hosts=[parse_host(name)])
    assert RENEWED.thumbprint in raised.value.details


def test_a_self_made_certificate_may_call_itself_a_ca() -> None:
    own = make("cmg.contoso.com", names=["cmg.contoso.com"], ca=True)
    assert leaf(own) == own


def test_so_may_one_whose_only_name_is_the_common_name() -> None:
    own = make("cmg.contoso.com", ca=True)
    found = chain_from([own], server="x", source="chain.pem", hosts=[parse_host("cmg.contoso.com")])
    assert found.leaf == own


@pytest.mark.parametrize("order", [1, -1])
def test_a_certificate_that_cannot_be_read_is_the_servers_if_no_other_can_be(order: int) -> None:
    unreadable = Certificate.from_der(b"\x30\x03\x02\x01\x05", "chain.pem")
    assert leaf(*(unreadable, ISSUING)[::order]) == unreadable
    assert leaf(*(unreadable, SERVER, ISSUING)[::order]) == SERVER


@pytest.mark.parametrize("certificates", [(ROOT,), (ISSUING, ROOT), (ISSUING,)])
def test_cas_alone_are_refused(certificates: tuple[Certificate, ...]) -> None:
    with pytest.raises(CertificateError, match="no server's certificate") as raised:
        leaf(*certificates)
    assert "OpenSSL's s_client" in raised.value.resolution


def test_a_bundle_is_refused() -> None:
    with pytest.raises(CertificateError, match="too many"):
        leaf(*[SERVER] * 1001)
