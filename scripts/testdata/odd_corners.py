"""Where no page speaks about Windows, or what is at hand leads nowhere: no guess in either direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scripts.testdata import der_pieces as der
from scripts.testdata import odd_certificates as odd
from scripts.testdata.odd_case import below, case, chain_with, putting
from scripts.testdata.odd_certificates import ISSUING, ROOT, SERVER
from scripts.testdata.trust_cases import AGREES, HOST, NOT_TRUSTED, TRUSTED, UNDOCUMENTED, Case

_OTHER_HOST = "dp.contoso.example"
_OLD = der.time("250101000000Z")
_WEB = odd.authority_access("http://pki.contoso.example/issuing.cer")
_IGNORES = "it does not know Microsoft's application policies"
_KNOWS = "it knows the extension"


def cases() -> Iterator[Case]:
    """Every case."""
    yield from _useless_issuers()
    yield from _renewed_roots()
    yield from _self_made()
    yield from _standard_and_critical()
    yield from _uses()
    yield from _names()
    yield from _small_keys()


# fmt: off

def _useless_issuers() -> Iterator[Case]:
    fetched = odd.changed(SERVER, _WEB)
    namesake = replace(ISSUING, key="rsa2048 other")
    silent = replace(fetched, identifiers=False)
    for name, about, server, issuer, verdict, codes in (
        ("expired", "The copy at hand has expired; a newer one may be fetched.", fetched,
         replace(ISSUING, ends=_OLD), UNDOCUMENTED, "issuer-not-sent"),
        ("expired-nowhere-else", "The same, with no place to fetch another.", SERVER,
         replace(ISSUING, ends=_OLD), NOT_TRUSTED, "expired"),
        ("other-key", "A namesake that did not sign; the right one may be fetched.", silent,
         replace(namesake, identifiers=False), UNDOCUMENTED, "issuer-not-sent"),
        ("other-key-nowhere-else", "The same, with no place to fetch another.",
         replace(SERVER, identifiers=False), replace(namesake, identifiers=False), NOT_TRUSTED,
         "invalid-chain"),
        ("no-ca", "A namesake that is no CA.", fetched, odd.changed(ISSUING, odd.basic_constraints()),
         UNDOCUMENTED, "issuer-not-sent"),
    ):
        for place in ("sent", "in-ca"):
            yield case(f"useless-issuer-{name}-{place}", verdict, about,
                       [server, issuer] if place == "sent" else [server],
                       also=() if place == "sent" else [("CA", issuer)], codes=codes)
    damaged = replace(fetched, signature=der.bits(bytes(256)))
    yield case("useless-issuer-damaged-server", NOT_TRUSTED,
               "The server's certificate names this very key, and its signature does not fit.",
               [damaged, ISSUING], codes="invalid-chain")
    expired = replace(fetched, ends=_OLD)
    yield case("useless-issuer-expired-server", NOT_TRUSTED, "Whatever is fetched, the server's has expired.",
               [expired, replace(ISSUING, ends=_OLD)], codes="expired")
    yield case("useless-issuer-beside-the-right-one", TRUSTED, "The right one is at hand as well.",
               [fetched, replace(ISSUING, ends=_OLD), ISSUING])


def _renewed_roots() -> Iterator[Case]:
    expired = replace(ROOT, ends=_OLD)
    yield case("renewed-root-sent", NOT_TRUSTED, "The root in the image has expired; the new one is sent.",
               [*below(ISSUING), ROOT], [expired], codes="expired root-not-in-image")
    other = replace(ROOT, key="rsa2048 other")
    yield case("renewed-root-of-another-key", NOT_TRUSTED, "What is sent has not signed this chain.",
               [*below(ISSUING), other], [expired], codes="expired")
    yield case("unsigned-by-the-root-sent", NOT_TRUSTED, "A root that is sent and did not sign is no advice.",
               [SERVER, replace(ISSUING, signer="rsa2048 other"), ROOT],
               [replace(ROOT, subject=odd.contoso("Other"))], codes="root-not-in-image")


def _self_made() -> Iterator[Case]:
    usage = odd.key_usage(der.bits(b"\x86", 1))
    own = replace(odd.changed(odd.without(SERVER, odd.ALTERNATIVE_NAME), odd.IS_CA, usage), issuer=None)
    yield case("self-made-ca-with-a-common-name", (TRUSTED, NOT_TRUSTED),
               "A server's own root that says CA, asked for two names.", [own], [own],
               hosts=(HOST, _OTHER_HOST), codes="common-name-only name-mismatch")
    yield case("self-made-ca-not-in-the-image", NOT_TRUSTED, "The same, and the image does not have it.",
               [own], codes="root-not-in-image")


def _standard_and_critical() -> Iterator[Case]:
    octets = der.octets(b"x")
    for name, number, value, openssl in (
        ("directory-attributes", "2.5.29.9", der.sequence(), AGREES),
        ("key-usage-period", "2.5.29.16", der.sequence(), AGREES),
        ("issuer-names", "2.5.29.18", der.sequence(odd.general_name(HOST)), AGREES),
        ("freshest-list", "2.5.29.46", der.sequence(), AGREES),
        ("mail-capabilities", "1.2.840.113549.1.9.15", der.sequence(), AGREES),
        ("statements", "1.3.6.1.5.5.7.1.3", der.sequence(), AGREES),
        ("subject-access", "1.3.6.1.5.5.7.1.11", der.sequence(), AGREES),
        ("no-check", "1.3.6.1.5.5.7.48.1.5", der.null(), _KNOWS),
        ("netscape-type", "2.16.840.1.113730.1.1", der.bits(b"\x40", 6), _KNOWS),
        ("private", "1.3.6.1.4.1.55555.7", octets, AGREES),
    ):
        verdict = NOT_TRUSTED if name == "private" else UNDOCUMENTED
        for place in ("server", "intermediate"):
            sent, roots = chain_with(putting(odd.extension(number, value, odd.CRITICAL)), place)
            yield case(f"critical-{name}-{place}", verdict, "Critical, and no page lists it for Windows.",
                       sent, roots, codes="invalid-chain", openssl=openssl)


def _uses() -> Iterator[Case]:
    server = odd.SERVER_USE
    for name, about, policies, uses, verdict in (
        ("any-extended", "Any extended use, among the application policies.", (odd.ANY_USE,), (server,),
         UNDOCUMENTED),
        ("none", "A list of application policies with nothing in it.", (), (server,), UNDOCUMENTED),
    ):
        parts = odd.changed(SERVER, odd.extended_uses(*uses), odd.application_policies(*policies))
        yield case(f"policies-{name}-uses", verdict, about, [parts, ISSUING], codes="no-server-auth",
                   openssl=_IGNORES)
    damaged = odd.changed(SERVER, odd.application_policies(server),
                          odd.extension(odd.EXTENDED_USES, b"\x30\x05junk"))
    yield case("policies-good-uses-unreadable", TRUSTED,
               "Where there are application policies Windows ignores the extended key usage.",
               [damaged, ISSUING], codes="unreadable-part", openssl=_IGNORES)


def _names() -> Iterator[Case]:
    dotted = odd.changed(SERVER, odd.alternative_names(f"{HOST}."))
    yield case("alternative-with-a-dot-at-the-end", UNDOCUMENTED, "No page says whether Windows takes it.",
               [dotted, ISSUING], codes="name-mismatch")
    wide = odd.contoso("Ｃontoso Odd Issuing CA")  # noqa: RUF001 - a full-width letter
    yield case("issuer-in-full-width-letters", UNDOCUMENTED,
               "The same name only as Unicode counts letters.",
               [replace(SERVER, issuer_name=wide), ISSUING], codes="name-encoding-differs")
    unread = replace(ROOT, signature=der.octets(bytes(256)))
    yield case("unreadable-namesake-in-a-store-that-does-not-count", NOT_TRUSTED,
               "Windows takes no issuers from TrustedPeople, readable or not.", below(ISSUING),
               [replace(ROOT, subject=odd.contoso("Other"))], also=[("TrustedPeople", unread)],
               codes="issuer-missing")
    away = odd.changed(SERVER, odd.extension(odd.AUTHORITY_ACCESS, b"\x30\x05junk"))
    yield case("unreadable-place-of-the-issuer", UNDOCUMENTED, "Where to fetch the issuer is damaged.",
               [away], codes="issuer-not-sent")


def _small_keys() -> Iterator[Case]:
    even = der.sequence(der.sequence(der.identifier("1.2.840.113549.1.1.1"), der.null()),
                        der.bits(der.sequence(der.integer(1 << 767), der.integer(3))))
    yield case("small-rsa-key-that-is-damaged", NOT_TRUSTED,
               "Windows refuses RSA keys below 1024 bits, whatever else is wrong with them.",
               [replace(SERVER, key_info=even), ISSUING], codes="weak-key",
               openssl="it has no minimum unless asked for a security level")
