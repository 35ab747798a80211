"""What goes in, what is refused and what is left out: all of a call at once, each with what helps."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.testdata import bundles
from tests.unit.certs import making
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Store
from winpe_certs.errors import CertificateError, UsageError
from winpe_certs.findings import Severity
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.injections import Injections, injections, refuse_going_in
from winpe_certs.workflows.inputs import Inputs, Wanted, gather
from winpe_certs.workflows.issuers import with_issuer

ROOT, SUB, SERVER = making.root_der(), making.intermediate_der(), making.server_der()
FAULTY = making.element(0x30, b"\x04\x01x")
NOW = Moment(making.NOW)


@functools.cache
def old() -> bytes:
    return making.make("Old Root", key=making.ec_key(), end=datetime(2025, 1, 1, tzinfo=UTC))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle as people have it: some of it fit, the rest expired, cut off, unreadable, a server's own."""
    monkeypatch.chdir(tmp_path)
    path = Path("bundle.pem")
    path.write_bytes(b"".join(map(making.pem, (SERVER, ROOT, old(), SUB[:-1], FAULTY, SUB, SERVER))))
    return path


def judge(
    inputs: Inputs, *, stores: Sequence[Store] = (), allowed: str = "", skipped: str = ""
) -> Injections:
    return injections(inputs, stores, frozenset(allowed.split()), frozenset(skipped.split()), NOW)


def test_all_that_is_refused_is_named_once_with_its_options(bundle: Path) -> None:
    with pytest.raises(CertificateError, match=r"^4 of 6 certificates are refused") as caught:
        judge(gather([bundle], keep_damaged=True))
    lines = caught.value.details.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"bundle.pem, certificate {number}" for number in (4, 1, 3, 5)
    ]
    assert lines[0].endswith("(--skip damaged)")
    assert "cmg.contoso.com" in lines[1]
    assert lines[1].endswith("(--allow not-a-ca or --skip not-a-ca)")
    assert "expired: It expired on 2025-01-01." in lines[2]
    assert lines[2].endswith("(--allow expired or --skip expired)")
    assert lines[3].endswith("--skip unreadable)")
    skips = "--skip damaged --skip not-a-ca --skip expired --skip unreadable"
    assert f"To inject only the others: {skips}" in caught.value.resolution
    assert caught.value.resolution.endswith(
        "; to inject what can be allowed as well: --allow not-a-ca --allow expired --allow unreadable"
    )


def test_skip_takes_the_rest_and_names_what_it_leaves(bundle: Path) -> None:
    done = judge(gather([bundle], keep_damaged=True), skipped="damaged not-a-ca expired unreadable")
    assert [each.certificate.der for each in done.going_in] == [ROOT, SUB]
    assert [text.split("certificate")[0] for text in done.left_out] == [
        "left out (damaged): bundle.pem, ",
        "left out (not-a-ca): bundle.pem, ",
        "left out (expired): bundle.pem, ",
        "left out (unreadable): bundle.pem, ",
    ]
    assert "CN=Old Root" in done.left_out[2]
    assert "It expired on 2025-01-01." in done.left_out[2]


def test_allow_and_skip_go_together_for_different_codes(bundle: Path) -> None:
    done = judge(
        gather([bundle], keep_damaged=True), allowed="expired unreadable", skipped="damaged not-a-ca"
    )
    assert [each.certificate.der for each in done.going_in] == [ROOT, old(), FAULTY, SUB]
    marks = [[(each.code, each.allowed) for each in injection.findings] for injection in done.going_in]
    assert marks == [[], [("expired", True)], [("unreadable", True)], [("not-self-signed", False)]]


def test_what_is_still_refused_is_named_without_what_is_left_out(bundle: Path) -> None:
    with pytest.raises(CertificateError, match=r"^3 of 6 ") as caught:
        judge(gather([bundle], keep_damaged=True), skipped="expired")
    assert "expired" not in caught.value.details


