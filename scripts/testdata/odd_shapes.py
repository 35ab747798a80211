"""Odd shapes that a root, an intermediate and a server's certificate can have alike.

Each is a change to the usual certificate, with what follows for a chain that has one of that shape in it.
Public reports of such certificates are many; what no rule needs must not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from scripts.testdata import der_pieces as der
from scripts.testdata import odd_certificates as odd
from scripts.testdata.odd_case import Change, putting
from scripts.testdata.odd_certificates import Parts
from scripts.testdata.trust_cases import AGREES, NOT_TRUSTED, TRUSTED, UNDOCUMENTED

ANYWHERE = ("root", "intermediate", "server")
AUTHORITIES = ("root", "intermediate")
BELOW = ("intermediate", "server")

_FORMS_OF_TIME = "it takes no form of a date but the two of RFC 5280"
_CANONICAL = "it brings names into a canonical form, and cannot with this one"
_KIND_OF_VALUE = "it takes no value of that kind in a name"
_BER = "it reads BER; of Windows that is not documented"
_PADDED = "it takes no INTEGER with more octets than it needs"


@dataclass(frozen=True, slots=True)
class Shape:
    """A change to a certificate, and what a chain with it is worth.

    `places` are the certificates of a chain that it is tried on. `is_remarked` says whether the certificate
    gets a remark about a part that cannot be read; None leaves it open. `openssl` says why OpenSSL answers
    otherwise, at all places.
    """

    name: str
    about: str
    change: Change
    places: tuple[str, ...] = ANYWHERE
    verdict: str = TRUSTED
    codes: str = ""
    is_remarked: bool | None = False
    openssl: str = AGREES


@cache
def shapes() -> tuple[Shape, ...]:
    """Every shape."""
    return (
        *_strings(),
        *_names(),
        *_serials(),
        *_dates(),
        *_encodings(),
        *_extension_frames(),
        *_useless_extensions(),
        *_useful_extensions(),
    )


def _in_name(*attributes: bytes) -> Change:
    """Put a part with these attributes in front of the subject's others."""

    def change(parts: Parts) -> Parts:
        subject = der.sequence(der.set_of(*attributes), der.content_of(parts.subject))
        return replace(parts, subject=subject)

    return change


def _unit(kind: int, text: str | bytes) -> Change:
    return _in_name(der.attribute(odd.UNIT, der.string(kind, text)))


# fmt: off

def _strings() -> Iterator[Shape]:
    yield Shape("printable-ampersand", "PrintableString has no ampersand, and real names have one.",
                _unit(der.PRINTABLE_STRING, "Wells & Fargo"))
    yield Shape("printable-at-and-underscore", "Nor has it these.",
                _unit(der.PRINTABLE_STRING, "ca_admin@contoso.example"))
    yield Shape("printable-star-and-bang", "Nor these.", _unit(der.PRINTABLE_STRING, "*.contoso!"))
    yield Shape("printable-8-bit", "Letters beyond ASCII in a PrintableString.",
                _unit(der.PRINTABLE_STRING, b"B\xfccher"), is_remarked=None)
    yield Shape("teletex-latin-1", "Everybody puts Latin-1 into a TeletexString.",
                _unit(der.TELETEX_STRING, "Bücher"))
    yield Shape("teletex-t61", "T.61 itself writes an umlaut as two octets.",
                _unit(der.TELETEX_STRING, b"B\xc8ucher"))
    yield Shape("bmp", "UTF-16, as AD CS once wrote it.", _unit(der.BMP_STRING, "Bücher"))
    yield Shape("bmp-odd-length", "Half a character at its end.", _unit(der.BMP_STRING, b"\0B\0"),
                is_remarked=None, openssl=_CANONICAL)
    yield Shape("bmp-lone-surrogate", "One half of a pair.", _unit(der.BMP_STRING, b"\xd8\x00\0B"),
                is_remarked=None, openssl=_CANONICAL)
    yield Shape("universal", "UTF-32.", _unit(der.UNIVERSAL_STRING, "Bücher"))
    yield Shape("universal-odd-length", "Three quarters of a character.",
                _unit(der.UNIVERSAL_STRING, b"\0\0B"), is_remarked=None, openssl=_CANONICAL)
    yield Shape("universal-beyond-unicode", "A number that is no character.",
                _unit(der.UNIVERSAL_STRING, b"\x7f\xff\xff\xff"), is_remarked=None, openssl=_CANONICAL)
    yield Shape("utf8-invalid", "Latin-1 in a UTF8String.", _unit(der.UTF8_STRING, b"B\xfccher"),
                is_remarked=None, openssl=_CANONICAL)
    yield Shape("utf8-nul", "A NUL in the middle.", _unit(der.UTF8_STRING, "Con\0toso"), is_remarked=None)
    yield Shape("ia5-8-bit", "Letters beyond ASCII in an IA5String.", _unit(der.IA5_STRING, b"B\xfccher"),
                is_remarked=None)
    yield Shape("numeric-letters", "Letters in a NumericString.", _unit(der.NUMERIC_STRING, "12a"),
                is_remarked=None)
    yield Shape("visible-8-bit", "An accent in a VisibleString.",
                _unit(der.VISIBLE_STRING, b"Certific\xe1mara"), is_remarked=None, openssl=_KIND_OF_VALUE)
    yield Shape("general-string", "A type that nobody uses.", _unit(27, "Contoso"), is_remarked=None,
                openssl=_KIND_OF_VALUE)
    yield Shape("string-empty", "No text at all.", _unit(der.UTF8_STRING, ""))
    yield Shape("string-line-break", "Text that would break a message.",
                _unit(der.UTF8_STRING, "Con\r\n\x1b[31mtoso"), is_remarked=None)
    yield Shape("string-long", "Ten times what RFC 5280 allows.", _unit(der.UTF8_STRING, "Contoso " * 80))


