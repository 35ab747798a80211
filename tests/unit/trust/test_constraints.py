from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.unit.certs.making import element
from tests.unit.trust.certificates import address, dns, excluding, mail, make, name, network, permitting, uri
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.extensions import ALTERNATIVE_NAME, Extension, NameConstraints, read_extensions
from winpe_certs.certs.extensions import read_name_constraints as read_constraints
from winpe_certs.trust.constraints import (
    MOST_COMPARISONS,
    NameComparisons,
    NameFault,
    common_name_faults,
)
from winpe_certs.trust.constraints import constraint_faults as faults_of_read


def _certificate(*names: x509.GeneralName, subject: str | x509.Name = "") -> Certificate:
    return make(subject, "Contoso Root CA", names=names or None)


def _with_names(*names: x509.GeneralName) -> Certificate:
    """A certificate with names that the library would not issue, read from the bytes of the extension."""
    value = x509.SubjectAlternativeName(names).public_bytes()
    return replace(
        _certificate(dns("x.contoso.com")),
        extensions=read_extensions([Extension(ALTERNATIVE_NAME, False, value)]),
        subject_name=_certificate().subject_name,
    )


def _read(constraints: x509.NameConstraints) -> NameConstraints:
    return read_constraints(constraints.public_bytes())


def constraint_faults(constraints: x509.NameConstraints, certificate: Certificate) -> tuple[str, ...]:
    return tuple(fault.text for fault in _faults(constraints, certificate))


def _faults(constraints: x509.NameConstraints, certificate: Certificate) -> tuple[NameFault, ...]:
    return faults_of_read(_read(constraints), certificate)


