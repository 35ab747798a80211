from __future__ import annotations

import random
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.unit.trust.certificates import make, name
from winpe_certs.errors import UsageError
from winpe_certs.findings import Reason, Severity
from winpe_certs.hosts import HostName, parse_host
from winpe_certs.trust.names import name_reasons
from winpe_certs.trust.words import listed


def _reasons(
    host: str, *names: str | x509.GeneralName, subject: str | x509.Name = "cmg.contoso.com"
) -> tuple[Reason, ...]:
    return name_reasons(make(subject, names=names or None), parse_host(host))


def _address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_address(text))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cmg.contoso.com", "cmg.contoso.com"),
        ("CMG.Contoso.COM.", "cmg.contoso.com"),
        ("server01", "server01"),
        ("mp_1.corp.contoso.com", "mp_1.corp.contoso.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER\u3002example", "xn--bcher-kva.example"),
        ("\uff43\uff4d\uff47.contoso.com", "cmg.contoso.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        (f"{'a' * 63}.example", f"{'a' * 63}.example"),
        (f"{'a.' * 126}a", f"{'a.' * 126}a"),
    ],
)
def test_a_name_is_read_in_the_form_of_dns(text: str, read: str) -> None:
    assert parse_host(text) == HostName(read, None)


@pytest.mark.parametrize(
    ("text", "read"),
    [("10.1.2.3", "10.1.2.3"), ("2001:DB8:0::1", "2001:db8::1"), ("\uff11\uff10.1.2.3", "10.1.2.3")],
)
def test_an_address_is_read_as_one(text: str, read: str) -> None:
    assert parse_host(text) == HostName(read, ip_address(read))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        (".", "nothing between two dots"),
        ("cmg contoso", "there are blanks"),
        (" cmg.contoso.com", "there are blanks"),
        ("cmg.contoso.com\n", "there are blanks"),
        ("https://cmg.contoso.com", "it is a URL"),
        ("cmg.contoso.com/path", "it is a URL"),
        ("\\\\server\\share", "it is a URL or a path"),
        ("cmg.contoso.com:443", "there is a port"),
        ("cmg.contoso.com:", "there is a port"),
        ("10.1.2.3:443", "there is a port"),
        ("[2001:db8::1]", "brackets"),
        ("[2001:db8::1]:443", "brackets"),
        ("fe80::1%eth0", "not letters, digits"),
        ("2001:db8::1::2", "not letters, digits"),
        ("*.contoso.com", "it is a wildcard"),
        ("\uff0a.contoso.com", "it is a wildcard"),
        ("cmg..contoso.com", "nothing between two dots"),
        (".contoso.com", "nothing between two dots"),
        ("cmg.contoso.com..", "nothing between two dots"),
        ("-cmg.contoso.com", "not letters, digits"),
        ("cmg-.contoso.com", "not letters, digits"),
        ("user@contoso.com", "not letters, digits"),
        ("cmg\0.contoso.com", "not letters, digits"),
        (f"{'a' * 64}.example", "longer than 63"),
        (f"{'a.' * 127}a", "longer than 253"),
        (f"{'a.' * 5000}a", "longer than 253"),
        ("999.1.1.1", "ends like an IP address"),
        ("010.1.1.1", "ends like an IP address"),
        ("10.1", "ends like an IP address"),
        ("0x7f000001", "ends like an IP address"),
        ("stra\u00dfe.example", "two standards"),
        ("\u212a\ud800.example", "no form for DNS"),
        ("\u00fc" * 63 + ".example", "no form for DNS"),
    ],
)
def test_what_names_no_server_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_host(text)
    assert reason in caught.value.details
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("text", ["https://cmg.contoso.com", "cmg.contoso.com/CMG"])
def test_a_url_is_answered_with_the_advice_to_give_the_name_alone(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_host(text)
    assert caught.value.resolution == "Give the name alone, without https:// and path."


def test_any_text_is_read_or_refused() -> None:
    source = random.Random(258858)
    pieces = [
        "a",
        "1",
        "-",
        "_",
        ".",
        "*",
        ":",
        "[",
        "%",
        "\0",
        "xn--",
        "\u00fc",
        "\u0627",
        "\u3002",
        "\ud800",
    ]
    read = 0
    for _ in range(3000):
        others = [chr(source.randrange(0x110000)) for _ in range(3)]
        text = "".join(source.choices(pieces + others, k=source.randint(1, 12)))
        try:
            host = parse_host(text)
        except UsageError:
            continue
        assert parse_host(host.text) == host
        read += 1
    assert read > 30


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("www.example.com", "www.example.com"),
        ("Www.Example.com", "www.examPle.cOm"),
        ("*.example.com", "www.example.com"),
        ("*.example.com", "xn--bcher-kva.example.com"),
        ("w*.example.com", "www.example.com"),
        ("ww*.example.com", "www.example.com"),
        ("W*.example.com", "www.example.com"),
        ("server01", "server01"),
        ("cmg_1.example.com", "cmg_1.example.com"),
    ],
)
def test_names_that_windows_accepts(pattern: str, host: str) -> None:
    assert _reasons(host, "other.example.com", pattern) == ()


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*www.example.com", "www.example.com"),
        ("*w.example.com", "www.example.com"),
        ("w*w.example.com", "www.example.com"),
        ("*ww.example.com", "www.example.com"),
        ("w**.example.com", "www.example.com"),
        ("**.example.com", "www.example.com"),
        ("www.e*ample.com", "www.example.com"),
        ("www.*ample.com", "www.example.com"),
        ("www.ex*.com", "www.example.com"),
        ("www.*.com", "www.example.com"),
        ("*.com", "example.com"),
        ("*.abc.com", "www.example.abc.com"),
        ("*.*", "example.com"),
        ("*", "example"),
        ("a*.d*.example.com", "abc.def.example.com"),
        ("*.*.com.au", "www.example.com.au"),
        ("www.*.com.au", "www.example.com.au"),
        ("*.example.com", "example.com"),
        ("w*.example.com", "w.example.com"),
        ("w*.example.com", "xww.example.com"),
        ("w*.example.com", "www.sub.example.com"),
        ("x*.example.com", "xn--bcher-kva.example.com"),
        ("xn--*.example.com", "xn--bcher-kva.example.com"),
        ("xn--b*.example.com", "xn--bcher-kva.example.com"),
        ("*.example.com", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("ple.com", "example.com"),
    ],
)
def test_names_that_windows_does_not_accept(pattern: str, host: str) -> None:
    (reason,) = _reasons(host, pattern)
    assert (reason.code, reason.severity, reason.winhttp) == (
        "name-mismatch",
        Severity.ERROR,
        "CERT_CN_INVALID",
    )
    assert host.lower() in reason.message
    assert pattern in reason.message


