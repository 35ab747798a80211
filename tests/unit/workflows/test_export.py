"""`export` of certificate files, in every form."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows.making import UNREADABLE
from winpe_certs.certs.certificate_files import Form
from winpe_certs.certs.sources import read_certificates
from winpe_certs.certs.stores import Store
from winpe_certs.errors import UsageError
from winpe_certs.results import Report
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.export import export
from winpe_certs.workflows.inputs import gather

CERTS = Path(__file__).resolve().parents[3] / "testdata" / "certs"
MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))


def _run(*files: Path, **options: Any) -> Report:
    return export(gather(files), hive_name="winpe-offline", moment=MOMENT, **options)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("form", list(Form))
def test_what_was_given_comes_back_whatever_the_form(form: Form) -> None:
    chain = CERTS / "chain.pem"
    given = {each.certificate.der for each in read_certificates(chain.read_bytes(), "x").entries}
    report = _run(chain, form=form)
    assert len(report.files) == len(given) == 2
    assert all(file.endswith(f".{form}") for file in report.files)
    written = {
        each.certificate.der
        for file in report.files
        for each in read_certificates(Path(file).read_bytes(), "x").entries
    }
    assert written == given


def test_der_takes_one_certificate_and_names_that_mislead_are_told() -> None:
    with pytest.raises(UsageError, match="a DER file holds one certificate, and 2 were given"):
        _run(CERTS / "chain.pem", form=Form.DER, output=Path("x.der"))
    assert not Path("x.der").exists()
    (warning,) = _run(CERTS / "corp-root.cer", form=Form.P7B, output=Path("x.cer")).warnings
    assert (
        warning
        == "-o x.cer: this is PKCS#7, whatever its name says; --as der or --as pem writes what it says"
    )


def test_several_stores_matter_to_a_reg_alone() -> None:
    stores = (Store.AUTH_ROOT, Store.ROOT)
    _run(CERTS / "corp-root.cer", form=Form.PEM, output=Path("x.pem"), stores=stores)
    assert Path("x.pem").read_bytes().count(b"BEGIN") == 1
    _run(CERTS / "corp-root.cer", output=Path("x.reg"), stores=stores)
    assert Path("x.reg").read_bytes().decode("utf-16").count("[HKEY") == 2


def test_what_cannot_be_read_goes_out_as_it_came(tmp_path: Path) -> None:
    odd = tmp_path / "odd.cer"
    odd.write_bytes(UNREADABLE)
    (file,) = _run(odd, form=Form.DER).files
    assert Path(file).read_bytes() == UNREADABLE
