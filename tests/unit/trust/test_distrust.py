"""What distrusts a certificate, in images with very much of it."""

from __future__ import annotations

import struct
import time

from scripts.testdata import pki
from scripts.testdata.trust_lists import SHA1, signed, trust_list
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.stores import Location
from winpe_certs.trust.copies import Copies
from winpe_certs.trust.distrust import Distrust
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, StoredList

ROOT = Certificate.from_der(pki.der("corp-root"), "corp-root")
SECONDS = 8


def _keys(count: int, data: bytes, store: str = "Disallowed") -> tuple[StoredCertificate, ...]:
    return tuple(
        StoredCertificate(Location.MACHINE, store, f"{number:040X}", data) for number in range(count)
    )


def test_many_keys_and_lists_cost_one_look_each() -> None:
    """20,000 keys of each kind, 200,000 entries of lists, 500 certificates that are asked about."""
    hashed = tuple(
        StoredCertificate(
            Location.POLICY,
            "Disallowed",
            f"k{number}",
            struct.pack("<III", 15, 1, 4) + struct.pack("<I", number),
        )
        for number in range(20_000)
    )
    entries = signed(trust_list([number.to_bytes(20) for number in range(25_000)], SHA1))
    lists = tuple(StoredList(f"list {number}", entries, is_blob=False) for number in range(8))
    stored = StoredCertificates((*_keys(20_000, b"\x20"), *hashed), (), lists)
    begun = time.process_time()
    copies = Copies(stored)
    asked = [
        Certificate(pki.der("corp-root")[:-4] + struct.pack(">I", number), f"{number:X}", "")
        for number in range(500)
    ]
    for each in asked:
        standing = copies.standing(each.thumbprint, each)
        assert standing.distrusted_by is None
        assert len(standing.doubts) == 21
    assert time.process_time() - begun < SECONDS
    assert copies.distrust.doubts(ROOT)[-1] == "19980 more of that kind"


def test_more_lists_than_are_read_are_a_doubt() -> None:
    empty = signed(trust_list([]))
    known = Distrust.from_stored(StoredCertificates((), (), (StoredList("x", empty, is_blob=False),) * 64))
    assert known.doubts(ROOT) == ()
    more = Distrust.from_stored(StoredCertificates((), (), (StoredList("x", empty, is_blob=False),) * 65))
    assert more.doubts(ROOT) == ("lists of distrusted certificates after the first 64",)


def test_the_first_key_of_the_hive_is_named() -> None:
    by_hash = StoredCertificate(
        Location.POLICY, "Disallowed", "AB", struct.pack("<III", 3, 1, 20) + bytes.fromhex(ROOT.thumbprint)
    )
    by_name = StoredCertificate(Location.MACHINE, "Disallowed", ROOT.thumbprint, None)
    found = Distrust.from_stored(StoredCertificates((by_hash, by_name), ())).of(ROOT)
    assert found is not None
    assert (found.location, found.may_be_taken_out) == (Location.MACHINE, True), (
        "what can be taken out goes first"
    )
    (found,) = (Distrust.from_stored(StoredCertificates((by_hash,), ())).of(ROOT),)
    assert found is not None
    assert not found.may_be_taken_out
    assert "group policy" in found.place


def test_many_copies_are_found_by_an_index() -> None:
    stored = StoredCertificates(_keys(20_000, struct.pack("<III", 0x20, 1, 1) + b"0", "ROOT"), ())
    copies = Copies(stored)
    begun = time.process_time()
    for number in range(20_000):
        (copy,) = copies.copies_of(f"{number:040X}", b"x")
        assert copy.place == "ROOT"
    assert time.process_time() - begun < SECONDS