def test_what_is_only_a_warning_can_be_skipped_too(bundle: Path) -> None:
    done = judge(
        gather([bundle], keep_damaged=True), skipped="damaged not-a-ca expired unreadable not-self-signed"
    )
    assert [each.certificate.der for each in done.going_in] == [ROOT]


def test_nothing_left_is_wrong_usage(bundle: Path) -> None:
    every = "damaged not-a-ca expired unreadable not-self-signed"
    bundle.write_bytes(making.pem(SERVER) + making.pem(old()))
    with pytest.raises(UsageError, match="no certificate is left to go in") as caught:
        judge(gather([bundle], keep_damaged=True), skipped=every)
    assert len(caught.value.details.splitlines()) == 2


def test_the_only_certificate_is_refused_with_its_advice(bundle: Path) -> None:
    bundle.write_bytes(SERVER)
    with pytest.raises(CertificateError, match=r"^bundle\.pem: refused: This is not a cert") as caught:
        judge(gather([bundle], keep_damaged=True))
    assert "not-a-ca: " in caught.value.details
    assert caught.value.resolution.startswith("Give the root at the top of the server's chain")
    assert caught.value.resolution.endswith("To inject it anyway: --allow not-a-ca")
    assert "--skip" not in caught.value.resolution


def test_the_only_refused_one_of_several_can_be_left_out(bundle: Path) -> None:
    bundle.write_bytes(making.pem(SERVER) + making.pem(ROOT))
    with pytest.raises(CertificateError) as caught:
        judge(gather([bundle], keep_damaged=True))
    assert caught.value.resolution.endswith(
        "To inject only the others: --skip not-a-ca; to inject it as well: --allow not-a-ca"
    )


def test_a_file_of_another_kind_is_named_among_the_refused(bundle: Path) -> None:
    Path("notes.txt").write_bytes(b"hello")
    with pytest.raises(CertificateError, match=r"^5 of 7 ") as caught:
        judge(gather([bundle, Path("notes.txt")], keep_damaged=True))
    assert caught.value.details.startswith("notes.txt: this is no certificate file\n")
    assert caught.value.resolution.startswith("Give the call without the files that hold no certificate.")
    assert "--skip" not in caught.value.resolution


def test_the_same_code_cannot_be_allowed_and_skipped(bundle: Path) -> None:
    with pytest.raises(UsageError, match="--allow expired and --skip expired contradict"):
        judge(gather([bundle], keep_damaged=True), allowed="expired", skipped="expired")


class TestStores:
    def test_a_certificate_goes_into_each_store(self, bundle: Path) -> None:
        bundle.write_bytes(ROOT)
        done = judge(gather([bundle]), stores=(Store.AUTH_ROOT, Store.ROOT))
        assert [each.store for each in done.going_in] == [Store.AUTH_ROOT, Store.ROOT]

    def test_it_is_refused_once_whatever_the_number_of_stores(self, bundle: Path) -> None:
        bundle.write_bytes(SERVER)
        with pytest.raises(CertificateError, match="refused: This is not a certificate authority"):
            judge(gather([bundle]), stores=(Store.AUTH_ROOT, Store.ROOT))

    def test_it_is_left_out_only_where_the_finding_counts(self, bundle: Path) -> None:
        bundle.write_bytes(SERVER)
        stores = (Store.AUTH_ROOT, Store.TRUSTED_PEOPLE)
        done = judge(gather([bundle]), stores=stores, skipped="not-a-ca")
        assert [each.store for each in done.going_in] == [Store.TRUSTED_PEOPLE]
        assert done.left_out[0].startswith("left out of AuthRoot (not-a-ca): ")

    @pytest.mark.parametrize("store", [Store.TRUSTED_PUBLISHER, Store.TRUSTED_PEOPLE, Store.DISALLOWED])
    def test_findings_about_roots_do_not_count_everywhere(self, bundle: Path, store: Store) -> None:
        bundle.write_bytes(making.pem(SERVER) + making.pem(old()))
        done = judge(gather([bundle]), stores=(store,))
        assert len(done.going_in) == 2
        found = [(each.code, each.severity) for injection in done.going_in for each in injection.findings]
        assert found == ([] if store is Store.DISALLOWED else [("expired", Severity.WARNING)])

    def test_a_blob_that_narrows_roots_is_fine_for_publishers(self) -> None:
        use = bundles.store_element(0x09, bytes.fromhex("300a06082b06010505070303"))
        data = bundles.serialized_store(use + blob_for(making.load(ROOT)).to_bytes())
        Path("s.sst").write_bytes(data)
        inputs = gather([Path("s.sst")])
        assert judge(inputs, stores=(Store.TRUSTED_PUBLISHER,)).going_in[0].findings == ()
        with pytest.raises(CertificateError, match="Property 0x09 limits"):
            judge(inputs)

    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)


