"""A certificate is its DER: another one with the same SHA-1 as name of its key is not it.

Two certificates of one SHA-1 can be made (Leurent and Peyrin, "SHA-1 is a Shambles"), at a price; here one is
only said to have the thumbprint of the other.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scripts.testdata import pki
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location, Store
from winpe_certs.edits import ValueType
from winpe_certs.results import Status
from winpe_certs.trust.copies import Copies, CopyState
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.inject import _compare
from winpe_certs.workflows.injections import Injection
from winpe_certs.workflows.inputs import Wanted
from winpe_certs.workflows.reading import ImageName
from winpe_certs.workflows.verify import verify_one

MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))
STORED = Certificate.from_der(pki.der("corp-root"), "stored")
TWIN = replace(Certificate.from_der(pki.der("corp-root-2"), "twin"), thumbprint=STORED.thumbprint)
BLOB = blob_for(STORED).to_bytes()


def _image(store: str = "AuthRoot") -> Copies:
    key = StoredCertificate(Location.MACHINE, store, STORED.thumbprint, BLOB)
    return Copies(StoredCertificates((key,), ()))


@pytest.mark.parametrize(("asked", "status"), [(STORED, Status.PRESENT), (TWIN, Status.DIFFERENT)])
def test_verify_compares_the_certificates(asked: Certificate, status: Status) -> None:
    wanted = Wanted(asked.thumbprint, "asked.cer", asked)
    result = verify_one(_image(), wanted, (), MOMENT, ImageName("SOFTWARE", ()), strict_blob=False)
    assert result.status is status
    assert ["same SHA-1" in each.message for each in result.findings] == ([] if asked is STORED else [True])


def test_the_twin_is_a_damaged_copy() -> None:
    (copy,) = _image().standing(TWIN.thumbprint, TWIN).copies
    assert copy.state is CopyState.DAMAGED


def test_inject_replaces_it() -> None:
    injection = Injection(TWIN, blob_for(TWIN), Store.AUTH_ROOT, (), "twin.cer")
    kept, status, (finding,) = _compare((ValueType.BINARY, BLOB), b"new", injection, "SOFTWARE")
    assert (kept, status, finding.code) == (None, Status.REPLACED, "damaged")
