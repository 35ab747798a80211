"""The door to the library that builds and validates chains: bounds, and what it is told not to mind."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.certs import making
from tests.unit.trust.certificates import make
from winpe_certs.errors import CertificateError
from winpe_certs.trust.paths import CertificationPath, build_paths, fault_of, has_issuer_name, is_issuer


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
