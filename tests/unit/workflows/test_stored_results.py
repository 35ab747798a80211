"""What is said of certificates that an image has: facts, findings for their store, names of their keys."""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.pki import thumbprint
from tests.conftest import Judge
from tests.unit.workflows.making import UNREADABLE
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.stores import Store, store_key
from winpe_certs.command_lines import Shell
from winpe_certs.edits import SetValue, ValueType
from winpe_certs.engines.choose import Kind
from winpe_certs.engines.estate import Source
from winpe_certs.findings import Severity
from winpe_certs.regf.hive import apply
from winpe_certs.report import json as json_report
from winpe_certs.results import CertificateResult, Report, Status
from winpe_certs.workflows.audit_image import audit_source
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.inject import inject
from winpe_certs.workflows.inputs import gather
from winpe_certs.workflows.listing import list_certificates
from winpe_certs.workflows.requirements import Requirements
from winpe_certs.workflows.verify import verify
from winpe_certs.workflows.writing import WriteOptions

CERTS = Path(__file__).resolve().parents[3] / "testdata" / "certs"
MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))
ROOT = thumbprint("corp-root")


def _blob(der: bytes) -> bytes:
    digest = hashlib.sha1(der).digest()
    return struct.pack("<III", 3, 1, 20) + digest + struct.pack("<III", 0x20, 1, len(der)) + der


def _put(folder: Path, der: bytes, store: str, *, lower: bool = False) -> Path:
    name = hashlib.sha1(der).hexdigest()
    key = (*store_key(store), name if lower else name.upper())
    path = folder / "SOFTWARE"
    data = path.read_bytes() if path.exists() else hive_variant("software-1.5.hiv")
    path.write_bytes(apply(data, [SetValue(key, "Blob", ValueType.BINARY, _blob(der))], now=1))
    return path


def _of(report: Report, name: str) -> CertificateResult:
    (found,) = [each for image in report.images for each in image.certificates if each.thumbprint == name]
    return found


def _codes(result: CertificateResult) -> list[str]:
    return [each.code for each in result.findings]


def test_a_key_in_lower_case_gets_a_remark_until_inject_puts_it_right(tmp_path: Path) -> None:
    path = _put(tmp_path, (CERTS / "corp-root.cer").read_bytes(), "AuthRoot", lower=True)
    inputs = gather([CERTS / "corp-root.cer"])
    report = verify([path], inputs, moment=MOMENT)
    assert report.holds
    assert "lower-case-key" in _codes(_of(report, ROOT))
    (remark,) = [each for each in _of(report, ROOT).findings if each.code == "lower-case-key"]
    assert remark.severity is Severity.INFO
    assert ROOT.lower() in remark.message
    assert _codes(_of(list_certificates([path], moment=MOMENT), ROOT)) == ["lower-case-key"]
    required = Requirements((), (), 90, MOMENT, "auto")
    (audited,) = audit_source(required, Source(path, Kind.HIVE))
    assert "lower-case-key" in [code for each in audited.others for code in _codes(each)]
    inject([path], inputs, WriteOptions(), moment=MOMENT)
    assert "lower-case-key" not in _codes(_of(list_certificates([path], moment=MOMENT), ROOT))


def test_a_key_in_upper_case_gets_none(tmp_path: Path) -> None:
    path = _put(tmp_path, (CERTS / "corp-root.cer").read_bytes(), "AuthRoot")
    assert _codes(_of(list_certificates([path], moment=MOMENT), ROOT)) == []


@pytest.mark.parametrize("store", ["TrustedPublisher", "TrustedPeople", "Disallowed"])
def test_findings_about_roots_are_not_for_other_stores(tmp_path: Path, store: str) -> None:
    server = (CERTS / "cmg-server.cer").read_bytes()
    path = _put(tmp_path, server, store)
    name = thumbprint("cmg-server")
    assert _codes(_of(list_certificates([path], moment=MOMENT), name)) == []
    for place in ("AuthRoot", "CA"):
        other = tmp_path / place
        other.mkdir()
        found = _of(list_certificates([_put(other, server, place)], moment=MOMENT), name)
        assert "not-a-ca" in _codes(found)


