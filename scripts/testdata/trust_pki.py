"""Servers and images whose answer is known: a matrix of small PKIs for `check-server` and for its judges.

Made in memory and never written: keys come from a small pool that each process generates anew. What the
library `cryptography` no longer makes (old hashes, version 1, tiny keys) is put together with asn1crypto.
The expected answers follow RFC 5280, and Windows where it is known to differ. They are held against other
validators in ``tests/oracle``; a case says where OpenSSL answers otherwise, and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_network

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from scripts.testdata.trust_cases import AGREES, HOST, NOT_TRUSTED, NOW, TRUSTED, UNDOCUMENTED, Case
from scripts.testdata.trust_certificates import (
    CA_USES,
    EC_SERVER_USES,
    RSA_SERVER_USES,
    Extension,
    Recipe,
    der_of,
    name_of,
)

INSIDE = "cmg.inside.contoso.example"

_SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
_CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
_ANY_USE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
_OUR_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.1")
_OTHER_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2")
_ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.2.1"), b"\x05\x00")

_WEB_LIST = ("http://pki.contoso.example/list.crl",)
_DIRECTORY_LIST = ("ldap:///CN=Contoso,CN=CDP,DC=contoso,DC=example?certificateRevocationList?base",)

_FIRST_ISSUER = "it takes the first issuer that fits by name and identifiers, and tries no other"


# --- the certificates that most cases share ---------------------------------------------------------------

_ROOT = Recipe("Contoso Root CA", "rsa2048 root")
_ISSUING = Recipe(
    "Contoso Issuing CA",
    "rsa2048 issuing",
    _ROOT,
    begins=datetime(2021, 1, 1, tzinfo=UTC),
    ends=datetime(2040, 1, 1, tzinfo=UTC),
    lists=_WEB_LIST,
)
_SERVER = Recipe(
    HOST,
    "rsa2048 server",
    _ISSUING,
    begins=datetime(2024, 1, 1, tzinfo=UTC),
    ends=datetime(2036, 1, 1, tzinfo=UTC),
    ca=False,
    uses=RSA_SERVER_USES,
    purposes=(_SERVER_AUTH,),
    hosts=(HOST,),
    lists=_WEB_LIST,
)
_OTHER_ROOT = Recipe("Fabrikam Root CA", "rsa2048 other")
_EC_ROOT = Recipe("Contoso EC Root CA", "p384 root")
_EC_ISSUING = replace(_ISSUING, name="Contoso EC Issuing CA", key="p256 issuing", issuer=_EC_ROOT)
_EC_SERVER = replace(_SERVER, key="p256 server", issuer=_EC_ISSUING, uses=EC_SERVER_USES)
_POLICY_CA = replace(_ISSUING, name="Contoso Policy CA", key="rsa2048 policy")
_BELOW_POLICY_CA = replace(_ISSUING, issuer=_POLICY_CA)
_DEEP_SERVER = replace(_SERVER, issuer=_BELOW_POLICY_CA)
_SELF_SIGNED = replace(_SERVER, issuer=None, lists=())


def _below(issuer: Recipe) -> Recipe:
    """The usual server certificate, issued by another CA."""
    return replace(_SERVER, issuer=issuer)


def _chain(issuing: Recipe) -> tuple[Recipe, Recipe]:
    """What a server below this CA sends."""
    return _below(issuing), issuing


def _day(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _case(
    name: str,
    verdict: str | tuple[str, ...],
    about: str,
    sent: Sequence[Recipe],
    roots: Sequence[Recipe] = (_ROOT,),
    *,
    codes: str = "",
    also: Sequence[tuple[str, Recipe]] = (),
    hosts: tuple[str, ...] = (HOST,),
    at: datetime = NOW,
    openssl: str = AGREES,
) -> Case:
    """A case whose `roots` stand in AuthRoot, and `also` in other stores; `codes` are parted by blanks."""
    return Case(
        name=name,
        about=about,
        sent=tuple(map(der_of, sent)),
        stores=(
            *(("AuthRoot", der_of(root)) for root in roots),
            *((store, der_of(recipe)) for store, recipe in also),
        ),
        hosts=hosts,
        at=at,
        verdicts=(verdict,) * len(hosts) if isinstance(verdict, str) else verdict,
        codes=frozenset(codes.split()),
        openssl=openssl,
    )


@cache
def cases() -> tuple[Case, ...]:
    """Every case."""
    return (
        *_complete_chains(),
        *_gaps(),
        *_places(),
        *_cross_certificates(),
        *_renewals(),
        *_dates(),
        *_extended_uses(),
        *_authorities(),
        *_key_uses(),
        *_path_lengths(),
        *_name_constraints(),
        *_names(),
        *_revocation(),
        *_strength(),
        *_signatures(),
        *_extension_rules(),
        *_disallowed(),
        *_policies(),
    )


# --- the cases --------------------------------------------------------------------------------------------
# A table: cases are easier to compare when each stays on few lines.
# fmt: off


def _complete_chains() -> Iterator[Case]:
    yield _case("rsa-three-levels", TRUSTED, "The usual chain.", _chain(_ISSUING))
    yield _case("rsa-two-levels", TRUSTED, "The root issued the server's certificate.", [_below(_ROOT)])
    yield _case("rsa-four-levels", TRUSTED, "A policy CA stands between root and issuing CA.",
                [_DEEP_SERVER, _BELOW_POLICY_CA, _POLICY_CA])
    yield _case("ec-three-levels", TRUSTED, "P-256 below a root with P-384.", [_EC_SERVER, _EC_ISSUING],
                [_EC_ROOT])
    yield _case("ec-two-levels", TRUSTED, "P-256 directly below P-384.",
                [replace(_EC_SERVER, issuer=_EC_ROOT)], [_EC_ROOT])
    mixed = replace(_EC_SERVER, issuer=_ISSUING)
    yield _case("ec-server-below-rsa", TRUSTED, "An RSA hierarchy, an EC server.", [mixed, _ISSUING])
    mixed = replace(_SERVER, issuer=_EC_ISSUING)
    yield _case("rsa-server-below-ec", TRUSTED, "An EC hierarchy, an RSA server.", [mixed, _EC_ISSUING],
                [_EC_ROOT])
    yield _case("rsa-3072-and-sha-384", TRUSTED, "Larger keys and longer hashes.",
                _chain(replace(_ISSUING, signed_with="sha384", issuer=replace(_ROOT, key="rsa3072 root"))),
                [replace(_ROOT, key="rsa3072 root")])
    pss = replace(_ISSUING, pss=True)
    yield _case("pss-signatures", TRUSTED, "RSASSA-PSS, as newer enterprise CAs sign.",
                [replace(_below(pss), pss=True), pss])
    nameless = replace(_SERVER, name="")
    yield _case("empty-subject", TRUSTED, "All names are in the alternative name, which is critical then.",
                [nameless, _ISSUING])
    far = replace(_ROOT, ends=_day(2070))
    far_issuing = replace(_ISSUING, issuer=far, ends=_day(2069))
    far_server = replace(_below(far_issuing), ends=_day(2060))
    yield _case("dates-after-2050", TRUSTED, "From 2050 on dates are written as GeneralizedTime.",
                [far_server, far_issuing], [far], at=_day(2055))
    yield _case("self-signed-server", TRUSTED, "The server's certificate is its own root.", [_SELF_SIGNED],
                [_SELF_SIGNED])
    yield _case("self-signed-server-not-in-image", NOT_TRUSTED, "Nobody put the server's own root there.",
                [_SELF_SIGNED], codes="root-not-in-image")
    yield _case("self-signed-server-in-ca", NOT_TRUSTED, "Its own root, put into the wrong store.",
                [_SELF_SIGNED], also=[("CA", _SELF_SIGNED)], codes="issuer-in-wrong-store")
    own_ca = replace(_SELF_SIGNED, ca=True, uses=RSA_SERVER_USES | CA_USES)
    yield _case("self-signed-server-as-ca", TRUSTED, "Self-made certificates often claim to be a CA.",
                [own_ca], [own_ca])
    ca_server = replace(_SERVER, ca=True, uses=RSA_SERVER_USES | CA_USES)
    yield _case("server-is-a-ca", TRUSTED, "The server uses a CA certificate, which nothing forbids.",
                [ca_server, _ISSUING])


def _gaps() -> Iterator[Case]:
    yield _case("intermediate-in-ca", TRUSTED, "The server sends too little, the image has the rest.",
                [_SERVER], also=[("CA", _ISSUING)])
    yield _case("intermediate-missing", NOT_TRUSTED, "The issuing CA is neither sent nor in the image.",
                [_SERVER], codes="issuer-missing")
    yield _case("intermediate-twice", TRUSTED, "Sent, and in the image as well.", _chain(_ISSUING),
                also=[("CA", _ISSUING)])
    yield _case("policy-ca-in-ca", TRUSTED, "The upper one of two intermediates comes from the image.",
                [_DEEP_SERVER, _BELOW_POLICY_CA], also=[("CA", _POLICY_CA)])
    yield _case("policy-ca-missing", NOT_TRUSTED, "The upper one of two intermediates is nowhere.",
                [_DEEP_SERVER, _BELOW_POLICY_CA], codes="issuer-missing")
    yield _case("both-intermediates-in-ca", TRUSTED, "The server sends only its own certificate.",
                [_DEEP_SERVER], also=[("CA", _POLICY_CA), ("CA", _BELOW_POLICY_CA)])
    yield _case("root-missing", NOT_TRUSTED, "The root is neither sent nor in the image.", _chain(_ISSUING),
                [_OTHER_ROOT], codes="issuer-missing")
    yield _case("root-missing-ec", NOT_TRUSTED, "The same with EC keys and an empty image.",
                [_EC_SERVER, _EC_ISSUING], [], codes="issuer-missing")
    yield _case("root-missing-two-levels", NOT_TRUSTED, "The server's issuer is a root that is nowhere.",
                [_below(_ROOT)], [_OTHER_ROOT], codes="issuer-missing")
    yield _case("root-sent", TRUSTED, "The server sends its root along, which changes nothing.",
                [*_chain(_ISSUING), _ROOT])
    yield _case("root-sent-but-not-in-image", NOT_TRUSTED,
                "A root is not trusted because a server sends it.", [*_chain(_ISSUING), _ROOT],
                [_OTHER_ROOT], codes="root-not-in-image")
    yield _case("root-sent-to-an-empty-image", NOT_TRUSTED, "The same with EC keys and an empty image.",
                [_EC_SERVER, _EC_ISSUING, _EC_ROOT], [], codes="root-not-in-image")
    yield _case("sent-in-wrong-order", TRUSTED, "Root first, issuing CA last.",
                [_DEEP_SERVER, _ROOT, _POLICY_CA, _BELOW_POLICY_CA])
    yield _case("sent-twice", TRUSTED, "Certificates are repeated, the server's own too.",
                [*_chain(_ISSUING), _SERVER, _ISSUING])
    strangers = [_OTHER_ROOT, _EC_ISSUING, replace(_SERVER, name="other.example", hosts=("other.example",))]
    yield _case("strangers-sent", TRUSTED, "Certificates that do not belong to the chain are sent along.",
                [_SERVER, *strangers, _ISSUING])
    yield _case("strangers-only", NOT_TRUSTED,
                "Only certificates that do not belong to the chain are sent.", [_SERVER, *strangers],
                codes="issuer-missing")
    # Two CAs that certified each other: a search that only follows issuers never ends.
    left = replace(_ISSUING, name="Contoso Left CA", key="rsa2048 policy", issuer=_ROOT)
    right = replace(_ISSUING, name="Contoso Right CA", issuer=left)
    left_again = replace(left, issuer=right)
    yield _case("loop-with-a-way-out", TRUSTED, "Two CAs certified each other, and the root one of them.",
                [_below(right), right, left, left_again])
    yield _case("loop-before-the-way-out", TRUSTED, "The same, sent in another order.",
                [_below(right), right, left_again, left], openssl=_FIRST_ISSUER)
    yield _case("loop", NOT_TRUSTED, "Two CAs certified each other, and nobody else did.",
                [_below(right), right, left_again])


def _places() -> Iterator[Case]:
    yield _case("root-in-root", TRUSTED, "ROOT counts as well as AuthRoot.", _chain(_ISSUING), [],
                also=[("ROOT", _ROOT)])
    yield _case("root-in-both", TRUSTED, "The root stands in AuthRoot and in ROOT.", _chain(_ISSUING),
                also=[("ROOT", _ROOT)])
    yield _case("root-only-in-ca", NOT_TRUSTED, "The root was put among the intermediates.",
                _chain(_ISSUING), [], also=[("CA", _ROOT)], codes="issuer-in-wrong-store")
    yield _case("root-only-in-ca-and-sent", NOT_TRUSTED, "It stands among the intermediates, and is sent.",
                [*_chain(_ISSUING), _ROOT], [], also=[("CA", _ROOT)], codes="issuer-in-wrong-store")
    yield _case("root-in-ca-and-authroot", TRUSTED, "One of two places is the right one.", _chain(_ISSUING),
                also=[("CA", _ROOT)])
    yield _case("intermediate-only-in-root", NOT_TRUSTED, "An intermediate in ROOT is not found.",
                [_SERVER], also=[("ROOT", _ISSUING)], codes="issuer-in-wrong-store")
    yield _case("intermediate-only-in-authroot", NOT_TRUSTED, "Nor is one in AuthRoot.", [_SERVER],
                [_ROOT, _ISSUING], codes="issuer-in-wrong-store")
    yield _case("intermediate-sent-and-in-root", TRUSTED,
                "It works, but an intermediate in ROOT is trouble.", _chain(_ISSUING),
                also=[("ROOT", _ISSUING)], codes="intermediate-in-root-store")
    yield _case("intermediate-instead-of-root", NOT_TRUSTED, "No chain ends at an intermediate.",
                _chain(_ISSUING), [_ISSUING], codes="issuer-missing")
    yield _case("server-in-authroot", NOT_TRUSTED, "Nor at a server's certificate that has an issuer.",
                [_SERVER], [_SERVER], codes="issuer-missing")


def _cross_certificates() -> Iterator[Case]:
    new = Recipe("Contoso Root CA G2", "rsa2048 new", lists=_WEB_LIST)
    cross = replace(new, issuer=_ROOT, ends=_day(2035))
    issuing = replace(_ISSUING, issuer=new)
    sent = [*_chain(issuing), cross]
    yield _case("cross-new-root", TRUSTED, "The new root is there, the cross certificate not needed.", sent,
                [new])
    yield _case("cross-old-root", TRUSTED, "Only the old root is there, the cross certificate leads to it.",
                sent, [_ROOT])
    yield _case("cross-both-roots", TRUSTED, "Both ways lead to a root.", sent, [_ROOT, new])
    yield _case("cross-not-sent", NOT_TRUSTED, "Only the old root is there, and nothing leads to it.",
                _chain(issuing), [_ROOT], codes="issuer-missing")
    yield _case("cross-in-ca", TRUSTED, "The cross certificate comes from the image.", _chain(issuing),
                [_ROOT], also=[("CA", cross)])
    yield _case("cross-no-root", NOT_TRUSTED, "The cross certificate leads nowhere.", sent, [_OTHER_ROOT],
                codes="issuer-missing")
    old = replace(_ROOT, ends=_day(2025))
    old_cross = replace(cross, issuer=old)
    old_sent = [*_chain(issuing), old_cross]
    yield _case("cross-old-root-expired", NOT_TRUSTED, "The cross certificate leads to an expired root.",
                old_sent, [old], codes="expired")
    yield _case("cross-old-expired-new-there", TRUSTED, "One of two ways leads to an expired root.",
                old_sent, [old, new])
    gone = replace(new, ends=_day(2025))
    yield _case("cross-new-expired-old-there", TRUSTED, "The shorter way leads to an expired root.", sent,
                [_ROOT, gone], openssl="it takes roots before cross certificates, even expired ones")
    dead = replace(cross, ends=_day(2025))
    yield _case("cross-expired", NOT_TRUSTED, "Only the old root is there, the cross certificate expired.",
                [*_chain(issuing), dead], [_ROOT], codes="expired")


def _renewals() -> Iterator[Case]:
    new = replace(_ROOT, key="rsa2048 new", begins=_day(2024))
    issuing = replace(_ISSUING, issuer=new, begins=_day(2024))
    sent = _chain(issuing)
    yield _case("new-key-old-root", NOT_TRUSTED, "The image has the root from before its key was renewed.",
                sent, codes="issuer-has-other-key")
    yield _case("new-key-old-root-new-sent", NOT_TRUSTED, "The same, and the server sends the new root.",
                [*sent, new], codes="root-not-in-image")
    named_old, named_new = (replace(each, points_at=each.key) for each in (_ROOT, new))
    yield _case("new-key-old-root-new-sent-2", NOT_TRUSTED, "The same, and both roots name their own key.",
                [*_chain(replace(issuing, issuer=named_new)), named_new], [named_old],
                codes="root-not-in-image")
    yield _case("new-key-both-roots", TRUSTED, "Two roots of one name, told apart by key identifiers.",
                sent, [_ROOT, new])
    rollover = replace(new, issuer=_ROOT, lists=_WEB_LIST)
    yield _case("new-key-rollover", TRUSTED, "A self-issued certificate leads from the new key to the old.",
                [*sent, rollover])
    short = replace(_ROOT, path_length=1)
    counted = replace(rollover, issuer=short)
    yield _case("new-key-rollover-is-not-counted", TRUSTED, "Self-issued ones do not count as path length.",
                [*sent, counted], [short])
    bare_old, bare_new = replace(_ROOT, identifiers=False), replace(new, identifiers=False)
    bare = replace(issuing, identifiers=False, issuer=bare_new)
    bare_sent = [replace(_below(bare), identifiers=False), bare]
    yield _case("namesake-without-identifiers", NOT_TRUSTED, "Only the signature tells two roots apart.",
                bare_sent, [bare_old], codes="invalid-chain")
    yield _case("namesakes-without-identifiers", TRUSTED,
                "Of two roots of one name one fits the signature.", bare_sent, [bare_old, bare_new],
                openssl=_FIRST_ISSUER)
    yield _case("namesakes-without-identifiers-2", TRUSTED, "The same, the fitting one first.", bare_sent,
                [bare_new, bare_old])
    expired = replace(_ROOT, ends=_day(2025))
    yield _case("same-key-both-roots", TRUSTED,
                "A root renewed with its key: the expired one does no harm.", _chain(_ISSUING),
                [expired, _ROOT])
    yield _case("same-key-only-expired-root", NOT_TRUSTED, "The renewed one is not in the image.",
                _chain(_ISSUING), [expired], codes="expired")
    yield _case("same-key-only-expired-root-new-sent", NOT_TRUSTED, "The renewed one is only sent.",
                [*_chain(_ISSUING), _ROOT], [expired], codes="expired")
    older = replace(_ROOT, ends=_day(2030))
    yield _case("same-key-old-root-still-valid", TRUSTED, "The image has the older one, the newer is sent.",
                [*_chain(_ISSUING), _ROOT], [older])
    dead = replace(_ISSUING, ends=_day(2025))
    yield _case("intermediate-renewed-in-ca", TRUSTED, "An expired one is sent, the image has the new.",
                _chain(dead), also=[("CA", _ISSUING)])
    other = replace(_ISSUING, key="rsa2048 other")
    yield _case("intermediate-with-other-key-in-ca", NOT_TRUSTED, "The image has another one of that CA.",
                [_SERVER], also=[("CA", other)], codes="issuer-has-other-key")
    yield _case("intermediate-with-other-key-sent", NOT_TRUSTED, "The server sends another one of that CA.",
                [_SERVER, other], codes="issuer-has-other-key")
    yield _case("intermediates-of-two-keys", TRUSTED, "Both were given, told apart by key identifiers.",
                [_SERVER, other], also=[("CA", _ISSUING)])


def _dates() -> Iterator[Case]:
    usual = _chain(_ISSUING)
    second = timedelta(seconds=1)
    yield _case("server-expired", NOT_TRUSTED, "Years after.", usual, at=_day(2037), codes="expired")
    yield _case("server-not-yet-valid", NOT_TRUSTED, "Before its time.", usual, at=_day(2023),
                codes="not-yet-valid")
    yield _case("clock-of-2010", NOT_TRUSTED, "A firmware clock that was never set.", usual, at=_day(2010),
                codes="not-yet-valid")
    yield _case("first-second", TRUSTED, "Validity includes its first second.", usual, at=_SERVER.begins)
    yield _case("second-before", NOT_TRUSTED, "One second too early.", usual, at=_SERVER.begins - second,
                codes="not-yet-valid")
    yield _case("last-second", TRUSTED, "Validity includes its last second.", usual, at=_SERVER.ends,
                codes="validity-short", openssl="its time comparison excludes the last second")
    yield _case("second-after", NOT_TRUSTED, "One second too late.", usual, at=_SERVER.ends + second,
                codes="expired")
    yield _case("valid-for-a-month", TRUSTED, "Good today, but not for long.", usual, at=_day(2035, 12),
                codes="validity-short")
    middle = replace(_ISSUING, begins=_day(2025), ends=_day(2028))
    for year, verdict, codes in (
        (2027, TRUSTED, ""),
        (2029, NOT_TRUSTED, "expired"),
        (2024, NOT_TRUSTED, "not-yet-valid"),
    ):
        yield _case(f"intermediate-in-{year}", verdict, "An intermediate valid from 2025 to 2027.",
                    _chain(middle), at=_day(year, 2), codes=codes)
    top = replace(_ROOT, begins=_day(2025), ends=_day(2028))
    for year, verdict, codes in (
        (2026, TRUSTED, ""),
        (2029, NOT_TRUSTED, "expired"),
        (2024, NOT_TRUSTED, "not-yet-valid"),
    ):
        yield _case(f"root-in-{year}", verdict, "A root valid from 2025 to 2027.",
                    _chain(replace(_ISSUING, issuer=top)), [top], at=_day(year, 2), codes=codes)
    late = replace(_ROOT, begins=_day(2025))
    early = replace(_SERVER, issuer=late, ends=_day(2024, 6))
    yield _case("never-valid-together", NOT_TRUSTED,
                "The root begins after the server's certificate ended.", [early], [late], codes="expired")


def _extended_uses() -> Iterator[Case]:
    for name, verdict, about, uses in (
        ("none", TRUSTED, "Without the extension a certificate is good for everything.", ()),
        ("server-and-client", TRUSTED, "Both uses, as many templates have it.", (_SERVER_AUTH, _CLIENT_AUTH)),
        ("client-only", NOT_TRUSTED, "A client's certificate on a server.", (_CLIENT_AUTH,)),
        ("mail-only", NOT_TRUSTED, "A certificate for mail on a server.", (_MAIL,)),
    ):
        yield _case(f"server-use-{name}", verdict, about, [replace(_SERVER, purposes=uses), _ISSUING],
                    codes="" if verdict == TRUSTED else "no-server-auth")
    no_any = "it does not take anyExtendedKeyUsage for a server's use, Windows does"
    yield _case("server-use-any", TRUSTED, "The use that stands for all.",
                [replace(_SERVER, purposes=(_ANY_USE,)), _ISSUING], openssl=no_any)
    for name, verdict, uses, why in (
        ("server", TRUSTED, (_SERVER_AUTH, _CLIENT_AUTH), AGREES),
        ("client-only", NOT_TRUSTED, (_CLIENT_AUTH,), AGREES),
        ("any", TRUSTED, (_ANY_USE,), no_any),
    ):
        codes = "" if verdict == TRUSTED else "no-server-auth"
        yield _case(f"intermediate-use-{name}", verdict, "Windows nests the uses of a chain.",
                    _chain(replace(_ISSUING, purposes=uses)), codes=codes, openssl=why)
        root = replace(_ROOT, purposes=uses)
        yield _case(f"root-use-{name}", verdict, "The root limits uses too.",
                    _chain(replace(_ISSUING, issuer=root)), [root], codes=codes, openssl=why)


def _authorities() -> Iterator[Case]:
    yield _case("intermediate-says-no-ca", NOT_TRUSTED, "CA:FALSE, and yet it issued a certificate.",
                _chain(replace(_ISSUING, ca=False)), codes="not-a-ca")
    yield _case("intermediate-says-nothing", NOT_TRUSTED, "Neither basic constraints nor key usage.",
                _chain(replace(_ISSUING, ca=None, uses=None)), codes="not-a-ca")
    yield _case("intermediate-with-key-usage-only", NOT_TRUSTED, "A key usage does not make a CA.",
                _chain(replace(_ISSUING, ca=None)), codes="not-a-ca")
    yield _case("intermediate-of-version-1", NOT_TRUSTED, "Version 1 cannot say that it is a CA.",
                _chain(replace(_ISSUING, version_1=True)), codes="not-a-ca")
    server = replace(_SERVER, name="old.contoso.example")
    yield _case("server-as-issuer", NOT_TRUSTED, "A server's certificate issued one for another.",
                [_below(server), server, _ISSUING], codes="not-a-ca")
    no_ca = replace(_ROOT, ca=False)
    yield _case("root-says-no-ca", NOT_TRUSTED, "A root that says of itself that it is no CA.",
                _chain(replace(_ISSUING, issuer=no_ca)), [no_ca], codes="not-a-ca")
    silent = replace(_ROOT, ca=None, uses=None)
    yield _case("root-says-nothing", TRUSTED, "Neither does Microsoft Root Authority, which Windows trusts.",
                _chain(replace(_ISSUING, issuer=silent)), [silent], codes="no-basic-constraints",
                openssl="it builds no chain below a root of version 3 that does not say what it may do")
    old = replace(_ROOT, version_1=True, signed_with="sha1")
    below = replace(_ISSUING, issuer=old)
    yield _case("root-of-version-1", TRUSTED, "Old roots have no extensions at all.", _chain(below), [old])
    yield _case("root-of-version-1-not-in-image", NOT_TRUSTED, "An old root that is only sent.",
                [*_chain(below), old], [_OTHER_ROOT], codes="root-not-in-image")


def _key_uses() -> Iterator[Case]:
    yield _case("intermediate-without-key-usage", TRUSTED, "Without the extension nothing is forbidden.",
                _chain(replace(_ISSUING, uses=None)))
    no_sign = frozenset({"digital_signature", "crl_sign"})
    yield _case("intermediate-without-cert-sign", NOT_TRUSTED, "It may sign lists, but no certificates.",
                _chain(replace(_ISSUING, uses=no_sign)), codes="no-cert-sign")
    root = replace(_ROOT, uses=no_sign)
    yield _case("root-without-cert-sign", NOT_TRUSTED, "Nor may this root.",
                _chain(replace(_ISSUING, issuer=root)), [root], codes="no-cert-sign")
    yield _case("server-without-key-usage", TRUSTED, "Without the extension nothing is forbidden.",
                [replace(_SERVER, uses=None), _ISSUING])
    for use in ("digital_signature", "key_encipherment", "key_agreement"):
        server = _EC_SERVER if use == "key_agreement" else _SERVER
        sent = [replace(server, uses=frozenset({use}), issuer=_ISSUING), _ISSUING]
        yield _case(f"server-key-{use.replace('_', '-')}", TRUSTED, "One use for TLS is enough.", sent)
    for use in ("crl_sign", "content_commitment", "data_encipherment"):
        sent = [replace(_SERVER, uses=frozenset({use})), _ISSUING]
        yield _case(f"server-key-{use.replace('_', '-')}", UNDOCUMENTED,
                    "No TLS server should use this key; no page says whether Windows looks.",
                    sent, codes="wrong-key-usage")


def _path_lengths() -> Iterator[Case]:
    yield _case("path-length-0-met", TRUSTED, "The issuing CA may have no CA below it, and has none.",
                _chain(replace(_ISSUING, path_length=0)))
    for length, verdict in ((0, NOT_TRUSTED), (1, TRUSTED)):
        upper = replace(_POLICY_CA, path_length=length)
        lower = replace(_BELOW_POLICY_CA, issuer=upper)
        yield _case(f"path-length-{length}-above-a-ca", verdict, "One CA stands below this intermediate.",
                    [_below(lower), lower, upper], codes="" if verdict == TRUSTED else "invalid-chain")
    for length, verdict in ((0, NOT_TRUSTED), (1, TRUSTED)):
        root = replace(_ROOT, path_length=length)
        yield _case(f"root-path-length-{length}", verdict, "One CA stands below this root.",
                    _chain(replace(_ISSUING, issuer=root)), [root],
                    codes="" if verdict == TRUSTED else "invalid-chain")
    root = replace(_ROOT, path_length=1)
    upper = replace(_POLICY_CA, issuer=root)
    lower = replace(_BELOW_POLICY_CA, issuer=upper)
    yield _case("root-path-length-1-above-two", NOT_TRUSTED, "Two CAs stand below this root.",
                [_below(lower), lower, upper], [root], codes="invalid-chain")


def _constraints(
    permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()
) -> tuple[Extension]:
    return ((x509.NameConstraints(permitted or None, excluded or None), True),)


def _name_constraints() -> Iterator[Case]:
    contoso, fabrikam = x509.DNSName("contoso.example"), x509.DNSName("fabrikam.example")
    for name, verdict, about, limits, hosts in (
        ("permitted", TRUSTED, "The host lies in the permitted domain.", _constraints([contoso]), (HOST,)),
        ("other-permitted", NOT_TRUSTED, "Another domain is permitted.", _constraints([fabrikam]), (HOST,)),
        ("one-of-two-permitted", TRUSTED, "Two domains are permitted.", _constraints([fabrikam, contoso]),
         (HOST,)),
        ("excluded", NOT_TRUSTED, "The host's domain is excluded.", _constraints(excluded=[contoso]),
         (HOST,)),
        ("other-excluded", TRUSTED, "Another domain is excluded.", _constraints(excluded=[fabrikam]),
         (HOST,)),
        ("excluded-in-permitted", NOT_TRUSTED, "A part of what is permitted is excluded.",
         _constraints([contoso], [x509.DNSName(HOST)]), (HOST,)),
        ("dot-permitted", TRUSTED, "A leading dot permits the names below.",
         _constraints([x509.DNSName(".contoso.example")]), (HOST,)),
        ("dot-at-the-domain", NOT_TRUSTED, "A leading dot does not permit the domain itself.",
         _constraints([x509.DNSName(".contoso.example")]), ("contoso.example",)),
        ("similar-ending", NOT_TRUSTED, "A domain is not permitted by the ending of its last label alone.",
         _constraints([x509.DNSName("toso.example")]), (HOST,)),
        ("wildcard-permitted", TRUSTED, "All hosts of the wildcard are permitted.", _constraints([contoso]),
         ("*.contoso.example",)),
        ("network-permitted", TRUSTED, "The address lies in the permitted network.",
         _constraints([x509.IPAddress(ip_network("192.0.2.0/24"))]), ("192.0.2.10",)),
        ("other-network", NOT_TRUSTED, "Another network is permitted.",
         _constraints([x509.IPAddress(ip_network("198.51.100.0/24"))]), ("192.0.2.10",)),
        ("network-excluded", NOT_TRUSTED, "The address lies in an excluded network.",
         _constraints(excluded=[x509.IPAddress(ip_network("192.0.2.0/28"))]), ("192.0.2.10",)),
        ("network-beside-names", TRUSTED, "A network limits addresses, not names.",
         _constraints([x509.IPAddress(ip_network("192.0.2.0/24"))]), (HOST,)),
        ("second-name-outside", NOT_TRUSTED, "A name that nobody asked for breaks the constraints.",
         _constraints([contoso]), (HOST, "cmg.fabrikam.example")),
        ("directory-permitted", TRUSTED, "The subject lies in the permitted directory.",
         _constraints([x509.DirectoryName(x509.Name(list(name_of(HOST))[:1]))]), (HOST,)),
        ("other-directory", NOT_TRUSTED, "The subject lies in another directory.",
         _constraints([x509.DirectoryName(name_of("Somewhere Else"))]), (HOST,)),
    ):
        issuing = replace(_ISSUING, further=limits)
        asked = hosts[0].replace("*", "cmg")
        yield _case(f"constraints-{name}", verdict, about, [replace(_below(issuing), hosts=hosts), issuing],
                    hosts=(asked,), codes="" if verdict == TRUSTED else "name-constraints")
    for name, verdict, base in (("permitted", TRUSTED, contoso), ("other-permitted", NOT_TRUSTED, fabrikam)):
        root = replace(_ROOT, further=_constraints([base]))
        codes = "" if verdict == TRUSTED else "name-constraints"
        yield _case(f"root-constraints-{name}", verdict, "Those of the root hold as well.",
                    _chain(replace(_ISSUING, issuer=root)), [root], codes=codes)
    for name, verdict, host in (("both", TRUSTED, INSIDE), ("one", NOT_TRUSTED, HOST)):
        root = replace(_ROOT, further=_constraints([contoso]))
        inside = _constraints([x509.DNSName("inside.contoso.example")])
        issuing = replace(_ISSUING, issuer=root, further=inside)
        yield _case(f"constraints-met-on-{name}-level", verdict, "Two levels limit names, both count.",
                    [replace(_below(issuing), hosts=(host,)), issuing], [root], hosts=(host,),
                    codes="" if verdict == TRUSTED else "name-constraints")


def _names() -> Iterator[Case]:
    both = (HOST, INSIDE)
    mixed = (TRUSTED, NOT_TRUSTED)
    for name, verdict, about, listed, asked in (
        ("two", TRUSTED, "A server for intranet and internet has both its names.", both, both),
        ("one-of-two", mixed, "The name for the intranet was forgotten.", (HOST,), both),
        ("other", NOT_TRUSTED, "The certificate is for another server.", (INSIDE,), (HOST,)),
        ("in-capitals", TRUSTED, "Letter case does not count.", ("CMG.Contoso.EXAMPLE",), (HOST,)),
        ("wildcard", mixed, "A star stands for one label, not for two.", ("*.contoso.example",), both),
        ("wildcard-at-the-domain", NOT_TRUSTED, "A star stands for one label, not for none.",
         ("*.cmg.contoso.example",), (HOST,)),
        ("wildcard-with-prefix", mixed, "Windows takes a star at the end of the first label.",
         ("cm*.contoso.example",), (HOST, "dp.contoso.example")),
        ("in-punycode", TRUSTED, "Names beyond ASCII are kept in the form of DNS.",
         ("cmg.xn--bcher-kva.example",), ("cmg.xn--bcher-kva.example",)),
        ("ip", (TRUSTED, TRUSTED, NOT_TRUSTED), "A server is asked for by its address.",
         (HOST, "192.0.2.10"), (HOST, "192.0.2.10", "192.0.2.11")),
        ("ipv6", mixed, "The same with IPv6.", ("2001:db8::10",), ("2001:db8:0:0::10", "2001:db8::11")),
        ("ip-missing", mixed, "It is asked for by an address that it does not name.", (HOST,),
         (HOST, "192.0.2.10")),
        ("ip-only", NOT_TRUSTED, "It names its address alone.", ("192.0.2.10",), (INSIDE,)),
    ):
        sent = [replace(_SERVER, name="Management Gateway", hosts=listed), _ISSUING]
        codes = "name-mismatch" if NOT_TRUSTED in verdict else ""
        yield _case(f"names-{name}", verdict, about, sent, hosts=asked, codes=codes)
    for name, verdict, common, codes in (
        ("common-name", TRUSTED, HOST, "common-name-only"),
        ("nothing", NOT_TRUSTED, "Management Gateway", "name-mismatch"),
    ):
        sent = [replace(_SERVER, name=common, hosts=()), _ISSUING]
        yield _case(f"names-{name}-only", verdict, "There is no alternative name.", sent, codes=codes)
    beside = [replace(_SERVER, name=HOST, hosts=(INSIDE,)), _ISSUING]
    yield _case("names-common-name-beside", NOT_TRUSTED, "An alternative name replaces the common name.",
                beside, codes="name-mismatch")


def _revocation() -> Iterator[Case]:
    for name, lists, code in (
        ("ldap-only", _DIRECTORY_LIST, "revocation-ldap-only"),
        ("no-list", (), "revocation-no-list"),
        ("ldap-and-http", (*_DIRECTORY_LIST, *_WEB_LIST), ""),
    ):
        yield _case(f"revocation-{name}", TRUSTED, "Where the server's certificate can be looked up.",
                    [replace(_SERVER, lists=lists), _ISSUING], codes=code)
        yield _case(f"intermediate-revocation-{name}", TRUSTED, "Where the intermediate can be looked up.",
                    _chain(replace(_ISSUING, lists=lists)), codes=code)


def _strength() -> Iterator[Case]:
    asked_for = "it has no minimum unless asked for a security level"
    sha1 = replace(_ISSUING, signed_with="sha1")
    yield _case("sha-1-intermediate", TRUSTED, "Below a private root SHA-1 still passes.", _chain(sha1),
                codes="weak-signature")
    yield _case("sha-1-server", TRUSTED, "The same for the server's certificate.",
                [replace(_SERVER, signed_with="sha1"), _ISSUING], codes="weak-signature")
    yield _case("md5-server", NOT_TRUSTED, "MD5 can be forged.",
                [replace(_SERVER, signed_with="md5"), _ISSUING], codes="weak-signature", openssl=asked_for)
    yield _case("md5-intermediate", NOT_TRUSTED, "Nor may a CA's certificate be signed with it.",
                _chain(replace(_ISSUING, signed_with="md5")), codes="weak-signature", openssl=asked_for)
    root = replace(_ROOT, signed_with="md5")
    yield _case("md5-root", TRUSTED, "How a root signed itself does not matter.",
                _chain(replace(_ISSUING, issuer=root)), [root])
    yield _case("rsa-1024-server", TRUSTED, "The smallest key that Windows takes.",
                [replace(_SERVER, key="rsa1024 server"), _ISSUING], codes="weak-key")
    root = replace(_ROOT, key="rsa1024 root")
    yield _case("rsa-1024-root", TRUSTED, "An old root.", _chain(replace(_ISSUING, issuer=root)), [root],
                codes="weak-key")
    yield _case("rsa-512-server", NOT_TRUSTED, "A key that anybody can break.",
                [replace(_SERVER, key="rsa512"), _ISSUING], codes="weak-key", openssl=asked_for)


def _signatures() -> Iterator[Case]:
    bad = replace(_ISSUING, damaged=True)
    yield _case("damaged-server", NOT_TRUSTED, "A bit of the server's signature is wrong.",
                [replace(_SERVER, damaged=True), _ISSUING], codes="invalid-chain")
    yield _case("damaged-server-ec", NOT_TRUSTED, "The same with EC keys.",
                [replace(_EC_SERVER, damaged=True), _EC_ISSUING], [_EC_ROOT], codes="invalid-chain")
    yield _case("damaged-intermediate", NOT_TRUSTED, "A bit of the intermediate's signature is wrong.",
                _chain(bad), codes="invalid-chain")
    yield _case("damaged-intermediate-good-in-ca", TRUSTED, "One is sent damaged, the image has it whole.",
                _chain(bad), also=[("CA", _ISSUING)],
                openssl=_FIRST_ISSUER)
    yield _case("forged-server", NOT_TRUSTED, "All names and identifiers fit, but another key signed.",
                [replace(_SERVER, signer="rsa2048 other"), _ISSUING], codes="invalid-chain")
    yield _case("forged-intermediate", NOT_TRUSTED, "The same one level higher.",
                _chain(replace(_ISSUING, signer="rsa2048 other")), codes="invalid-chain")
    bare = [replace(each, identifiers=False) for each in (_ROOT, _ISSUING, _SERVER)]
    issuing = replace(bare[1], issuer=bare[0])
    yield _case("no-identifiers", TRUSTED, "No certificate names its key or its issuer's.",
                [replace(bare[2], issuer=issuing), issuing], bare[:1])
    astray = replace(_SERVER, points_at="rsa2048 other")
    yield _case("identifier-points-elsewhere", NOT_TRUSTED, "It names another key than that which signed.",
                [astray], also=[("CA", _ISSUING)], codes="issuer-has-other-key")
    astray = replace(_ISSUING, points_at="rsa2048 other")
    yield _case("intermediate-identifier-points-elsewhere", NOT_TRUSTED, "The same one level higher.",
                _chain(astray), codes="issuer-has-other-key")


def _extension_rules() -> Iterator[Case]:
    for critical, verdict, at_top in ((True, NOT_TRUSTED, UNDOCUMENTED), (False, TRUSTED, TRUSTED)):
        words = "critical" if critical else "not-critical"
        codes = "invalid-chain" if critical else ""
        yield _case(f"unknown-{words}-on-server", verdict,
                    "Unknown extensions count when they are critical.",
                    [replace(_SERVER, further=((_UNKNOWN, critical),)), _ISSUING], codes=codes)
        yield _case(f"unknown-{words}-on-intermediate", verdict, "The same one level higher.",
                    _chain(replace(_ISSUING, further=((_UNKNOWN, critical),))), codes=codes)
        root = replace(_ROOT, further=((_UNKNOWN, critical),))
        yield _case(f"unknown-{words}-on-root", at_top, "At the top, whether they count is not documented.",
                    _chain(replace(_ISSUING, issuer=root)), [root])


def _disallowed() -> Iterator[Case]:
    why = "it has no store of certificates that are refused"
    for name, recipe in (("server", _SERVER), ("intermediate", _ISSUING), ("root", _ROOT)):
        yield _case(f"disallowed-{name}", NOT_TRUSTED, "Disallowed beats every other store.",
                    _chain(_ISSUING), also=[("Disallowed", recipe)], codes="disallowed", openssl=why)
    yield _case("disallowed-intermediate-in-ca", NOT_TRUSTED, "It stands in CA as well, and is not sent.",
                [_SERVER], also=[("CA", _ISSUING), ("Disallowed", _ISSUING)], codes="disallowed",
                openssl=why)
    yield _case("disallowed-self-signed-server", NOT_TRUSTED, "It stands in AuthRoot as well.",
                [_SELF_SIGNED], [_SELF_SIGNED], also=[("Disallowed", _SELF_SIGNED)], codes="disallowed",
                openssl=why)
    yield _case("disallowed-stranger", TRUSTED, "Another certificate is refused, not one of these.",
                _chain(_ISSUING), also=[("Disallowed", _OTHER_ROOT)])


def _policies() -> Iterator[Case]:
    def policies(*numbers: x509.ObjectIdentifier) -> Extension:
        return x509.CertificatePolicies([x509.PolicyInformation(number, None) for number in numbers]), False

    demanded = (x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)
    for name, verdict, about, above, on_server in (
        ("not-demanded", TRUSTED, "Policies that nobody demands may differ.", (policies(_OUR_POLICY),),
         (policies(_OTHER_POLICY),)),
        ("demanded-and-there", TRUSTED, "A demanded policy runs through the chain.",
         (policies(_OUR_POLICY), demanded), (policies(_OUR_POLICY),)),
        ("demanded-any", TRUSTED, "The CA may issue under any policy.", (policies(_ANY_POLICY), demanded),
         (policies(_OUR_POLICY),)),
        ("demanded-but-missing", NOT_TRUSTED, "A policy is demanded, the server's certificate has none.",
         (policies(_OUR_POLICY), demanded), ()),
        ("demanded-but-other", NOT_TRUSTED, "A policy is demanded, the server's certificate has another.",
         (policies(_OUR_POLICY), demanded), (policies(_OTHER_POLICY),)),
        ("any-inhibited", NOT_TRUSTED, "The server's certificate has a policy that no longer counts.",
         (policies(_OUR_POLICY), demanded, (x509.InhibitAnyPolicy(0), True)), (policies(_ANY_POLICY),)),
        ("any-not-inhibited", TRUSTED, "The server's certificate stands under any policy.",
         (policies(_OUR_POLICY), demanded), (policies(_ANY_POLICY),)),
    ):
        issuing = replace(_ISSUING, further=above)
        server = replace(_below(issuing), further=on_server)
        yield _case(f"policies-{name}", verdict, about, [server, issuing],
                    codes="" if verdict == TRUSTED else "invalid-chain")