def _names() -> Iterator[Shape]:
    unit = der.attribute(odd.UNIT, der.utf8("Unit"))
    place = der.attribute(odd.LOCALITY, der.utf8("Place"))
    yield Shape("value-sequence", "An attribute whose value is a SEQUENCE of strings.",
                _in_name(der.attribute("2.5.4.16", der.sequence(der.utf8("1 Street"), der.utf8("Place")))),
                is_remarked=None)
    yield Shape("value-octets", "An attribute whose value is no string.",
                _in_name(der.attribute(odd.UNIT, der.octets(b"\1\2\3"))), is_remarked=None,
                openssl=_KIND_OF_VALUE)
    yield Shape("value-integer", "A number where a string should be.",
                _in_name(der.attribute(odd.SERIAL_NUMBER, der.integer(5))), is_remarked=None,
                openssl=_KIND_OF_VALUE)
    yield Shape("part-unsorted", "A part with two attributes, not sorted as DER wants it.",
                _in_name(unit, place))
    yield Shape("part-sorted", "A part with two attributes, sorted.", _in_name(place, unit))
    yield Shape("attribute-unknown", "An attribute that nobody knows.",
                _in_name(der.attribute("1.3.6.1.4.1.55555.7", der.utf8("x"))))
    yield Shape("part-empty", "A part without attributes.", _in_name(), is_remarked=None)
    yield Shape("mail-utf8", "An e-mail address as UTF8String.",
                _in_name(der.attribute(odd.MAIL, der.utf8("pki@contoso.example"))))
    yield Shape("country-long", "A country of three letters.",
                _in_name(der.attribute(odd.COUNTRY, der.string(der.PRINTABLE_STRING, "DEU"))))


def _serials() -> Iterator[Shape]:
    for name, about, serial, why in (
        ("padded", "Two zero octets in front.", b"\x02\x04\0\0\x12\x34", _PADDED),
        ("negative", "The first bit makes it negative.", b"\x02\x04\x92\x34\x56\x78", AGREES),
        ("negative-padded", "Negative, and longer than needed.", b"\x02\x04\xff\xff\x80\x01", _PADDED),
        ("zero", "Zero, as homemade roots have it.", b"\x02\x01\0", AGREES),
        ("30-octets", "Longer than the 20 octets of RFC 5280.", der.element(der.INTEGER, b"\x01" * 30),
         AGREES),
    ):
        yield Shape(f"serial-{name}", about, _with_serial(serial), openssl=why)
    yield Shape("serial-empty", "An INTEGER without a value.", _with_serial(b"\x02\x00"), is_remarked=None,
                openssl="it cannot read an INTEGER without a value")


def _with_serial(serial: bytes) -> Change:
    return lambda parts: replace(parts, serial=serial)


