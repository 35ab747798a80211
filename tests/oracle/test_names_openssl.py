"""OpenSSL judges the matching of names and the name constraints, in both directions.

Where we follow Windows, or read a constraint more strictly, the two differ on purpose: `DIFFERENT_NAMES` and
`DIFFERENT_CONSTRAINTS` list all such cases with the reason, and a difference that goes away fails as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.conftest import Judge
from tests.unit.certs import making
from tests.unit.trust.certificates import address, dns, excluding, mail, make, name, network, permitting, uri
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import read_name_constraints
from winpe_certs.hosts import parse_host
from winpe_certs.trust.constraints import constraint_faults
from winpe_certs.trust.names import name_reasons

AT = int(making.NOW.timestamp())

# X509_V_ERR_...: PERMITTED_VIOLATION to UNSUPPORTED_NAME_SYNTAX, HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
ERRORS = {47, 48, 49, 50, 51, 52, 53, 62, 64}


def _pem(path: Path, certificate: Certificate) -> Path:
    path.write_bytes(making.pem(certificate.der))
    return path


def _accepts(judge: Judge, *arguments: object) -> bool:
    """Whether OpenSSL takes a chain; if not, then for nothing but its names."""
    done = judge("openssl", "verify", "-attime", AT, *arguments, check=False)
    text = (done.stdout + done.stderr).decode()
    assert (done.returncode == 0) is ("error" not in text), text
    assert {int(number) for number in re.findall(r"error (\d+) at", text)} <= ERRORS, text
    return done.returncode == 0


def _check(ours: bool, theirs: bool, difference: tuple[bool, str] | None) -> None:
    if difference is None:
        assert ours == theirs
    else:
        expected, why = difference
        assert (ours, theirs) == (expected, not expected), why


# The names of a certificate (None: no such extension) and the host asked for

NAMES: list[tuple[tuple[str, ...] | None, str]] = [
    (("www.example.com",), "www.example.com"),
    (("Www.Example.com",), "www.examPle.cOm"),
    (("a.example.com", "www.example.com"), "www.example.com"),
    (("ple.com",), "example.com"),
    (("example.com",), "www.example.com"),
    (("*.example.com",), "www.example.com"),
    (("*.Example.com",), "WWW.example.com"),
    (("*.example.com",), "example.com"),
    (("*.example.com",), "a.www.example.com"),
    (("*.example.com",), "xn--bcher-kva.example.com"),
    (("xn--bcher-kva.example.com",), "xn--bcher-kva.example.com"),
    (("w*.example.com",), "www.example.com"),
    (("ww*.example.com",), "www.example.com"),
    (("w*.example.com",), "w.example.com"),
    (("w*.example.com",), "cmg.example.com"),
    (("x*.example.com",), "xn--bcher-kva.example.com"),
    (("xn--*.example.com",), "xn--bcher-kva.example.com"),
    (("*www.example.com",), "www.example.com"),
    (("*w.example.com",), "www.example.com"),
    (("w*w.example.com",), "www.example.com"),
    (("w**.example.com",), "www.example.com"),
    (("*.com",), "example.com"),
    (("*.*",), "example.com"),
    (("*",), "example"),
    (("www.*.com",), "www.example.com"),
    (("www.ex*.com",), "www.example.com"),
    (("a*.d*.example.com",), "abc.def.example.com"),
    (("cmg_1.example.com",), "cmg_1.example.com"),
    (("*.example.com",), "cmg_1.example.com"),
    (("server01",), "server01"),
    (("example.com.",), "example.com"),
    (("10.1.2.3",), "10.1.2.3"),
    (("IP:10.1.2.3",), "10.1.2.3"),
    (("IP:10.1.2.4",), "10.1.2.3"),
    (("IP:2001:db8::1",), "2001:DB8:0::1"),
    (("IP:2001:db8::2",), "2001:db8::1"),
    (("IP:10.1.2.3",), "cmg.contoso.com"),
    (None, "cmg.contoso.com"),
    (None, "other.contoso.com"),
]

ANY_STAR = "KB 258858 takes a star only at the end of the left-most label"
COMMON_NAME = "OpenSSL falls back to the common name when there are no DNS names; we do not (RFC 9525)"

# Whether we accept it (OpenSSL says the opposite), and why
DIFFERENT_NAMES: dict[tuple[tuple[str, ...] | None, str], tuple[bool, str]] = {
    (("*www.example.com",), "www.example.com"): (False, ANY_STAR),
    (("*w.example.com",), "www.example.com"): (False, ANY_STAR),
    (("w*.example.com",), "w.example.com"): (False, "a star stands for at least one character"),
    (("*.example.com",), "cmg_1.example.com"): (True, "OpenSSL lets no star stand for an underscore"),
    (("IP:10.1.2.3",), "cmg.contoso.com"): (False, COMMON_NAME),
}


@pytest.mark.parametrize(("names", "host"), NAMES, ids=str)
def test_names_match_as_openssl_has_it(
    judge: Judge, tmp_path: Path, names: tuple[str, ...] | None, host: str
) -> None:
    general = None
    if names is not None:
        general = [address(each[3:]) if each.startswith("IP:") else dns(each) for each in names]
    certificate = make(names=general)
    path = _pem(tmp_path / "server.pem", certificate)
    read = parse_host(host)
    option = "-verify_hostname" if read.address is None else "-verify_ip"
    theirs = _accepts(judge, "-CAfile", path, option, read.text, path)
    # What is not documented for Windows is no yes either.
    ours = not any(each.severity == "error" or each.undocumented for each in name_reasons(certificate, read))
    _check(ours, theirs, DIFFERENT_NAMES.get((names, host)))


MAIL_IN_SUBJECT = (NameOID.EMAIL_ADDRESS, "a@fabrikam.com")
US = (NameOID.COUNTRY_NAME, "US")
CONTOSO = (NameOID.ORGANIZATION_NAME, "Contoso")
UPN = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")


def _directory(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.DirectoryName:
    return x509.DirectoryName(name(*parts))


# A name and the only base of the constraints
BASES: dict[str, tuple[x509.GeneralName, x509.GeneralName]] = {
    "dns-itself": (dns("contoso.com"), dns("contoso.com")),
    "dns-below": (dns("cmg.contoso.com"), dns("contoso.com")),
    "dns-case": (dns("CMG.Contoso.com"), dns("contoso.COM")),
    "dns-beside": (dns("notcontoso.com"), dns("contoso.com")),
    "dns-above": (dns("com"), dns("contoso.com")),
    "dns-dot-below": (dns("cmg.contoso.com"), dns(".contoso.com")),
    "dns-dot-itself": (dns("contoso.com"), dns(".contoso.com")),
    "dns-dot-beside": (dns("notcontoso.com"), dns(".contoso.com")),
    "dns-all": (dns("cmg.contoso.com"), dns("")),
    "dns-wildcard-below": (dns("*.contoso.com"), dns("contoso.com")),
    "dns-wildcard-dot": (dns("*.contoso.com"), dns(".contoso.com")),
    "dns-wildcard-host": (dns("*.contoso.com"), dns("cmg.contoso.com")),
    "dns-dot-at-the-end": (dns("cmg.contoso.com."), dns("contoso.com")),
    "dns-base-dot-at-the-end": (dns("cmg.contoso.com"), dns("contoso.com.")),
    "ip-inside": (address("10.1.2.3"), network("10.0.0.0/8")),
    "ip-outside": (address("11.1.2.3"), network("10.0.0.0/8")),
    "ip-all": (address("11.1.2.3"), network("0.0.0.0/0")),
    "ip6-inside": (address("2001:db8::1"), network("2001:db8::/32")),
    "ip6-outside": (address("2001:db9::1"), network("2001:db8::/32")),
    "ip6-of-ip4": (address("2001:db9::1"), network("0.0.0.0/0")),
    "directory-itself": (_directory(US, CONTOSO), _directory(US, CONTOSO)),
    "directory-below": (_directory(US, CONTOSO, (NameOID.COMMON_NAME, "x")), _directory(US, CONTOSO)),
    "directory-above": (_directory(US), _directory(US, CONTOSO)),
    "directory-order": (_directory(CONTOSO, US), _directory(US, CONTOSO)),
    "directory-case-and-blanks": (
        _directory((NameOID.ORGANIZATION_NAME, " CONTOSO   pharma ")),
        _directory((NameOID.ORGANIZATION_NAME, "Contoso Pharma")),
    ),
    "directory-other-case": (
        _directory((NameOID.ORGANIZATION_NAME, "B\u00dcCHER")),
        _directory((NameOID.ORGANIZATION_NAME, "b\u00fccher")),
    ),
    "mail-host": (mail("a@contoso.com"), mail("contoso.com")),
    "mail-host-case": (mail("a@CONTOSO.com"), mail("contoso.com")),
    "mail-below": (mail("a@mail.contoso.com"), mail("contoso.com")),
    "mail-dot-below": (mail("a@mail.contoso.com"), mail(".contoso.com")),
    "mail-dot-itself": (mail("a@contoso.com"), mail(".contoso.com")),
    "mail-box": (mail("a@contoso.com"), mail("a@CONTOSO.com")),
    "mail-box-case": (mail("A@contoso.com"), mail("a@contoso.com")),
    "mail-other-box": (mail("b@contoso.com"), mail("a@contoso.com")),
    "mail-all": (mail("a@contoso.com"), mail("")),
    "mail-malformed": (mail("contoso.com"), mail("contoso.com")),
    "uri-host": (uri("https://cmg.contoso.com/path"), uri("cmg.contoso.com")),
    "uri-host-and-port": (uri("https://cmg.contoso.com:8443/"), uri("cmg.contoso.com")),
    "uri-user": (uri("https://cmg.contoso.com@fabrikam.com/"), uri("cmg.contoso.com")),
    "uri-below": (uri("https://cmg.contoso.com/"), uri("contoso.com")),
    "uri-dot-below": (uri("https://cmg.contoso.com/"), uri(".contoso.com")),
    "uri-dot-itself": (uri("https://contoso.com/"), uri(".contoso.com")),
    "uri-all": (uri("https://contoso.com/"), uri("")),
    "uri-without-host": (uri("urn:contoso"), uri("contoso.com")),
    "uri-address": (uri("https://10.1.2.3/"), uri("contoso.com")),
    "other-name": (UPN, UPN),
    "registered": (x509.RegisteredID(NameOID.COMMON_NAME), x509.RegisteredID(NameOID.COMMON_NAME)),
}

# What is more than one name and one base: constraints, names, subject
MIXED: dict[str, tuple[x509.NameConstraints, list[x509.GeneralName] | None, str | x509.Name]] = {
    "excluded-beats-permitted": (
        x509.NameConstraints([dns("contoso.com")], [dns("secret.contoso.com")]),
        [dns("secret.contoso.com")],
        "",
    ),
    "permitted-beside-excluded": (
        x509.NameConstraints([dns("contoso.com")], [dns("secret.contoso.com")]),
        [dns("cmg.contoso.com")],
        "",
    ),
    "one-of-two-permitted": (
        permitting(dns("fabrikam.com"), dns("contoso.com")),
        [dns("cmg.contoso.com")],
        "",
    ),
    "one-of-two-names-outside": (
        permitting(dns("contoso.com")),
        [dns("cmg.contoso.com"), dns("cmg.fabrikam.com")],
        "",
    ),
    "another-kind": (
        permitting(dns("contoso.com")),
        [address("10.1.2.3"), mail("a@fabrikam.com"), UPN],
        name(US, CONTOSO),
    ),
    "unknown-kind-that-is-not-constrained": (permitting(dns("contoso.com")), [UPN], ""),
    "unknown-kind-in-the-constraints-alone": (permitting(UPN), [dns("cmg.contoso.com")], ""),
    "subject-below": (permitting(_directory(US)), None, name(US, CONTOSO)),
    "subject-outside": (permitting(_directory(US, CONTOSO)), None, name(US)),
    "subject-excluded": (excluding(_directory(US)), None, name(US, CONTOSO)),
    "subject-empty": (permitting(_directory(US)), [dns("cmg.contoso.com")], ""),
    "mail-in-subject": (permitting(mail("contoso.com")), None, name(MAIL_IN_SUBJECT)),
    "mail-in-subject-within": (permitting(mail("fabrikam.com")), None, name(MAIL_IN_SUBJECT)),
    "mail-in-subject-and-outside-it": (
        permitting(mail("contoso.com")),
        [mail("a@contoso.com")],
        name(MAIL_IN_SUBJECT),
    ),
    "common-name": (permitting(dns("contoso.com")), None, "cmg.fabrikam.com"),
    "common-name-beside-dns-names": (
        permitting(dns("contoso.com")),
        [dns("cmg.contoso.com")],
        "cmg.fabrikam.com",
    ),
}

LITERAL = "OpenSSL compares a wildcard as text; it stands for the excluded host as well"
END_DOT = "a dot at the end belongs in neither: we do not judge such names"
EMPTY_BASE = "an empty base covers all names of its kind for us, for OpenSSL only all DNS names"
LETTERS = "RFC 5280 section 7.1 folds the case of all letters, OpenSSL of ASCII ones"

# Whether we accept it (OpenSSL says the opposite), and why
DIFFERENT_CONSTRAINTS: dict[str, tuple[bool, str]] = {
    "excluding dns-wildcard-host": (False, LITERAL),
    "excluding dns-dot-at-the-end": (False, END_DOT),
    "excluding dns-base-dot-at-the-end": (False, END_DOT),
    "permitting directory-other-case": (True, LETTERS),
    "excluding directory-other-case": (False, LETTERS),
    "permitting mail-all": (True, EMPTY_BASE),
    "excluding mail-all": (False, EMPTY_BASE),
    "permitting uri-all": (True, EMPTY_BASE),
    "excluding uri-all": (False, EMPTY_BASE),
    "excluding uri-address": (False, "RFC 5280 section 4.2.1.10 rejects URIs whose host is an address"),
    "mail-in-subject-and-outside-it": (
        True,
        "RFC 5280 takes the subject's address only without an alternative one, OpenSSL both",
    ),
    "common-name": (True, "OpenSSL takes the common name for a DNS name when there is no other"),
}


@pytest.mark.parametrize("make_constraints", [permitting, excluding])
@pytest.mark.parametrize("case", list(BASES))
def test_constraints_are_read_as_openssl_has_it(
    judge: Judge,
    tmp_path: Path,
    case: str,
    make_constraints: Callable[..., x509.NameConstraints],
) -> None:
    found, base = BASES[case]
    _compare(judge, tmp_path, f"{make_constraints.__name__} {case}", make_constraints(base), [found], "")


@pytest.mark.parametrize("case", list(MIXED))
def test_certificates_are_held_to_constraints_as_openssl_does(
    judge: Judge, tmp_path: Path, case: str
) -> None:
    _compare(judge, tmp_path, case, *MIXED[case])


def _compare(
    judge: Judge,
    folder: Path,
    case: str,
    constraints: x509.NameConstraints,
    names: list[x509.GeneralName] | None,
    subject: str | x509.Name,
) -> None:
    """Issue such a certificate below a root with these constraints, and ask both."""
    key = making.ec_key(384)
    root = make("Contoso Root CA", ca=True, key=key, constraints=constraints)
    server = make(subject, "Contoso Root CA", names=names, signer=key)
    ours = constraint_faults(read_name_constraints(constraints.public_bytes()), server) == ()
    root_path, server_path = _pem(folder / "root.pem", root), _pem(folder / "server.pem", server)
    theirs = _accepts(judge, "-CAfile", root_path, server_path)
    _check(ours, theirs, DIFFERENT_CONSTRAINTS.get(case))