def test_foreign_letters_do_not_become_ascii_ones() -> None:
    """The letter is the Kelvin sign, which becomes a plain k in lower case."""
    (reason,) = _reasons("kelvin.example.com", subject="\u212aelvin.example.com")
    assert (reason.severity, reason.undocumented) == (Severity.WARNING, True)


@pytest.mark.parametrize("text", ["10.1.2.3", "2001:db8::1"])
def test_an_address_needs_an_entry_of_its_kind(text: str) -> None:
    assert _reasons(text, "cmg.contoso.com", _address(text)) == ()
    (reason,) = _reasons(text, text if ":" not in text else "x", _address("10.9.9.9"))
    assert "an address counts only as an entry of the kind IP address" in reason.message


class TestCommonName:
    """Windows compares with the DNS name or the common name; the latter only where there is no other."""

    @pytest.mark.parametrize("names", [(), (x509.RFC822Name("a@contoso.com"),)], ids=["none", "mail"])
    @pytest.mark.parametrize(
        "subject", ["cmg.contoso.com", "CMG.Contoso.com", "*.contoso.com", "c*.contoso.com"]
    )
    def test_it_counts_without_dns_names_and_addresses(
        self, names: tuple[x509.GeneralName, ...], subject: str
    ) -> None:
        (reason,) = _reasons("cmg.contoso.com", *names, subject=subject)
        assert (reason.code, reason.severity) == ("common-name-only", Severity.WARNING)
        assert not reason.undocumented

    @pytest.mark.parametrize("names", [("x.contoso.com",), (_address("10.1.2.3"),)], ids=["dns", "address"])
    def test_it_does_not_count_beside_one(self, names: tuple[str | x509.GeneralName, ...]) -> None:
        (reason,) = _reasons("cmg.contoso.com", *names)
        assert (reason.code, reason.severity) == ("name-mismatch", Severity.ERROR)

    def test_another_name_is_shown(self) -> None:
        (reason,) = _reasons("mp.contoso.com")
        assert reason.message == (
            "The certificate is not for mp.contoso.com: it has no subject alternative name, and its common "
            "name is cmg.contoso.com."
        )
        (reason,) = _reasons("mp.contoso.com", x509.RFC822Name("a@contoso.com"))
        assert "neither DNS names nor IP addresses" in reason.message

    def test_an_address_as_common_name_is_not_documented(self) -> None:
        (reason,) = _reasons("10.1.2.3", subject="10.1.2.3")
        assert reason.undocumented
        (reason,) = _reasons("10.1.2.4", subject="10.1.2.3")
        assert reason.severity is Severity.ERROR

    def test_one_of_several_is_not_documented(self) -> None:
        common = NameOID.COMMON_NAME
        (reason,) = _reasons("cmg.contoso.com", subject=name((common, "cmg.contoso.com"), (common, "Server")))
        assert reason.undocumented
        assert "several common names" in reason.message

    def test_foreign_letters_are_not_documented(self) -> None:
        (reason,) = _reasons("xn--bcher-kva.example", subject="b\u00fccher.example")
        assert reason.undocumented


@pytest.mark.parametrize("pattern", ["example.com.", "EXAMPLE.com."])
def test_a_name_with_a_dot_at_the_end_is_not_documented(pattern: str) -> None:
    (reason,) = _reasons("example.com", pattern)
    assert (reason.code, reason.undocumented) == ("name-mismatch", True)


def test_a_certificate_without_any_name_is_told_so() -> None:
    (reason,) = name_reasons(make("", "Contoso Root CA"), parse_host("cmg.contoso.com"))
    assert "and it has no common name" in reason.message


def test_many_names_are_cut() -> None:
    (reason,) = _reasons("cmg.contoso.com", *(f"host{each}.contoso.com" for each in range(500)))
    assert "host9.contoso.com and 490 more" in reason.message
    assert "host10." not in reason.message


def test_lists_say_how_many_they_leave_out_and_cut_long_texts() -> None:
    assert listed([]) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert listed(["x" * 10_000]) == "x" * 200 + "..."
