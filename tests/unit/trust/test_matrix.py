"""Every server and image of the matrix, put to the program: verdict, reasons, window and chain."""

from __future__ import annotations

import pytest

from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.trust_cases import NOT_TRUSTED, TRUSTED, Case
from scripts.testdata.trust_pki import cases
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Location
from winpe_certs.findings import Severity
from winpe_certs.hosts import parse_host
from winpe_certs.results import ServerResult
from winpe_certs.trust.answer import judge
from winpe_certs.trust.server import ServerChain
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates


def _stores(case: Case) -> ImageStores:
    stored = []
    for store, der in case.stores:
        certificate = Certificate.from_der(der, store)
        blob = blob_for(certificate).to_bytes()
        stored.append(StoredCertificate(Location.MACHINE, store, certificate.thumbprint, blob))
    return ImageStores.from_stored(StoredCertificates(tuple(stored), ("test",)))


def _answers(case: Case) -> tuple[ServerResult, ...]:
    leaf, *others = (Certificate.from_der(der, "chain.pem") for der in case.sent)
    hosts = tuple(map(parse_host, case.hosts))
    chain = ServerChain("cmg", "chain.pem", leaf, tuple(others), hosts)
    return judge(chain, _stores(case), case.at, ("boot.wim",))


@pytest.mark.parametrize("case", [*cases(), *odd_cases()], ids=lambda case: str(case.name))
def test_the_answer_is_the_expected_one(case: Case) -> None:
    answers = _answers(case)
    assert [str(answer.verdict) for answer in answers] == list(case.verdicts)
    assert case.codes <= {reason.code for answer in answers for reason in answer.reasons}
    for answer in answers:
        errors = [reason.code for reason in answer.reasons if reason.severity is Severity.ERROR]
        assert bool(errors) is (answer.verdict == NOT_TRUSTED), errors
        if answer.verdict == TRUSTED:
            assert answer.valid_from is not None
            assert answer.valid_until is not None
            assert answer.valid_from <= case.at <= answer.valid_until
        assert answer.chain[0].sha256 == Certificate.from_der(case.sent[0], "chain.pem").sha256
        assert answer.chain[0].origin.startswith("sent")


def test_the_matrix_is_a_matrix() -> None:
    everything = [*cases(), *odd_cases()]
    names = [case.name for case in everything]
    assert len(set(names)) == len(names)
    assert len(cases()) >= 200
    assert len(odd_cases()) >= 146
    assert all(len(case.verdicts) == len(case.hosts) for case in everything)