def _dates() -> Iterator[Shape]:
    for name, about, kind, text in (
        ("utc-no-seconds", "UTCTime without seconds.", der.UTC_TIME, "2001010000Z"),
        ("utc-offset", "UTCTime with an offset.", der.UTC_TIME, "200101000000+0100"),
        ("generalized-no-seconds", "GeneralizedTime without seconds.", der.GENERALIZED_TIME, "202001010000Z"),
        ("generalized-fraction", "GeneralizedTime with a fraction.", der.GENERALIZED_TIME,
         "20200101000000.25Z"),
        ("generalized-offset", "GeneralizedTime with an offset.", der.GENERALIZED_TIME,
         "20200101000000-0500"),
    ):
        yield Shape(f"begins-{name}", about, _beginning(der.string(kind, text)), openssl=_FORMS_OF_TIME)
    for name, about, text in (
        ("1949", "Before 1950, as GeneralizedTime.", "19490101000000Z"),
        ("utc-1950", "UTCTime 50 is 1950.", "500101000000Z"),
        ("generalized-2020", "GeneralizedTime where RFC 5280 wants UTCTime.", "20200101000000Z"),
        ("year-1", "The first year there is.", "00010101000000Z"),
    ):
        yield Shape(f"begins-{name}", about, _beginning(der.time(text)))
    for name, about, text in (
        ("9999", "The date that means: for ever.", "99991231235959Z"),
        ("utc-2049", "UTCTime 49 is 2049.", "491231235959Z"),
    ):
        yield Shape(f"ends-{name}", about, _ending(der.time(text)))
    yield Shape("ends-utc-1950", "UTCTime 50 is 1950, and long ago.", _ending(der.time("501231235959Z")),
                verdict=NOT_TRUSTED, codes="expired")
    for name, about, value in (
        ("13th-month", "A month that there is not.", der.time("201301000000Z")),
        ("text", "Text that is no date.", der.string(der.UTC_TIME, "next January")),
        ("integer", "A number in the place of a date.", der.integer(1577836800)),
        ("empty", "A date of no characters.", der.string(der.UTC_TIME, "")),
    ):
        yield Shape(f"begins-{name}", about, _beginning(value), verdict=UNDOCUMENTED,
                    codes="unreadable-part", is_remarked=True)
    yield Shape("ends-13th-month", "A month that there is not.", _ending(der.time("401301000000Z")),
                verdict=UNDOCUMENTED, codes="unreadable-part", is_remarked=True)


def _beginning(value: bytes) -> Change:
    return lambda parts: replace(parts, begins=value)


def _ending(value: bytes) -> Change:
    return lambda parts: replace(parts, ends=value)


def _encodings() -> Iterator[Shape]:
    yield Shape("length-long-signed-part", "The length of the signed part takes more octets than it needs.",
                lambda parts: replace(parts, signed_part=der.long_sequence))
    yield Shape("length-long-name", "The same in the subject.", _long_subject)
    yield Shape("length-long-serial", "The same in the serial number.",
                _with_serial(b"\x02\x81\x02\x12\x34"))
    yield Shape("length-indefinite-name", "The length of the subject is indefinite.", _endless_subject,
                verdict=UNDOCUMENTED, is_remarked=None, openssl=_BER)
    yield Shape("length-indefinite-signed-part", "That of the signed part is.",
                lambda parts: replace(parts, signed_part=der.endless_sequence), verdict=UNDOCUMENTED,
                is_remarked=None, openssl=_BER)
    yield Shape("identifiers-unique", "Version 3 with the identifiers of version 2.",
                lambda parts: replace(parts, unique_identifiers=_UNIQUE))
    yield Shape("algorithm-without-null", "RSA without the NULL that belongs to it.",
                lambda parts: replace(parts, algorithm=_RSA_WITHOUT_NULL))


_UNIQUE = (der.element(0x81, b"\0\x12\x34") + der.element(0x82, b"\0\x56\x78"))
_RSA_WITHOUT_NULL = der.sequence(der.identifier("1.2.840.113549.1.1.11"))


def _long_subject(parts: Parts) -> Parts:
    return replace(parts, subject=der.long_sequence(der.content_of(parts.subject)))


def _endless_subject(parts: Parts) -> Parts:
    return replace(parts, subject=der.endless_sequence(der.content_of(parts.subject)))


def _extension_frames() -> Iterator[Shape]:
    yield Shape("critical-false-said", "Critical: no, written out, though it is the default.",
                lambda parts: _criticality(parts, odd.NOT_CRITICAL_BUT_SAID))
    yield Shape("critical-1", "Critical: yes, as 0x01.", lambda parts: _criticality(parts, der.boolean(1)))
    yield Shape("extension-twice", "The same extension twice, of which no rule needs one.",
                lambda parts: replace(parts, extensions=(*(parts.extensions or ()), *_TWICE)),
                is_remarked=None)
    yield Shape("extension-empty", "An unknown extension with no value.",
                putting(odd.extension("1.3.6.1.4.1.55555.8", b"")))