class TestMoved:
    def wanted(self, store: str, der: bytes = ROOT) -> Inputs:
        certificate = making.load(der)
        return Inputs((Wanted(certificate.thumbprint, "x.reg, line 3", certificate, None, store),), ())

    def test_a_root_that_was_in_root_goes_to_auth_root_with_a_remark(self) -> None:
        (finding,) = judge(self.wanted("ROOT")).going_in[0].findings
        assert (finding.code, finding.severity) == ("moved-store", Severity.INFO)
        assert finding.message == "Its file has it in ROOT; it goes to AuthRoot."

    @pytest.mark.parametrize("store", ["TrustedPublisher", "TrustedPeople", "My", "CA", "Custom"])
    def test_what_becomes_a_root_by_it_is_warned_of(self, store: str) -> None:
        (finding,) = judge(self.wanted(store)).going_in[0].findings
        assert finding.severity is Severity.WARNING
        assert "trusted as a root" in finding.message

    def test_what_was_distrusted_is_refused_until_the_store_is_named(self) -> None:
        inputs = self.wanted("Disallowed")
        with pytest.raises(CertificateError, match="in Disallowed, as distrusted") as caught:
            judge(inputs)
        assert "--store Disallowed, or --store AuthRoot" in caught.value.resolution
        assert "--allow" not in caught.value.resolution
        assert judge(inputs, stores=(Store.DISALLOWED,)).going_in[0].findings == ()

    def test_what_was_distrusted_can_be_left_out(self) -> None:
        both = Inputs((*self.wanted("Disallowed").wanted, *self.wanted("CA", SUB).wanted), ())
        done = judge(both, skipped="from-disallowed")
        assert [each.certificate.der for each in done.going_in] == [SUB]


def test_what_goes_in_cannot_go_out(bundle: Path) -> None:
    bundle.write_bytes(ROOT)
    inputs = gather([bundle])
    with pytest.raises(UsageError, match="this is the certificate that goes in"):
        refuse_going_in(inputs.wanted, judge(inputs).going_in)


class TestIssuers:
    def finding(self, *issuers: bytes) -> tuple[Severity, str]:
        child = making.load(SUB)
        (injection,) = judge(Inputs((Wanted(child.thumbprint, "x", child),), ())).going_in
        (found,) = with_issuer(injection.findings, child, map(making.load, issuers))
        return found.severity, found.message

    def test_with_its_issuer_an_intermediate_is_no_warning(self) -> None:
        severity, message = self.finding(making.second_root_der(), ROOT)
        assert severity is Severity.INFO
        assert message == f"This is an intermediate; the image has its issuer ({making.load(ROOT).subject})."

    def test_without_it_is(self) -> None:
        assert self.finding(making.second_root_der(), SERVER)[0] is Severity.WARNING
        assert self.finding()[0] is Severity.WARNING

    def test_a_namesake_with_another_key_has_not_issued_it(self) -> None:
        for key in (making.ec_key(), making.rsa_key(2048, 7)):
            namesake = making.make("Contoso Root CA", key=key)
            assert making.load(namesake).subject == making.load(ROOT).subject
            assert self.finding(namesake)[0] is Severity.WARNING
            assert self.finding(namesake, ROOT)[0] is Severity.INFO
