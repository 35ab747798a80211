"""The search for chains: what it finds, its bounds, and the keys that chains may have."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.certs import making
from tests.unit.trust.certificates import make
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location
from winpe_certs.hosts import parse_host
from winpe_certs.results import ServerResult
from winpe_certs.trust.answer import judge
from winpe_certs.trust.issuers import Issuers, has_issuer_name, is_issuer
from winpe_certs.trust.missing import partial_chain
from winpe_certs.trust.paths import CertificationPath, Signatures, find_paths
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


ROOT_KEY = _key()
ROOT = make("Root", ca=True, key=ROOT_KEY)
SERVER = make(names=["cmg.contoso.com"], issuer="Root", signer=ROOT_KEY)


def _paths(
    leaf: Certificate, between: Sequence[Certificate], anchors: Sequence[Certificate]
) -> tuple[CertificationPath, ...]:
    ends = frozenset(each.der for each in anchors)
    return find_paths(leaf, Issuers((*between, *anchors)), ends, lambda _: 0, Signatures()).paths


def test_a_chain_is_built() -> None:
    assert _paths(SERVER, (), [ROOT]) == (CertificationPath((SERVER, ROOT)),)


def test_no_chain_is_an_empty_answer() -> None:
    assert _paths(SERVER, (), ()) == ()
    assert _paths(SERVER, [ROOT], ()) == ()


def test_a_wrong_signature_is_a_fault() -> None:
    forged = make(names=["cmg.contoso.com"], issuer="Root", signer=_key())
    assert _paths(forged, (), [ROOT]) == ()
    (answer,) = _judge(forged, ROOT)
    assert answer.verdict == "not trusted"
    assert {reason.code for reason in answer.reasons if reason.severity == "error"} == {"invalid-chain"}
    assert "signature does not fit" in answer.reasons[0].message


def test_a_search_without_end_is_ended() -> None:
    keys = [_key() for _ in range(12)]
    # Each could have issued each other, by name; the numbers tell them apart.
    numbered = [
        make("Loop", "Loop", ca=True, key=key, signer=keys[number - 1], serial=number + 1)
        for number, key in enumerate(keys)
    ]
    server = make(names=["cmg.contoso.com"], issuer="Loop", signer=keys[0])
    begin = time.process_time()
    assert _paths(server, numbered, [ROOT]) == ()
    assert time.process_time() - begin < 10


def test_issuers_are_told_by_name_and_identifiers() -> None:
    assert is_issuer(ROOT, SERVER)
    assert has_issuer_name(ROOT, SERVER)
    assert not is_issuer(SERVER, ROOT)


def test_a_long_chain_without_a_root_is_followed_quickly() -> None:
    keys = [_key() for _ in range(3)]
    pool = [
        make(f"CA {n}", f"CA {n + 1}", ca=True, key=keys[n % 3], signer=keys[(n + 1) % 3], serial=n + 1)
        for n in range(300)
    ]
    server = make(names=["cmg.contoso.com"], issuer="CA 0", signer=keys[0])
    begin = time.process_time()
    assert len(partial_chain(server, Issuers(pool), Signatures())) == 301
    assert time.process_time() - begin < 10


def _judge(server: Certificate, root: Certificate) -> tuple[ServerResult, ...]:
    held = StoredCertificate(Location.MACHINE, "AuthRoot", root.thumbprint, blob_for(root).to_bytes())
    chain = ServerChain("x", "x", server, (), (parse_host("cmg.contoso.com"),))
    return judge(chain, ImageStores.from_stored(StoredCertificates((held,), ())), making.NOW, ("x",))


@pytest.mark.parametrize(
    ("curve", "verdict", "code"),
    [
        (ec.SECP256R1(), "trusted", None),
        (ec.SECP384R1(), "trusted", None),
        (ec.SECP521R1(), "not trusted", "curve-not-enabled"),
        (ec.SECP256K1(), "not trusted", "curve-not-enabled"),
        (ec.SECP224R1(), "not trusted", "curve-not-enabled"),
        (ec.BrainpoolP256R1(), "undocumented", "undocumented-key"),
    ],
    ids=lambda value: value.name if isinstance(value, ec.EllipticCurve) else "",
)
def test_curves_of_a_server_key(curve: ec.EllipticCurve, verdict: str, code: str | None) -> None:
    own = make(names=["cmg.contoso.com"], key=ec.generate_private_key(curve))
    (answer,) = _judge(own, own)
    assert answer.verdict == verdict
    assert code is None or code in {reason.code for reason in answer.reasons}


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [(ec.SECP521R1(), "trusted"), (ec.BrainpoolP384R1(), "undocumented"), (ec.SECP256K1(), "undocumented")],
    ids=lambda value: value.name if isinstance(value, ec.EllipticCurve) else "",
)
def test_curves_of_a_root_key(curve: ec.EllipticCurve, verdict: str) -> None:
    key = ec.generate_private_key(curve)
    root = make("Root", ca=True, key=key)
    (answer,) = _judge(make(names=["cmg.contoso.com"], issuer="Root", signer=key), root)
    assert answer.verdict == verdict