def _directory(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.DirectoryName:
    return x509.DirectoryName(name(*parts))


CONTOSO = (NameOID.ORGANIZATION_NAME, "Contoso")
US = (NameOID.COUNTRY_NAME, "US")
UPN = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")

# name, constraint, whether it lies in the constraint: permitted and excluded are each other's opposite here
LIES_IN = [
    (dns("contoso.com"), dns("contoso.com"), True),
    (dns("cmg.contoso.com"), dns("contoso.com"), True),
    (dns("CMG.Contoso.COM"), dns("contoso.com"), True),
    (dns("cmg.contoso.com"), dns("CONTOSO.com"), True),
    (dns("a.b.contoso.com"), dns("contoso.com"), True),
    (dns("notcontoso.com"), dns("contoso.com"), False),
    (dns("contoso.com.fabrikam.com"), dns("contoso.com"), False),
    (dns("com"), dns("contoso.com"), False),
    (dns("cmg.contoso.com"), dns(".contoso.com"), True),
    (dns("a.b.contoso.com"), dns(".contoso.com"), True),
    (dns("contoso.com"), dns(".contoso.com"), False),
    (dns("notcontoso.com"), dns(".contoso.com"), False),
    (dns("anything.example"), dns(""), True),
    (dns("server01"), dns(""), True),
    (dns("*.contoso.com"), dns("contoso.com"), True),
    (dns("*.contoso.com"), dns(".contoso.com"), True),
    (dns("*.contoso.com"), dns("fabrikam.com"), False),
    (dns("*.contoso.com"), dns(".cmg.contoso.com"), False),
    (dns("w*.contoso.com"), dns("contoso.com"), True),
    (dns("w*.contoso.com"), dns("a.b.contoso.com"), False),
    (address("10.1.2.3"), network("10.0.0.0/8"), True),
    (address("11.1.2.3"), network("10.0.0.0/8"), False),
    (address("10.1.2.3"), network("0.0.0.0/0"), True),
    (address("10.1.2.3"), network("10.1.2.3/32"), True),
    (address("2001:db8::1"), network("2001:db8::/32"), True),
    (address("2001:db9::1"), network("2001:db8::/32"), False),
    (address("2001:db8::1"), network("0.0.0.0/0"), False),
    (address("::ffff:10.1.2.3"), network("10.0.0.0/8"), False),
    (_directory(US, CONTOSO), _directory(US, CONTOSO), True),
    (_directory(US, CONTOSO, (NameOID.COMMON_NAME, "x")), _directory(US, CONTOSO), True),
    (_directory(US, (NameOID.ORGANIZATION_NAME, " CONTOSO ")), _directory(US, CONTOSO), True),
    (
        _directory((NameOID.ORGANIZATION_NAME, "Contoso   Pharma")),
        _directory((NameOID.ORGANIZATION_NAME, "contoso pharma")),
        True,
    ),
    (
        _directory((NameOID.ORGANIZATION_NAME, "ContosoPharma")),
        _directory((NameOID.ORGANIZATION_NAME, "Contoso Pharma")),
        False,
    ),
    (_directory(CONTOSO, US), _directory(US, CONTOSO), False),
    (_directory(US), _directory(US, CONTOSO), False),
    (_directory((NameOID.COMMON_NAME, "Contoso")), _directory(CONTOSO), False),
    (_directory(US), _directory(), True),
    (mail("a@contoso.com"), mail("contoso.com"), True),
    (mail("a@CONTOSO.com"), mail("contoso.COM"), True),
    (mail("a@mail.contoso.com"), mail("contoso.com"), False),
    (mail("a@mail.contoso.com"), mail(".contoso.com"), True),
    (mail("a@contoso.com"), mail(".contoso.com"), False),
    (mail("a@contoso.com"), mail("a@Contoso.com"), True),
    (mail("A@contoso.com"), mail("a@contoso.com"), False),
    (mail("b@contoso.com"), mail("a@contoso.com"), False),
    (mail("a@contoso.com"), mail(""), True),
    (uri("https://cmg.contoso.com/path?a@b"), uri("cmg.contoso.com"), True),
    (uri("https://user@CMG.contoso.com:8443/"), uri("cmg.contoso.com"), True),
    (uri("https://cmg.contoso.com/"), uri("contoso.com"), False),
    (uri("https://cmg.contoso.com/"), uri(".contoso.com"), True),
    (uri("https://contoso.com/"), uri(".contoso.com"), False),
    (uri("https://contoso.com/"), uri(""), True),
]
IDS = [f"{type(found).__name__}-{found.value}-{base.value}" for found, base, _ in LIES_IN]


@pytest.mark.parametrize(("found", "base", "lies_in"), LIES_IN, ids=IDS)
def test_permitted_names_are_those_within(
    found: x509.GeneralName, base: x509.GeneralName, lies_in: bool
) -> None:
    faults = constraint_faults(permitting(base), _certificate(found))
    assert [("is not among the permitted ones" in fault) for fault in faults] == [True] * (not lies_in)


@pytest.mark.parametrize(("found", "base", "lies_in"), LIES_IN, ids=IDS)
def test_excluded_names_are_those_within(
    found: x509.GeneralName, base: x509.GeneralName, lies_in: bool
) -> None:
    faults = constraint_faults(excluding(base), _certificate(found))
    assert [("is excluded" in fault) for fault in faults] == [True] * lies_in


@pytest.mark.parametrize(
    ("wildcard", "base", "may_stand_for_it"),
    [
        ("*.contoso.com", "cmg.contoso.com", True),
        ("*.Contoso.com", "CMG.contoso.com", True),
        ("*.contoso.com", ".cmg.contoso.com", False),
        ("*.contoso.com", "a.cmg.contoso.com", False),
        ("*.contoso.com", "cmg.fabrikam.com", False),
        ("w*.contoso.com", "www.contoso.com", True),
        ("w*.contoso.com", "cmg.contoso.com", False),
        ("*w.contoso.com", "cmg.contoso.com", True),
        ("a*w.contoso.com", "cmg.contoso.com", True),
        ("cmg.*.com", "contoso.com", True),
        ("cmg.*.com", "fabrikam.org", False),
        ("*", "contoso", True),
        ("*", "contoso.com", False),
    ],
)
def test_it_is_uncertain_whether_a_wildcard_is_excluded_with_a_host_it_stands_for(
    wildcard: str, base: str, may_stand_for_it: bool
) -> None:
    faults = _faults(excluding(dns(base)), _certificate(dns(wildcard)))
    assert [fault.is_certain for fault in faults] == [False] * may_stand_for_it


def test_what_is_certain_comes_before_what_is_not() -> None:
    found = _certificate(dns("*.contoso.com"))
    for constraints in (
        excluding(dns("cmg.contoso.com"), dns("contoso.com")),
        x509.NameConstraints([dns("fabrikam.com")], [dns("cmg.contoso.com")]),
    ):
        assert [fault.is_certain for fault in _faults(constraints, found)] == [True]


@pytest.mark.parametrize("base", ["cmg.contoso.com", "www.contoso.com"])
def test_a_wildcard_is_permitted_only_with_every_host_it_stands_for(base: str) -> None:
    assert constraint_faults(permitting(dns(base)), _certificate(dns("*.contoso.com")))


def test_excluded_beats_permitted() -> None:
    constraints = x509.NameConstraints([dns("contoso.com")], [dns("secret.contoso.com")])
    assert constraint_faults(constraints, _certificate(dns("cmg.contoso.com"))) == ()
    assert constraint_faults(constraints, _certificate(dns("a.secret.contoso.com"))) == (
        "the DNS name a.secret.contoso.com is excluded (secret.contoso.com)",
    )


def test_permitted_names_limit_only_their_kind() -> None:
    certificate = _certificate(
        address("10.1.2.3"), mail("a@fabrikam.com"), dns("cmg.contoso.com"), UPN, subject="x"
    )
    assert constraint_faults(permitting(dns("contoso.com")), certificate) == ()


def test_one_permitted_name_of_several_is_enough() -> None:
    constraints = permitting(dns("fabrikam.com"), network("10.0.0.0/8"), dns("contoso.com"))
    assert constraint_faults(constraints, _certificate(dns("cmg.contoso.com"))) == ()


def test_every_fault_is_told_in_words() -> None:
    certificate = _certificate(
        dns("a.fabrikam.com"), dns("cmg.contoso.com"), address("10.1.2.3"), dns("b.fabrikam.com")
    )
    constraints = permitting(dns("contoso.com"), dns("contoso.org"), network("192.168.0.0/16"))
    assert constraint_faults(constraints, certificate) == (
        "the DNS name a.fabrikam.com is not among the permitted ones (contoso.com, contoso.org)",
        "the IP address 10.1.2.3 is not among the permitted ones (192.168.0.0/16)",
        "the DNS name b.fabrikam.com is not among the permitted ones (contoso.com, contoso.org)",
    )


def test_the_subject_is_a_directory_name_unless_it_is_empty() -> None:
    constraints = permitting(_directory(US, CONTOSO))
    assert constraint_faults(constraints, _certificate(subject=name(US, CONTOSO))) == ()
    assert constraint_faults(constraints, _certificate(subject=name(US))) == (
        "the directory name C=US is not among the permitted ones (O=Contoso, C=US)",
    )
    assert constraint_faults(constraints, _certificate(dns("cmg.contoso.com"))) == ()


def test_parts_with_several_values_are_compared_as_sets() -> None:
    parts = [x509.NameAttribute(kind, value) for kind, value in (US, CONTOSO)]
    both = x509.Name([x509.RelativeDistinguishedName(parts)])
    reverse = x509.Name([x509.RelativeDistinguishedName(parts[::-1])])
    assert constraint_faults(permitting(x509.DirectoryName(reverse)), _certificate(subject=both)) == ()
    assert constraint_faults(permitting(_directory(US)), _certificate(subject=both))


def test_mail_in_the_subject_counts_unless_there_is_an_alternative_one() -> None:
    subject = name((NameOID.EMAIL_ADDRESS, "a@fabrikam.com"))
    constraints = permitting(mail("contoso.com"))
    assert constraint_faults(constraints, _certificate(dns("cmg.contoso.com"), subject=subject)) == (
        "the e-mail address a@fabrikam.com is not among the permitted ones (contoso.com)",
    )
    assert constraint_faults(constraints, _certificate(mail("a@contoso.com"), subject=subject)) == ()


def test_the_common_name_is_no_dns_name() -> None:
    assert constraint_faults(permitting(dns("contoso.com")), _certificate(subject="cmg.fabrikam.com")) == ()


@pytest.mark.parametrize(
    ("found", "base"),
    [
        (UPN, UPN),
        (x509.RegisteredID(NameOID.COMMON_NAME), x509.RegisteredID(NameOID.COMMON_NAME)),
        (dns("cmg.contoso.com"), dns("contoso.com.")),
        (dns("cmg.contoso.com."), dns("contoso.com")),
        (dns("cmg.contoso.com"), dns(".")),
        (dns("x" * 2000), dns("contoso.com")),
        (mail("contoso.com"), mail("contoso.com")),
        (mail("@contoso.com"), mail("contoso.com")),
        (uri("https://10.1.2.3/"), uri("contoso.com")),
        (uri("https://[2001:db8::1]/"), uri("contoso.com")),
        (uri("https://[2001/"), uri("contoso.com")),
        (uri("urn:contoso"), uri("contoso.com")),
        (network("10.0.0.0/8"), network("10.0.0.0/8")),
    ],
)
def test_what_cannot_be_judged_is_a_fault(found: x509.GeneralName, base: x509.GeneralName) -> None:
    for constraints in (permitting(base), excluding(base)):
        (fault,) = faults_of_read(_read(constraints), _with_names(found))
        assert not fault.is_certain
        assert "cannot be judged" in fault.text
        assert len(fault.text) < 500


def test_what_cannot_be_judged_does_not_matter_where_the_constraints_are_about_other_kinds() -> None:
    certificate = _with_names(UPN, uri("urn:contoso"), mail("contoso"), dns("cmg.contoso.com"))
    assert constraint_faults(permitting(dns("contoso.com"), network("10.0.0.0/8")), certificate) == ()


def test_too_many_comparisons_are_refused() -> None:
    names = tuple(dns(f"host{each}.contoso.com") for each in range(MOST_COMPARISONS // 100 + 1))
    constraints = excluding(*[dns("fabrikam.com")] * 100).public_bytes()
    (fault,) = NameComparisons().faults_by_property(constraints, _with_names(*names))
    assert "too many" in fault.text
    assert not fault.is_certain


def test_a_judgement_compares_each_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(constraints: NameConstraints, certificate: Certificate) -> tuple[NameFault, ...]:
        calls.append(certificate)
        return faults_of_read(constraints, certificate)

    monkeypatch.setattr("winpe_certs.trust.constraints.constraint_faults", counted)
    authority = make("CA", ca=True, constraints=permitting(dns("contoso.com")))
    good, bad = make(names=["cmg.contoso.com"]), make(names=["cmg.fabrikam.com"])
    comparisons = NameComparisons()
    for _ in range(3):
        assert comparisons.faults_below(authority, good) == ()
        assert "cmg.fabrikam.com" in comparisons.faults_below(authority, bad)[0].text
        unread = comparisons.faults_by_property(b"\x30", good)[0]
        assert "cannot be read" in unread.text
        assert not unread.is_certain
        assert comparisons.faults_below(good, bad) == ()
    assert len(calls) == 2


def test_constraints_on_a_common_name_are_told_apart_from_those_on_names() -> None:
    server = _certificate(subject="cmg.fabrikam.com")
    assert [fault.is_certain for fault in common_name_faults(_read(permitting(dns("contoso.com"))), server)]
    assert common_name_faults(_read(permitting(dns("fabrikam.com"))), server) == ()
    assert common_name_faults(_read(permitting(network("10.0.0.0/8"))), server) == ()


def test_all_chains_of_a_judgement_share_one_bound() -> None:
    bases = [dns(f"host{each}.fabrikam.com") for each in range(400)]
    servers = [make(names=[f"{host}.contoso.com" for host in range(200)], serial=n) for n in (1, 2, 3, 4)]
    authority = make("CA", ca=True, constraints=excluding(*bases))
    comparisons = NameComparisons()
    found = [comparisons.faults_below(authority, server) for server in servers]
    assert found[:3] == [(), (), ()]
    assert "too many" in found[3][0].text
    assert comparisons.faults_below(authority, servers[0]) == ()
    assert NameComparisons().faults_below(authority, servers[3]) == ()


def test_the_worst_that_is_compared_takes_seconds_at_most() -> None:
    """A quarter of the comparisons that are done at all, each about as slow as one can be."""
    names = tuple(dns("*." * 400 + f"{each}.com") for each in range(256))
    certificate = _with_names(*names)
    bases = [dns("a." * 400 + f"{each}.com") for each in range(1000, 1256)]
    begin = time.process_time()
    assert constraint_faults(excluding(*bases), certificate) == ()
    assert time.process_time() - begin < 20


# What property 0x54 holds: bare DER

ALL_KINDS = x509.NameConstraints(
    [dns(".contoso.com"), network("10.0.0.0/8"), network("2001:db8::/32"), _directory(US, CONTOSO)],
    [dns(""), mail(".contoso.com"), uri("contoso.com"), UPN, x509.RegisteredID(NameOID.COMMON_NAME)],
)


@pytest.mark.parametrize(
    "constraints",
    [
        ALL_KINDS,
        permitting(dns("contoso.com")),
        excluding(network("0.0.0.0/0")),
        excluding(*(dns(f"{each}.com") for each in range(10_000))),
    ],
)
def test_bare_constraints_are_read_back(constraints: x509.NameConstraints) -> None:
    found = read_constraints(constraints.public_bytes())
    for ours, theirs in (
        (found.permitted, constraints.permitted_subtrees),
        (found.excluded, constraints.excluded_subtrees),
    ):
        assert len(ours) == len(theirs or ())
        for one, other in zip(ours, theirs or (), strict=True):
            if isinstance(other, x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier):
                assert one.value == one.text == other.value
            elif isinstance(other, x509.IPAddress):
                assert one.value == other.value
            elif isinstance(other, x509.DirectoryName):
                assert one.text == "O=Contoso, C=US"


def _subtrees(*subtrees: bytes) -> bytes:
    return element(0x30, element(0xA0, *subtrees))


CONTOSO_BASE = element(0x82, b"contoso.com")

UNREADABLE = {
    "empty": b"",
    "no-subtrees": element(0x30),
    "empty-permitted": _subtrees(),
    "minimum": _subtrees(element(0x30, CONTOSO_BASE, element(0x80, b"\1"))),
    "maximum": _subtrees(element(0x30, CONTOSO_BASE, element(0x81, b"\1"))),
    "no-base": _subtrees(element(0x30)),
    "bytes-behind": permitting(dns("contoso.com")).public_bytes() + b"\0",
    "cut": permitting(dns("contoso.com")).public_bytes()[:-1],
    "another-group": element(0x30, element(0xA2, element(0x30, CONTOSO_BASE))),
    "not-ascii": _subtrees(element(0x30, element(0x82, b"\xff.com"))),
    "mask-with-holes": _subtrees(element(0x30, element(0x87, bytes([10, 0, 0, 0, 255, 0, 255, 0])))),
    "address-without-mask": _subtrees(element(0x30, element(0x87, bytes([10, 0, 0, 0])))),
    "address-of-no-size": _subtrees(element(0x30, element(0x87, b"\0" * 9))),
    "x400": _subtrees(element(0x30, element(0xA3))),
    "list-of-uses": bytes.fromhex("300a06082b06010505070301"),
    "endless": b"\x30\x80" * 5000,
    "nested": b"\x30\x84\x00\x00\x00\x00" * 5000,
    "text": b"contoso.com",
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=list(UNREADABLE))
def test_unreadable_constraints_raise_one_error(data: bytes) -> None:
    with pytest.raises(DerError):
        read_constraints(data)


def test_damaged_constraints_raise_nothing_but_that_error() -> None:
    """Constraints that happen to be readable still must be judged without another error."""
    source = random.Random(54)
    whole = ALL_KINDS.public_bytes()
    certificate = _certificate(
        dns("cmg.contoso.com"), address("10.1.2.3"), mail("a@contoso.com"), UPN, subject="x"
    )
    readable = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(source.randint(1, 3)):
            data[source.randrange(len(data))] = source.randrange(256)
        try:
            found = read_constraints(bytes(data[: source.choice([len(data), source.randrange(len(data))])]))
        except DerError:
            continue
        readable += 1
        faults_of_read(found, certificate)
    assert readable > 100
