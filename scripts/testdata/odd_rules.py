"""Rules that are Windows' own, and what is allowed to a CA: policies, constraints, roots that say little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scripts.testdata import der_pieces as der
from scripts.testdata import odd_certificates as odd
from scripts.testdata.odd_case import below, case, chain_with, putting
from scripts.testdata.odd_certificates import ISSUING, ROOT, SERVER
from scripts.testdata.trust_cases import AGREES, NOT_TRUSTED, TRUSTED, UNDOCUMENTED, Case

_IGNORES = "it does not know Microsoft's application policies"
_REFUSES = "it refuses what is critical and Microsoft's own"
_NOT_THE_FILE = "it reads no file of roots with one that it cannot read"
_READS = {
    "version-9": "it does not mind the version",
    "endless": "it reads BER; of Windows that is not documented",
}
_NO_CA = "it builds no chain below a root of version 2 or 3 that does not say what it may do"


def cases() -> Iterator[Case]:
    """Every case about uses and about what a CA says of itself."""
    yield from _application_policies()
    yield from _uses_of_no_source()
    yield from _critical_and_microsofts()
    yield from _constraints_of_a_server()
    yield from _constraints_of_a_ca()
    yield from _padded_lengths()
    yield from _key_usages()
    yield from _roots_that_say_little()
    yield from _old_versions()
    yield from _unreadable_roots()


# fmt: off

def _application_policies() -> Iterator[Case]:
    server, client = odd.SERVER_USE, odd.CLIENT_USE
    for name, policies, uses, verdict in (
        ("both", (server, client), (server, client), TRUSTED),
        ("server", (server,), (server,), TRUSTED),
        ("server-no-uses", (server,), (), TRUSTED),
        ("server-client-uses", (server,), (client,), TRUSTED),
        ("client", (client,), (server,), NOT_TRUSTED),
        ("client-no-uses", (client,), (), NOT_TRUSTED),
        ("client-any-use", (client,), (odd.ANY_USE,), NOT_TRUSTED),
        ("all", (odd.ANY_APPLICATION,), (server,), TRUSTED),
        ("all-client-uses", (odd.ANY_APPLICATION,), (client,), TRUSTED),
        ("unknown", ("1.3.6.1.4.1.55555.9",), (server,), NOT_TRUSTED),
    ):
        for word, critical in (("", b""), ("critical-", odd.CRITICAL)):
            for place, parts in (("server", SERVER), ("intermediate", ISSUING)):
                changed = odd.without(parts, odd.EXTENDED_USES)
                if uses:
                    changed = odd.changed(changed, odd.extended_uses(*uses))
                changed = odd.changed(changed, odd.application_policies(*policies, critical=critical))
                openssl_takes = uses in {(), (server,), (server, client)} and not critical
                why = AGREES if openssl_takes is (verdict == TRUSTED) else _REFUSES if critical else _IGNORES
                yield case(f"policies-{word}{name}-{place}", verdict,
                           "Application policies decide, whatever the extended key usage says.",
                           (changed, ISSUING) if place == "server" else below(changed),
                           codes="" if verdict == TRUSTED else "no-server-auth", openssl=why)
    both = odd.changed(ISSUING, odd.application_policies(client)), SERVER
    yield case("policies-client-intermediate-server-below", NOT_TRUSTED,
               "The server's own do not help below a CA for clients.",
               (odd.changed(replace(SERVER, issuer=both[0]), odd.application_policies(server)), both[0]),
               codes="no-server-auth", openssl=_IGNORES)


def _uses_of_no_source() -> Iterator[Case]:
    gated = "1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"
    for name, about, uses, why in (
        ("gated", "Server gated cryptography, as in the nineties.", gated,
         "it takes server gated cryptography for servers"),
        ("any-policy", "Any application policy, among the extended uses.", (odd.ANY_APPLICATION,), AGREES),
    ):
        server = odd.changed(SERVER, odd.extended_uses(*uses))
        yield case(f"uses-{name}-server", UNDOCUMENTED, about, [server, ISSUING], openssl=why)
    mapped = der.sequence(der.sequence(der.identifier(odd.SERVER_USE), der.identifier(odd.CLIENT_USE)))
    issuing = odd.changed(ISSUING, odd.extension(odd.APPLICATION_MAPPINGS, mapped))
    server = odd.changed(replace(SERVER, issuer=issuing), odd.extended_uses(odd.CLIENT_USE))
    yield case("uses-mapped-by-the-ca", UNDOCUMENTED, "For this CA, client authentication is the server's.",
               (server, issuing), codes="no-server-auth")


def _critical_and_microsofts() -> Iterator[Case]:
    mapping = der.sequence(der.sequence(der.identifier("1.3.6.1.4.1.55555.1"),
                                        der.identifier("1.3.6.1.4.1.55555.2")))
    limit = der.sequence(der.tagged(1, b"\0", constructed=False))  # inhibit mappings: from here on
    for name, number, value in (("mappings", odd.APPLICATION_MAPPINGS, mapping),
                                ("constraints", odd.APPLICATION_CONSTRAINTS, limit)):
        for place in ("server", "intermediate"):
            sent, roots = chain_with(
                putting(odd.extension(number, value, odd.CRITICAL)), place)
            yield case(f"application-{name}-critical-{place}", TRUSTED,
                       "Windows defines this extension and processes it.", sent, roots, openssl=_REFUSES)


def _constraints_of_a_server() -> Iterator[Case]:
    no, yes = der.boolean(0), der.boolean()
    for name, about, contents in (
        ("false-said", "CA: no, written out, though it is the default.", (no,)),
        ("length", "A path length means nothing without a CA.", (der.integer(0),)),
        ("false-said-and-length", "Both.", (no, der.integer(0))),
    ):
        for word, critical in (("", odd.CRITICAL), ("-not-critical", b""), ("-critical-1", der.boolean(1))):
            server = odd.changed(SERVER, odd.basic_constraints(*contents, critical=critical))
            yield case(f"server-{name}{word}", TRUSTED, about, [server, ISSUING])
    yield case("server-constraints-absent", TRUSTED, "It says nothing of being a CA.",
               [odd.without(SERVER, odd.BASIC_CONSTRAINTS), ISSUING])
    claims = odd.changed(SERVER, odd.basic_constraints(yes, der.integer(0)))
    yield case("server-claims-to-be-a-ca", TRUSTED, "CA: yes, with a path length.", [claims, ISSUING])


def _constraints_of_a_ca() -> Iterator[Case]:
    yes = der.boolean()
    for name, about, contents, verdict, codes in (
        ("true-1", "CA: yes, as 0x01.", (der.boolean(1),), TRUSTED, ""),
        ("true-7f", "CA: yes, as 0x7F.", (der.boolean(0x7F),), TRUSTED, ""),
        ("false-said", "CA: no, written out.", (der.boolean(0),), NOT_TRUSTED, "not-a-ca"),
        ("length-huge", "A path length of 80 bits.", (yes, der.integer(1 << 80)), UNDOCUMENTED,
         "unreadable-part"),
    ):
        for place in ("root", "intermediate"):
            sent, roots = chain_with(
                putting(odd.basic_constraints(*contents)), place)
            why = "its numbers have no end" if name == "length-huge" else AGREES
            yield case(f"ca-{name}-{place}", verdict, about, sent, roots, codes=codes, openssl=why)


def _padded_lengths() -> Iterator[Case]:
    for place in ("root", "intermediate"):
        padded = odd.basic_constraints(der.boolean(), b"\x02\x02\x00\x05")
        sent, roots = chain_with(putting(padded), place)
        yield case(f"ca-length-padded-{place}", TRUSTED, "A path length longer than needed.", sent, roots,
                   openssl="it takes no INTEGER with more octets than it needs")


def _key_usages() -> Iterator[Case]:
    sign, serve = der.bits(b"\x06", 1), der.bits(b"\xa0", 5)
    for name, about, value in (
        ("trailing-zeros", "An octet of zeros at its end.", der.bits(b"\xa6\0", 0)),
        ("unused-0", "It claims to use all bits.", der.bits(b"\xa6", 0)),
        ("four-octets", "More bits than there are uses.", der.bits(b"\xa6\x80\0\0", 4)),
        ("not-critical", "Not critical.", der.bits(b"\xa6", 1)),
    ):
        critical = b"" if name == "not-critical" else odd.CRITICAL
        for place in ("root", "intermediate", "server"):
            sent, roots = chain_with(
                putting(odd.key_usage(value, critical)), place)
            yield case(f"key-usage-{name}-{place}", TRUSTED, about, sent, roots)
    for place, value in (("intermediate", sign), ("server", serve)):
        inner = b"\x23" + der.octets(value)[1:]
        sent, roots = chain_with(
            putting(odd.key_usage(inner)), place)
        yield case(f"key-usage-in-pieces-{place}", UNDOCUMENTED, "A BIT STRING in pieces, as BER allows.",
                   sent, roots, codes="unreadable-part",
                   openssl="it reads BER; of Windows that is not documented")
    for place, codes in (("root", "no-cert-sign"), ("intermediate", "no-cert-sign"),
                         ("server", "wrong-key-usage")):
        sent, roots = chain_with(putting(odd.key_usage(der.bits(b""))), place)
        yield case(f"key-usage-none-{place}", UNDOCUMENTED if place == "server" else NOT_TRUSTED,
                   "A key usage without any use.", sent, roots, codes=codes)


def _roots_that_say_little() -> Iterator[Case]:
    bare = odd.without(ROOT, odd.BASIC_CONSTRAINTS, odd.KEY_USAGE)
    signs = odd.without(ROOT, odd.BASIC_CONSTRAINTS)
    no_sign = odd.changed(signs, odd.key_usage(der.bits(b"\x02", 1)))
    for name, about, root, verdict, codes, why in (
        ("nothing", "Version 3, and neither basic constraints nor key usage: so is Microsoft Root Authority.",
         bare, TRUSTED, "no-basic-constraints", _NO_CA),
        ("key-usage-only", "It may sign certificates, and says so.", signs, TRUSTED, "", AGREES),
        ("no-signing", "It may sign lists, and no certificates.", no_sign, NOT_TRUSTED, "not-a-ca",
         AGREES),
        ("no-extensions", "Version 3 without any extension.", replace(ROOT, extensions=None), TRUSTED,
         "no-basic-constraints", _NO_CA),
    ):
        yield case(f"root-with-{name}", verdict, about, below(replace(ISSUING, issuer=root)), [root],
                   codes=codes, openssl=why)
    yield case("root-with-nothing-only-sent", NOT_TRUSTED, "Such a root is not in the image.",
               [*below(replace(ISSUING, issuer=bare)), bare], [replace(ROOT, subject=odd.contoso("Other"))],
               codes="root-not-in-image")


def _old_versions() -> Iterator[Case]:
    unique = der.element(0x81, b"\0\x12\x34")
    first = replace(ROOT, version=b"", extensions=None)
    for name, about, root in (
        ("1", "Version 1 cannot say that it is a CA.", first),
        ("1-said", "Version 1, written out, though it is the default.",
         replace(first, version=der.tagged(0, der.integer(0)))),
        ("1-with-extensions", "Version 1 with the extensions of version 3.", replace(ROOT, version=b"")),
    ):
        yield case(f"old-root-of-version-{name}", TRUSTED, about,
                   below(replace(ISSUING, issuer=root)), [root])
    second = replace(first, version=der.tagged(0, der.integer(1)), unique_identifiers=unique)
    yield case("old-root-of-version-2", TRUSTED, "Version 2 cannot say it either.",
               below(replace(ISSUING, issuer=second)), [second], openssl=_NO_CA)
    for name, version in (("1", b""), ("2", der.tagged(0, der.integer(1)))):
        issuing = replace(ISSUING, version=version, extensions=None)
        yield case(f"old-intermediate-of-version-{name}", NOT_TRUSTED, "It cannot say that it is a CA.",
                   below(issuing), codes="not-a-ca")
    yield case("old-server-of-version-1-with-extensions", TRUSTED,
               "Version 1 with extensions; the common name is the same as the alternative one.",
               [replace(SERVER, version=b""), ISSUING])


def _unreadable_roots() -> Iterator[Case]:
    hollow = replace(ROOT, key_info=der.sequence())
    empty = replace(ROOT, key_info=der.integer(5))
    for name, root in (("hollow", hollow), ("empty", empty)):
        yield case(f"unreadable-root-{name}", UNDOCUMENTED,
                   "A certificate of the issuer's name is there, and its key cannot be read.",
                   below(replace(ISSUING, identifiers=False)), [root])
    yield case("unreadable-root-beside-the-right-one", TRUSTED, "It does no harm beside the right one.",
               below(ISSUING), [hollow, ROOT],
               openssl=_NOT_THE_FILE)
    for name, root in (
        ("signature-of-another-type", replace(ROOT, signature=der.octets(bytes(256)))),
        ("field-too-much", replace(ROOT, extra=der.tagged(9, der.integer(1)))),
        ("version-9", replace(ROOT, version=der.tagged(0, der.integer(8)))),
        ("endless", replace(ROOT, signed_part=der.endless_sequence)),
    ):
        yield case(f"unreadable-root-{name}", UNDOCUMENTED,
                   "A certificate of the issuer's name is there, and its fields cannot be told apart.",
                   below(ISSUING), [root], codes="judged-unreadable", openssl=_READS.get(name, AGREES))
        yield case(f"unreadable-root-{name}-beside-the-right-one", TRUSTED,
                   "It does no harm beside the right one.", below(ISSUING), [root, ROOT],
                   openssl=AGREES if name in _READS else _NOT_THE_FILE)
        other = replace(root, subject=odd.contoso("Somebody Else"))
        yield case(f"unreadable-root-{name}-of-another-name", NOT_TRUSTED,
                   "It has nothing to do with this chain.", below(ISSUING), [other], codes="issuer-missing")
    stranger = replace(hollow, subject=odd.contoso("Somebody Else"))
    yield case("unreadable-root-of-another-name", NOT_TRUSTED, "It has nothing to do with this chain.",
               below(ISSUING), [stranger], codes="issuer-missing")
    lost = replace(ISSUING, key_info=der.sequence())
    yield case("unreadable-intermediate-in-ca", UNDOCUMENTED, "The issuer is in CA, and cannot be read.",
               [replace(SERVER, identifiers=False)], also=[("CA", lost)])
