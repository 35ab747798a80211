"""The door to the library that builds and validates chains: bounds, and what it is told not to mind."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.certs import making
from tests.unit.trust.certificates import make
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location
from winpe_certs.errors import CertificateError
from winpe_certs.hosts import parse_host
from winpe_certs.trust.answer import judge
from winpe_certs.trust.missing import partial_chain
from winpe_certs.trust.paths import CertificationPath, build_paths, fault_of, has_issuer_name, is_issuer
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


ROOT_KEY = _key()
ROOT = make("Root", ca=True, key=ROOT_KEY)
SERVER = make(names=["cmg.contoso.com"], issuer="Root", signer=ROOT_KEY)


def test_a_chain_is_built_and_stands() -> None:
    (path,) = build_paths(SERVER, (), [ROOT])
    assert path == CertificationPath((SERVER, ROOT))
    assert fault_of(path) is None


def test_no_chain_is_an_empty_answer() -> None:
    assert build_paths(SERVER, (), ()) == ()
    assert build_paths(SERVER, [ROOT], ()) == ()


def test_a_wrong_signature_is_a_fault() -> None:
    forged = make(names=["cmg.contoso.com"], issuer="Root", signer=_key())
    (path,) = build_paths(forged, (), [ROOT])
    assert "signature" in str(fault_of(path))


def test_dates_are_not_the_librarys_business() -> None:
    begin, end = making.BEGIN.replace(year=1951), making.BEGIN.replace(year=1952)
    old = make(names=["cmg.contoso.com"], issuer="Root", signer=ROOT_KEY, begin=begin, end=end)
    (path,) = build_paths(old, (), [ROOT])
    assert fault_of(path) is None


def test_a_search_without_end_is_ended() -> None:
    keys = [_key() for _ in range(12)]
    # Each could have issued each other, by name; the numbers tell them apart.
    numbered = [
        make("Loop", "Loop", ca=True, key=key, signer=keys[number - 1], serial=number + 1)
        for number, key in enumerate(keys)
    ]
    server = make(names=["cmg.contoso.com"], issuer="Loop", signer=keys[0])
    started = time.monotonic()
    with pytest.raises(CertificateError, match="too many chains"):
        build_paths(server, numbered, [ROOT])
    assert time.monotonic() - started < 30


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
    started = time.monotonic()
    assert len(partial_chain(server, pool)) == 100
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP224R1()])
def test_curves_that_windows_is_not_known_for_are_refused(curve: ec.EllipticCurve) -> None:
    odd = make(names=["cmg.contoso.com"], key=ec.generate_private_key(curve))
    blob = blob_for(odd).to_bytes()
    held = StoredCertificate(Location.MACHINE, "AuthRoot", odd.thumbprint, blob)
    chain = ServerChain("x", "x", odd, (), (parse_host("cmg.contoso.com"),))
    (answer,) = judge(chain, ImageStores.from_stored(StoredCertificates((held,), ())), making.NOW, ("x",))
    assert answer.verdict == "not trusted"
    assert "unknown-key" in {reason.code for reason in answer.reasons}
