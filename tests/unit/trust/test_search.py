"""Chains are searched within bounds: a large PKI gets its answer in two seconds, and never a wrong no.

What a bound kept from being tried makes the answer "undocumented", with the reason `search-ended`.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from scripts.testdata import der_pieces as der
from scripts.testdata.odd_certificates import ISSUING, SERVER, der_of
from tests.unit.certs import making
from tests.unit.trust.certificates import dns, excluding, make
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location
from winpe_certs.hosts import parse_host
from winpe_certs.results import ServerResult
from winpe_certs.trust.answer import judge
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates

HOST = "cmg.contoso.com"
SECONDS = 2.0
SLOWER_MACHINES = 3

TRUSTED = "trusted"
NOT_TRUSTED = "not trusted"

PAST = making.NOW - timedelta(days=30)

Pki = tuple[Certificate, Sequence[Certificate], Sequence[Certificate]]
"""A server's certificate, what is sent beside it, and the roots in the image."""


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """One key for each name; the name is for the reader."""
    assert name
    return ec.generate_private_key(ec.SECP256R1())


def authority(
    name: str,
    issuer: str | None = None,
    *,
    own: str = "",
    signer: str = "",
    serial: int = 1,
    end: datetime = making.END,
    constraints: x509.NameConstraints | None = None,
) -> Certificate:
    """A CA; its key and its issuer's are called like them unless they are given."""
    return make(
        name,
        issuer,
        ca=True,
        key=key(own or name),
        signer=key(signer or issuer or own or name),
        serial=serial,
        end=end,
        constraints=constraints,
    )


def server(issuer: str, signer: str = "") -> Certificate:
    return make(HOST, issuer, names=[HOST], key=key("server"), signer=key(signer or issuer))


def _answer(pki: Pki, in_ca: Sequence[Certificate] = ()) -> tuple[ServerResult, float]:
    """The answer, and the seconds of this processor that it took."""
    leaf, sent, roots = pki
    places = [("AuthRoot", root) for root in roots] + [("CA", each) for each in in_ca]
    stored = tuple(
        StoredCertificate(Location.MACHINE, store, each.thumbprint, blob_for(each).to_bytes())
        for store, each in places
    )
    stores = ImageStores.from_stored(StoredCertificates(stored, ()))
    chain = ServerChain("cmg", "chain.pem", leaf, tuple(sent), (parse_host(HOST),))
    begin = time.process_time()
    (answer,) = judge(chain, stores, making.NOW, ("boot.wim",))
    return answer, time.process_time() - begin


def _holds(answer: ServerResult, verdict: str) -> None:
    """Either the verdict that is right, or that the search came to its bound."""
    codes = {reason.code for reason in answer.reasons}
    if answer.verdict == "undocumented":
        assert "search-ended" in codes
        assert not [reason for reason in answer.reasons if reason.severity == "error"]
    else:
        assert answer.verdict == verdict, codes


# --- long ones --------------------------------------------------------------------------------------------


def _line(length: int) -> Pki:
    """A chain of so many certificates, from the server's to the root's."""
    names = [f"CA {number}" for number in range(length - 1)]
    root = authority(names[-1], own="line")
    between = [
        authority(name, above, own="line", signer="line", serial=number + 2)
        for number, (name, above) in enumerate(itertools.pairwise(names))
    ]
    return server(names[0], "line"), between, [root]


# --- many certificates of one name ------------------------------------------------------------------------


def _renewed(count: int, good: int, *, faults: str) -> Pki:
    """An issuing CA with one key and so many certificates, of which one will do."""
    bad_names = excluding(dns("contoso.com"))
    certificates = [
        authority(
            "Issuing",
            "Root",
            serial=number + 1,
            end=PAST if faults == "dates" and number != good else making.END,
            constraints=bad_names if faults == "names" and number != good else None,
        )
        for number in range(count)
    ]
    return server("Issuing"), certificates, [authority("Root")]


def _roots_of_one_key(count: int, good: int) -> Pki:
    roots = [
        authority("Root", serial=number + 1, end=making.END if number == good else PAST)
        for number in range(count)
    ]
    return server("Root"), (), roots


def _roots_of_other_keys(count: int, good: int) -> Pki:
    """Renewed each time with another key; only signatures tell them apart."""
    roots = [authority("Root", own=f"root {number}", serial=number + 1) for number in range(count)]
    return server("Root", f"root {good}"), (), roots


