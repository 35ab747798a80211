"""Who a server is, and who issued it: names in odd places, and identifiers that lead elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scripts.testdata import der_pieces as der
from scripts.testdata import odd_certificates as odd
from scripts.testdata.odd_case import below, case
from scripts.testdata.odd_certificates import ISSUING, ROOT, SERVER, Extension, Parts
from scripts.testdata.trust_cases import AGREES, HOST, NOT_TRUSTED, TRUSTED, UNDOCUMENTED, Case

OTHER_HOST = "dp.contoso.example"
ADDRESS = "192.0.2.10"

_MAIL = der.tagged(1, b"pki@contoso.example", constructed=False)
_NUL = der.tagged(2, f"{HOST}\0.evil.example".encode(), constructed=False)


def cases() -> Iterator[Case]:
    """Every case about names and issuers."""
    yield from _common_names()
    yield from _alternative_names()
    yield from _issuers_in_other_words()
    yield from _exact_issuers()
    yield from _issuers_elsewhere()


def _named(*texts: bytes) -> Parts:
    """The server with these common names (whole strings) and no alternative name."""
    organization = der.attribute(odd.ORGANIZATION, der.utf8("Contoso"))
    names = (der.attribute(odd.COMMON_NAME, text) for text in texts)
    return odd.without(replace(SERVER, subject=der.name(organization, *names)), odd.ALTERNATIVE_NAME)


def _with_names(common: str, *names: str | bytes, critical: bytes = b"") -> Parts:
    """The server with a common name and these alternative ones."""
    alternative = odd.alternative_names(*names, critical=critical)
    return odd.changed(replace(SERVER, subject=odd.contoso(common)), alternative)


# fmt: off

def _common_names() -> Iterator[Case]:
    for name, kind in (("utf8", der.UTF8_STRING), ("printable", der.PRINTABLE_STRING),
                       ("teletex", der.TELETEX_STRING), ("ia5", der.IA5_STRING), ("bmp", der.BMP_STRING),
                       ("universal", der.UNIVERSAL_STRING)):
        yield case(f"common-name-{name}", TRUSTED, "Microsoft's procedure sets a common name and no more.",
                   [_named(der.string(kind, HOST)), ISSUING], codes="common-name-only")
    yield case("common-name-in-capitals", TRUSTED, "Letter case does not count.",
               [_named(der.utf8(HOST.upper())), ISSUING], codes="common-name-only")
    yield case("common-name-wildcard", (TRUSTED, NOT_TRUSTED), "A star in the common name, for one label.",
               [_named(der.utf8("*.contoso.example")), ISSUING], hosts=(HOST, f"a.{HOST}"),
               codes="common-name-only name-mismatch")
    yield case("common-name-other", NOT_TRUSTED, "It is another server's.",
               [_named(der.utf8(OTHER_HOST)), ISSUING], codes="name-mismatch")
    yield case("common-name-with-nul", NOT_TRUSTED, "The name goes on after a NUL.",
               [_named(der.utf8(f"{HOST}\0.evil.example")), ISSUING], codes="name-mismatch")
    yield case("common-name-with-blank", NOT_TRUSTED, "The name goes on after a blank.",
               [_named(der.utf8(f"{HOST} (old)")), ISSUING], codes="name-mismatch")
    yield case("common-name-absent", NOT_TRUSTED, "There is no name at all.", [_named(), ISSUING],
               codes="name-mismatch")
    yield case("common-name-odd-length", UNDOCUMENTED, "A common name that is no text.",
               [_named(der.string(der.BMP_STRING, b"\0c\0")), ISSUING])
    yield case("common-names-equal", TRUSTED, "It is there twice.",
               [_named(der.utf8(HOST), der.utf8(HOST)), ISSUING], codes="common-name-only")
    for name, texts in (("first", (HOST, OTHER_HOST)), ("last", (OTHER_HOST, HOST))):
        yield case(f"common-names-{name}", UNDOCUMENTED,
                   "Two common names: no page says which one Windows takes.",
                   [_named(*map(der.utf8, texts)), ISSUING],
                   openssl="it takes any of several common names")
    yield case("common-names-others", NOT_TRUSTED, "Two common names, both of others.",
               [_named(der.utf8(OTHER_HOST), der.utf8("www.contoso.example")), ISSUING],
               codes="name-mismatch")
    yield case("common-name-is-the-address", UNDOCUMENTED,
               "A server asked for by its address: no page says whether the common name may be one.",
               [_named(der.utf8(ADDRESS)), ISSUING], hosts=(ADDRESS,))
    expired = replace(_named(der.utf8(HOST)), ends=der.time("250101000000Z"))
    yield case("common-name-expired", NOT_TRUSTED, "The name is right, the date is not.", [expired, ISSUING],
               codes="common-name-only expired")
    self_signed = replace(_named(der.utf8(HOST)), issuer=None)
    yield case("common-name-self-signed", TRUSTED, "Its own root, with a common name only.", [self_signed],
               [self_signed], codes="common-name-only")
    first = replace(_named(der.utf8(HOST)), version=b"", extensions=None)
    yield case("common-name-version-1", TRUSTED, "Version 1 has no extensions, so it limits nothing.",
               [first, ISSUING], codes="common-name-only")
    unique = der.element(0x81, b"\0\1")
    second = replace(first, version=der.tagged(0, der.integer(1)), unique_identifiers=unique)
    yield case("common-name-version-2", TRUSTED, "Nor has version 2.", [second, ISSUING],
               codes="common-name-only")


def _alternative_names() -> Iterator[Case]:
    takes_it = "it takes the common name unless there is a DNS name"
    kinds: tuple[tuple[str, tuple[str | bytes, ...], str, str, str], ...] = (
        ("mail", (_MAIL,), TRUSTED, "common-name-only", AGREES),
        ("url", (odd.location("https://contoso.example"),), TRUSTED, "common-name-only", AGREES),
        ("directory", (der.tagged(4, odd.contoso("x")),), TRUSTED, "common-name-only", AGREES),
        ("nothing", (), TRUSTED, "common-name-only", AGREES),
        ("address", (ADDRESS,), NOT_TRUSTED, "name-mismatch", takes_it),
        ("other-host", (OTHER_HOST,), NOT_TRUSTED, "name-mismatch", AGREES),
        ("mail-and-other-host", (_MAIL, OTHER_HOST), NOT_TRUSTED, "name-mismatch", AGREES),
    )
    for name, entries, verdict, codes, why in kinds:
        yield case(f"alternative-{name}-only", verdict, "The common name is right; what else is there?",
                   [_with_names(HOST, *entries), ISSUING], codes=codes, openssl=why)
    odd_entries: tuple[tuple[str, str, bytes, str], ...] = (
        ("address-of-8-octets", "A network, as name constraints have it.",
         der.tagged(7, bytes(8), constructed=False), AGREES),
        ("address-of-5-octets", "No address has five octets.",
         der.tagged(7, bytes(5), constructed=False), AGREES),
        ("address-empty", "An address of none.", der.tagged(7, constructed=False), AGREES),
        ("nul", "A name that goes on after a NUL.", _NUL, AGREES),
        ("empty-host", "A name without a letter.", der.tagged(2, constructed=False), AGREES),
        ("8-bit-host", "A name that is not ASCII.", der.tagged(2, "bücher.example".encode("latin-1"),
                                                                 constructed=False), AGREES),
        ("unknown-tag", "A kind of name that there is not.", der.tagged(9, b"x", constructed=False),
         "it refuses a certificate with a name of a kind that there is not"),
        ("8-bit-mail", "An address for mail that is not ASCII.",
         der.tagged(1, "bücher@contoso.example".encode("latin-1"), constructed=False), AGREES),
        ("x400", "An address of X.400, of no contents.", der.tagged(3), AGREES),
    )
    for name, about, entry, why in odd_entries:
        for order, beside in (("before", (entry, HOST)), ("after", (HOST, entry))):
            yield case(f"alternative-{name}-{order}", TRUSTED, f"{about} The host is beside it.",
                       [_with_names("Gateway", *beside), ISSUING], openssl=why)
    yield case("alternative-nul-alone", NOT_TRUSTED, "What is before a NUL is not the name.",
               [_with_names("Gateway", _NUL), ISSUING], codes="name-mismatch")
    yield case("alternative-critical", TRUSTED, "Critical, although there is a subject.",
               [_with_names("Gateway", HOST, critical=odd.CRITICAL), ISSUING])
    yield case("alternative-critical-false-said", TRUSTED, "Critical: no, written out.",
               [_with_names("Gateway", HOST, critical=odd.NOT_CRITICAL_BUT_SAID), ISSUING])
    damaged = odd.changed(SERVER, odd.extension(odd.ALTERNATIVE_NAME, b"\x30\x05junk"))
    yield case("alternative-damaged", UNDOCUMENTED, "Whether a name is in it cannot be told.",
               [damaged, ISSUING], codes="unreadable-part")
    again = replace(SERVER, extensions=(*(SERVER.extensions or ()), odd.alternative_names(OTHER_HOST)))
    yield case("alternative-twice", UNDOCUMENTED, "Two of them: no page says which one Windows takes.",
               [again, ISSUING])


def _renamed(parts: Parts, kind: int, organization: str, common: str) -> Parts:
    words = ((odd.ORGANIZATION, organization), (odd.COMMON_NAME, common))
    subject = der.name(*(der.attribute(number, der.string(kind, text)) for number, text in words))
    return replace(parts, subject=subject)


def _issuers_in_other_words() -> Iterator[Case]:
    root = "Contoso Odd Root CA"
    umlaut = _renamed(ROOT, der.UTF8_STRING, "Bücher", root)
    for name, about, parts, other in (
        ("type", "PrintableString here, UTF8String there.", ROOT,
         _renamed(ROOT, der.PRINTABLE_STRING, "Contoso", root)),
        ("bmp", "BMPString here, UTF8String there.", ROOT, _renamed(ROOT, der.BMP_STRING, "Contoso", root)),
        ("case", "Capitals here, none there.", ROOT,
         _renamed(ROOT, der.UTF8_STRING, "CONTOSO", root.lower())),
        ("blanks", "Two blanks here, one there.", ROOT,
         _renamed(ROOT, der.UTF8_STRING, " Contoso ", root.replace(" ", "  "))),
        ("teletex", "Latin-1 here, UTF-8 there.", umlaut,
         _renamed(ROOT, der.TELETEX_STRING, "Bücher", root)),
    ):
        issuing = replace(ISSUING, issuer=parts, issuer_name=other.subject)
        yield case(f"issuer-{name}-differs-at-root", TRUSTED, about, below(issuing), [parts],
                   codes="name-encoding-differs")
        lower = replace(ISSUING, subject=parts.subject, issuer=replace(ROOT, subject=odd.contoso("Top")))
        server = replace(SERVER, issuer=lower, issuer_name=other.subject)
        yield case(f"issuer-{name}-differs-at-intermediate", TRUSTED, about, [server, lower],
                   [replace(ROOT, subject=odd.contoso("Top"))], codes="name-encoding-differs")
    for name, about, other in (
        ("text", "One letter differs.", _renamed(ROOT, der.UTF8_STRING, "Contoso", "Contoso Odd Root CB")),
        ("accent", "With an accent and without one.", _renamed(ROOT, der.UTF8_STRING, "Contosó", root)),
        ("order", "The same parts in another order.", replace(ROOT, subject=der.name(
            der.attribute(odd.COMMON_NAME, der.utf8(root)),
            der.attribute(odd.ORGANIZATION, der.utf8("Contoso"))))),
    ):
        issuing = replace(ISSUING, issuer_name=other.subject)
        yield case(f"issuer-{name}-differs", NOT_TRUSTED, about, below(issuing), codes="issuer-missing")


def _exact_issuers() -> Iterator[Case]:
    own, other = der.integer(0x1234567), der.integer(0x7654321)
    root = replace(ROOT, serial=own)
    old = replace(ROOT, serial=other, ends=der.time("250101000000Z"))
    issuing = replace(ISSUING, issuer=root, serial=own)
    key, upper_key = odd.key_identifier(ISSUING), odd.key_identifier(ROOT)

    def at_server(identifier: Extension) -> tuple[Parts, Parts]:
        return odd.changed(replace(SERVER, issuer=issuing), identifier), issuing

    def at_intermediate(identifier: Extension) -> tuple[Parts, Parts]:
        return below(odd.changed(issuing, identifier))

    for name, about, verdict, at_lower, at_upper in (
        ("right", "Issuer and serial number are those of the CA.", TRUSTED,
         odd.exact_issuer(ROOT.subject, own), odd.exact_issuer(ROOT.subject, own)),
        ("right-with-key", "The same, with the key's identifier.", TRUSTED,
         odd.exact_issuer(ROOT.subject, own, key=key), odd.exact_issuer(ROOT.subject, own, key=upper_key)),
        ("other-serial", "The serial number is that of the CA's older certificate.", NOT_TRUSTED,
         odd.exact_issuer(ROOT.subject, other), odd.exact_issuer(ROOT.subject, other)),
        ("other-serial-with-key", "The same, although the key is the same.", NOT_TRUSTED,
         odd.exact_issuer(ROOT.subject, other, key=key),
         odd.exact_issuer(ROOT.subject, other, key=upper_key)),
        ("other-issuer", "The CA has that serial number from somebody else.", NOT_TRUSTED,
         odd.exact_issuer(odd.contoso("Somebody"), own), odd.exact_issuer(odd.contoso("Somebody"), own)),
    ):
        codes = "" if verdict == TRUSTED else "issuer-other-certificate"
        yield case(f"exact-{name}-server", verdict, about, at_server(at_lower), [root], codes=codes)
        yield case(f"exact-{name}-intermediate", verdict, about, at_intermediate(at_upper), [root],
                   codes=codes)
    foreign = odd.exact_issuer(ROOT.subject, own, key=bytes(20))
    for place, sent in (("server", at_server(foreign)), ("intermediate", at_intermediate(foreign))):
        yield case(f"exact-right-with-other-key-{place}", UNDOCUMENTED,
                   "Issuer and serial number fit, and the key identifier does not.", sent, [root],
                   codes="key-identifier-differs")
    nameless = odd.without(replace(ISSUING, identifiers=False), odd.SUBJECT_KEY)
    by_key = odd.authority_key(der.tagged(0, bytes(20), constructed=False))
    yield case("key-of-nobody", UNDOCUMENTED, "A key identifier, below a CA that has none.",
               (odd.changed(replace(SERVER, issuer=nameless), by_key), nameless),
               codes="key-identifier-differs", openssl="it compares key identifiers only when there are two")
    named = odd.exact_issuer(ROOT.subject, other)
    yield case("exact-old-root-still-there", TRUSTED, "Both roots of one key are there, the named one too.",
               at_intermediate(named), [root, replace(old, ends=ROOT.ends)])
    yield case("exact-old-root-expired", NOT_TRUSTED, "The named one has expired.", at_intermediate(named),
               [root, old])


def _issuers_elsewhere() -> Iterator[Case]:
    web = odd.authority_access("http://pki.contoso.example/issuing.cer")
    ldap = odd.authority_access("ldap:///CN=Contoso,CN=AIA,DC=contoso,DC=example?cACertificate?base")
    fetched = odd.changed(SERVER, web)
    yield case("issuer-on-the-web", UNDOCUMENTED, "Full Windows would fetch the intermediate.", [fetched],
               codes="issuer-not-sent")
    yield case("issuer-on-the-web-and-in-ca", TRUSTED, "Nothing has to be fetched.", [fetched],
               also=[("CA", ISSUING)])
    yield case("issuer-on-the-web-and-in-my", UNDOCUMENTED, "A copy that does not count takes nothing away.",
               [fetched], also=[("My", ISSUING)], codes="issuer-not-sent issuer-in-wrong-store")
    yield case("issuer-on-the-web-and-sent", TRUSTED, "Nothing has to be fetched.", [fetched, ISSUING])
    yield case("issuer-in-the-directory", NOT_TRUSTED, "Windows PE reaches no directory.",
               [odd.changed(SERVER, ldap)], codes="issuer-missing")
    upper = replace(ISSUING, subject=odd.contoso("Contoso Odd Policy CA"), key="rsa2048 policy")
    lower = odd.changed(replace(ISSUING, issuer=upper), web)
    yield case("upper-issuer-on-the-web", UNDOCUMENTED, "The same one level higher.", below(lower),
               codes="issuer-not-sent")
    yield case("issuer-on-the-web-expired", NOT_TRUSTED, "Whatever is fetched, the server's has expired.",
               [replace(fetched, ends=der.time("250101000000Z"))], codes="expired")
    yield case("issuer-on-the-web-other-host", NOT_TRUSTED, "Nor does fetching help a wrong name.",
               [odd.changed(_with_names("Gateway", OTHER_HOST), web)], codes="name-mismatch")
    client = odd.changed(fetched, odd.extended_uses(odd.CLIENT_USE))
    yield case("issuer-on-the-web-client", NOT_TRUSTED, "Nor a wrong use.", [client], codes="no-server-auth")