_COMMENT = odd.extension("2.16.840.1.113730.1.13", der.string(der.IA5_STRING, "made by hand"))
_TWICE = (_COMMENT, _COMMENT)


def _criticality(parts: Parts, critical: bytes) -> Parts:
    """The basic constraints of each kind of certificate with another word about being critical."""
    contents = () if parts.issuer and parts.issuer.issuer else (der.boolean(),)
    return odd.changed(parts, odd.basic_constraints(*contents, critical=critical))


def _notice(text: bytes) -> bytes:
    """Certificate policies with a notice of type VisibleString."""
    notice = der.sequence(der.string(der.VISIBLE_STRING, text))
    qualifier = der.sequence(der.identifier("1.3.6.1.5.5.7.2.2"), notice)
    return der.sequence(der.sequence(der.identifier("1.3.6.1.4.1.55555.1.1"), der.sequence(qualifier)))


def _useless_extensions() -> Iterator[Shape]:
    """What no rule needs may be as damaged as it likes."""
    junk = b"\x30\x05junk"
    for name, about, number, value in (
        ("policy-notice-8-bit", "A policy notice with an accent, as roots of Microsoft's list have it.",
         odd.POLICIES, _notice(b"informaci\xf3n")),
        ("policies-empty", "A list of no policies.", odd.POLICIES, der.sequence()),
        ("access-damaged", "The issuer's place cannot be read.", odd.AUTHORITY_ACCESS, junk),
        ("access-empty", "A list of no places.", odd.AUTHORITY_ACCESS, der.sequence()),
        ("statements-damaged", "Statements of a qualified certificate, damaged.", odd.QUALIFIED_STATEMENTS,
         junk),
        ("statements-integer", "A number in their place.", odd.QUALIFIED_STATEMENTS, der.integer(7)),
        ("template-name-odd", "The name of a template, with half a character.", "1.3.6.1.4.1.311.20.2",
         der.string(der.BMP_STRING, b"\0C\0")),
        ("timestamps-damaged", "Timestamps of certificate transparency, damaged.", "1.3.6.1.4.1.11129.2.4.2",
         junk),
    ):
        yield Shape(name, about, putting(odd.extension(number, value)), is_remarked=None)
    yield Shape("lists-damaged", "Where revocation lists are cannot be read.",
                putting(odd.extension(odd.REVOCATION_LISTS, junk)), is_remarked=None,
                openssl="it reads where lists are, although it is not asked about revocation")
    damaged = putting(odd.extension(odd.POLICIES, junk))
    about = "Policies that cannot be read, and nobody demands any."
    yield Shape("policies-damaged", about, damaged, ("root",), is_remarked=None)
    yield Shape("policies-damaged", about, damaged, BELOW, is_remarked=None,
                openssl="it reads policies, although nobody demands any")


def _useful_extensions() -> Iterator[Shape]:
    """What a rule needs and nobody can read leaves the answer open."""
    junk = b"\x30\x05junk"
    policies = odd.extension(odd.APPLICATION_POLICIES, junk)
    yield Shape("application-policies-damaged", "A part that Windows needs, and that cannot be read.",
                putting(policies), BELOW, UNDOCUMENTED, "unreadable-part", is_remarked=True,
                openssl="it does not know Microsoft's application policies")
    for name, number, value, places in (
        ("basic-constraints-damaged", odd.BASIC_CONSTRAINTS, junk, ANYWHERE),
        ("basic-constraints-long-boolean", odd.BASIC_CONSTRAINTS,
         der.sequence(der.element(der.BOOLEAN, b"\xff\xff")), AUTHORITIES),
        ("key-usage-damaged", odd.KEY_USAGE, junk, ANYWHERE),
        ("key-usage-9-unused", odd.KEY_USAGE, b"\x03\x02\x09\xa6", ANYWHERE),
        ("extended-uses-damaged", odd.EXTENDED_USES, junk, ANYWHERE),
        ("extended-uses-integers", odd.EXTENDED_USES, der.sequence(der.integer(1)), ANYWHERE),
        ("name-constraints-damaged", odd.NAME_CONSTRAINTS, junk, AUTHORITIES),
        ("authority-key-damaged", odd.AUTHORITY_KEY, junk, BELOW),
        ("subject-key-damaged", odd.SUBJECT_KEY, junk, AUTHORITIES),
    ):
        yield Shape(name, "A part that a rule needs, and that cannot be read.",
                    putting(odd.extension(number, value)), places, UNDOCUMENTED, "unreadable-part",
                    is_remarked=True)
