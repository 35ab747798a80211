from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.unit.trust.certificates import common, make, point
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.revocation import revocation_reasons

LDAP = (
    "ldap:///CN=Contoso%20Root%20CA,CN=PKI01,CN=CDP,CN=Public%20Key%20Services,CN=Services,"
    "CN=Configuration,DC=contoso,DC=local?certificateRevocationList?base?objectClass=cRLDistributionPoint"
)
HTTP = "http://crl.contoso.com/root.crl"
HTTPS = "https://crl.contoso.com/root.crl"
INTERNAL = "http://pki01/root.crl"


def _reasons(
    *lists: str | x509.DistributionPoint,
    responders: tuple[str, ...] = (),
    subject: str | x509.Name = "cmg.contoso.com",
) -> tuple[Reason, ...]:
    certificate = make(subject, "Contoso Root CA", lists=lists or None, responders=responders)
    return revocation_reasons(certificate)


def _code(*lists: str | x509.DistributionPoint, responders: tuple[str, ...] = ()) -> str:
    (reason,) = _reasons(*lists, responders=responders)
    assert (reason.severity, reason.winhttp, reason.command) == (Severity.WARNING, "CERT_REV_FAILED", ())
    assert "CN=cmg.contoso.com" in reason.message
    assert "/NoCRLCheck" in reason.advice
    assert "Clients check the certificate revocation list (CRL) for site systems" in reason.advice
    return reason.code


@pytest.mark.parametrize(
    "url",
    [
        HTTP,
        "HTTP://CRL.CONTOSO.COM/root.crl",
        "http://crl.contoso.com:8080/root.crl",
        "http://crl.contoso.com./root.crl",
        "http://8.8.8.8/root.crl",
        "http://[2606:4700::1111]/root.crl",
        "http://crl.local.contoso.com/root.crl",
        "http://crl.notlocal/root.crl",
    ],
)
def test_a_public_http_address_is_reachable(url: str) -> None:
    assert _reasons(url) == ()
    assert _reasons(LDAP, url) == ()
    assert _reasons(point(LDAP, INTERNAL, HTTPS, url)) == ()


def test_a_responder_over_http_is_enough() -> None:
    assert _reasons(responders=("http://ocsp.contoso.com/",)) == ()
    assert _reasons(LDAP, responders=("http://ocsp.contoso.com/",)) == ()


@pytest.mark.parametrize("urls", [(LDAP,), ("LDAP:///CN=a", "ldaps://dc01.contoso.com/CN=a")])
def test_ldap_alone_is_out_of_reach_outside_the_domain(urls: tuple[str, ...]) -> None:
    assert _code(*urls) == "revocation-ldap-only"


def test_the_message_shows_where_the_list_is() -> None:
    (reason,) = _reasons("ldap:///CN=a")
    assert reason.message == (
        "The certificate CN=cmg.contoso.com can be checked for revocation only over LDAP: ldap:///CN=a."
        " Clients on the internet or in a workgroup cannot fetch it."
    )


def test_points_that_are_directory_names_count_as_ldap() -> None:
    full = x509.DistributionPoint([x509.DirectoryName(common("CDP"))], None, None, None)
    part = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "CDP")])
    relative = x509.DistributionPoint(None, part, None, None)
    for each in (full, relative):
        assert _code(each) == "revocation-ldap-only"
        assert _reasons(each, HTTP) == ()
    (reason,) = _reasons(full)
    assert "named by a place in the directory" in reason.message


def test_neither_list_nor_responder() -> None:
    assert _code() == "revocation-no-list"


@pytest.mark.parametrize(
    "url",
    [
        "file:///C:/root.crl",
        "file://pki01/share/root.crl",
        "\\\\pki01\\share\\root.crl",
        "ftp://crl.contoso.com/root.crl",
        "root.crl",
        "",
        "http://",
        "http:///root.crl",
        "http://[2001/root.crl",
        "http://[not-an-address]/root.crl",
    ],
)
def test_what_no_client_can_fetch(url: str) -> None:
    assert _code(url) == "revocation-unreachable"
    assert _code(LDAP, url) == "revocation-unreachable"


@pytest.mark.parametrize(
    "host",
    [
        "pki01",
        "localhost",
        "crl.contoso.local",
        "CRL.CONTOSO.LOCAL.",
        "crl.contoso.internal",
        "crl.contoso.lan",
        "crl.contoso.corp",
        "crl.home.arpa",
        "crl.contoso.intranet",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "[fd00::1]",
        "[fe80::1]",
        "[::1]",
    ],
)
def test_an_internal_address_is_probably_out_of_reach_on_the_internet(host: str) -> None:
    assert _code(f"http://{host}/root.crl") == "revocation-internal"
    assert _code(LDAP, f"http://{host}:8080/root.crl", HTTPS) == "revocation-internal"


@pytest.mark.parametrize("urls", [(HTTPS,), (LDAP, HTTPS), ("https://pki01/root.crl",)])
def test_https_alone_may_not_be_fetched(urls: tuple[str, ...]) -> None:
    assert _code(*urls) == "revocation-https"


def test_a_responder_that_cannot_be_reached_does_not_help() -> None:
    assert _code(LDAP, responders=("https://ocsp.contoso.com/",)) == "revocation-https"
    assert _code(responders=("http://pki01/ocsp",)) == "revocation-internal"
    assert _code(responders=("ldap:///CN=a",)) == "revocation-ldap-only"


def test_many_and_long_addresses_are_cut() -> None:
    (reason,) = _reasons(*(f"ldap:///CN={each}{'x' * 5000}" for each in range(100)))
    assert "and 95 more" in reason.message
    assert len(reason.message) < 1500


def test_a_certificate_without_a_subject_is_named_by_its_thumbprint() -> None:
    certificate = make("", "Contoso Root CA")
    (reason,) = revocation_reasons(certificate)
    assert reason.message.startswith(f"The certificate {certificate.thumbprint} ")
