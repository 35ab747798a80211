"""Lists of distrusted certificates: read as they are made, refused where they are cut or of another kind."""

from __future__ import annotations

import hashlib
import random
import time

import pytest

from scripts.testdata import pki
from scripts.testdata.der_pieces import element, identifier, integer, sequence, set_of, tagged
from scripts.testdata.trust_lists import (
    DISALLOWED_HASH,
    SHA1,
    SHA256,
    SIGNED_DATA,
    TRUST_LIST,
    public_key_hash,
    signature_hash,
    signed,
    trust_list,
)
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.trust_list import read_trust_list

NAMES = ["corp-root", "corp-issuing", "sha1-intermediate", "weak-root"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", NAMES)
def test_a_certificate_is_on_a_list_by_each_of_its_hashes(name: str, other: str) -> None:
    der = pki.der(name)
    asked = Certificate.from_der(pki.der(other), other)
    for algorithm, digest in (
        (DISALLOWED_HASH, signature_hash(name)),
        (DISALLOWED_HASH, public_key_hash(name)),
        (SHA1, hashlib.sha1(der).digest()),
        (SHA256, hashlib.sha256(der).digest()),
        ("2.16.840.1.101.3.4.2.2", hashlib.sha384(der).digest()),
        ("2.16.840.1.101.3.4.2.3", hashlib.sha512(der).digest()),
        ("1.2.840.113549.2.5", hashlib.md5(der).digest()),
        ("1.3.6.1.4.1.311.10.11.3", hashlib.sha1(der).digest()),
        ("1.3.6.1.4.1.311.10.11.107", hashlib.sha256(der).digest()),
    ):
        read = read_trust_list(signed(trust_list([bytes(16), digest], algorithm)))
        assert (read.algorithm, read.is_known, len(read.identifiers)) == (algorithm, True, 2)
        assert read.names(asked) is (name == other)


def test_what_has_no_such_hash_is_not_ruled_out() -> None:
    unreadable = Certificate.from_der(sequence(integer(1)), "x")
    read = read_trust_list(signed(trust_list([bytes(16)])))
    assert read.names(unreadable) is None
    assert read_trust_list(signed(trust_list([]))).names(unreadable) is False
    assert read_trust_list(signed(trust_list([bytes(20)], SHA1))).names(unreadable) is False
    assert read_trust_list(signed(trust_list([bytes(20)], "1.2.3"))).names(unreadable) is None


GOOD = signed(trust_list([b"x" * 16, b"y" * 20], version=True, next_update=True, extensions=True))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        GOOD + b"\0",
        GOOD[:-1],
        signed(trust_list([b"x"]), "1.2.840.113549.1.7.1"),
        sequence(identifier(TRUST_LIST), tagged(0, trust_list([b"x"]))),
        sequence(identifier(SIGNED_DATA)),
        sequence(identifier(SIGNED_DATA), tagged(0)),
        sequence(identifier(SIGNED_DATA), tagged(0, sequence(integer(1), set_of(), set_of()))),
        signed(sequence()),
        signed(sequence(sequence(identifier("1.2.3")))),
        signed(sequence(sequence(), integer(1))),
        signed(sequence(sequence(), element(23, b"x"))),
        signed(sequence(sequence(), element(23, b"x"), sequence())),
        signed(sequence(sequence(), element(23, b"x"), sequence(identifier("1.2")), sequence(integer(1)))),
        signed(sequence(sequence(), element(23, b"x"), sequence(identifier("1.2")), sequence(sequence()))),
        signed(sequence(sequence(), element(23, b"x"), sequence(identifier("1.2")), integer(1))),
        signed(element(4, b"x"), as_octets=True),
    ],
)
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(DerError):
        read_trust_list(data)


def test_any_damage_is_refused_or_read_and_nothing_else() -> None:
    dice = random.Random(14)
    for _ in range(3000):
        data = bytearray(GOOD)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            read_trust_list(bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.2 else data))
        except DerError:
            continue


def test_a_large_list_takes_no_longer_than_it_is() -> None:
    entries = [number.to_bytes(16) for number in range(50_000)]
    data = signed(trust_list(entries))
    begun = time.process_time()
    assert len(read_trust_list(data).identifiers) == len(entries)
    assert time.process_time() - begun < 3
    with pytest.raises(DerError, match="more than"):
        read_trust_list(signed(trust_list([number.to_bytes(4) for number in range(100_001)])))