def _one_name(count: int) -> Pki:
    """CAs of one name with twelve keys, each certified by another; they lead nowhere."""
    keys = [f"circle {number}" for number in range(12)]
    between = [
        authority("One", "One", own=keys[n % 12], signer=keys[(n + 1 + n // 12 % 11) % 12], serial=n + 2)
        for n in range(count)
    ]
    return server("One", keys[0]), between, [authority("Root")]


def _two_renewed_levels(count: int) -> Pki:
    """Issuing CA and root were both renewed again and again; only the last of each is still valid."""
    last = count - 1
    roots = [authority("Root", serial=n + 1, end=making.END if n == last else PAST) for n in range(count)]
    issuing = [
        authority("Issuing", "Root", serial=n + 1, end=making.END if n == last else PAST)
        for n in range(count)
    ]
    return server("Issuing"), issuing, roots


def _self_issued(count: int) -> Pki:
    """A CA that renewed its key so often, each time with a certificate from the old key for the new one."""
    root = authority("Root", own="root 0")
    between = [
        authority("Root", "Root", own=f"root {number}", signer=f"root {number - 1}", serial=number + 1)
        for number in range(1, count)
    ]
    return server("Root", f"root {count - 1}"), between, [root]


# --- ways that branch -------------------------------------------------------------------------------------


def _layers(width: int, height: int, *, ends: bool = True) -> Pki:
    """Each CA of a layer is certified by each of the layer above; the root certified one of the topmost."""
    serials = iter(range(1, width * width * height + width + 2))
    between = [
        authority(f"L{layer} {lower}", f"L{layer + 1} {upper}", serial=next(serials))
        for layer in range(height - 1)
        for lower in range(width)
        for upper in range(width)
    ]
    top = [authority(f"L{height - 1} {width - 1}", "Root", serial=next(serials))] if ends else []
    return server("L0 0"), [*between, *top], [authority("Root")]


def _mesh(count: int, *, ends: bool = True) -> Pki:
    """Every CA certified every other; the root certified the last."""
    serials = iter(range(1, count * count + 2))
    between = [
        authority(f"M {lower}", f"M {upper}", serial=next(serials))
        for lower in range(count)
        for upper in range(count)
        if lower != upper
    ]
    top = [authority(f"M {count - 1}", "Root", serial=next(serials))] if ends else []
    return server("M 0"), [*between, *top], [authority("Root")]


def _layers_with_expired_ways(width: int, height: int) -> Pki:
    """Every way but one has an expired certificate in it, and which one shows only at its top."""
    serials = iter(range(1, width * width * height + width + 2))
    between = [
        authority(f"E{layer} {lower}", f"E{layer + 1} {upper}", serial=next(serials))
        for layer in range(height - 1)
        for lower in range(width)
        for upper in range(width)
    ]
    top = [
        authority(
            f"E{height - 1} {number}",
            "Root",
            serial=next(serials),
            end=making.END if number == width - 1 else PAST,
        )
        for number in range(width)
    ]
    return server("E0 0"), [*between, *top], [authority("Root")]


def _cases() -> Iterator[tuple[str, Callable[[], Pki], str]]:
    yield "line-of-50", partial(_line, 50), TRUSTED
    yield "line-of-1000", partial(_line, 1000), TRUSTED
    yield "line-of-1000-to-no-root", _line_to_no_root, NOT_TRUSTED
    for good in (0, 50, 99):
        yield f"100-ways-dates-{good}", partial(_renewed, 100, good, faults="dates"), TRUSTED
        yield f"100-ways-names-{good}", partial(_renewed, 100, good, faults="names"), TRUSTED
    yield "64-ways", partial(_renewed, 64, 63, faults="names"), TRUSTED
    yield "65-ways", partial(_renewed, 65, 64, faults="names"), TRUSTED
    yield "400-ways", partial(_renewed, 400, 399, faults="dates"), TRUSTED
    yield "100-ways-no-date-good", partial(_renewed, 100, -1, faults="dates"), NOT_TRUSTED
    yield "100-ways-no-name-good", partial(_renewed, 100, -1, faults="names"), NOT_TRUSTED
    for good in (0, 249):
        yield f"250-roots-of-one-key-{good}", partial(_roots_of_one_key, 250, good), TRUSTED
        yield f"250-roots-of-other-keys-{good}", partial(_roots_of_other_keys, 250, good), TRUSTED
    yield "250-roots-all-expired", partial(_roots_of_one_key, 250, -1), NOT_TRUSTED
    yield "250-roots-only-sent", _roots_only_sent, NOT_TRUSTED
    yield "5000-of-one-name", partial(_one_name, 5_000), NOT_TRUSTED
    yield "two-renewed-levels", partial(_two_renewed_levels, 150), TRUSTED
    yield "self-issued-200-times", partial(_self_issued, 200), TRUSTED
    yield "layers-3-12", partial(_layers, 3, 12), TRUSTED
    yield "layers-8-8", partial(_layers, 8, 8), TRUSTED
    yield "layers-8-8-to-no-root", partial(_layers, 8, 8, ends=False), NOT_TRUSTED
    yield "layers-with-expired-ways", partial(_layers_with_expired_ways, 6, 8), TRUSTED
    yield "mesh-of-12", partial(_mesh, 12), TRUSTED
    yield "mesh-of-25", partial(_mesh, 25), TRUSTED
    yield "mesh-of-25-to-no-root", partial(_mesh, 25, ends=False), NOT_TRUSTED


def _line_to_no_root() -> Pki:
    leaf, between, _ = _line(1000)
    return leaf, between, [authority("Root")]


def _roots_only_sent() -> Pki:
    leaf, _, roots = _roots_of_one_key(250, 249)
    return leaf, roots, [authority("Other")]


CASES = {name: (made, verdict) for name, made, verdict in _cases()}


@pytest.mark.parametrize("name", CASES)
def test_a_large_pki_is_answered_in_time(name: str) -> None:
    made, verdict = CASES[name]
    answer, seconds = _answer(made())
    _holds(answer, verdict)
    assert seconds < SECONDS * SLOWER_MACHINES


@pytest.mark.parametrize("name", ["100-ways-dates-99", "layers-8-8", "mesh-of-25", "line-of-1000"])
def test_a_pki_in_the_image_is_answered_like_one_that_is_sent(name: str) -> None:
    made, verdict = CASES[name]
    leaf, sent, roots = made()
    answer, seconds = _answer((leaf, (), roots), in_ca=sent)
    _holds(answer, verdict)
    assert seconds < SECONDS * SLOWER_MACHINES


def _rsa_circle(count: int, bits: int, exponent: int) -> Pki:
    """CAs of one name, each with its own RSA key; signatures by none of them."""
    algorithm = der.sequence(der.identifier("1.2.840.113549.1.1.1"), der.null())
    made = []
    for number in range(count):
        modulus = (1 << bits - 1) + 2 * number + 1
        numbers = der.sequence(der.integer(modulus), der.integer(exponent))
        info = der.sequence(algorithm, der.bits(numbers))
        parts = replace(
            ISSUING,
            key_info=info,
            identifiers=False,
            issuer_name=ISSUING.subject,
            signature=der.bits(bytes(bits // 8)),
            serial=der.integer(number + 1),
        )
        made.append(Certificate.from_der(der_of(parts), "x"))
    leaf = Certificate.from_der(der_of(replace(SERVER, identifiers=False)), "x")
    return leaf, made, [authority("Root")]


@pytest.mark.parametrize(
    ("count", "bits", "exponent"),
    [(70, 3072, (1 << 3070) + 1), (70, 16384, 65537), (70, 4096, (1 << 63) + 1), (120, 2048, 65537)],
)
def test_slow_keys_are_answered_in_time(count: int, bits: int, exponent: int) -> None:
    answer, seconds = _answer(_rsa_circle(count, bits, exponent))
    assert answer.verdict in ("undocumented", NOT_TRUSTED)
    assert len(answer.reasons) == len(set(answer.reasons)) < 10
    assert seconds < SECONDS * SLOWER_MACHINES


@pytest.mark.parametrize("curve", ["p521", "brainpool512"])
def test_slow_curves_are_answered_in_time(curve: str) -> None:
    count = 70
    made = [
        replace(
            ISSUING,
            key=f"{curve} {number}",
            signer=f"{curve} {(number + 1) % count}",
            issuer_name=ISSUING.subject,
            identifiers=False,
        )
        for number in range(count)
    ]
    sent = [Certificate.from_der(der_of(each), "x") for each in made]
    leaf = Certificate.from_der(der_of(replace(SERVER, issuer=made[0], identifiers=False)), "x")
    answer, seconds = _answer((leaf, sent, [authority("Root")]))
    _holds(answer, NOT_TRUSTED)
    assert seconds < SECONDS


@pytest.mark.parametrize("order", ["as-made", "backwards"])
def test_the_order_of_what_is_sent_does_not_matter(order: str) -> None:
    leaf, sent, roots = _layers_with_expired_ways(4, 6)
    answer, _ = _answer((leaf, sent if order == "as-made" else sent[::-1], roots))
    _holds(answer, TRUSTED)


def test_nothing_recurses_on_what_is_sent() -> None:
    """With hardly more stack than the test itself needs, the longest chain is still answered."""
    pki = _line(1000)
    depth = len(inspect.stack(0))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 120)
    try:
        answer, _ = _answer(pki)
    finally:
        sys.setrecursionlimit(limit)
    _holds(answer, TRUSTED)


def test_small_pkis_are_searched_to_their_end() -> None:
    """Within the bounds the answer is never left open."""
    for pki, verdict in (
        (_line(20), TRUSTED),
        (_renewed(20, 19, faults="names"), TRUSTED),
        (_renewed(20, -1, faults="names"), NOT_TRUSTED),
        (_roots_of_one_key(20, 19), TRUSTED),
        (_layers(2, 4), TRUSTED),
        (_mesh(4), TRUSTED),
        (_mesh(4, ends=False), NOT_TRUSTED),
    ):
        assert _answer(pki)[0].verdict == verdict