@pytest.mark.parametrize(
    ("store", "status"), [("TrustedPublisher", Status.PRESENT), ("ROOT", Status.DIFFERENT)]
)
def test_limits_for_tls_do_not_concern_a_publisher(tmp_path: Path, store: str, status: Status) -> None:
    """The Blob allows only code signing (property 9), which is all that a publisher needs."""
    der = (CERTS / "corp-root.cer").read_bytes()
    uses = bytes.fromhex("300A06082B06010505070303")
    limited = struct.pack("<III", 9, 1, len(uses)) + uses + _blob(der)
    key = (*store_key(store), ROOT)
    path = tmp_path / "SOFTWARE"
    edit = SetValue(key, "Blob", ValueType.BINARY, limited)
    path.write_bytes(apply(hive_variant("software-1.5.hiv"), [edit], now=1))
    assert _of(list_certificates([path], moment=MOMENT), ROOT).status is status


def test_a_distrusted_certificate_is_there_when_that_is_asked(tmp_path: Path) -> None:
    path = _put(tmp_path, (CERTS / "expired-root.cer").read_bytes(), "Disallowed")
    inputs = gather([CERTS / "expired-root.cer"])
    report = verify([path], inputs, stores=(Store.DISALLOWED,), moment=MOMENT)
    assert report.holds
    trusted = verify([path], inputs, stores=(Store.ROOT,), moment=MOMENT)
    assert (trusted.holds, "disallowed" in _codes(trusted.images[0].certificates[0])) == (False, True)


def test_what_cannot_be_read_is_shown_with_a_warning_and_counts_as_there(tmp_path: Path) -> None:
    path = _put(tmp_path, UNREADABLE, "ROOT")
    name = hashlib.sha1(UNREADABLE).hexdigest().upper()
    found = _of(list_certificates([path], moment=MOMENT), name)
    assert (found.status, found.subject, found.issuer, found.serial, found.key, found.not_after) == (
        Status.PRESENT, None, None, None, None, None
    )  # fmt: skip
    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("unreadable", Severity.WARNING)
    assert "lets it in" not in finding.advice
    assert verify([path], gather([], [name]), moment=MOMENT).holds


def test_a_key_with_less_than_a_certificate_is_unreadable_too(tmp_path: Path) -> None:
    cut = (CERTS / "corp-root.cer").read_bytes()[:-40]
    path = _put(tmp_path, cut, "ROOT")
    found = _of(list_certificates([path], moment=MOMENT), hashlib.sha1(cut).hexdigest().upper())
    assert [(each.code, each.severity) for each in found.findings] == [("unreadable", Severity.WARNING)]


def test_issuer_serial_and_key_are_what_openssl_says(tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / "SOFTWARE"
    names = ["corp-root", "corp-issuing", "corp-root-2", "weak-root"]
    for name in names:
        _put(tmp_path, (CERTS / f"{name}.cer").read_bytes(), "ROOT")
    document = json.loads(json_report.render(list_certificates([path], moment=MOMENT), Shell.POSIX))
    listed = {each["thumbprint"]: each for each in document["images"][0]["certificates"]}
    for name in names:
        file = CERTS / f"{name}.cer"
        told = judge("openssl", "x509", "-in", file, "-noout", "-serial", "-text").stdout.decode()
        found = listed[thumbprint(name)]
        assert f"serial={found['serial']}\n" in told
        kind, size = found["key"].split(", ")
        bits = {"secp256r1": "256", "secp384r1": "384"}.get(size, size.removesuffix(" bits"))
        assert f"Public-Key: ({bits} bit)" in told
        assert ("id-ecPublicKey" if kind == "EC" else "rsaEncryption") in told
        issuer = judge("openssl", "x509", "-in", file, "-noout", "-issuer", "-nameopt", "RFC2253").stdout
        assert issuer.decode().strip() == "issuer=" + found["issuer"].replace(", ", ",")


def test_what_is_missing_has_its_facts_as_well(tmp_path: Path) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(hive_variant("software-1.5.hiv"))
    found = _of(verify([path], gather([CERTS / "corp-root.cer"]), moment=MOMENT), ROOT)
    certificate = Certificate.from_der((CERTS / "corp-root.cer").read_bytes(), "root")
    assert (found.issuer, found.serial, found.key) == (
        certificate.issuer, certificate.serial, certificate.key_words
    )  # fmt: skip
    assert blob_for(certificate).certificate_der == certificate.der
